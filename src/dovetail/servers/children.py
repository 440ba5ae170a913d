"""Processes that work for a server: what passes to them and back, and what they see of the environment.

Messages are MessagePack behind its length in four bytes: one there, one back. A process ends when its input does. Both
sides load this module, and the process is to start fast: so no asyncio here.
"""

import os
import signal
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Final

import msgspec

if TYPE_CHECKING:
    from asyncio.subprocess import Process

LONGEST: Final = 1 << 30
"""Bytes of a message."""
_HEAD: Final = 4
_KEPT: Final = ("PYTHONHOME", "SYSTEMROOT", "LD_LIBRARY_PATH")
_SOURCE: Final = Path(__file__).resolve().parents[2]
"""The folder that this library was loaded from."""


def framed(message: msgspec.Struct) -> bytes:
    """Return a message as it is sent."""
    data = msgspec.msgpack.encode(message)
    return len(data).to_bytes(_HEAD, "big") + data


def _length(head: bytes) -> int:
    found = int.from_bytes(head, "big")
    if found > LONGEST:
        raise EOFError(f"a message of {found} bytes")
    return found


# The server's side.


async def exchange(process: "Process", message: bytes) -> bytes:
    """Send a message, framed, and return what comes back.

    Raises:
        EOFError, ConnectionError: The process came to an end.
    """
    source, out = process.stdin, process.stdout
    if source is None or out is None:
        raise EOFError
    source.write(message)
    await source.drain()
    return await out.readexactly(_length(await out.readexactly(_HEAD)))


def environment(seen: Mapping[str, str] | None = None) -> dict[str, str]:
    """Return the environment of a process: what it may see, which is nothing by default, and where Python finds us."""
    kept = {name: os.environ[name] for name in _KEPT if name in os.environ} | dict(seen or {})
    path = [os.path.abspath(place) for place in os.environ.get("PYTHONPATH", "").split(os.pathsep) if place]
    if _SOURCE.name not in ("site-packages", "dist-packages"):
        path.append(str(_SOURCE))
    return kept | ({"PYTHONPATH": os.pathsep.join(path)} if path else {})


# The process's side.


def begin() -> bytes | None:
    """Make this process one that works for a server, and return its first message; None, when there is none.

    Ctrl-C of the terminal that the server has is the server's business: it ends its processes.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if sys.platform != "win32":
        signal.signal(signal.SIGALRM, signal.SIG_DFL)
    return _receive()


def orders() -> Iterator[bytes]:
    """Return the messages that follow, until there are no more."""
    while (message := _receive()) is not None:
        yield message


def alarm(seconds: float) -> None:
    """End this process after so many seconds, in whatever it is; 0 for no longer."""
    if sys.platform != "win32":
        signal.setitimer(signal.ITIMER_REAL, seconds)


def reply(message: msgspec.Struct) -> None:
    """Answer a message."""
    sys.stdout.buffer.write(framed(message))
    sys.stdout.buffer.flush()


def _receive() -> bytes | None:
    source = sys.stdin.buffer
    head = source.read(_HEAD)
    return source.read(_length(head)) if len(head) == _HEAD else None
