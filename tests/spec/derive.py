"""Derive from the official schemas the facts that `dovetail.revisions` states: `python derive.py SPEC > facts.json`.

SPEC is a folder that holds `<revision>/schema.json`. What comes out are names, the shape of each field, what is
required, unions, enumerations, methods by who sends them, error codes, and the SHA-256 of each schema: facts, and no
prose. Names are those of the newest revision, so that one construct has one name everywhere.

A shape is written as a Python expression: `Tool` names a type, `[x]` is an array, `{x}` is an object with any keys,
`x | y` is either, a string literal is itself, and `string integer number boolean null any` are what they say. An object
without a name of its own is called `Owner.field`.
"""

import hashlib
import json
import re
import sys
from pathlib import Path
from typing import Any

Json = dict[str, Any]

RENAMED = {
    "JSONRPCResponse": "JSONRPCResultResponse",
    "JSONRPCError": "JSONRPCErrorResponse",
    "JSONRPCErrorResponse.error": "Error",
    "ResourceReference": "ResourceTemplateReference",
    "ElicitRequestParams": "ElicitRequestFormParams",
    "ElicitRequestParams.requestedSchema": "ElicitRequestFormParams.requestedSchema",
}
"""Old name to newest name. `JSONRPCResponse` became the name of a union, so only an object of that name is renamed."""

UNIONS = {
    "CallToolResult.content": "ContentBlock",
    "PromptMessage.content": "ContentBlock",
    "SamplingMessage.content": "SamplingMessageContentBlock",
    "CreateMessageResult.content": "SamplingMessageContentBlock",
}
"""Where the same choice stands without a name in some revisions."""

OPEN = re.compile(r"(\w*MetaObject|Tool\.(in|out)putSchema)")
"""Objects that take any further key although no `additionalProperties` says so: `_meta` ("reserved for additional
metadata") where it is a type, and JSON Schemas, whose vocabulary is not MCP's."""

ROOTS = "ClientRequest ServerRequest ClientNotification ServerNotification ClientResult ServerResult JSONRPCMessage"
CARRIERS = re.compile(r"(?!JSONRPC)\w+ResultResponse|\w*Request|\w*Notification|JSONRPCBatch\w+")
"""Envelopes around parameters and results: what they say stands under `methods`."""


class Derivation:
    """The facts of one schema."""

    def __init__(self, schema: Json, named: set[str], params: dict[str, str]) -> None:
        self.defs: Json = schema.get("$defs") or schema["definitions"]
        self.named = named  # inline objects that have fields in some revision
        self.params = params  # method to the name of its parameters
        self.types: dict[str, Json] = {}
        self.unions: dict[str, list[str]] = {}
        self.enums: dict[str, list[str]] = {}
        self.codes: dict[str, int] = {}

    def derive(self) -> Json:
        methods = {
            role: sorted(self.method(ref) for ref in self.refs(self.defs.get(role, {})))
            for role in ("ClientRequest", "ServerRequest", "ClientNotification", "ServerNotification")
        }
        methods["InputRequest"] = sorted(self.method(ref) for ref in self.refs(self.defs.get("InputRequest", {})))
        for root in ROOTS.split():
            for ref in self.refs(self.defs.get(root, {})):
                self.message(ref)
        for name, definition in self.defs.items():
            self.code(name, definition)
        return {
            "methods": methods,
            "codes": self.codes,
            "enums": dict(sorted(self.enums.items())),
            "unions": dict(sorted(self.unions.items())),
            "types": dict(sorted(self.types.items())),
        }

    def method(self, name: str) -> str:
        return str(self.defs[name]["properties"]["method"]["const"])

    def refs(self, definition: Json) -> list[str]:
        """The members of a union; the newest schema inlines a union of one."""
        if "method" in definition.get("properties", {}):
            method = definition["properties"]["method"]["const"]
            return [
                name
                for name, other in self.defs.items()
                if name not in ROOTS and other.get("properties", {}).get("method", {}).get("const") == method
            ]
        members = definition.get("anyOf", [definition] if "$ref" in definition else [])
        return [member["$ref"].rpartition("/")[2] for member in members if "$ref" in member]

    def message(self, name: str) -> None:
        definition = self.defs[name]
        if "method" in definition.get("properties", {}) and "const" in definition["properties"]["method"]:
            self.carried(name, definition)
        elif not CARRIERS.fullmatch(name):
            self.shape({"$ref": f"#/{name}"}, name)

    def carried(self, name: str, definition: Json) -> str:
        """Take in the parameters of a method, and return their shape."""
        params = definition["properties"].get("params", {})
        if "$ref" in params:
            return self.shape(params, name)
        target = RENAMED.get(self.params.get(name, ""), self.params.get(name, "")) or f"{name}Params"
        base = self.defs["Notification" if name.endswith("Notification") else "Request"]["properties"]["params"]
        inherited = base.get(
            "properties", {}
        )  # until 2025-06-18; TypeScript's `extends` is lost where a schema overrides
        self.record(
            RENAMED.get(target, target), {**params, "properties": {**inherited, **params.get("properties", {})}}
        )
        return RENAMED.get(target, target)

    def code(self, name: str, definition: Json) -> None:
        properties = definition.get("properties", {})
        parts = [*properties.get("error", {}).get("allOf", []), definition]
        for part in parts:
            if "const" in part.get("properties", {}).get("code", {}):
                self.codes[name] = part["properties"]["code"]["const"]

    def shape(self, node: Any, where: str) -> str:
        """Return the expression of a schema, and take in the types that it names."""
        if where.endswith("._meta") and "$ref" not in node:
            if re.search(r"RequestParams\._meta$", where):
                self.record("RequestMetaObject", node)
                return "RequestMetaObject"
            return "{any}"
        if "$ref" in node:
            return self.reference(node["$ref"].rpartition("/")[2])
        if "anyOf" in node:
            return self.union(node["anyOf"], where)
        if "const" in node or "enum" in node:
            return " | ".join(json.dumps(value) for value in node.get("enum", [node.get("const")]))
        return self.typed(node, where)

    def typed(self, node: Json, where: str) -> str:
        kind = node.get("type", "any")
        if isinstance(kind, list):
            return " | ".join(kind)
        if kind == "array":
            items = node["items"]
            return f"[{self.union(items['anyOf'], where) if 'anyOf' in items else self.shape(items, where)}]"
        if kind != "object":
            return str(kind)
        if where in self.named:
            # In the oldest schema every owner spells out its annotations.
            name = "Annotations" if where.endswith(".annotations") else RENAMED.get(where, where)
            self.record(name, node)
            return name
        extra = node.get("additionalProperties", {})
        return "{" + (self.shape(extra, where) if extra and extra is not True else "any") + "}"

    def union(self, members: list[Json], where: str) -> str:
        lists = [member for member in members if member.get("type") == "array"]
        single = [member for member in members if member.get("type") != "array"]
        name = UNIONS.get(where)
        if name and all("$ref" in member for member in single):
            self.members(name, single)
            return " | ".join([name, *(self.shape(member, where) for member in lists)])
        return " | ".join(self.shape(member, where) for member in members)

    def members(self, name: str, members: list[Json]) -> None:
        self.unions[name] = sorted(RENAMED.get(ref, ref) for ref in self.refs({"anyOf": members}))
        for member in members:
            self.shape(member, name)

    def reference(self, name: str) -> str:
        node = self.defs[name]
        if name in ("JSONValue", "JSONObject", "MetaObject", "EmptyResult"):
            return {"JSONValue": "any", "EmptyResult": self.shape({"$ref": "#/Result"}, name)}.get(name, "{any}")
        if name == "InputRequest":
            return self.question()
        if "anyOf" in node:
            return self.named_union(name, node["anyOf"])
        if "enum" in node:
            self.enums[name] = node["enum"]
            return name
        if "properties" in node or "allOf" in node:
            # An old enumeration of a form is what the newest revision calls its legacy style.
            newest = "LegacyTitledEnumSchema" if name == "EnumSchema" else RENAMED.get(name, name)
            if newest not in self.types:
                self.record(newest, self.merged(node))
            return newest
        return self.typed(node, name)

    def named_union(self, name: str, members: list[Json]) -> str:
        refs = sorted(self.shape(member, name) for member in members)
        flat = sorted({leaf for ref in refs for leaf in self.unions.get(ref, [ref])})
        self.unions[name] = flat
        return name

    def question(self) -> str:
        carriers = self.refs(self.defs["InputRequest"])
        self.types["InputRequest"] = {
            "fields": {
                "method": " | ".join(sorted(json.dumps(self.method(name)) for name in carriers)),
                "params": " | ".join(sorted(self.carried(name, self.defs[name]) for name in carriers)),
            },
            "required": ["method"],
            "open": False,
        }
        return "InputRequest"

    def merged(self, node: Json) -> Json:
        parts = [self.defs[part["$ref"].rpartition("/")[2]] for part in node.get("allOf", [])]
        if not parts:
            return node
        properties = {key: value for part in parts for key, value in part["properties"].items()}
        return {"properties": properties, "required": [key for part in parts for key in part.get("required", [])]}

    def record(self, name: str, node: Json) -> None:
        record: Json = {"fields": {}, "required": sorted(node.get("required", []))}
        declared = name in self.defs or name.startswith("Tool.")
        record["open"] = node.get("additionalProperties", False) is not False or bool(declared and OPEN.fullmatch(name))
        if name in self.types and self.types[name].keys() == record.keys():
            record["fields"].update(self.types[name]["fields"])
        self.types[name] = record
        for field, value in sorted(node.get("properties", {}).items()):
            record["fields"][field] = self.shape(value, f"{name}.{field}")


def inline_objects(schema: Json) -> set[str]:
    """Return `Owner.field` of all objects that have fields and no name."""
    found: set[str] = set()

    def walk(node: Any, where: str, depth: int) -> None:
        if isinstance(node, list):
            for item in node:
                walk(item, where, depth)
        if not isinstance(node, dict):
            return
        if depth and node.get("properties") and "." in where and not where.endswith("._meta"):
            found.add(where)
        for key, value in node.get("properties", {}).items():
            walk(value, f"{where}.{key}", depth + 1)
        for key in ("items", "anyOf", "allOf"):
            walk(node.get(key), where, depth)

    for name, definition in (schema.get("$defs") or schema["definitions"]).items():
        if "method" not in definition.get("properties", {}):
            walk(definition, RENAMED.get(name, name), 0)
        elif "properties" in definition["properties"].get("params", {}):
            target = f"{name}Params"
            walk(definition["properties"]["params"], RENAMED.get(target, target), 1)
            found.discard(RENAMED.get(target, target))
    return found


def parameters(schemas: list[Json]) -> dict[str, str]:
    """Return the newest name of each method's parameters, by the name of its envelope."""
    names: dict[str, str] = {}
    for schema in schemas:
        for name, definition in (schema.get("$defs") or schema["definitions"]).items():
            ref = definition.get("properties", {}).get("params", {}).get("$ref")
            if ref:
                names[name] = ref.rpartition("/")[2]
    return names


def derive(spec: Path) -> Json:
    """Return the facts of every revision under a folder, by revision."""
    files = sorted(spec.glob("*/schema.json"))
    raw = {file.parent.name: file.read_bytes() for file in files}
    schemas = {revision: json.loads(data) for revision, data in raw.items()}
    named = {name for schema in schemas.values() for name in inline_objects(schema)}
    facts: Json = {}
    names = parameters(list(schemas.values()))
    for revision, schema in schemas.items():
        own = parameters([schema])
        # Where a revision names parameters at all, an inline one has its own meaning.
        known = {**({} if own else names), **own}
        facts[revision] = {"sha256": hashlib.sha256(raw[revision]).hexdigest()}
        facts[revision] |= Derivation(schema, named, known).derive()
    return facts


def text(facts: Json) -> str:
    """Return the facts as JSON with one line for each type, so that a change of one fact changes one line."""

    def lines(value: Any, depth: int) -> str:
        if not isinstance(value, dict) or not depth:
            return json.dumps(value, sort_keys=True)
        inner = [f"{json.dumps(key)}: {lines(item, depth - 1)}" for key, item in value.items()]
        return "{\n" + ",\n".join(inner) + "\n}" if inner else "{}"

    return lines(facts, 3) + "\n"


if __name__ == "__main__":
    sys.stdout.write(text(derive(Path(sys.argv[1]))))
