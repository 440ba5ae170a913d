"""Processes that work for a server: what passes to them and back, and what they see of the environment.

Messages are MessagePack behind its length in four bytes: one there, one back. Before it works on one, a process says
that it has it, with a length of nothing: a process that was dead already (the system ends idle ones, too, when memory
is short) is told from one that the work was too much for. A process ends when its input does. Both sides load this
module, and the process is to start fast: so no asyncio here.
"""

import os
import signal
import sys
from collections.abc import Iterator, Mapping
from contextlib import suppress
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


class Untaken(EOFError):
    """A process came to an end before it had the message: nothing was done, and another process may do it."""


async def send(process: "Process", message: bytes) -> None:
    """Send a message. Whether the process is there to take it, its output tells: what it said last is there to read."""
    if process.stdin is not None:
        # A pipe that is closed: asyncio's own loops say the one, uvloop the other.
        with suppress(ConnectionError, RuntimeError):
            process.stdin.write(message)
            await process.stdin.drain()


async def exchange(process: "Process", message: bytes) -> bytes:
    """Send a message, framed, and return what comes back.

    Raises:
        Untaken: The process came to an end before it had the message.
        EOFError: The process came to an end.
    """
    await send(process, message)
    length = await _next(process, Untaken) or await _next(process, EOFError)
    return await _read(process, length, EOFError)


async def _next(process: "Process", ended: type[EOFError]) -> int:
    return _length(await _read(process, _HEAD, ended))


async def _read(process: "Process", size: int, ended: type[EOFError]) -> bytes:
    try:
        if process.stdout is not None:
            return await process.stdout.readexactly(size)
    except (EOFError, ConnectionError) as error:  # IncompleteReadError is an EOFError
        if getattr(error, "partial", b""):
            raise EOFError("an end within a message") from None
    raise ended("the process came to an end")


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
    """Return the messages that follow, until there are no more; whoever sent one is told that it is here."""
    while (message := _receive()) is not None:
        sys.stdout.buffer.write(bytes(_HEAD))
        sys.stdout.buffer.flush()
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
