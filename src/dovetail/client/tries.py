"""What is tried again, and when: no request is sent twice that may have done something the first time (C-11).

What may have had an effect is a call that is not `repeatable` and has left: only what provably never left (`Unsent`),
or came to a session that is not known any more, is sent again. The breaker says when to wait for a server that is down.
"""

import asyncio
import random
from collections.abc import Awaitable, Callable
from typing import Final, TypeVar

from dovetail.client.breaker import Breaker
from dovetail.client.options import Retry
from dovetail.errors import Disconnected, HttpFailure, PeerError, SessionLost, Unsent

T = TypeVar("T")

_TEMPORARY: Final = frozenset({429, 502, 503, 504})
_DOWN: Final = frozenset({502, 503, 504})


class Tries:
    """The attempts of one client's requests."""

    def __init__(self, retry: Retry, breaker: Breaker, held: Callable[[], bool]) -> None:
        """Try again by a policy, while the client is open."""
        self._retry = retry
        self._breaker = breaker
        self._held = held

    def __repr__(self) -> str:
        return f"<Tries {self._retry.attempts} at most, {self._breaker!r}>"

    async def of(self, work: Callable[[], Awaitable[T]], repeatable: bool) -> T:
        """Do something with the server; again, where that is safe and worth a try."""
        attempt = 1
        forgotten = False
        while True:
            open_before = not self._breaker.closed()
            try:
                return await self._try(work)
            except Unsent as error:
                failure: Exception = error
            except SessionLost as error:
                # A session that is not known any more served nothing: HTTP 404 came in place of an answer. A server
                # that says so of a new session, too, means something else.
                if forgotten and not repeatable:
                    raise
                failure, forgotten = error, True
            except Disconnected as error:
                if not repeatable:
                    raise
                failure = error
            except HttpFailure as error:
                # Also of 429: who counts requests (RFC 6585, section 4) may do so when one has done its work.
                if error.status not in _TEMPORARY or not repeatable:
                    raise
                failure = error
            # With the circuit open, a call waits for one pause and one probe, and no more.
            if attempt >= self._retry.attempts or (open_before and _is_down(failure) and not self._breaker.closed()):
                raise failure
            await self._pause(failure, attempt)
            attempt += 1

    async def _pause(self, failure: Exception, attempt: int) -> None:
        """Wait before the next attempt; raise the failure when its server wants too long a wait, or nobody is there."""
        told = getattr(failure, "retry_after", None)
        if not self._held() or (told is not None and told > self._retry.longest):
            raise failure
        await asyncio.sleep(max(told or 0.0, self._retry.wait(attempt, random.random())))  # noqa: S311

    async def _try(self, work: Callable[[], Awaitable[T]]) -> T:
        """Do something with the server once, if the circuit is closed; tell the breaker what that says of it."""
        breaker = self._breaker
        ticket = await breaker.admitted()
        try:
            done = await work()
        except BaseException as error:
            if _is_down(error):
                breaker.failed(ticket, error)
            elif isinstance(error, PeerError | HttpFailure | SessionLost):
                breaker.succeeded(ticket)
            else:
                breaker.released(ticket)
            raise
        breaker.succeeded(ticket)
        return done


def _is_down(error: BaseException) -> bool:
    """Tell whether a failure says that the server is not there."""
    if isinstance(error, HttpFailure):
        return error.status in _DOWN
    return isinstance(error, Disconnected) and not isinstance(error, SessionLost)
