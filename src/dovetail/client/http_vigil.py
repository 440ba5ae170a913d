"""Streams that may be silent for long: whether anybody is there still is asked, when nothing came for a while.

A connection to a machine that is gone, or through a proxy that lost it, looks like one on which nothing happens (R-09).
What comes, a keep-alive comment too, is a sign of life; without one the server is asked for one.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Final

from dovetail.errors import AuthRequired, Disconnected, DovetailError, HttpFailure, PeerError

if TYPE_CHECKING:
    from dovetail.net import Response

SILENCE: Final = 15.0
"""Seconds without a byte, after which the server is asked; and as long it may take to answer."""


class Vigil:
    """Reads a stream, and asks for a sign of life when it is silent."""

    def __init__(self, ask: Callable[[], Awaitable[object]], seconds: float = SILENCE) -> None:
        """Keep watch.

        Args:
            ask: Makes a request that every server answers.
            seconds: See `SILENCE`.
        """
        self._ask = ask
        self._seconds = seconds

    async def chunk(self, response: "Response") -> bytes:
        """Return what comes next; empty at the end.

        Raises:
            Disconnected: The stream broke, or nobody answers.
        """
        reading = asyncio.ensure_future(response.chunk())
        try:
            while True:
                done, _ = await asyncio.wait({reading}, timeout=self._seconds)
                if done:
                    return reading.result()
                if not await self._answered():
                    raise Disconnected("The server is silent, and does not answer")
        finally:
            if not reading.done():
                reading.cancel()
                await asyncio.gather(reading, return_exceptions=True)

    async def _answered(self) -> bool:
        try:
            async with asyncio.timeout(self._seconds):
                await self._ask()
        except (PeerError, HttpFailure, AuthRequired):
            return True  # a refusal is an answer
        except (TimeoutError, DovetailError):
            return False
        return True
