"""Fuzz target: however a stream is cut, the same lines come out, and they are those of a plain split."""

from dovetail.core.lines import LineSplitter, Oversize

_LIMIT = 24


def expected(stream: bytes, limit: int) -> list[bytes | Oversize]:
    """The lines of a stream by definition: slow, whole, and obviously right."""
    lines = [line.removesuffix(b"\r") for line in stream.split(b"\n")[:-1]]
    return [line if len(line) <= limit else Oversize(len(line)) for line in lines if line]


def fuzz(data: bytes) -> None:
    if not data:
        return
    step, stream = data[0] + 1, data[1:]
    splitter = LineSplitter(_LIMIT)
    lines: list[bytes | Oversize] = []
    for start in range(0, len(stream), step):
        lines += splitter.feed(stream[start : start + step])
        assert splitter.pending <= _LIMIT + 1
    assert lines == expected(stream, _LIMIT)
