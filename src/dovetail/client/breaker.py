"""The circuit breaker of one client: a server that is down is asked by one call at a time, with growing pauses.

    CLOSED      every call goes out; failures in a row are counted                 -> OPEN at `Retry.failures`
    OPEN        nothing goes out until the pause is over                           -> HALF OPEN
    HALF OPEN   one call goes out, the others wait for what becomes of it          -> CLOSED, or OPEN for twice as long

A failure is a server that is not there: what never reached it, or broke off, or was answered with 502, 503 or 504. An
error that a server answers with is none. A call waits for one pause and one probe at most, so that it fails in time; a
probe that found nothing out, since its caller gave up, is somebody else's turn. Where the retry policy allows one
attempt only, a call fails at once.
"""

import asyncio
from collections.abc import Callable
from typing import Final

from dovetail.client.options import Retry
from dovetail.errors import Unsent

_FIRST: Final = 0.5
_FACTOR: Final = 2.0
_LONGEST: Final = 1.0
"""A call waits for a pause, so it is short; one request a second burdens no server that is down."""


class Ticket:
    """Leave for one call to go out; what became of it is told with it."""

    __slots__ = ("ended", "failed", "news")

    def __init__(self, news: int, *, probing: bool = False) -> None:
        """Made by `Breaker.admitted`: after so many failures, and with others waiting for it or not."""
        self.news = news
        self.ended = asyncio.Event() if probing else None
        self.failed = False


class Breaker:
    """See the module."""

    __slots__ = ("_clock", "_failures", "_news", "_pause", "_probe", "_reason", "_retry", "_until", "_what")

    def __init__(self, what: str, retry: Retry, clock: Callable[[], float] | None = None) -> None:
        """Count failures of one server.

        Args:
            what: The server, for errors.
            retry: How many failures open the circuit, and how long a pause may be.
            clock: Seconds; the event loop's when None.
        """
        self._what = what
        self._retry = retry
        self._clock = clock
        self._failures = 0
        self._news = 0
        self._reason = ""
        self._pause = _FIRST
        self._until = 0.0
        self._probe: Ticket | None = None

    def __repr__(self) -> str:
        return f"<Breaker of {self._what}: {self._failures} failures in a row>"

    def closed(self) -> bool:
        """Whether every call goes out."""
        return self._failures < self._retry.failures

    async def admitted(self) -> Ticket:
        """Return when a call may go out. What became of it must be told, whatever it was.

        Raises:
            Unsent: The server is still not there, or the retry policy allows no wait.
        """
        slept = False
        while not self.closed():
            probe = self._probe
            if probe is not None:
                assert probe.ended is not None
                await probe.ended.wait()
                if probe.failed:
                    raise self._open()
                continue
            wait = self._until - self._now()
            if wait <= 0:
                self._probe = Ticket(self._news, probing=True)
                return self._probe
            if slept or self._retry.attempts <= 1:
                raise self._open()
            await asyncio.sleep(wait)
            slept = True
        return Ticket(self._news)

    def succeeded(self, ticket: Ticket) -> None:
        """Note that the server is there."""
        if self._failures:
            self._failures = 0
            self._pause = _FIRST
            if self._probe is not None:
                self._end(self._probe)
        self.released(ticket)

    def failed(self, ticket: Ticket, reason: BaseException) -> None:
        """Note that the server is not there, and why. What many calls under way lost at once is one failure."""
        self._reason = str(reason)
        ticket.failed = True
        if ticket.news == self._news:
            self._news += 1
            self._failures += 1
            if not self.closed():
                self._until = self._now() + self._pause
                self._pause = min(self._pause * _FACTOR, _LONGEST)
        self.released(ticket)

    def released(self, ticket: Ticket) -> None:
        """Let others try: who did knows nothing of the server (it was cancelled, say)."""
        if ticket is self._probe:
            self._end(ticket)

    def _end(self, probe: Ticket) -> None:
        self._probe = None
        if probe.ended is not None:
            probe.ended.set()

    def _open(self) -> Unsent:
        wait = max(0.0, self._until - self._now())
        return Unsent(
            f"{self._what}: it failed {self._failures} times in a row; the next try is in {wait:.1f} s; "
            f"the last time: {self._reason}"
        )

    def _now(self) -> float:
        return asyncio.get_running_loop().time() if self._clock is None else self._clock()
