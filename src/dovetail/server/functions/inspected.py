"""Looking through types as the JSON decoder takes them: everything that it would read somewhere inside.

Definition-time only: msgspec's own inspection is imported with the first look.
"""

from collections.abc import Iterator, Sequence
from typing import Any

from dovetail.server.functions.standins import rule_of


def inside(types: Sequence[Any]) -> Iterator[Any]:
    """Return what the decoder reads wherever in these types, as `msgspec.inspect` says it; behind stand-ins, too."""
    from msgspec import inspect

    waiting: list[Any] = list(inspect.multi_type_info(types))
    seen: list[Any] = []  # kept, so that no id is used twice
    known: set[int] = set()
    while waiting:
        item = waiting.pop()
        if id(item) in known:
            continue
        known.add(id(item))
        seen.append(item)
        if isinstance(item, tuple):
            waiting += item
        elif isinstance(item, inspect.CustomType):
            waiting += _behind(item.cls, known)
        elif isinstance(item, inspect.Type | inspect.Field):
            yield item
            waiting += [getattr(item, name) for name in item.__struct_fields__]


def _behind(cls: Any, known: set[int]) -> Sequence[Any]:
    """Return what a stand-in is read as."""
    from msgspec import inspect

    rule = rule_of(cls)
    if rule is None or id(cls) in known:
        return ()
    known.add(id(cls))
    return inspect.multi_type_info(rule.parts)
