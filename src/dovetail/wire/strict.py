"""The strict pass: what no two JSON parsers may read differently, and no message may cost.

`check` runs once over every message that arrives, before anything else looks at it. It either returns, or raises
`MalformedJSON` (-32700) or `LimitExceeded` (-32600). What it has let through is RFC 8259 JSON in UTF-8 without a byte
order mark, with no duplicate key at any depth (escapes resolved), no lone surrogate, no number beyond the range of a
double (an integer: beyond 4,300 digits), and within `Limits.depth`, `Limits.keys` and `Limits.nodes`.

How: one pass of jiter, the one fast parser that finds duplicate keys. Bombs are refused before it, by counting bytes.
jiter maps 1e999 to infinity and nests up to 200 deep, so a message that *could* hold either (few do; scans in C tell)
has its parsed tree audited. Nothing here recurses, and no text of the peer's reaches an error.
"""

import re
from typing import Any, Final

from jiter import from_json

from dovetail.errors import LimitExceeded, MalformedJSON
from dovetail.wire.limits import DEFAULT_LIMITS, Limits


def _shape(code: int) -> int:
    """Map a byte to the class of bytes that `check` asks about: digit, exponent mark, opening, colon, other."""
    for members, sign in ((b"0123456789", b"0"), (b"eE", b"e"), (b"[{", b"["), (b":", b":")):
        if code in members:
            return sign[0]
    return 0


_SHAPE: Final = bytes(map(_shape, range(256)))
_EXPONENT: Final = b"0e"
_OPENING: Final = ord("[")
_COLON: Final = ord(":")
# Without an exponent a double overflows from 309 digits on. Sixteen in a row are rare, and cheap to look for.
_OVERFLOW_DIGITS: Final = 309
_MANY_DIGITS: Final = b"0" * 16
_SHORTEST_MEMBER: Final = len('"":0,')
_INFINITE: Final = float("inf")
_PLACE: Final = re.compile(r" at line \d+ column \d+$")
_DUPLICATE: Final = "Detected duplicate key"
_TOO_DEEP: Final = "recursion limit"
_MARKS: Final = (b"\xef\xbb\xbf", b"\xff\xfe", b"\xfe\xff")


def check(data: bytes, limits: Limits = DEFAULT_LIMITS) -> None:
    """Refuse a message that is not strict JSON or that exceeds a limit; return when it is fine.

    Args:
        data: One whole message. Its length is the business of whoever reads it (`body`, `line`).
        limits: `nodes`, `depth` (at most about 200, where the parser stops by itself) and `keys` apply here.

    Raises:
        MalformedJSON: Not UTF-8, not JSON, a duplicate key, a lone surrogate, or a number out of range (W-01, W-02).
        LimitExceeded: Deeper, or more, than a limit allows (W-06).
    """
    size = len(data)
    if size > limits.nodes:  # n bytes cannot hold more than n values
        _refuse_bomb(data, limits.nodes)
    try:
        tree = from_json(data, catch_duplicate_keys=True, cache_mode="keys", allow_inf_nan=False)
    except ValueError as error:
        raise _explained(data, str(error)) from None
    shape = data.translate(_SHAPE)
    if (
        shape.rfind(_EXPONENT) >= 0  # from the right: digits are rarer in a message than the letter e
        or shape.count(_OPENING) > limits.depth
        or (size > limits.keys * _SHORTEST_MEMBER and shape.count(_COLON) > limits.keys)
        or (size >= _OVERFLOW_DIGITS and _MANY_DIGITS in shape)
    ):
        _audit(tree, limits)


def _refuse_bomb(data: bytes, most: int) -> None:
    """Refuse more values than allowed, by their commas and openings, before anything is parsed."""
    if _values(data) <= most:
        return
    # A long text may hold as many commas and no value at all; where strings are few, look outside of them only.
    if data.count(b'"') <= most // 10:
        plain = data.replace(b"\\\\", b"").replace(b'\\"', b"") if b"\\" in data else data
        if _values(b"".join(plain.split(b'"')[::2])) <= most:
            return
    raise LimitExceeded(f"The message holds more than {most} values", limit="nodes")


def _values(data: bytes) -> int:
    return data.count(b",") + data.count(b"{") + data.count(b"[")


def _explained(data: bytes, reason: str) -> MalformedJSON | LimitExceeded:
    """Say in our own words what the parser met; its own would quote a duplicate key at any length (W-12)."""
    if _TOO_DEEP in reason:
        return _too_deep()
    if data.startswith(_MARKS):
        return MalformedJSON(
            "Parse error: a byte order mark; JSON is sent as UTF-8 without one (RFC 8259, section 8.1)"
        )
    place = _PLACE.search(reason)
    where = place.group() if place else ""
    if reason.startswith(_DUPLICATE):
        return MalformedJSON(f"Parse error: a duplicate key{where}")
    return MalformedJSON(f"Parse error: {reason.removesuffix(where)[:100]}{where}")


def _too_deep() -> LimitExceeded:
    return LimitExceeded("The message nests deeper than allowed", limit="depth")


def _audit(tree: Any, limits: Limits) -> None:
    """Walk a parsed message level by level, for depth, keys per object, and numbers that became infinite."""
    level: list[Any] = [[tree]]
    for _ in range(limits.depth + 1):
        below: list[Any] = []
        for container in level:
            if type(container) is dict:
                if len(container) > limits.keys:
                    raise LimitExceeded(f"An object has more than {limits.keys} keys", limit="keys")
                container = container.values()
            for value in container:
                kind = type(value)
                if kind is dict or kind is list:
                    below.append(value)
                elif kind is float and (value == _INFINITE or value == -_INFINITE):
                    raise MalformedJSON("Parse error: a number out of range")
        if not below:
            return
        level = below
    raise _too_deep()
