"""What was expected: from a schema to words, and from the decoder's error to a place and what belongs there.

Invariant: a text made here holds names and bounds of the schema, kinds of JSON values, and at most 64 characters of an
unknown key. It never holds a value, nor a word of a user's own validator: those may quote what they refuse (W-12). A
validator that has something to say to the model raises `ToolError`.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

import msgspec

from dovetail.errors import InvalidArguments, quote

_DEFS: Final = "#/$defs/"
_LONGEST: Final = 240
_DEEPEST: Final = 4
_KINDS: Final = {
    "int": "integer",
    "float": "number",
    "str": "string",
    "bool": "boolean",
    "null": "null",
    "array": "array",
    "object": "object",
}
_GOT: Final = re.compile(r"^Expected `[^`]*`, got `(\w+)`")
_MISSING: Final = re.compile(r"^Object missing required field `([^`]*)`")
_UNKNOWN: Final = re.compile(r"^Object contains unknown field `(.*)`$", re.DOTALL)
_UNKNOWN_START: Final = "Object contains unknown field `"
_IN_NAME: Final = "key` in `"
_DECODER: Final = ("Expected ", "Invalid ", "Object ", "Integer ", "Number ")
_BOUNDS: Final = (
    ("minimum", ">= {}"),
    ("exclusiveMinimum", "> {}"),
    ("maximum", "<= {}"),
    ("exclusiveMaximum", "< {}"),
    ("multipleOf", "a multiple of {}"),
    ("minLength", "of at least {} characters"),
    ("maxLength", "of at most {} characters"),
    ("minItems", "of at least {} items"),
    ("maxItems", "of at most {} items"),
    ("minProperties", "of at least {} members"),
    ("maxProperties", "of at most {} members"),
    ("pattern", "matching {}"),
)


class Place:
    """A place in a value, and the schemas that speak of it."""

    __slots__ = ("_nodes", "_root", "path")

    def __init__(self, root: Mapping[str, Any], nodes: tuple[Mapping[str, Any], ...] | None = None, path: str = "$"):
        """Start at the root."""
        self._root = root
        self._nodes = tuple(alternatives(root, root)) if nodes is None else nodes
        self.path = path

    def step(self, name: str | int | None) -> "Place | None":
        """Go to a member, an item, or (None) to any further member; None when no schema has a word for it."""
        found: list[Mapping[str, Any]] = []
        shown = "[...]"
        for node in self._nodes:
            properties = node.get("properties", {})
            if isinstance(name, str) and name in properties:
                shown = f".{name}"
                found += alternatives(properties[name], self._root)
            elif isinstance(name, int):
                shown = f"[{name}]"
                items = item_schema(node, name)
                found += alternatives(items, self._root) if isinstance(items, dict) else ()
            elif isinstance(node.get("additionalProperties"), dict):
                found += alternatives(node["additionalProperties"], self._root)
        return Place(self._root, tuple(found), self.path + shown) if found else None

    def expected(self) -> str:
        """Say what belongs here."""
        return _joined(self._nodes, self._root, 0)

    def formats(self) -> set[str | None]:
        """Return the formats of the texts that may stand here; None among them when any text may."""
        return {node.get("format") for node in self._nodes if "string" in node.get("type", "string")}

    def names(self) -> str:
        """Say what the names of members must be."""
        said = [inner for node in self._nodes for inner in alternatives(node.get("propertyNames"), self._root)]
        return _joined(tuple({"type": "string", **inner} for inner in said), self._root, 0) if said else "others"

    def known(self) -> str:
        """Name the members that are known here."""
        names = list(dict.fromkeys(name for node in self._nodes for name in node.get("properties", {})))
        return _short(", ".join(names)) if names else "none"

    def member(self, name: str) -> str:
        """Say what belongs into a member that is missing."""
        inner = self.step(name)
        return inner.expected() if inner is not None else "a value"

    def walk(self, path: str) -> "Place":
        """Follow a path as the decoder writes it, as far as the schema has names for it."""
        place = self
        rest = path.removeprefix("$")
        while rest:
            step, rest = place._next(rest)
            inner = place.step(step)
            if inner is None:
                break
            place = inner
        return place

    def _next(self, rest: str) -> tuple[str | int | None, str]:
        if rest.startswith("["):
            index, _, rest = rest[1:].partition("]")
            return (int(index) if index.isdigit() else None), rest
        names = {name for node in self._nodes for name in node.get("properties", {}) if rest.startswith("." + name)}
        name = max(names, key=len, default="")
        return (name, rest[len(name) + 1 :]) if name else (None, "")


def in_words(schema: Mapping[str, Any]) -> str:
    """Say what fits a schema that refers to no other."""
    return _joined(tuple(alternatives(schema, schema)), schema, 0)


def explained(error: str, schema: Mapping[str, Any]) -> InvalidArguments:
    """Return what a decoder's error says, in the schema's words.

    Args:
        error: The text of a `msgspec.ValidationError`; it may quote values, and is not passed on.
        schema: Of the whole value.
    """
    text, path, about_name = _split(error)
    place = Place(schema).walk(path)
    if about_name:
        return InvalidArguments(place.path, f"expected names of members that are {place.names()}")
    missing = _MISSING.match(text)
    if missing is not None and place.step(missing.group(1)) is not None:
        name = missing.group(1)
        return InvalidArguments(f"{place.path}.{name}", f"required, expected {place.member(name)}")
    unknown = _UNKNOWN.match(text)
    if unknown is not None:
        return InvalidArguments(place.path, f"unknown name {quote(unknown.group(1), 64)}; expected: {place.known()}")
    got = _GOT.match(text)
    suffix = f", got {_KINDS[got.group(1)]}" if got is not None and got.group(1) in _KINDS else ""
    if text.startswith(_DECODER):
        return InvalidArguments(place.path, f"expected {place.expected()}{suffix}")
    return InvalidArguments(place.path, f"does not pass a check of its type; expected {place.expected()}")


def _split(error: str) -> tuple[str, str, bool]:
    """Split an error into its text, its path, and whether it is about a member's name.

    A stand-in's own path stands before the place where the stand-in stood.
    """
    path = ""
    about_name = False
    while error.endswith("`"):
        text, mark, place = error[:-1].rpartition(" - at `")
        if not mark or (text.startswith(_UNKNOWN_START) and not text.endswith("`")):
            break  # an unknown name that looks like a place
        error = text
        about_name |= place.startswith(_IN_NAME)
        path += place.removeprefix(_IN_NAME).removeprefix("$")
    return error, "$" + path, about_name


def alternatives(node: Any, root: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """Return the schemas that a schema stands for: behind references, and each of a choice."""
    waiting = [node]
    seen: set[int] = set()
    while waiting:
        schema = waiting.pop(0)
        if not isinstance(schema, dict) or id(schema) in seen:
            continue
        seen.add(id(schema))
        inner = [*schema.get("anyOf", ()), *schema.get("oneOf", ()), *schema.get("allOf", ())]
        reference = schema.get("$ref", "")
        if reference.startswith(_DEFS):
            inner.append(root.get("$defs", {}).get(reference.removeprefix(_DEFS)))
        if inner:
            waiting = inner + waiting
        else:
            yield schema


def item_schema(node: Mapping[str, Any], index: int) -> Any:
    """Return the schema of an array's item; None when nothing is said of it."""
    prefix = node.get("prefixItems", ())
    return prefix[index] if index < len(prefix) else node.get("items")


def _joined(nodes: tuple[Mapping[str, Any], ...], root: Mapping[str, Any], depth: int) -> str:
    said = list(dict.fromkeys(_described(node, root, depth) for node in nodes))
    return _short(" or ".join(said)) if said else "any JSON value"


def _described(node: Mapping[str, Any], root: Mapping[str, Any], depth: int) -> str:
    if "const" in node or "enum" in node:
        values = node["enum"] if "enum" in node else [node["const"]]
        shown = ", ".join(msgspec.json.encode(value).decode() for value in values)
        return _short(f"one of {shown}" if len(values) > 1 else shown)
    kind = node.get("type")
    if kind is None:
        return "any JSON value"
    noun = " or ".join(kind) if isinstance(kind, list) else kind
    if noun == "array" and isinstance(node.get("items"), dict) and depth < _DEEPEST:
        noun = f"array of {_joined(tuple(alternatives(node['items'], root)), root, depth + 1)}"
    if node.get("format") == "decimal":
        # Its pattern is long, and says no more.
        noun += " (decimal, such as 12.50)"
        node = {name: value for name, value in node.items() if name != "pattern"}
    elif "format" in node:
        noun += f" ({node['format']})"
    if node.get("contentEncoding"):
        noun += f" ({node['contentEncoding']})"
    bounds = [text.format(node[name]) for name, text in _BOUNDS if name in node]
    return " ".join([noun, " and ".join(bounds)]) if bounds else noun


def _short(text: str) -> str:
    return text if len(text) <= _LONGEST else text[: _LONGEST - 4] + " ..."
