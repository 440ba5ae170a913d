"""Options, checked when they are given: a misspelt one, or a value of the wrong kind, never passes in silence.

Loaded with the first server. What an option *means* stands with it in `options`; here stands only what it can be. Texts
of errors name the option and what belongs there; values are the author's own and short ones may be shown.
"""

from collections.abc import Callable, Collection, Iterable, Mapping
from math import isfinite
from typing import Any, Final

import msgspec

from dovetail.core import LISTS
from dovetail.errors import DefinitionError, quote
from dovetail.server.calls.gates import Rate
from dovetail.server.options import Cache
from dovetail.wire import Annotations, Icon, Limits, ToolAnnotations

_MEANS_SOMETHING: Final = frozenset({"timeout", "page_size", "output_schema"})
"""Options whose None is a value; that of any other is the same as not giving it."""


class Check:
    """What an option can be, in words and as a test."""

    __slots__ = ("holds", "words")

    def __init__(self, words: str, holds: Callable[[Any], bool]) -> None:
        self.words = words
        self.holds = holds

    def __repr__(self) -> str:
        return f"<Check {self.words}>"


def _is(kind: type | tuple[type, ...]) -> Callable[[Any], bool]:
    return lambda value: isinstance(value, kind)


def _seconds(value: Any) -> bool:
    return value is None or (isinstance(value, int | float) and value is not True and isfinite(value) and value > 0)


def _count(least: int, most: int | None = None) -> Callable[[Any], bool]:
    return lambda value: type(value) is int and value >= least and (most is None or value <= most)


def _texts(value: Any) -> bool:
    return (
        isinstance(value, Iterable)
        and not isinstance(value, str | bytes | Mapping)
        and all(isinstance(item, str) for item in value)
    )


def _some_lists(value: Any) -> bool:
    return isinstance(value, Collection) and _texts(value) and set(value) <= LISTS


def _cache(value: Any) -> bool:
    if not isinstance(value, Cache) or value.scope not in ("public", "private"):
        return False
    return isinstance(value.seconds, int | float) and isfinite(value.seconds) and value.seconds >= 0


_TEXT: Final = Check("a string", _is(str))
_NAME: Final = Check("a string with something in it", lambda value: isinstance(value, str) and value != "")
_TEXTS: Final = Check('several strings, such as ["one"]', _texts)
_YES_NO: Final = Check("True or False", _is(bool))
_RATE: Final = Check('a rate such as "10/s" or "100/m burst 20"', _is((str, Rate)))
_AT_LEAST_ONE: Final = Check("a whole number, 1 or more", _count(1))
_SECONDS: Final = Check("seconds above 0, or None for no limit", _seconds)
_SCHEMA: Final = Check("a JSON Schema as a mapping, or as JSON in bytes", _is((Mapping, bytes)))
_PATH: Final = Check("a path", lambda value: isinstance(value, str) or hasattr(value, "__fspath__"))
_ELSEWHERE: Final = Check("what its own check wants", lambda value: True)
_CACHE: Final = Check('Cache(seconds=60), or with scope="public"', _cache)

CHECKS: Final[Mapping[str, Check]] = {
    **dict.fromkeys(
        ("title", "description", "website_url", "instructions", "version", "mime_type", "worker", "host"), _TEXT
    ),
    **dict.fromkeys(("name", "audience", "source", "loop"), _NAME),
    **dict.fromkeys(("scopes", "tags", "allowed_hosts", "allowed_origins"), _TEXTS),
    **dict.fromkeys(
        ("any_path", "structured", "repair", "single_use", "allow_unauthenticated_network", "legacy_sse"), _YES_NO
    ),
    **dict.fromkeys(("limit", "rate"), _RATE),
    **dict.fromkeys(("concurrency", "threads", "workers"), _AT_LEAST_ONE),
    **dict.fromkeys(("state", "uds"), _PATH),
    **dict.fromkeys(("lifespan", "annotations"), _ELSEWHERE),
    "identify": Check("a function of an ASGI scope and header fields", callable),
    "on_ready": Check("a function of the URL", callable),
    "timeout": _SECONDS,
    "drain_seconds": Check("seconds, 0 or more", lambda value: value == 0 or (value is not None and _seconds(value))),
    "page_size": Check("a whole number, 1 or more, or None for one page", lambda v: v is None or _count(1)(v)),
    "size": Check("a number of bytes, 0 or more", _count(0)),
    "port": Check("a whole number from 0 to 65535", _count(0, 65_535)),
    "path": Check('a path that begins with "/", such as "/mcp"', lambda v: isinstance(v, str) and v.startswith("/")),
    "icons": Check('icons, such as [Icon(src="https://...")]', _is((list, tuple))),
    "meta": Check("a mapping", _is(Mapping)),
    "input_schema": _SCHEMA,
    "output_schema": Check(f"{_SCHEMA.words}, or None", lambda value: value is None or _SCHEMA.holds(value)),
    "cache": _CACHE,
    "declares": Check('some of ["tools", "prompts", "resources"]', _some_lists),
    "limits": Check("Limits(...)", _is(Limits)),
    "stores": Check("Stores, such as MemoryStores()", lambda value: hasattr(value, "ledger")),
}
"""What each option can be, whatever it is an option of."""


def checked(where: str, kind: Any, options: Mapping[str, Any]) -> dict[str, Any]:
    """Return options that are ones, with what stands for a Struct made one.

    Args:
        where: Whose they are, for the error.
        kind: The TypedDict that lists them.
        options: As they were given.

    Raises:
        DefinitionError: No such option, or a value that it cannot have.
    """
    known = kind.__annotations__
    found: dict[str, Any] = {}
    for name, given in options.items():
        if name not in known:
            raise DefinitionError(f"{where}: there is no option {quote(name, 64)}{near(name, known)}")
        if given is None and name not in _MEANS_SOMETHING:
            continue
        value = given
        if name == "annotations":
            value = _made(where, name, ToolAnnotations if "input_schema" in known else Annotations, given)
        elif name == "icons" and isinstance(given, list | tuple):
            value = [_made(where, name, Icon, icon) for icon in given]
        if not CHECKS[name].holds(value):
            raise DefinitionError(f"{where}: {name}={_shown(value)}: expected {CHECKS[name].words}")
        found[name] = value
    return found


def near(name: str, known: Iterable[str]) -> str:
    """Return a hint at the name that was meant; nothing when none is near."""
    from difflib import get_close_matches

    close = get_close_matches(name.lower(), known, 1)
    return f"; did you mean {close[0]!r}?" if close else ""


def _made(where: str, name: str, kind: type[msgspec.Struct], value: Any) -> Any:
    """Return a Struct of the protocol for what may also be written as it stands on the wire."""
    if isinstance(value, kind):
        return value
    if not isinstance(value, Mapping):
        field, spelling = kind.__struct_fields__[0], kind.__name__
        raise DefinitionError(f"{where}: {name}={_shown(value)}: expected {spelling}({field}=..., ...)")
    known = kind.__struct_encode_fields__
    for key in value:
        if key not in known:
            raise DefinitionError(
                f"{where}: {name}: there is no {_shown(key)} in {kind.__name__}{near(str(key), known)}"
            )
    try:
        return msgspec.convert(dict(value), kind)
    except msgspec.ValidationError as error:
        raise DefinitionError(f"{where}: {name}: {str(error)[:200]}") from None


def _shown(value: Any) -> str:
    """Show a value if it is short and says something."""
    return quote(repr(value), 66)[1:-1] if isinstance(value, str | int | float | bool) else type(value).__name__
