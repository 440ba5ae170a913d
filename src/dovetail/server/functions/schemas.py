"""JSON Schema 2020-12 from annotations: self-contained, small, in a fixed order.

The decoder's own generator does the types; this module does what makes the result fit to be sent: stand-ins and
Pydantic's schemas take their places, generated titles go, choices stand in the order of the source, descriptions of
fields come from docstrings, and a definition that is used once stands where it is used. What is left over stands in
`$defs`.

Invariant: what a schema says is what the decoder accepts, its `format` and `contentEncoding` included; where the
    generator says something else, it is corrected here. Less than said is demanded of one thing only: a date-time or a
    time that comes in may lack its offset (see `times`). More, of what a class checks in its own `__post_init__`.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Final

import msgspec

from dovetail.errors import DefinitionError
from dovetail.server.functions.annotations import Choices, Reader, choices_key
from dovetail.server.functions.decimals import PATTERN
from dovetail.server.functions.docstrings import parse_docstring
from dovetail.server.functions.expectations import alternatives
from dovetail.server.functions.standins import Rule, Schema, rule_of
from dovetail.server.functions.titles import untitled

_DEFS: Final = "#/$defs/"
_PENDING: Final = "#stand-in/"
_MOST_ROUNDS: Final = 64
_MANY: Final = ("anyOf", "oneOf", "allOf", "prefixItems")
_ONE: Final = ("items", "additionalProperties", "propertyNames", "not", "contains", "if", "then", "else")
_NAMED: Final = ("properties", "patternProperties", "dependentSchemas", "$defs")
_NOISE: Final = frozenset({"discriminator", "uniqueItems"})
_SHORT_ENUM: Final = 16
_INSTEAD: Final = {
    "collections.deque": "list[...]",
    "collections.defaultdict": "dict[...]",
    "collections.Counter": "dict[str, int]",
    "ipaddress.": "str",
    "re.Pattern": "str",
    "range": "its ends as two integers",
    "complex": "its parts as two numbers",
    "fractions.Fraction": "its parts as two integers",
}
"""What a parameter can be instead of a class, by the beginning of the class's name."""


def schema_for(annotation: Any, *, output: bool = False) -> Schema:
    """Return the self-contained JSON Schema of a type.

    Args:
        annotation: A type, as it stands in an annotation.
        output: How values are written, where that differs from how they are read.

    Raises:
        DefinitionError: The type has no JSON Schema, or a constraint cannot be honoured.
    """
    reader = Reader(own=output)
    described = Schemas([reader.read(annotation)], reader.choices, output=output)
    return sealed(described.roots[0], described.defs)


def schema_of_key(annotation: Any, choices: Choices) -> Schema | None:
    """Return what a schema can say of an object's keys that are read as `annotation`, or None."""
    described = Schemas([annotation], choices)
    schema = sealed(described.roots[0], described.defs)
    return {name: schema[name] for name in ("enum", "pattern", "format", "minLength", "maxLength") if name in schema}


class Schemas:
    """The schemas of several readable types (see `annotations.Reader`), and the definitions that they share.

    Attributes:
        roots: One schema a type.
        defs: What they refer to, by name.
    """

    def __init__(self, types: Sequence[Any], choices: Choices, *, output: bool = False) -> None:
        """Describe the types.

        Raises:
            DefinitionError: A type that has no JSON Schema.
        """
        self._choices = choices
        self._output = output
        self._rules: list[Rule] = []
        self._numbers: dict[int, int] = {}
        self._kept: list[Any] = []
        self._parts: list[Schema] = []
        self._made: dict[int, Schema] = {}
        self._filling: dict[int, Schema | None] = {}
        self.defs: dict[str, Schema] = {}
        roots, generated = self._generated(types)
        generated = {name: untitled(name, schema) for name, schema in generated.items()}
        self._parts = roots[len(types) :]
        self.defs = generated
        self.roots = [_mapped(root, self._filled) for root in roots[: len(types)]]
        for name, schema in list(generated.items()):
            self.defs[name] = _mapped(_documented(schema), self._filled)
        self.roots = [_mapped(root, self._tidied) for root in self.roots]
        self.defs = {name: _mapped(schema, self._tidied) for name, schema in self.defs.items()}

    def _generated(self, types: Sequence[Any]) -> tuple[list[Schema], dict[str, Schema]]:
        """Ask the generator until no stand-in is new: what stand-ins are made of has to be described, too."""
        from dovetail.server.functions.multiples import require_decidable
        from dovetail.server.functions.times import say_times

        for _ in range(_MOST_ROUNDS):
            before = len(self._rules)
            asked = [*types, *(part for rule in self._rules for part in rule.parts)]
            try:
                roots, defs = msgspec.json.schema_components(
                    asked, schema_hook=self._place_holder, ref_template=_DEFS + "{name}"
                )
            except (TypeError, ValueError, KeyError, NameError) as error:
                reason = str(error).splitlines()[-1].removesuffix(" is not supported") if str(error) else "a type"
                reason = reason.partition(". If you need this")[0]
                raise DefinitionError(f"There is no JSON Schema for this: {reason}{_instead(reason)}") from None
            if len(self._rules) == before:
                if b'"multipleOf"' in msgspec.json.encode((roots, defs)):
                    require_decidable(asked)
                say_times(asked, roots, defs, _DEFS)
                return list(roots), dict(defs)
        raise _endless()

    def _place_holder(self, cls: Any) -> Schema:
        number = self._numbers.get(id(cls))
        if number is None:
            rule = rule_of(cls)
            if rule is None:
                raise TypeError(f"{cls!r}")
            number = self._numbers[id(cls)] = len(self._rules)
            self._kept.append(cls)  # an id is good only while its owner lives
            self._rules.append(rule)
        return {"$ref": f"{_PENDING}{number}"}

    def _filled(self, node: Schema) -> Schema:
        """Put a stand-in's own schema where its place was kept; one that leads to itself becomes a definition."""
        reference = node.get("$ref", "")
        if not reference.startswith(_PENDING):
            return node
        number = int(reference.removeprefix(_PENDING))
        made = self._made.get(number)
        if made is None and number in self._filling:
            made = self._filling[number] = {"$ref": _DEFS + self._free(self._kept[number].__name__)}
        elif made is None:
            made = self._made[number] = self._described(number)
        return {**made, **{key: value for key, value in node.items() if key != "$ref"}}

    def _described(self, number: int) -> Schema:
        rule = self._rules[number]
        start = sum(len(earlier.parts) for earlier in self._rules[:number])
        self._filling[number] = None
        described = rule.describe(self._parts[start : start + len(rule.parts)], output=self._output)
        made: Schema = _mapped(self._adopted(described), self._filled)
        itself = self._filling.pop(number)
        if itself is None:
            return made
        self.defs[itself["$ref"].removeprefix(_DEFS)] = made
        return itself

    def _free(self, name: str) -> str:
        free, number = name, 1
        while free in self.defs:
            number += 1
            free = f"{name}_{number}"
        return free

    def _adopted(self, schema: Schema) -> Schema:
        """Take the definitions that come with a foreign schema into ours, under names that are free."""
        foreign: dict[str, Schema] = schema.get("$defs") or {}
        names: dict[str, str] = {}
        for name, definition in foreign.items():
            free, number = name, 1
            while self.defs.get(free, definition) != definition:
                number += 1
                free = f"{name}_{number}"
            names[_DEFS + name] = _DEFS + free

        def renamed(node: Schema) -> Schema:
            return {**node, "$ref": names[node["$ref"]]} if node.get("$ref") in names else node

        for name, definition in foreign.items():
            self.defs[names[_DEFS + name].removeprefix(_DEFS)] = _mapped(definition, renamed)
        made: Schema = _mapped({key: value for key, value in schema.items() if key != "$defs"}, renamed)
        return made

    def _tidied(self, node: Schema) -> Schema:
        """Leave out what nobody needs, and correct what the decoder reads in another way."""
        tidy = {key: value for key, value in node.items() if key not in _NOISE}
        if tidy.get("additionalProperties") is True:
            del tidy["additionalProperties"]
        if tidy.get("format") == "decimal":
            tidy["pattern"] = PATTERN
            if not self._output:
                tidy["type"] = ["string", "number"]  # amounts arrive as either; both are read exactly
        if tidy.get("format") == "time" and self._output:
            del tidy["format"]  # it demands an offset (RFC 3339, section 5.6), which a time of day rarely has
        if "enum" in tidy:
            values = self._choices.get(choices_key(tidy["enum"]), tidy["enum"])
            kind = _common_type(values)
            tidy = {**({"type": kind} if kind else {}), **tidy, "enum": values}
        return tidy


def sealed(root: Schema, defs: Mapping[str, Schema]) -> Schema:
    """Return a schema with what it refers to: in place where that is used once or is a short enum, else in `$defs`."""
    uses = Counter(_references(root))
    reached = _reached(root, defs)
    for name in reached:
        uses.update(_references(defs[name]))

    def inlined(node: Schema) -> Schema:
        name = node.get("$ref", "").removeprefix(_DEFS)
        if name not in reached or not (uses[name] == 1 or _is_short_enum(defs[name])) or name in reached[name]:
            return node
        return {**_mapped(defs[name], inlined), **{key: value for key, value in node.items() if key != "$ref"}}

    made = _mapped(root, inlined)
    kept = {name: _mapped(defs[name], inlined) for name in reached}
    left = _reached(made, kept)
    if "$ref" in made and "type" not in made:
        # "outputSchema [...] type: object" was demanded of the root until 2025-11-25.
        target = kept.get(made["$ref"].removeprefix(_DEFS), {})
        made = {**({"type": target["type"]} if "type" in target else {}), **made}
    return {**made, "$defs": {name: kept[name] for name in sorted(left)}} if left else made


def arrays_in(schema: Schema) -> list[str]:
    """Return the properties that are arrays, and never text."""
    found = []
    for name, property_ in schema.get("properties", {}).items():
        kinds = [node.get("type") for node in alternatives(property_, schema)]
        if "array" in kinds and all(kind in ("array", "null") for kind in kinds):
            found.append(name)
    return found


def _reached(root: Schema, defs: Mapping[str, Schema]) -> dict[str, set[str]]:
    """Return the definitions that a schema leads to, each with those that it leads to itself."""
    direct = {name: set(_references(schema)) & defs.keys() for name, schema in defs.items()}

    def closure(start: set[str]) -> set[str]:
        found: set[str] = set()
        waiting = list(start)
        while waiting:
            name = waiting.pop()
            if name not in found:
                found.add(name)
                waiting += direct[name]
        return found

    reached = closure(set(_references(root)) & defs.keys())
    return {name: closure(direct[name]) for name in sorted(reached)}


def _references(schema: Schema) -> Iterator[str]:
    waiting = [schema]
    while waiting:
        node = waiting.pop()
        reference = node.get("$ref")
        if isinstance(reference, str):
            yield reference.removeprefix(_DEFS)
        waiting += _children(node)


def _children(node: Schema) -> Iterator[Schema]:
    for key, value in node.items():
        if key in _ONE:
            inner = [value]
        elif key in _MANY:
            inner = value
        elif key in _NAMED:
            inner = list(value.values())
        else:
            continue
        yield from (schema for schema in inner if isinstance(schema, dict))


def _mapped(node: Any, change: Callable[[Schema], Schema]) -> Any:
    """Return a copy of a schema with every schema in it changed, the innermost first. Values are not schemas."""
    if not isinstance(node, dict):
        return node
    made: Schema = {}
    for key, value in node.items():
        if key in _ONE:
            made[key] = _mapped(value, change)
        elif key in _MANY:
            made[key] = [_mapped(inner, change) for inner in value]
        elif key in _NAMED:
            made[key] = {name: _mapped(inner, change) for name, inner in value.items()}
        else:
            made[key] = value
    return change(made)


def _documented(schema: Schema) -> Schema:
    """Split a class's docstring into its description and those of its fields."""
    raw = schema.get("description")
    if not raw or "properties" not in schema:
        return schema
    docstring = parse_docstring(raw)
    properties = {
        name: {"description": docstring.parameters[name], **field} if name in docstring.parameters else field
        for name, field in schema["properties"].items()
    }
    described = {"description": docstring.text} if docstring.text else {}
    rest = {key: value for key, value in schema.items() if key != "description"}
    return {**described, **rest, "properties": properties}


def _is_short_enum(schema: Schema) -> bool:
    return len(schema.get("enum", range(_SHORT_ENUM + 1))) <= _SHORT_ENUM


def _common_type(values: Sequence[Any]) -> str | None:
    kinds = {type(value) for value in values}
    return (
        {str: "string", int: "integer", float: "number", bool: "boolean"}.get(kinds.pop()) if len(kinds) == 1 else None
    )


def _instead(reason: str) -> str:
    """Return what to write for a class that JSON has no words for."""
    if reason.startswith("Enums must contain"):
        return "; a Struct or NamedTuple holds no other enums, a dataclass or TypedDict does: use one of these instead"
    found = next((use for name, use in _INSTEAD.items() if f"'{name}" in reason), None)
    if found is None and reason.startswith("<class "):
        found = "a dataclass, or another type that JSON has words for,"
    return "" if found is None else f"; use {found} instead"


def _endless() -> DefinitionError:
    return DefinitionError("There is no JSON Schema for this: it nests without end")
