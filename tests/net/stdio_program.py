"""A program on a stdio channel that misbehaves on request: each line names what it does before it answers."""

import asyncio
import ctypes
import logging
import os
import signal
import subprocess
import sys
from collections.abc import Callable

from dovetail.core import Oversize
from dovetail.errors import Disconnected
from dovetail.net import Channel, open_stdio
from dovetail.wire import Limits

NOISE = "NOISE"
_CHILD = "import os, sys; print('NOISE' + repr(os.read(0, 100))); os.write(1, b'NOISE'); sys.stdout.flush()"


def _python() -> bytes:
    print(NOISE)
    sys.stdout.buffer.write(NOISE.encode())
    sys.__stdout__ and sys.__stdout__.write(NOISE)
    _OLD_HANDLER.emit(logging.makeLogRecord({"msg": NOISE}))
    return b"printed"


def _descriptor() -> bytes:
    os.write(1, NOISE.encode())
    return b"wrote"


def _c(flush: bool) -> bytes:
    library = ctypes.CDLL(None)
    library.printf(b"NOISE from C\n")
    library.puts(b"NOISE")
    if flush:
        library.fflush(None)
    return b"printed in C"


def _child() -> bytes:
    subprocess.run([sys.executable, "-c", _CHILD], check=True)
    os.system("echo NOISE; cat")
    return b"child ran"


def _reads() -> bytes:
    try:
        input()
    except EOFError:
        pass
    return b"%d bytes" % (len(sys.stdin.read()) + len(os.read(0, 100)))


def _fork() -> bytes:
    """A child without exec that outlives its parent; it answers to the pipe that the test holds, if at all."""
    if (pid := os.fork()) == 0:
        signal.pause()
    return b"%d" % pid


def _inherited() -> bytes:
    child = subprocess.Popen([sys.executable, "-c", "import signal; signal.pause()"], close_fds=False)
    return b"%d" % child.pid


def _private() -> bytes:
    """What a child without close_fds inherits beyond the first three."""
    listing = "import os; print(*[n for n in os.listdir('/proc/self/fd') if int(n) >= 32])"
    child = subprocess.run([sys.executable, "-c", listing], close_fds=False, capture_output=True, check=True)
    return b"inherits: " + child.stdout.strip()


ACTS: dict[bytes, Callable[[], bytes]] = {
    b"python": _python,
    b"descriptor": _descriptor,
    b"c-flushed": lambda: _c(True),
    b"c-buffered": lambda: _c(False),
    b"child": _child,
    b"reads": _reads,
    b"fork": _fork,
    b"inherited": _inherited,
    b"private": _private,
}


def answer(line: bytes | Oversize) -> bytes:
    if isinstance(line, Oversize):
        return b"oversize %d" % line.size
    if line in ACTS:
        return ACTS[line]()
    if line.startswith(b"repeat "):
        return b"y" * int(line[7:])
    return b"%d %s" % (len(line), line[:40])


async def serve(channel: Channel) -> None:
    while (line := await channel.receive()) is not None:
        if line == b"quit":
            return
        channel.send(answer(line))
        await channel.drain()


async def main() -> None:
    channel = await open_stdio(Limits(line=1024 * 1024, write_seconds=0.2))
    try:
        await serve(channel)
    except Disconnected as reason:
        sys.stderr.write(f"disconnected: {reason}\n")
    finally:
        await channel.aclose()
    sys.stderr.write("closed\n")


if __name__ == "__main__":
    _OLD_HANDLER = logging.StreamHandler(sys.stdout)
    if "banner" in sys.argv:
        print("NOISE before the channel opened")
    if "uvloop" in sys.argv:
        import uvloop

        uvloop.run(main())
    else:
        asyncio.run(main())
    if "after" in sys.argv:
        print("after")
