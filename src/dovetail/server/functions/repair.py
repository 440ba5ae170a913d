"""Repair: arguments that a model sent as JSON text, where the schema wants JSON and no text.

Models send `{"ids": "[1, 2]"}` and `{"limit": "5"}`. Where a schema wants an object, array, number or boolean and
nothing there may be a string, a string that holds such JSON is taken for it; at any depth, once, and only after the
strict decoder refused. What stands in the string passes the same strict pass as a message. Where a string is allowed,
nothing is touched.

Some arguments can be nothing but texts: those of prompts. There, what is no text of an enumeration may be another of
its values, and a field that somebody left blank, where no blank text can stand, is one that was not given: its default
holds, else null where that is allowed.

Also here, and not a repair: `1.0` is an integer in JSON Schema ("any number with a zero fractional part", Validation,
6.1.1), and `1` in JSON for our decoder.

Linear: each string is parsed once, what it holds is shorter than it, and what is nested deeper than a message may be
    is left.
"""

from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Any, Final

import msgspec
from jiter import from_json

from dovetail.errors import Refusal
from dovetail.server.functions.expectations import alternatives, item_schema
from dovetail.wire import DEFAULT_LIMITS, Limits, check

_REPAIRABLE: Final = frozenset({"object", "array", "number", "integer", "boolean"})
_STARTS: Final = frozenset("{[-0123456789tfn")
_SPACE: Final = " \t\r\n"
_NEVER_BLANK: Final = frozenset({"date", "date-time", "time", "duration", "uuid"})
_encode: Final = msgspec.json.Encoder(decimal_format="number").encode
_KIND: Final = {dict: "object", list: "array", bool: "boolean", int: "integer", Decimal: "number", str: "string"}


class Repair:
    """What can be repaired in values of one schema."""

    def __init__(self, schema: Mapping[str, Any], limits: Limits = DEFAULT_LIMITS) -> None:
        """Read the schema as far as values ask for it."""
        self._root = schema
        self._limits = limits
        self._wanted: dict[tuple[int, ...], _Wanted] = {}

    def apply(self, raw: bytes | msgspec.Raw, *, strings: bool = True, texts: bool = False) -> bytes | None:
        """Return the JSON with what could be repaired, repaired; None when there was nothing.

        Args:
            raw: JSON that passed the strict pass.
            strings: False: only whole floats become integers.
            texts: The values can be nothing but texts.
        """
        walk = _Walk(self, strings, texts)
        tree, wanted = from_json(bytes(raw), float_mode="decimal"), self.wanted((self._root,))
        if texts:
            walk.drop_blanks(tree, wanted, self._root.get("required", ()))
        tree = walk.over(tree, wanted, 0)
        return _encode(tree) if walk.changed else None

    def wanted(self, schemas: Iterable[Any]) -> "_Wanted":
        """Return what schemas want together; known ones are not read again."""
        leaves = [leaf for schema in schemas for leaf in alternatives(schema, self._root)]
        key = tuple(map(id, leaves))
        wanted = self._wanted.get(key)
        if wanted is None:
            wanted = self._wanted[key] = _Wanted(self, leaves)
        return wanted

    def inner(self, text: str) -> Any:
        """Parse what stands in a string; the string itself when it is not JSON that a message could hold."""
        start = text.lstrip(_SPACE)[:1]
        if start not in _STARTS:
            return text
        data = text.encode()
        try:
            check(data, self._limits)
            return from_json(data, float_mode="decimal")
        except (Refusal, ValueError):
            return text

    @property
    def depth(self) -> int:
        """How deep values are looked at."""
        return self._limits.depth


class _Wanted:
    """What is wanted at one place."""

    __slots__ = ("_items", "_leaves", "_members", "_owner", "blank", "kinds", "text", "values", "whole")

    def __init__(self, owner: Repair, leaves: list[Mapping[str, Any]]) -> None:
        self._owner = owner
        self._leaves = leaves
        self.kinds = frozenset(kind for leaf in leaves for kind in _kinds(leaf))
        self.text = "string" in self.kinds or not self.kinds & _REPAIRABLE
        self.whole = "integer" in self.kinds and "number" not in self.kinds
        self.blank = any(map(_may_be_blank, leaves))
        self.values = _enumerated(leaves)
        self._members: dict[str | None, _Wanted | None] = {}
        self._items: dict[int, _Wanted | None] = {}

    def member(self, name: str) -> "_Wanted | None":
        """Return what is wanted in a member; None when nothing is said."""
        named = [leaf["properties"][name] for leaf in self._leaves if name in leaf.get("properties", ())]
        key = name if named else None  # all members without a word of their own are alike
        if key not in self._members:
            objects = (leaf for leaf in self._leaves if "object" in _kinds(leaf))
            self._members[key] = self._of(named or [leaf.get("additionalProperties") for leaf in objects])
        return self._members[key]

    def item(self, index: int) -> "_Wanted | None":
        """Return what is wanted in an item; None when nothing is said."""
        index = min(index, max((len(leaf.get("prefixItems", ())) for leaf in self._leaves), default=0))
        if index not in self._items:
            self._items[index] = self._of(
                [item_schema(leaf, index) for leaf in self._leaves if "array" in _kinds(leaf)]
            )
        return self._items[index]

    def _of(self, schemas: list[Any]) -> "_Wanted | None":
        said = [schema for schema in schemas if schema]
        return self._owner.wanted(said) if said and len(said) == len(schemas) else None

    def fits(self, value: Any) -> bool:
        """Tell whether a parsed value is of a kind that is wanted."""
        if value is None:
            return "null" in self.kinds
        kind = _KIND[type(value)]
        if kind == "integer":
            return "integer" in self.kinds or "number" in self.kinds
        if kind == "number":
            return "number" in self.kinds or ("integer" in self.kinds and _is_whole(value))
        return kind in self.kinds


class _Walk:
    """One walk over one value."""

    def __init__(self, repair: Repair, strings: bool, texts: bool) -> None:
        self._repair = repair
        self._strings = strings
        self._texts = texts
        self.changed = False

    def drop_blanks(self, values: dict[str, Any], wanted: _Wanted, required: Iterable[str]) -> None:
        """Leave out what was left blank and need not be given, where no blank text can stand."""
        for name, value in tuple(values.items()):
            member = wanted.member(name)
            if name not in required and member is not None and not member.blank and _is_blank(value):
                del values[name]
                self.changed = True

    def over(self, value: Any, wanted: _Wanted | None, depth: int) -> Any:
        """Return a value with what could be repaired, repaired."""
        if wanted is None or depth > self._repair.depth:
            return value
        if type(value) is str:
            if self._texts and _is_blank(value) and "null" in wanted.kinds and not wanted.blank:
                self.changed = True
                return None
            other = self._texts and wanted.values is not None and value not in wanted.values
            if not self._strings or (wanted.text and not other):
                return value
            inner = self._repair.inner(value)
            if inner is value or not wanted.fits(inner):
                return value
            self.changed = True
            value = inner
        if type(value) is dict:
            for name, member in value.items():
                value[name] = self.over(member, wanted.member(name), depth + 1)
        elif type(value) is list:
            value = [self.over(item, wanted.item(index), depth + 1) for index, item in enumerate(value)]
        elif type(value) is Decimal and wanted.whole and _is_whole(value):
            self.changed = True
            value = int(value)
        return value


def _kinds(leaf: Mapping[str, Any]) -> set[str]:
    """Return the JSON types that a schema without choices allows; all of them when it does not say."""
    if "enum" in leaf or "const" in leaf:
        values = leaf["enum"] if "enum" in leaf else [leaf["const"]]
        return {"null" if value is None else _KIND.get(type(value), "number") for value in values}
    kind = leaf.get("type")
    if kind is None:
        return {"string"}
    return set(kind) if isinstance(kind, list) else {kind}


def _may_be_blank(leaf: Mapping[str, Any]) -> bool:
    """Tell whether a schema without choices allows a text with nothing in it."""
    if "enum" in leaf or "const" in leaf:
        return "" in (leaf["enum"] if "enum" in leaf else [leaf["const"]])
    return "string" in _kinds(leaf) and leaf.get("format") not in _NEVER_BLANK


def _is_blank(value: Any) -> bool:
    return type(value) is str and not value.strip()


def _enumerated(leaves: Iterable[Mapping[str, Any]]) -> frozenset[str] | None:
    """Return the only texts that schemas without choices allow; None where others may stand, too."""
    found: set[str] = set()
    for leaf in leaves:
        if "enum" in leaf or "const" in leaf:
            found.update(value for value in leaf.get("enum", (leaf.get("const"),)) if isinstance(value, str))
        elif "string" in _kinds(leaf):
            return None
    return frozenset(found)


def _is_whole(value: Decimal) -> bool:
    return value == value.to_integral_value()
