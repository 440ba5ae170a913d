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

_U, _N, _I = b"uNI"  # one letter is looked for much faster than a word


def encoded(value: Any) -> bytes:
    """Return a value as JSON.

    Raises:
        InvalidOutput: JSON has no words for it.
    """
    try:
        data = encode(value)
    except (TypeError, ValueError, OverflowError, RecursionError):
        # The cause may quote the value.
        said = f"expected what JSON has words for, got {type(value).__name__}"
        raise InvalidOutput("$", said, declared=False) from None
    if (_U in data and b"null" in data) or (_N in data and b"NaN" in data) or (_I in data and b"Infinity" in data):
        require_finite(value)
    return data


def require_finite(value: Any) -> None:
    """Refuse NaN and infinity: of a float, the encoder writes null, and of a Decimal, text that is no number."""
    waiting: list[tuple[Any, str]] = [(value, "$")]
    while waiting:
        part, path = waiting.pop()
        if isinstance(part, float | Decimal):
            if not isfinite(part) if isinstance(part, float) else not part.is_finite():
                said = "expected a finite number: JSON has no NaN and no infinity"
                raise InvalidOutput(path, said, declared=False)
        elif isinstance(part, Mapping):
            waiting += [(inner, f"{path}[...]") for inner in part.values()]  # keys may be as private as values
        elif isinstance(part, list | tuple | set | frozenset):
            waiting += [(inner, f"{path}[{index}]") for index, inner in enumerate(part)]
        else:
            waiting += [(getattr(part, name, None), f"{path}.{name}") for name in _field_names(part)]


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
    raise TypeError("JSON has no words for this")


encode: Final = msgspec.json.Encoder(enc_hook=_hook).encode
"""Writes null for a float that is not finite: see `encoded`."""
