"""Making Markdown of HTML in child processes, so that a page's demands on time and memory end with the child.

Children are kept while they behave: one is used for many pages, and killed when a page takes longer than it may. One
that dies says nothing of the page, as whoever needed memory may have ended it: a new one reads the page. At most two
run at a time; who finds none free waits in line.
"""

import asyncio
import logging
import os
import sys
from typing import Final

import msgspec

from dovetail.errors import DefinitionError, Disconnected
from dovetail.net import ChildChannel, spawn
from dovetail.servers.fetch.extractor import Extract, Work
from dovetail.wire import Limits

log = logging.getLogger("dovetail.servers.fetch")

_CHILDREN: Final = 2
_PAGES: Final = 500
"""Pages that one child reads: parsers keep what they have seen."""
_LIMITS: Final = Limits(line=64 * 1024 * 1024)
_COMMAND: Final = (sys.executable, "-P", "-m", "dovetail.servers.fetch.extractor")


class Unread(Exception):
    """A page could not be read; that may be no fault of its own."""


class Overrun(Unread):
    """A page took longer than it may, or more memory: it would again."""


class Extraction:
    """The children. Made on any loop, used on one; `aclose` ends them."""

    def __init__(self, seconds: float) -> None:
        """Prepare; nothing is started before the first page.

        Args:
            seconds: That a page may take.
        """
        self._seconds = seconds
        self._idle: list[_Child] = []
        self._turns = asyncio.Semaphore(_CHILDREN)
        self._closed = False

    def __repr__(self) -> str:
        return f"<Extraction {len(self._idle)} idle>"

    async def extract(self, html: str, url: str) -> Extract:
        """Read a page.

        Raises:
            Overrun: It could not be read within its bounds.
            Unread: There is no child to read it.
        """
        line = msgspec.json.encode(Work(html, url))
        async with self._turns:
            try:
                async with asyncio.timeout(self._seconds):
                    answer = await self._asked(line) or await self._asked(line, new=True)
            except TimeoutError:
                raise Overrun from None
        if answer is None:  # two children died of it, and one had read nothing else
            raise Overrun
        return answer

    async def _asked(self, line: bytes, *, new: bool = False) -> Extract | None:
        """Have a child read a page; None when it died."""
        child = self._idle.pop() if self._idle and not new else _Child(await _started())
        answer = None
        try:
            answer = await child.ask(line)
        except (Disconnected, msgspec.MsgspecError):
            log.debug("An extractor ended in the middle of a page")
        finally:
            if answer is None or child.pages >= _PAGES or self._closed:
                await child.kill()
            else:
                self._idle.append(child)
        return answer

    async def aclose(self) -> None:
        """End the children. Idempotent."""
        self._closed = True
        while self._idle:
            await self._idle.pop().kill()


class _Child:
    def __init__(self, channel: ChildChannel) -> None:
        self._channel = channel
        self.pages = 0

    async def ask(self, line: bytes) -> Extract | None:
        self.pages += 1
        self._channel.send(line)
        await self._channel.drain()
        answer = await self._channel.receive()
        return msgspec.json.decode(answer, type=Extract) if isinstance(answer, bytes) else None

    async def kill(self) -> None:
        await self._channel.aclose()


async def _started() -> ChildChannel:
    path = os.environ.get("PYTHONPATH")
    try:
        return await spawn(
            _COMMAND,
            env={} if path is None else {"PYTHONPATH": path},
            limits=_LIMITS,
            on_stderr=lambda line: log.debug("The extractor says: %s", line),
            grace_seconds=0.1,
        )
    except (DefinitionError, Disconnected) as error:
        log.warning("The extractor cannot be started: %s", error)
        raise Unread from None
