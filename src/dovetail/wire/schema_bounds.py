"""What a JSON Schema may cost: bounds that are checked before anything compiles it (S-11, C-13).

Four measures are taken in one walk without recursion: nesting, subschemas, references and the length of patterns. A
fifth guards the validator: how many subschemas may look at one value. References multiply (`allOf` of four `$ref`s,
seven levels deep, is 16,384 looks at each value), so a schema of a kilobyte could stop the process for minutes.

References are resolved here, inside the document, and nowhere else. One that leads out of it is an error:
"Implementations MUST NOT automatically dereference `$ref` values that resolve to a network URI" (2026-07-28, Overview,
`$ref` Resolution).
"""

from collections.abc import Iterator, Mapping
from typing import Any, Final
from urllib.parse import unquote, urldefrag, urljoin

from dovetail.errors import InvalidSchema, quote
from dovetail.wire.limits import Limits

MOST_LOOKS: Final = 10_000
"""How many subschemas may look at one value."""
MOST_PATTERNS: Final = 200
"""Different regular expressions in one schema."""

_REFERENCES: Final = ("$ref", "$dynamicRef")
_NAMED: Final = frozenset(
    {"properties", "patternProperties", "$defs", "definitions", "dependentSchemas", "dependencies"}
)
_DATA: Final = frozenset({"const", "enum", "default", "examples"})

_INPLACE: Final = ("not", "if", "then", "else")
_INPLACE_LISTS: Final = ("allOf", "anyOf", "oneOf")
_ITEMS: Final = ("items", "additionalItems", "unevaluatedItems", "contains", "prefixItems")
_ANY_PROPERTY: Final = ("additionalProperties", "unevaluatedProperties", "propertyNames")
_OFFICIAL: Final = ("https://json-schema.org/draft/2020-12/", "http://json-schema.org/draft-07/schema")
_METASCHEMA_LOOKS: Final = 200


class Document:
    """A schema within its bounds, with its references."""

    def __init__(self, root: Any, limits: Limits) -> None:
        """Walk a schema.

        Raises:
            InvalidSchema: Out of bounds; or a reference that leads out of the document, or nowhere.
        """
        self.root = root
        self._resources: dict[str, Any] = {"": root}
        self._anchors: dict[tuple[str, str], Any] = {}
        self._base: dict[int, str] = {}
        self._walk(limits)
        self._looks()

    def target(self, node: Mapping[str, Any], reference: str) -> Any:
        """Return what a reference in a subschema refers to; None for an official meta-schema.

        Raises:
            InvalidSchema: It leads out of the document, or nowhere.
        """
        base = self._base.get(id(node), "")
        url, fragment = (base, reference[1:]) if reference.startswith("#") else _resolved(base, reference)
        if url.startswith(_OFFICIAL) and url not in self._resources:
            return None
        fragment = unquote(fragment)
        found = self._resources.get(url, _MISSING)
        if fragment and not fragment.startswith("/"):
            found = self._anchors.get((url, fragment), _MISSING)
        elif found is not _MISSING:
            for step in fragment.split("/")[1:]:
                found = _step(found, step.replace("~1", "/").replace("~0", "~"))
        # a target among data (`default`, `const`) was not measured, so it is none
        if not isinstance(found, bool) and id(found) not in self._base:
            raise InvalidSchema(f"{quote(reference, 128)} does not resolve inside the schema; nothing else is fetched")
        return found

    def _walk(self, limits: Limits) -> None:
        """Count, and note where references may lead."""
        nodes = references = 0
        patterns: set[str] = set()
        todo: list[tuple[Any, int, str]] = [(self.root, 1, "")]
        while todo:
            node, depth, base = todo.pop()
            if depth > limits.schema_depth:
                raise InvalidSchema(f"The schema nests deeper than {limits.schema_depth}")
            if not isinstance(node, dict):
                continue
            nodes += 1
            references += sum(name in node for name in _REFERENCES)
            patterns.update(_patterns(node))
            if nodes > limits.schema_nodes:
                raise InvalidSchema(f"The schema has more than {limits.schema_nodes} subschemas")
            if references > limits.schema_refs:
                raise InvalidSchema(f"The schema has more than {limits.schema_refs} references")
            base = self._note(node, base)
            todo += [(item, depth + more, base) for item, more in _below(node)]
        if any(len(pattern) > limits.schema_pattern for pattern in patterns):
            raise InvalidSchema(f"The schema has a pattern longer than {limits.schema_pattern} characters")
        if len(patterns) > MOST_PATTERNS:
            raise InvalidSchema(f"The schema has more than {MOST_PATTERNS} patterns")

    def _note(self, node: dict[str, Any], base: str) -> str:
        """Note the names under which a subschema can be referred to; return its base URI."""
        name = node.get("$id")
        if isinstance(name, str):
            url, fragment = _resolved(base, name)
            if fragment:  # draft-07 spells an anchor this way
                self._name(self._anchors, (base, fragment), node)
            if not name.startswith("#"):
                base = url
                self._name(self._resources, base, node)
        for keyword in ("$anchor", "$dynamicAnchor"):
            if isinstance(node.get(keyword), str):
                self._name(self._anchors, (base, node[keyword]), node)
        self._base[id(node)] = base
        return base

    @staticmethod
    def _name(names: dict[Any, Any], name: Any, node: Any) -> None:
        if names.setdefault(name, node) is not node:
            raise InvalidSchema("Two subschemas have the same name ($id, $anchor)")

    def _looks(self) -> None:
        """Bound how many subschemas look at one value, from the leaves up; a recursive reference counts once."""
        cost: dict[int, int] = {}
        open_nodes: set[int] = set()
        stack: list[tuple[Any, bool]] = [(self.root, False)]
        while stack:
            node, done = stack.pop()
            if not isinstance(node, dict) or id(node) in cost:
                continue
            edges = self._edges(node)
            if not done:
                if id(node) in open_nodes:
                    continue
                open_nodes.add(id(node))
                stack.append((node, True))
                stack += [(item, False) for _, item in edges]
                continue
            open_nodes.discard(id(node))
            cost[id(node)] = looks = _cost(edges, cost)
            if looks > MOST_LOOKS:
                raise InvalidSchema(f"More than {MOST_LOOKS} subschemas would look at one value; references multiply")

    def _edges(self, node: dict[str, Any]) -> list[tuple[str, Any]]:
        """Return the subschemas that a subschema hands its value, or a part of it, to; with a label for the part."""
        edges: list[tuple[str, Any]] = [("", node[keyword]) for keyword in _INPLACE if keyword in node]
        for keyword in _REFERENCES:
            if isinstance(node.get(keyword), str):
                found = self.target(node, node[keyword])
                edges.append(("", _METASCHEMA if found is None else found))
        for keyword in _INPLACE_LISTS:
            edges += [("", item) for item in _items(node.get(keyword))]
        for keyword in ("dependentSchemas", "dependencies"):
            edges += [("", item) for item in _values(node.get(keyword)).values()]
        for keyword in _ITEMS:
            edges += [("[]", item) for item in _items(node.get(keyword))]
        edges += [("." + name, item) for name, item in _values(node.get("properties")).items()]
        edges += [("*", item) for item in _values(node.get("patternProperties")).values()]
        edges += [("*", node[keyword]) for keyword in _ANY_PROPERTY if keyword in node]
        return edges


def _resolved(base: str, reference: str) -> tuple[str, str]:
    """Resolve a URI reference; return it without its fragment, and the fragment."""
    try:
        url, fragment = urldefrag(urljoin(base, reference))
    except ValueError:  # "Invalid IPv6 URL"
        raise InvalidSchema(f"{quote(reference, 128)} is no URI reference") from None
    return url, fragment


_MISSING: Final = object()
_METASCHEMA: Final = {"title": "an official meta-schema"}


def _cost(edges: list[tuple[str, Any]], cost: Mapping[int, int]) -> int:
    parts: dict[str, int] = {}
    for label, item in edges:
        looks = _METASCHEMA_LOOKS if item is _METASCHEMA else cost.get(id(item), 1)
        parts[label] = parts.get(label, 0) + looks
    inplace, anywhere, items = parts.pop("", 0), parts.pop("*", 0), parts.pop("[]", 0)
    return 1 + inplace + max(items, anywhere + max(parts.values(), default=0))


def _step(node: Any, name: str) -> Any:
    if isinstance(node, dict):
        return node.get(name, _MISSING)
    if isinstance(node, list) and name.isascii() and name.isdigit() and len(name) < 7 and int(name) < len(node):
        return node[int(name)]
    return _MISSING


def _items(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [] if value is None else [value]


def _values(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _patterns(node: dict[str, Any]) -> Iterator[str]:
    if isinstance(node.get("pattern"), str):
        yield node["pattern"]
    yield from _values(node.get("patternProperties"))


def _below(node: dict[str, Any]) -> Iterator[tuple[Any, int]]:
    """Yield what may be a subschema, and how much deeper it lies. An unknown keyword may hold some, too."""
    for keyword, value in node.items():
        if keyword in _DATA:
            continue
        if keyword in _NAMED and isinstance(value, dict):
            yield from ((item, 2) for item in value.values())
        elif isinstance(value, list):
            yield from ((item, 2) for item in value)
        else:
            yield value, 1
