"""A picture and a sound, made of numbers: what is shown needs no file and no network."""

import struct
import zlib
from base64 import b64encode
from functools import cache
from math import pi, sin
from typing import Final

_SIDE: Final = 16
_RATE: Final = 8_000


@cache
def picture() -> bytes:
    """Return a PNG, 16 by 16: a light square on blue, with one corner joint."""
    rows = b"".join(b"\x00" + b"".join(_pixel(x, y) for x in range(_SIDE)) for y in range(_SIDE))
    header = struct.pack(">IIBBBBB", _SIDE, _SIDE, 8, 2, 0, 0, 0)
    chunks = (b"IHDR", header), (b"IDAT", zlib.compress(rows, 9)), (b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + b"".join(_chunk(name, data) for name, data in chunks)


def _pixel(x: int, y: int) -> bytes:
    inside = 3 <= x < 13 and 3 <= y < 13
    joint = x >= 8 and y >= 8
    return b"\xf2\xe8\xd5" if inside and not joint else b"\xc9\x7b\x30" if inside else b"\x1f\x3a\x5f"


def _chunk(name: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


@cache
def sound() -> bytes:
    """Return a WAV of a tenth of a second: the tone A, 440 Hz, fading out."""
    count = _RATE // 10
    samples = (round(9_000 * (1 - n / count) * sin(2 * pi * 440 * n / _RATE)) for n in range(count))
    data = b"".join(struct.pack("<h", sample) for sample in samples)
    form = struct.pack("<HHIIHH", 1, 1, _RATE, 2 * _RATE, 2, 16)
    body = b"WAVE" + b"fmt " + struct.pack("<I", len(form)) + form + b"data" + struct.pack("<I", len(data)) + data
    return b"RIFF" + struct.pack("<I", len(body)) + body


@cache
def picture_uri() -> str:
    """Return the picture as a `data:` URI, as icons carry it."""
    return "data:image/png;base64," + b64encode(picture()).decode("ascii")
