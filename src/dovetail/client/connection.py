"""What owns the link of a client: opens it once for all who want it, opens it again when it was lost, closes it.

Opening runs in a task of its own, so that a caller who gives up takes nothing away from the others; and no scope of a
task is held, so that a client can be opened in one task and closed in another, in any order. One that nobody waits for
any more is given up, but for a program: what has started so far would be thrown away. A lost link is parted from beside
all that, since a program that ignores its end takes its time.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Final
from weakref import WeakKeyDictionary

from dovetail.client.failures import named
from dovetail.client.link import Link
from dovetail.client.timer import CallTimer, Timers
from dovetail.core import ServerPeer
from dovetail.errors import Disconnected, DovetailError

OFTEN: Final = 6
WITHIN: Final = 60.0
"""A program that ended that often within so many seconds, each time before it answered at all, is not started again
before the oldest of these ends is that old. One that answered is started again at once, however often it ends."""
LINGER: Final = 5.0
"""Seconds that an opening for which nobody waits may take yet: some servers need longer than a call has time."""


class Connection:
    """The one link of a client, or none."""

    def __init__(
        self,
        what: str,
        open_link: Callable[[], Awaitable[Link]],
        seconds: float,
        timers: Timers,
        *,
        starts: bool = False,
        closed: Callable[[], Awaitable[None]] | None = None,
    ) -> None:
        """Own the link that `open_link` opens.

        Args:
            what: The server, for errors.
            open_link: Opens a link.
            seconds: How long that may take.
            timers: Where its timer is while it takes.
            starts: Opening starts a program, which is not done for ever if it ends each time.
            closed: Closes what stands beside the link, once the link is closed.
        """
        self._starts = starts
        self._closed = closed
        self._timers = timers
        self._retired: list[Link] = []
        self._parting: set[asyncio.Task[None]] = set()
        self._waiting = 0
        self._patience: WeakKeyDictionary[asyncio.Task[Link], float] = WeakKeyDictionary()
        self._what = what
        self._open_link = open_link
        self._seconds = seconds
        self._link: Link | None = None
        self._opening: asyncio.Task[Link] | None = None
        self._closing: set[asyncio.Task[None]] = set()
        self._users = 0
        self._generation = 0
        self._losses: deque[float] = deque(maxlen=OFTEN)
        self._reason: DovetailError | None = None
        self.opened = 0

    def __repr__(self) -> str:
        state = "open" if self._link is not None and self._link.lost is None else "not open"
        return f"<Connection to {self._what}, {state}, {self._users} users>"

    @property
    def peer(self) -> ServerPeer | None:
        """The server, while it is known."""
        return None if self._link is None else self._link.peer

    @property
    def held(self) -> bool:
        """Whether anybody has the client open."""
        return self._users > 0

    @property
    def last(self) -> bool:
        """Whether there is one use, so that giving it up closes the link."""
        return self._users == 1

    @property
    def opening(self) -> bool:
        """Whether the link is being opened."""
        return self._opening is not None and not self._opening.done()

    @property
    def live(self) -> Link | None:
        """The link, if there is one that is not lost."""
        return self._link if self._link is not None and self._link.lost is None else None

    async def acquire(self) -> None:
        """Open the link for one more user.

        Raises:
            Timeout: It took too long.
            DovetailError: It cannot be opened; see `Link.request`.
        """
        self._users += 1
        generation = self._generation
        try:
            await self.link()
        except BaseException:
            if generation == self._generation:  # else somebody has closed it, and this use with it
                await self.release()
            raise

    def hold(self) -> None:
        """Use it once more, without opening it yet: whoever needs the link first opens it, for all who wait."""
        self._users += 1

    async def let_go(self) -> Link | None:
        """Give up all uses; a link with something under way is returned, and closes when that has ended."""
        self._users = 0
        self._generation += 1
        link, self._link = self._link, None
        return None if link is None or await link.retire() else link

    async def release(self) -> None:
        """Give up one use; the last one closes the link. More often than `acquire`: does nothing."""
        if self._users == 0:
            return
        self._users -= 1
        if self._users == 0:
            # What there is belongs to this end from now on: who opens the client meanwhile gets a link of their own.
            self._generation += 1
            links = [each for each in (self._link, *self._retired) if each is not None]
            opening, self._opening = self._opening, None
            self._link, self._retired = None, []
            closing = asyncio.create_task(self._close(opening, links, list(self._parting)))
            self._closing.add(closing)
            closing.add_done_callback(self._closing.discard)
            await asyncio.shield(closing)

    async def link(self) -> Link:
        """Return the open link; open it again if it was lost.

        Raises:
            Disconnected: Nobody has opened the client, or it was closed.
            Timeout: Opening took too long.
        """
        live = self.live
        if live is not None:
            return live
        if self._users == 0:
            raise Disconnected(f"{self._what}: the client is not open; use `async with`, or `await client.connect()`")
        if self._opening is None or self._opening.done():
            self._opening = asyncio.create_task(self._open(), name=f"dovetail: opening {self._what}")
            self._opening.add_done_callback(_retrieved)
        opening = self._opening
        self._waiting += 1
        try:
            return await asyncio.shield(opening)
        except asyncio.CancelledError:
            task = asyncio.current_task()
            if not opening.cancelled() or (task is not None and task.cancelling()):
                raise
            raise Disconnected(f"{self._what}: the client was closed") from None
        finally:
            self._waiting -= 1
            if not self._waiting and not self._starts and self._opening is opening and not opening.done():
                self._desert(opening)

    def _desert(self, opening: asyncio.Task[Link]) -> None:
        """Nobody waits for an opening any more: it has a while yet, since who comes next may find it done.

        The while is counted from when it was deserted first, so that one that hangs is not joined for ever.
        """
        loop = asyncio.get_running_loop()
        self._patience.setdefault(opening, loop.time() + LINGER)

        def give_up() -> None:
            if not self._waiting and self._opening is opening and not opening.done():
                opening.cancel()
                self._opening = None

        loop.call_later(max(0.0, self._patience[opening] - loop.time()), give_up)

    async def _open(self) -> Link:
        generation = self._generation
        old, self._link = self._link, None
        if old is not None:
            parting = asyncio.create_task(self._part([*self._retired, old], generation))
            self._retired = []
            self._parting.add(parting)
            parting.add_done_callback(self._parting.discard)
        self._check_often()
        try:
            link = await self._opened()
        except Disconnected as error:
            if self._starts:
                self._losses.append(asyncio.get_running_loop().time())
                self._reason = error
            raise
        if generation != self._generation:
            await link.aclose()
            raise Disconnected(f"{self._what}: the client was closed")
        self._link = link
        self.opened += 1
        return link

    async def _part(self, links: list[Link], generation: int) -> None:
        """Close lost links; those with something under way are kept until it has ended, or the client is closed."""
        for link in links:
            if await link.retire():
                continue
            if generation == self._generation:
                self._retired.append(link)
            else:
                await link.aclose()

    async def _opened(self) -> Link:
        try:
            async with CallTimer("opening", self._seconds, self._seconds) as timer:
                with self._timers.running(timer):
                    return await self._open_link()
        except DovetailError as error:
            raise named(error, self._what, "opening") from error.__cause__

    def _check_often(self) -> None:
        """Give up, for now, on a server that ends again and again."""
        now = asyncio.get_running_loop().time()
        if len(self._losses) == OFTEN and now - self._losses[0] < WITHIN:
            raise Disconnected(f"{self._what}: it ended {OFTEN} times within a minute; the last time: {self._reason}")

    async def _close(
        self, opening: asyncio.Task[Link] | None, links: list[Link], parting: list[asyncio.Task[None]]
    ) -> None:
        if opening is not None and not opening.done():
            opening.cancel()
            await asyncio.gather(opening, return_exceptions=True)
        for link in links:
            await link.aclose()
        await asyncio.gather(*parting, return_exceptions=True)
        if self._closed is not None and self._users == 0:
            await self._closed()


def _retrieved(task: asyncio.Task[Link]) -> None:
    if not task.cancelled():
        task.exception()
