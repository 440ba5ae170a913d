"""Closed schemas: what a revision's messages must look like, to the field. Whatever is not named in them is an error.

Two sources that know nothing of `dovetail.revisions`: the committed facts, always; and the official schemas where they
lie next to the project.
"""

import ast
import json
from functools import cached_property
from pathlib import Path
from typing import Any

import jsonschema_rs

from tests.spec.derive import OPEN, RENAMED

Json = dict[str, Any]

HERE = Path(__file__).parents[1]
FACTS: Json = json.loads((HERE / "spec" / "facts.json").read_bytes())
OFFICIAL = HERE.parents[1] / "shared" / "spec"


class Closed:
    """One revision's closed schema."""

    def __init__(self, definitions: Json) -> None:
        self.definitions = definitions
        self._validators: dict[str, Any] = {}

    def errors(self, name: str, data: Any) -> list[str]:
        """Return what is wrong with a message of that name; nothing, if all is well."""
        if name not in self._validators:
            schema = {"$ref": f"#/$defs/{name}", "$defs": self.definitions}
            self._validators[name] = jsonschema_rs.Draft202012Validator(schema, validate_formats=False)
        return [
            f"{'/'.join(map(str, it.instance_path))}: {it.message}" for it in self._validators[name].iter_errors(data)
        ]


class FromFacts(Closed):
    """From the committed facts. Parameters stand under their own names."""

    def __init__(self, version: str) -> None:
        facts = FACTS[version]
        definitions = {name: {"enum": choices} for name, choices in facts["enums"].items()}
        definitions |= {name: {"anyOf": [_ref(member) for member in it]} for name, it in facts["unions"].items()}
        for name, record in facts["types"].items():
            definitions[name] = {
                "type": "object",
                "properties": {field: _schema(shape) for field, shape in record["fields"].items()},
                "required": record["required"],
                "additionalProperties": record["open"],
            }
        super().__init__(definitions)

    def params(self, method: str, name: str, data: Any) -> list[str]:
        """Return what is wrong with a method's parameters."""
        return self.errors(name, data)


def _ref(name: str) -> Json:
    return {"$ref": f"#/$defs/{name}"}


def _schema(shape: str) -> Json:
    return _schema_of(ast.parse(shape, mode="eval").body)


def _schema_of(node: ast.expr) -> Json:
    match node:
        case ast.List(elts=[item]):
            return {"type": "array", "items": _schema_of(item)}
        case ast.Set(elts=[item]):
            return {"type": "object", "additionalProperties": _schema_of(item)}
        case ast.BinOp(left=left, right=right):
            return {"anyOf": [_schema_of(left), _schema_of(right)]}
        case ast.Constant(value=value):
            return {"const": value}
        case _:
            name = ast.unparse(node)
            plain = name in {"string", "integer", "number", "boolean", "null"}
            return {} if name == "any" else {"type": name} if plain else _ref(name)


class FromSchema(Closed):
    """From the official schema, with every object closed that names its fields and does not say that it is open."""

    def __init__(self, version: str) -> None:
        schema = json.loads((OFFICIAL / version / "schema.json").read_text().replace("#/definitions/", "#/$defs/"))
        definitions: Json = schema.get("$defs") or schema["definitions"]
        self.bases = {name: definitions[name]["properties"]["params"] for name in ("Notification", "Request")}
        for name, definition in definitions.items():
            self._inherit(name, definition)
        for name, definition in definitions.items():
            _close(definition, RENAMED.get(name, name))
        super().__init__(definitions)

    def _inherit(self, name: str, definition: Json) -> None:
        # Until 2025-06-18 `_meta` stands in the base only: TypeScript's `extends` is lost where a schema overrides.
        params = definition.get("properties", {}).get("params", {})
        base = self.bases["Notification" if name.endswith("Notification") else "Request"]
        if "properties" in params and "_meta" in base.get("properties", {}):
            params["properties"] = {**base["properties"], **params["properties"]}

    @cached_property
    def _carriers(self) -> dict[str, str]:
        return {
            definition["properties"]["method"]["const"]: name
            for name, definition in self.definitions.items()
            if "const" in definition.get("properties", {}).get("method", {})
            and not name.startswith(("Client", "Server"))
        }

    def params(self, method: str, name: str, data: Any) -> list[str]:
        """Return what is wrong with a method's parameters, as part of a whole message."""
        carrier = self._carriers[method]
        envelope = {"jsonrpc": "2.0", "id": 1, "method": method}
        declared = self.definitions[carrier]["properties"]
        return self.errors(carrier, {**{key: envelope[key] for key in envelope if key in declared}, "params": data})


def _close(node: Any, where: str) -> None:
    if isinstance(node, list):
        for item in node:
            _close(item, where)
    if not isinstance(node, dict):
        return
    if node.get("properties") is not None and "additionalProperties" not in node and not OPEN.fullmatch(where):
        node["additionalProperties"] = False
    for key, value in node.get("properties", {}).items():
        _close(value, f"{where}.{key}")
    for key in ("items", "anyOf", "allOf", "additionalProperties"):
        _close(node.get(key), where)


SOURCES: list[type[FromFacts] | type[FromSchema]] = [FromFacts, *([FromSchema] if OFFICIAL.is_dir() else [])]
