"""Values to JSON, as handlers return them: what JSON has no words for is refused, never written as something else.

Invariant: errors name the place and the kind of value, never the value.
"""

import dataclasses
from collections.abc import Iterable, Mapping
from decimal import Decimal
from math import isfinite
from pathlib import PurePath
from typing import Any, Final

import msgspec
from msgspec import Raw

from dovetail.errors import InvalidOutput
from dovetail.server.functions.standins import adapter, is_pydantic
from dovetail.wire import plain

_read: Final = msgspec.json.Decoder(Raw).decode
_WHOLE: Final = (str, int, float, bool)
"""What cannot hold `Raw`."""
_FAILURES: Final = (TypeError, ValueError, OverflowError, RecursionError)
_DEEPEST: Final = 200
_U, _N, _I = b"uNI"  # one letter is looked for much faster than a word


def encoded(value: Any, place: str = "$") -> bytes:
    """Return a value as JSON. Errors call it by its place.

    Raises:
        InvalidOutput: JSON has no words for it, or it holds `Raw` that is not JSON.
    """
    try:
        data = encode(value)
    except _FAILURES:
        raise _unsayable(value, place) from None  # the cause may quote the value
    if type(value) not in _WHOLE:
        require_value(data, place)
    if (_U in data and b"null" in data) or (_N in data and b"NaN" in data) or (_I in data and b"Infinity" in data):
        require_finite(value, place)
    return data


def require_value(data: bytes, place: str = "$") -> None:
    """Refuse what is not one JSON value in UTF-8: the encoder writes `Raw` unseen, at any depth.

    Only the grammar is read here, at a fraction of what the encoding took: keys that stand in `Raw` twice are not seen.

    Raises:
        InvalidOutput: It is none.
    """
    try:
        _read(data)
        if not data.isascii():
            data.decode()
    except (ValueError, RecursionError):  # both of msgspec's errors, and Unicode's
        raise InvalidOutput(place, "expected one JSON value in UTF-8 wherever Raw stands", declared=False) from None


def require_finite(value: Any, place: str = "$", kinds: tuple[type[float | Decimal], ...] = (float, Decimal)) -> None:
    """Refuse NaN and infinity: of a float, the encoder writes null, and of a Decimal, text that is no number.

    Raises:
        InvalidOutput: There is one of these `kinds`.
    """
    waiting: list[tuple[Any, str]] = [(value, place)]
    while waiting:
        part, path = waiting.pop()
        if isinstance(part, kinds):
            if not isfinite(part) if isinstance(part, float) else not part.is_finite():
                said = "expected a finite number: JSON has no NaN and no infinity"
                raise InvalidOutput(path, said, declared=False)
        else:
            waiting += _inside(part, path)


def _unsayable(value: Any, place: str) -> InvalidOutput:
    """Return what is said of a value that cannot be encoded: the innermost that cannot, and where it stands."""
    path = place
    for _ in range(_DEEPEST):
        found = next((inner for inner in _inside(value, path) if not _is_sayable(inner[0])), None)
        if found is None:
            return InvalidOutput(path, _said_of(value), declared=False)
        value, path = found
    return InvalidOutput(place, "expected what ends somewhere: this nests too deep, or in itself", declared=False)


def _said_of(value: Any) -> str:
    if isinstance(value, str):
        return "expected text without lone surrogates"
    names = value if isinstance(value, Mapping) else ()
    kinds = sorted({type(name).__name__ for name in names if not _is_sayable({name: None})})
    if kinds:
        return f"expected names that are text (without lone surrogates) or numbers, got {', '.join(kinds)}"
    return f"expected what JSON has words for, got {type(value).__name__}"


def _is_sayable(value: Any) -> bool:
    try:
        encode(value)
    except _FAILURES:
        return False
    return True


def _inside(value: Any, path: str) -> list[tuple[Any, str]]:
    """Return what stands in a value, and where."""
    if isinstance(value, Mapping):
        return [(inner, f"{path}[...]") for inner in value.values()]  # keys may be as private as values
    if isinstance(value, list | tuple | set | frozenset):
        return [(inner, f"{path}[{index}]") for index, inner in enumerate(value)]
    if type(value) in _WHOLE:
        return []
    names = _field_names(value)
    if names:
        return [(getattr(value, name, None), f"{path}.{name}") for name in names]
    try:
        return [(plain(value), path)]
    except TypeError:
        return []


def _field_names(value: Any) -> Iterable[str]:
    if isinstance(value, msgspec.Struct):
        return value.__struct_fields__
    if dataclasses.is_dataclass(value):
        return [field.name for field in dataclasses.fields(value)]
    return vars(value) if is_pydantic(type(value)) else ()


def _hook(value: Any) -> Any:
    """Encode what the encoder does not know."""
    if is_pydantic(type(value)):
        return Raw(adapter(type(value)).dump_json(value, by_alias=True, warnings="error"))
    if isinstance(value, PurePath):
        return str(value)
    return plain(value)


encode: Final = msgspec.json.Encoder(enc_hook=_hook).encode
"""Writes null for a float that is not finite: see `encoded`."""
