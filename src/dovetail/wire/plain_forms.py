"""Plain forms: values whose class the JSON encoder does not know, though it knows what they are.

Text, numbers, bytes and times of a class derived from Python's own, the abstract collections, and NumPy's scalars and
arrays, told by the name of their module. The encoder asks for what it does not know itself; nothing else pays for this.
"""

from collections import UserString
from collections.abc import Mapping, Sequence, Set, ValuesView
from datetime import date, datetime
from decimal import Decimal
from typing import Any, Final

import msgspec

_LISTED: Final = (Sequence, Set, ValuesView)


def plain(value: Any) -> Any:
    """Return a value's plain form.

    Raises:
        TypeError: It has none.
    """
    made = _scalar(value)
    if made is None:
        made = _collection(value)
    if made is None or type(made) is type(value):  # asked for as a member's name; or a long double, its own plain form
        raise TypeError("JSON has no words for this")
    return made


def _scalar(value: Any) -> Any:
    # By the base's own method: what a class says of itself as text is not what it is.
    if isinstance(value, str):
        return str.__str__(value)
    if isinstance(value, float):
        return float.__float__(value)
    if isinstance(value, int) and type(value) is not bool:
        return int.__int__(value)
    if isinstance(value, Decimal):
        return Decimal(value)
    if isinstance(value, bytes | bytearray):
        return bytes(value)
    if isinstance(value, datetime):
        return datetime.combine(_day(value), value.timetz())
    return _day(value) if isinstance(value, date) else None


def _collection(value: Any) -> Any:
    if isinstance(value, Mapping):
        return dict(value)
    if isinstance(value, UserString):
        return str(value)
    if isinstance(value, _LISTED):
        return list(value)
    if type(value).__module__.partition(".")[0] == "numpy" and hasattr(value, "tolist"):
        return value.tolist()
    return None


def _day(value: date) -> date:
    return date(value.year, value.month, value.day)


as_json: Final = msgspec.json.Encoder(enc_hook=plain).encode
"""Writes a value as JSON; `Raw` is not looked at, and a float that is not finite is null."""
