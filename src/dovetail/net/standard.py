"""The standard streams as a process finds them: none of them may be there, and nobody may read what is written.

A descriptor that was closed when the process started is the next one that something opens: a socket, or the event
loop's own, which what writes to "standard error" then writes into, and which a child takes for its own. So the first
three numbers are taken before anything else is opened. `sys.__stdin__` and its like stay None: Python found none.

What is said on standard error is a courtesy. A full disk, or a reader that has gone, stops nobody's work.
"""

import contextlib
import errno
import os
import sys
from typing import IO, Any


def fill_streams() -> None:
    """Let /dev/null take the place of the standard streams that are closed; idempotent."""
    for number in filter(_is_closed, range(3)):
        null = os.open(os.devnull, os.O_RDWR)  # it gets the lowest number that is free, which is this one
        os.set_inheritable(null, True)
        if number == 1 and sys.stdout is None:
            sys.stdout = _stream(null)
        if number == 2 and sys.stderr is None:
            sys.stderr = _stream(null)


def _is_closed(number: int) -> bool:
    try:
        os.fstat(number)
    except OSError as error:
        return error.errno == errno.EBADF
    return False


def _stream(number: int) -> Any:
    return open(number, "w", encoding="utf-8", errors="backslashreplace", closefd=False)


def say(text: str) -> None:
    """Write to standard error, if that can be done."""
    if sys.stderr is not None:
        with contextlib.suppress(OSError, ValueError):
            sys.stderr.write(text)
            sys.stderr.flush()


def abandon(stream: IO[str]) -> None:
    """Drop what is buffered for a stream that cannot be written: Python would try once more, and end with a failure."""
    with contextlib.suppress(OSError, ValueError):
        null = os.open(os.devnull, os.O_WRONLY)
        os.dup2(null, stream.fileno())
        os.close(null)
