"""The terminal of a command that visits a server: what is said on stderr, and what a person types.

Everything that a server says is sanitised before it is shown: no text of a stranger moves the cursor, hides a line or
asks a terminal for anything (S-29). Results are on stdout, all else is here.
"""

import asyncio
import os
import sys
from collections.abc import Callable
from typing import Final

import msgspec

from dovetail.net import say
from dovetail.wire import LoggingMessageNotificationParams, ProgressNotificationParams, sanitize_text

_LONGEST: Final = 400
_READ: Final = 4096
_CLEAR: Final = "\r\x1b[K"


class Teller:
    """Says things on stderr, line by line; progress in one line of its own where stderr is a terminal."""

    def __init__(self) -> None:
        self._terminal = sys.stderr.isatty()
        self._open = False

    def say(self, text: str, end: str = "\n") -> None:
        """Say something of our own."""
        self.clear()
        say(text + end)

    def clear(self) -> None:
        """Remove the line of progress."""
        if self._open:
            self._open = False
            say(_CLEAR)

    def progress(self, progress: ProgressNotificationParams) -> None:
        """Say how far a call has come."""
        far, total = progress.progress, progress.total
        text = f"{far:g}/{total:g}" if total else f"{far:g}"
        if total and total > 0:
            text += f" ({min(max(far / total, 0), 1):.0%})"
        if progress.message:
            text += f" {shown(progress.message)}"
        if not self._terminal:
            self.say(text)
            return
        try:
            width = os.get_terminal_size(sys.stderr.fileno()).columns
        except OSError:
            width = 80
        say(_CLEAR + text[: width - 1])
        self._open = True

    def log(self, message: LoggingMessageNotificationParams) -> None:
        """Say what the server logs."""
        data = message.data
        text = data if isinstance(data, str) else msgspec.json.encode(data).decode()
        logger = f" {shown(message.logger)}" if message.logger else ""
        self.say(f"{message.level}{logger}: {shown(text)}")

    def program(self, line: str) -> None:
        """Say what the program writes to its standard error."""
        self.say(f"  | {shown(line)}")


def shown(text: str) -> str:
    """Return a stranger's text as one line that can be shown."""
    text = " ".join(sanitize_text(text).split())
    return text if len(text) <= _LONGEST else text[: _LONGEST - 3] + "..."


class Keyboard:
    """What a person types, line by line. One question at a time: whoever asks holds the lock."""

    def __init__(self, descriptor: int = 0) -> None:
        self._descriptor = descriptor
        self.lock = asyncio.Lock()

    async def line(self, prompt: Callable[[], None]) -> str | None:
        """Return the next line; None at the end of the input.

        The loop waits for it, and no thread does: so Ctrl-C ends the question at once.
        """
        loop = asyncio.get_running_loop()
        typed: asyncio.Future[bytes] = loop.create_future()

        def read() -> None:
            loop.remove_reader(self._descriptor)
            try:
                data = os.read(self._descriptor, _READ)
            except OSError:
                data = b""  # the terminal is gone
            if not typed.done():
                typed.set_result(data)

        prompt()
        loop.add_reader(self._descriptor, read)
        try:
            data = await typed
        finally:
            loop.remove_reader(self._descriptor)
        return data.decode("utf-8", "replace").rstrip("\r\n") if data else None


def somebody_is_there() -> bool:
    """Tell whether there is a person to ask: at the keyboard, and in front of what is said."""
    return sys.stdin is not None and sys.stdin.isatty() and sys.stderr.isatty()
