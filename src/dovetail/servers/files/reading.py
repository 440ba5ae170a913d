"""Parts of an open file: all of it, its first or last lines, a range of lines, a range of bytes; always bounded.

Everything works on a descriptor, so that no name is looked up a second time.
"""

import os
from typing import Final

import msgspec

from dovetail import ToolError

BLOCK: Final = 1 << 16
_BOM: Final = b"\xef\xbb\xbf"


class Lines(msgspec.Struct, frozen=True):
    """Some lines of a file.

    Attributes:
        text: The lines, as they are.
        note: What is missing and how to get it; empty when nothing is.
    """

    text: str
    note: str = ""


def read_bytes(file: int, offset: int, length: int) -> bytes:
    """Read up to `length` bytes from a place on; fewer only at the end of the file."""
    first = os.pread(file, length, offset)
    if len(first) == length:
        return first
    parts, at = [first], offset + len(first)
    while parts[-1] and at < offset + length:
        parts.append(os.pread(file, offset + length - at, at))
        at += len(parts[-1])
    return b"".join(parts)


def as_text(data: bytes) -> str:
    """Decode UTF-8, without a byte order mark.

    Raises:
        ToolError: It is something else.
    """
    try:
        return (data[len(_BOM) :] if data.startswith(_BOM) else data).decode()
    except UnicodeDecodeError:
        raise ToolError(
            "The file is not UTF-8 text. Read it with read_media_file, or in parts with read_binary_file."
        ) from None


def whole(file: int, size: int, most: int) -> Lines:
    """Read a file from its beginning; what exceeds the bound is cut off after a whole line."""
    if size <= most:
        data = os.pread(file, size + 1, 0)  # a larger buffer would cost more than the reading
        if len(data) != size:  # it has another size meanwhile
            data = read_bytes(file, 0, most + 1)
        if len(data) <= most:
            return Lines(as_text(data))
    return lines_between(file, 1, None, most)


def lines_between(file: int, first: int, last: int | None, most: int) -> Lines:
    """Read lines, counted from 1, the last one included."""
    offset = _line_start(file, first)
    if offset is None:
        return Lines("", f"The file has fewer than {first} lines.")
    data = read_bytes(file, offset, most + 1)
    if last is not None:
        data = _first_lines(data, last - first + 1)
    if len(data) <= most:
        return Lines(as_text(data))
    return _cut(data[:most], first, offset, most)


def _cut(data: bytes, first: int, offset: int, most: int) -> Lines:
    end = data.rfind(b"\n") + 1
    if end:
        following = first + data.count(b"\n", 0, end)
        note = f"Cut after line {following - 1}, at the limit of {most} bytes. Ask for first_line={following} to go on."
        return Lines(as_text(data[:end]), note)
    while data and data[-1] & 0xC0 == 0x80:  # never through a character
        data = data[:-1]
    data = data[:-1]
    note = (
        f"Line {first} is longer than the limit of {most} bytes and was cut. "
        f"Go on with read_binary_file from offset={offset + len(data)}."
    )
    return Lines(as_text(data), note)


def last_lines(file: int, size: int, count: int, most: int) -> Lines:
    """Read the last lines, from the end backwards."""
    data, at = b"", size
    while at and len(data) <= most:
        start = max(0, at - max(BLOCK, len(data)))  # twice as much each time
        data = read_bytes(file, start, at - start) + data
        at = start
        begin = _tail_start(data, count)
        if begin is not None and len(data) - begin <= most:
            return Lines(as_text(data[begin:]))
    return Lines(as_text(data)) if len(data) <= most else _tail_cut(data[-most:], most)


def _tail_cut(data: bytes, most: int) -> Lines:
    start = data.find(b"\n") + 1
    if start in (0, len(data)):
        raise ToolError(f"The last line is longer than the limit of {most} bytes. Read it with read_binary_file.")
    kept = data[start:]
    count = kept.count(b"\n") + (not kept.endswith(b"\n"))
    return Lines(as_text(kept), f"Only the last {count} lines, at the limit of {most} bytes.")


def _tail_start(data: bytes, count: int) -> int | None:
    """Return where the last lines begin; None when there are not so many."""
    at = len(data) - 1 if data.endswith(b"\n") else len(data)
    for _ in range(count):
        at = data.rfind(b"\n", 0, at)
        if at < 0:
            return None
    return at + 1


def _first_lines(data: bytes, count: int) -> bytes:
    at = 0
    for _ in range(count):
        at = data.find(b"\n", at) + 1
        if not at:
            return data
    return data[:at]


def _line_start(file: int, line: int) -> int | None:
    """Return the offset at which a line begins; None when there is none."""
    offset, left = 0, line - 1
    while left:
        block = read_bytes(file, offset, BLOCK)
        if not block:
            return None
        found = block.count(b"\n")
        if found < left:
            left -= found
            offset += len(block)
            continue
        at = 0
        for _ in range(left):
            at = block.index(b"\n", at) + 1
        offset += at
        left = 0
    return offset if line == 1 or os.pread(file, 1, offset) else None
