"""Patterns beside types: matched by the schema's own engine, whose backtracking is bounded (S-09, S-11).

The decoder matches with Python's `re`, which some patterns hold up for ever on a short text, and the event loop with
it. So what has a pattern is checked against its schema before it is decoded, and the decoder is told none where it can
be told without one. The fields of a class keep theirs: a text gets there only once the bounded engine has matched it.

Only what has a pattern pays for this. Pydantic's patterns are its own, and linear.
"""

from collections.abc import Callable, Sequence
from types import UnionType
from typing import Annotated, Any, Final, Union, get_args, get_origin

import msgspec

from dovetail.server.functions.inspected import inside
from dovetail.wire import Limits

_TOLD: Final = ("gt", "ge", "lt", "le", "multiple_of", "min_length", "max_length", "tz")
"""What the decoder heeds of a `Meta`, other than a pattern."""

Check = Callable[[Any], None]


def pattern_check(types: Sequence[Any], schema: Any, limits: Limits) -> Check | None:
    """Return what checks parsed JSON against a schema; None if no type has a pattern.

    Raises:
        InvalidSchema: A pattern that JSON Schema has no words for, or one beyond the limits.
    """
    if '"pattern"' not in msgspec.json.encode(schema).decode() or not has_pattern(types):
        return None
    from dovetail.wire import compile_schema

    return compile_schema(dict(schema), limits).check


def without_patterns(annotation: Any) -> Any:
    """Return a type as the decoder shall see it: without the patterns that stand outside of classes."""
    arguments = get_args(annotation)
    if get_origin(annotation) is Annotated:
        bare = without_patterns(arguments[0])
        told = tuple(map(_told, arguments[1:]))
        return Annotated[(bare, *told)]
    origin = get_origin(annotation)
    if origin in (Union, UnionType):
        return Union[tuple(map(without_patterns, arguments))]  # noqa: UP007 - of members that are known only now
    if origin in (list, dict, set, frozenset, tuple):
        return origin[tuple(map(without_patterns, arguments))]
    return annotation


def _told(beside: Any) -> Any:
    if not isinstance(beside, msgspec.Meta) or beside.pattern is None:
        return beside
    told = {name: getattr(beside, name) for name in _TOLD}
    return msgspec.Meta(**{name: value for name, value in told.items() if value is not None})


def has_pattern(types: Sequence[Any]) -> bool:
    """Tell whether the decoder would match a pattern itself, wherever in these types it stands."""
    from msgspec.inspect import StrType

    return any(isinstance(item, StrType) and item.pattern is not None for item in inside(types))
