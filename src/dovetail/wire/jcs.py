"""Canonical JSON: one spelling for each value, for digests and signatures (RFC 8785, JCS).

Keys are sorted by UTF-16 code units, strings escape only what they must, numbers are written as ECMAScript writes them.
One thing differs, on purpose: there every number is a double, so 2**53 and 2**53 + 1 would be one value and have one
digest. Here an integer beyond 2**53 is written in full.
"""

import math
from collections.abc import Callable
from hashlib import sha256
from typing import Any, Final

import msgspec

_encode: Final = msgspec.json.Encoder().encode
_DEEPEST: Final = 500
_WORDS: Final = {None: "null", True: "true", False: "false"}


def canonical(value: Any) -> bytes:
    """Return the canonical JSON of a value: dict with text keys, list, tuple, str, int, float, bool, None.

    Raises:
        ValueError: What I-JSON cannot hold (RFC 8785, section 3.1): NaN, an infinity, a lone surrogate, a key that is
            no text, an integer of more than 4,300 digits, another type; or nesting deeper than 500.
    """
    pieces: list[str] = []
    _write(value, pieces.append, 0)
    return "".join(pieces).encode()


def digest(value: Any) -> str:
    """Return the SHA-256 of a value's canonical JSON, in hexadecimal.

    Raises:
        ValueError: As `canonical`.
    """
    return sha256(canonical(value)).hexdigest()


def _write(value: Any, put: Callable[[str], None], depth: int) -> None:
    if depth > _DEEPEST:
        raise ValueError(f"nested deeper than {_DEEPEST}")
    match value:
        case None | True | False:
            put(_WORDS[value])
        case str():
            put(_string(value))
        case int():
            put(str(value))
        case float():
            put(_number(value))
        case dict():
            _write_object(value, put, depth)
        case list() | tuple():
            separator = "["
            for item in value:
                put(separator)
                _write(item, put, depth + 1)
                separator = ","
            put("]" if value else "[]")
        case _:
            raise ValueError(f"no JSON value: {type(value).__name__}")


def _write_object(value: dict[Any, Any], put: Callable[[str], None], depth: int) -> None:
    separator = "{"
    for key in sorted(value, key=_utf16):
        put(f"{separator}{_string(key)}:")
        _write(value[key], put, depth + 1)
        separator = ","
    put("}" if value else "{}")


def _utf16(key: Any) -> bytes:
    # "property name strings [...] are arrays of 16-bit unsigned integers [...] pure value comparisons" (3.2.3)
    if not isinstance(key, str):
        raise ValueError("a key is no text")
    return key.encode("utf-16-be")


def _string(value: str) -> str:
    # msgspec escapes `"`, `\\` and control characters, the short forms where there are such, and nothing else (3.2.2.2)
    return _encode(value).decode()


def _number(value: float) -> str:
    """Write a double as ECMAScript's Number::toString does (RFC 8785, section 3.2.2.3 and appendix B)."""
    if not math.isfinite(value):
        raise ValueError("a number that is not finite")
    if value == 0:
        return "0"  # minus zero as well
    # Both write the shortest digits that read back as the same double; they differ in where the point goes.
    mantissa, _, exponent = repr(abs(value)).partition("e")
    whole, _, fraction = mantissa.partition(".")
    digits = (whole + fraction).lstrip("0")
    point = int(exponent or 0) + len(whole) - (len(whole + fraction) - len(digits))
    digits = digits.rstrip("0")
    return ("-" if value < 0 else "") + _placed(digits, point)


def _placed(digits: str, point: int) -> str:
    """Place the point: `0.digits` times ten to the `point`."""
    count = len(digits)
    if count <= point <= 21:
        return digits + "0" * (point - count)
    if 0 < point <= 21:
        return f"{digits[:point]}.{digits[point:]}"
    if -6 < point <= 0:
        return f"0.{'0' * -point}{digits}"
    tail = f".{digits[1:]}" if count > 1 else ""
    return f"{digits[0]}{tail}e{point - 1:+d}"
