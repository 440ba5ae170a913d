"""Reading and writing a descriptor without ever blocking, and without changing it for those who share it.

O_NONBLOCK belongs to the open file description, not to the descriptor: set on a terminal or on a pipe that is both
stdout and stderr, it makes other programs, and this program's own logging, fail with EAGAIN. So it is never set on what
we were given. Instead, by kind of descriptor:

    pipe, terminal    opened anew through /proc (Linux): an open file description of our own, with O_NONBLOCK
    socket            MSG_DONTWAIT on every call (what Node gives its children)
    file, /dev/null   always ready; the kernel refuses to poll them
    anything else     poll before every call, and write no more than what is certain to fit (PIPE_BUF)

uvloop sets O_NONBLOCK on what it watches, so a descriptor that is not our own is watched through an epoll of our own.
POSIX only; where there is neither /proc nor epoll, the last kind stands in for the first, watched by itself.
"""

import os
import select
import socket
import stat
from asyncio import AbstractEventLoop
from collections.abc import Callable
from typing import Final

_PIPE_BUF: Final = 512  # what POSIX promises; Linux has 4096


class Descriptor:
    """An always-ready descriptor (a regular file, /dev/null), and the interface of the others; for one direction.

    It borrows the descriptor that it was made from: `close` releases only what it opened itself.

    Attributes:
        waits: Whether reading or writing can find it not ready. Only then can it be watched.
    """

    waits: bool = False

    def __init__(self, fd: int, writing: bool) -> None:
        self.fd = fd
        self._writing = writing

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.fd}>"

    def read(self, size: int) -> bytes:
        """Read up to `size` bytes; empty at the end. Raises BlockingIOError when there is nothing yet."""
        return os.read(self.fd, size)

    def write(self, data: bytes | memoryview) -> int:
        """Write some of `data`; return how much. Raises BlockingIOError when nothing fits."""
        return os.write(self.fd, data)

    def watch(self, loop: AbstractEventLoop, ready: Callable[[], None]) -> None:
        """Call `ready` on the loop while it can be used, until `unwatch`."""
        (loop.add_writer if self._writing else loop.add_reader)(self.fd, ready)

    def unwatch(self, loop: AbstractEventLoop) -> None:
        """Undo `watch`."""
        (loop.remove_writer if self._writing else loop.remove_reader)(self.fd)

    def close(self) -> None:
        """Release what was opened for it: nothing here."""
        return


class OwnDescriptor(Descriptor):
    """A non-blocking open file description that nobody shares."""

    waits = True

    def close(self) -> None:
        """Close it; the descriptor that it was opened from stays."""
        os.close(self.fd)


class SharedDescriptor(Descriptor):
    """A description that others may share: asked before every use whether it would block."""

    waits = True

    def __init__(self, fd: int, writing: bool) -> None:
        super().__init__(fd, writing)
        event = select.POLLOUT if writing else select.POLLIN
        self._poll = select.poll()
        self._poll.register(fd, event)
        self._epoll = select.epoll() if hasattr(select, "epoll") else None
        if self._epoll is not None:
            self._epoll.register(fd, event)  # epoll(7) gives these events the values of poll(2)

    def _ask(self) -> None:
        if not self._poll.poll(0):
            raise BlockingIOError

    def read(self, size: int) -> bytes:
        """Read what is there: once something is, a read returns without waiting for more."""
        self._ask()
        return super().read(size)

    def write(self, data: bytes | memoryview) -> int:
        """Write a piece that fits where the kernel says that there is room (pipe(7), PIPE_BUF)."""
        self._ask()
        return super().write(memoryview(data)[:_PIPE_BUF])

    def watch(self, loop: AbstractEventLoop, ready: Callable[[], None]) -> None:
        """Watch the epoll, which is readable when what it holds is ready, for whatever that is."""
        if self._epoll is None:
            super().watch(loop, ready)
        else:
            loop.add_reader(self._epoll.fileno(), ready)

    def unwatch(self, loop: AbstractEventLoop) -> None:
        """Undo `watch`."""
        if self._epoll is None:
            super().unwatch(loop)
        else:
            loop.remove_reader(self._epoll.fileno())

    def close(self) -> None:
        """Close its epoll."""
        if self._epoll is not None:
            self._epoll.close()


class SocketDescriptor(SharedDescriptor):
    """A stream socket: each call says for itself that it does not wait."""

    def __init__(self, fd: int, writing: bool) -> None:
        super().__init__(fd, writing)
        self._socket = socket.socket(fileno=fd)

    def read(self, size: int) -> bytes:
        """Receive what is there."""
        return self._socket.recv(size, socket.MSG_DONTWAIT)

    def write(self, data: bytes | memoryview) -> int:
        """Send what fits."""
        return self._socket.send(data, socket.MSG_DONTWAIT)

    def close(self) -> None:
        """Close its epoll, and let go of the descriptor."""
        self._socket.detach()
        super().close()


def descriptor(fd: int, *, writing: bool) -> Descriptor:
    """The best non-blocking form of an open descriptor, for one direction; the caller still closes `fd` itself."""
    mode = os.fstat(fd).st_mode
    if stat.S_ISSOCK(mode):
        return SocketDescriptor(fd, writing)
    if stat.S_ISREG(mode):
        return Descriptor(fd, writing)
    own = _opened_anew(fd, writing)
    if own is not None:
        return OwnDescriptor(own, writing)
    try:
        return SharedDescriptor(fd, writing)
    except PermissionError:  # epoll(7): not a thing that can be waited for, such as /dev/null
        return Descriptor(fd, writing)


def _opened_anew(fd: int, writing: bool) -> int | None:
    """Open a pipe or terminal once more, non-blocking; None where that cannot be done or would behave differently."""
    path = f"/proc/self/fd/{fd}"
    try:
        # A FIFO with a name is left alone: opened anew after its writers left, it would never report its end.
        if not (os.readlink(path).startswith("pipe:") or os.isatty(fd)):
            return None
        return os.open(path, (os.O_WRONLY if writing else os.O_RDONLY) | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC)
    except OSError:  # no /proc, not our pipe (sudo), or a terminal of another mount namespace
        return None
