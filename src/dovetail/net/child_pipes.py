"""The pipes between us and a child process.

The near ends are ours alone, so that O_NONBLOCK on them touches nobody; exec closes them. The far ends are the child's.
"""

import os
from typing import Final, TypeVar

from dovetail.errors import Unsent
from dovetail.net.descriptor import Descriptor

_PIPE_SIZE: Final = 1024 * 1024
"""What a pipe can be made to hold without privilege (pipe(7))."""


class PipeEnd(Descriptor):
    """Our end of a pipe: whoever closes it first, closes it."""

    waits = True

    def close(self) -> None:
        """Close it, once."""
        if self.fd >= 0:
            fd, self.fd = self.fd, -1
            os.close(fd)


class OutputEnd(PipeEnd):
    """The child's output. Once the child has exited, what is in the pipe is all: an empty pipe is the end.

    Attributes:
        left: Bytes that may still come; None while the child runs. A grandchild that left the group may go on writing.
    """

    left: int | None = None

    def read(self, size: int) -> bytes:
        """Read up to `size` bytes; empty at the end."""
        if self.left is None:
            return super().read(size)
        if self.left <= 0:
            return b""
        try:
            data = super().read(size)
        except BlockingIOError:
            return b""
        self.left -= len(data)
        return data

    def exited(self) -> None:
        """Know that the child has exited."""
        self.waits = False
        self.left = _PIPE_SIZE


_E = TypeVar("_E", bound=PipeEnd)


class ChildPipes:
    """Three pipes: `stdin`, `stdout` and `stderr` are our ends, `far_*` the child's.

    Raises:
        Unsent: There are no descriptors left.
    """

    def __init__(self) -> None:
        self._near: list[PipeEnd] = []
        self._far: list[int] = []
        try:
            self.far_stdin, self.stdin = self._pipe(PipeEnd, writing=True)
            self.far_stdout, self.stdout = self._pipe(OutputEnd, writing=False)
            self.far_stderr, self.stderr = self._pipe(PipeEnd, writing=False)
        except OSError as error:
            self.close()
            self.close_far()
            raise Unsent(f"No pipe to a child process: {error.strerror}") from None

    def _pipe(self, kind: type[_E], *, writing: bool) -> tuple[int, _E]:
        reading_end, writing_end = os.pipe()
        near, far = (writing_end, reading_end) if writing else (reading_end, writing_end)
        self._far.append(far)
        own = kind(near, writing)
        self._near.append(own)
        os.set_blocking(near, False)
        return far, own

    def close(self) -> None:
        """Close our ends."""
        for own in self._near:
            own.close()

    def close_far(self) -> None:
        """Close the child's ends, which it has copies of."""
        for fd in self._far:
            os.close(fd)
