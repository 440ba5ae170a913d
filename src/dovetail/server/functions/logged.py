"""What a handler logs, as JSON for its client: without what looks like a secret, and whatever it is.

Invariant: nothing that is logged fails the call that logs it. What JSON has no words for is said as text: its kind, and
what it says of itself. Secrets are looked for in what is sent, so that no class hides one in a field.
"""

from collections.abc import Iterator, Mapping
from typing import Any, Final

import msgspec
from msgspec import Raw

from dovetail.core import redact, redact_text
from dovetail.server.functions.encoding import encoded
from dovetail.wire import as_json

_LISTS: Final = (list, tuple, set, frozenset)
_MOST: Final = 100
"""Collections that are looked into for what cannot be said in them."""
_LONGEST: Final = 2_000
_BROKEN: Final = "(Raw that is not one JSON value in UTF-8: it could not be shown)"
_decode: Final = msgspec.json.decode


def logged(data: Any) -> bytes:
    """Return the JSON of what was logged."""
    try:
        return as_json(redact(data if type(data) is str else _decode(encoded(data))))
    except Exception:  # a class of the author's own may raise anything when it is asked what it is
        try:
            return as_json(redact(_shown(data, iter(range(_MOST)))))
        except Exception:  # or what stands in it
            return as_json(f"({type(data).__name__}: it could not be shown)")


def text_of(value: str) -> str:
    """Return a text that UTF-8 has bytes for."""
    return value.encode(errors="backslashreplace").decode()


def _shown(value: Any, budget: Iterator[int]) -> Any:
    """Return what can be said of a value: itself, or what stands in it, each as it is or as text."""
    try:
        return _decode(encoded(value))
    except Exception:
        if not isinstance(value, (Mapping, *_LISTS)) or next(budget, None) is None:
            return _described(value)
    if isinstance(value, Mapping):
        return {_name(name): _shown(inner, budget) for name, inner in value.items()}
    return [_shown(inner, budget) for inner in value]


def _name(name: Any) -> str:
    try:
        (made,) = _decode(as_json({name: None}))
    except Exception:
        return redact_text(_described(name))
    return str(made)


def _described(value: Any) -> str:
    if isinstance(value, Raw):
        return _BROKEN
    if isinstance(value, str):
        return text_of(value)
    try:
        said = f": {value}"
    except Exception:
        said = ""
    # Redacted before it is cut: half a credential no longer looks like one.
    said = redact_text(text_of(said[: _LONGEST * 8]))
    return type(value).__name__ + (said if len(said) <= _LONGEST else f"{said[:_LONGEST]} ...")
