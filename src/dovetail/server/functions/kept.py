"""Values that are kept: written as JSON, and read back later as the type that was promised (`ctx.once`).

Invariant: a type whose values cannot come back is refused before a value is made. What is written is what is read: of a
Pydantic model its fields, and not what it computes of them.
"""

from collections.abc import Callable
from functools import lru_cache, partial
from pathlib import PurePath
from typing import Any, Final, Never, NoReturn

import msgspec

from dovetail.errors import DefinitionError, InvalidOutput
from dovetail.server.functions.annotations import Reader
from dovetail.server.functions.encoding import require_finite
from dovetail.server.functions.parameters import MISSING, awaited, name_of, returned_by
from dovetail.server.functions.schemas import schema_for
from dovetail.server.functions.standins import adapter, hook, is_pydantic
from dovetail.server.functions.whole import completing
from dovetail.wire import plain

Read = Callable[[bytes], Any]
_PROMISES_NOTHING: Final = (MISSING, Never, NoReturn)


def written(value: Any) -> bytes:
    """Return a value as JSON.

    Raises:
        TypeError, ValueError: JSON has no words for it.
    """
    data = _encode(value)
    if b"null" in data:
        try:
            require_finite(value, kinds=(float,))  # a Decimal comes back from its text
        except InvalidOutput:
            raise ValueError("expected finite numbers: JSON has no NaN and no infinity") from None
    return data


def reader_of(function: Callable[..., Any]) -> Read:
    """Return what reads back a result of a function; raises `msgspec.DecodeError` or ValueError.

    Raises:
        DefinitionError: Its return annotation is a type that JSON has no words for.
    """
    made = function.func if isinstance(function, partial) else function
    try:
        annotation = made if isinstance(made, type) else awaited(returned_by(function))
    except DefinitionError:  # a name that only type checkers know
        annotation = MISSING
    try:
        return _reader(Any if annotation in _PROMISES_NOTHING else annotation)
    except TypeError:  # what has no hash is compiled each time
        return _reader.__wrapped__(annotation)
    except DefinitionError as error:
        raise DefinitionError(f"{name_of(function)}: its result cannot be kept: {error}") from None


@lru_cache(maxsize=256)
def _reader(annotation: Any) -> Read:
    schema_for(annotation)
    read = Reader(own=True).read(annotation)
    return completing(msgspec.json.Decoder(read, dec_hook=hook).decode, [read])


def _hook(value: Any) -> Any:
    """Write what the encoder does not know."""
    if is_pydantic(type(value)):
        return msgspec.Raw(adapter(type(value)).dump_json(value, by_alias=True, round_trip=True, warnings="error"))
    if isinstance(value, PurePath):
        return str(value)
    return plain(value)


_encode: Final = msgspec.json.Encoder(enc_hook=_hook).encode
