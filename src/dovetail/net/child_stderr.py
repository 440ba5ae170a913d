"""What a child process says on its standard error: always read, passed on, and the last of it kept.

Always read, because a pipe that nobody reads fills up and stops its writer in the middle of an answer (C-03). Kept is
a bounded tail, for the error that says how the child ended (C-02); secrets are taken out when it is asked for.
"""

import logging
from asyncio import AbstractEventLoop
from collections import deque
from collections.abc import Callable, Iterable
from typing import Final

from dovetail.core import LineSplitter, Oversize, redact_text
from dovetail.net.child_pipes import PipeEnd

log = logging.getLogger("dovetail.child")

Hear = Callable[[bytes], None]

_CHUNK: Final = 64 * 1024
_LINE: Final = 64 * 1024
_KEPT_LINES: Final = 20
_KEPT_CHARACTERS: Final = 500
_LAST_READS: Final = 32
"""Reads of what is left at the end: 2 MiB, twice what a pipe can be made to hold without privilege."""
_SECRET_LENGTH: Final = 8


class StderrReader:
    """Reads one pipe to its end."""

    def __init__(self, source: PipeEnd, loop: AbstractEventLoop, hear: Hear | None, values: Iterable[str]) -> None:
        """Begin to read.

        Args:
            source: The pipe, non-blocking; owned from here on.
            loop: What it is watched on.
            hear: Called with each line, as it is, without its line ending.
            values: Of the environment that was given to the child: what of them looks like a secret, and is repeated by
                the child, is taken out of what is kept.
        """
        self._source = source
        self._loop = loop
        self._hear = hear
        self._secrets = [value for value in values if len(value) >= _SECRET_LENGTH and not set(value) & set("/\\ ")]
        self._splitter = LineSplitter(_LINE)
        self._kept: deque[bytes] = deque(maxlen=_KEPT_LINES)
        self._open = True
        source.watch(loop, self._readable)

    def tail(self) -> tuple[str, ...]:
        """The last lines, at most 20 of at most 500 characters, without what looks like a secret."""
        return tuple(self._shown(line) for line in self._kept)

    def finish(self) -> None:
        """Take what is there already, and close. For a child that has exited."""
        for _ in range(_LAST_READS):
            if not self._open or not self._read():
                break
        self._close()

    def _readable(self) -> None:
        if not self._read():
            self._close()

    def _read(self) -> bool:
        """Read once; False when there is nothing left for now or for ever."""
        try:
            data = self._source.read(_CHUNK)
        except (BlockingIOError, InterruptedError):
            return False
        except OSError:
            data = b""
        self._take(self._splitter.feed(data))
        return bool(data)

    def _close(self) -> None:
        if self._open:
            self._open = False
            self._take(self._splitter.feed(b"\n"))  # a last line without an end
            self._source.unwatch(self._loop)
            self._source.close()

    def _take(self, lines: list[bytes | Oversize]) -> None:
        for item in lines:
            line = item if isinstance(item, bytes) else b"[a line of %d bytes]" % item.size
            self._kept.append(line[: 4 * _KEPT_CHARACTERS])
            if self._hear is not None:
                try:
                    self._hear(line)
                except Exception:
                    log.exception("What hears a child's stderr failed; it is not called again")
                    self._hear = None

    def _shown(self, line: bytes) -> str:
        text = line.decode("utf-8", "replace")
        for secret in self._secrets:
            text = text.replace(secret, "[redacted]")
        text = redact_text(text)[:_KEPT_CHARACTERS]
        return "".join(c if c.isprintable() or c == "\t" else "\ufffd" for c in text)
