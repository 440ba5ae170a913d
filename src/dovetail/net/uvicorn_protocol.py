"""Our HTTP/1.1 for uvicorn's server: what the connections of one server share, and the one timer that watches them.

uvicorn brings the start-up, the lifespan and the sockets. Its own connections have no deadline for a header or a body,
take a missing or a second Host, and spend half of a small request's time on what a server of small JSON messages does
not need; so the connections are ours (`http_connection`), and this is what makes them: `uvicorn.Config(app,
http=HttpSite(limits))`.

Deadlines cost a request two assignments of a float. No connection has a timer of its own.
"""

import asyncio
from collections.abc import Callable, Iterable
from typing import Any, Final

from dovetail.net.http_connection import HttpConnection
from dovetail.wire import DEFAULT_LIMITS, Limits

SWEEP_SECONDS: Final = 1.0


class HttpSite:
    """The connections of one server: their limits, their clock, and the timer that looks at them all.

    Attributes:
        limits: In force on every connection.
        clock: Seconds, monotonic.
        reaped: Connections that were ended at a deadline.
        refused: Requests that no application saw.
        turned_away: Connections over `max_connections`.
        on_empty: Called when the last connection ends.
    """

    def __init__(
        self,
        limits: Limits = DEFAULT_LIMITS,
        *,
        max_connections: int = 0,
        clock: Callable[[], float] | None = None,
    ) -> None:
        """Make the site of one server.

        Args:
            limits: `header_*`, `body*` and `write_seconds` apply.
            max_connections: More are answered 503 and closed, so that the process never runs out of descriptors; 0: no
                limit.
            clock: The event loop's when not given.
        """
        self.limits = limits
        self.max_connections = max_connections
        self.reaped = 0
        self.refused = 0
        self.turned_away = 0
        self.connections: set[HttpConnection] = set()
        self.on_empty: Callable[[], None] | None = None
        self._given_clock = clock
        self.clock: Callable[[], float] = clock or float
        self._timer: asyncio.TimerHandle | None = None
        self._tick = min(SWEEP_SECONDS, limits.header_seconds / 4, limits.body_seconds / 8, limits.write_seconds / 4)
        self._defaults: tuple[object, bytes] = (None, b"")

    def __repr__(self) -> str:
        return f"<HttpSite {len(self.connections)} connections, {self.reaped} reaped, {self.refused} refused>"

    def __call__(
        self, config: Any, server_state: Any, app_state: dict[str, Any], _loop: asyncio.AbstractEventLoop | None = None
    ) -> HttpConnection:
        """Make a connection; called by uvicorn's server with its configuration and state."""
        loop = _loop or asyncio.get_running_loop()
        self.clock = self._given_clock or loop.time
        return HttpConnection(self, loop, config, server_state, app_state)

    def enter(self, connection: HttpConnection) -> bool:
        """Watch a connection; False when there are too many."""
        if self.max_connections and len(self.connections) >= self.max_connections:
            self.turned_away += 1
            return False
        self.connections.add(connection)
        if self._timer is None:
            self._timer = connection.loop.call_later(self._tick, self._on_tick, connection.loop)
        return True

    def leave(self, connection: HttpConnection) -> None:
        """Forget a connection."""
        self.connections.discard(connection)
        if not self.connections and self.on_empty is not None:
            self.on_empty()

    def _on_tick(self, loop: asyncio.AbstractEventLoop) -> None:
        self.sweep(self.clock())
        # A server without connections sleeps.
        self._timer = loop.call_later(self._tick, self._on_tick, loop) if self.connections else None

    def sweep(self, now: float) -> None:
        """End what is overdue at `now`."""
        for connection in [c for c in self.connections if c.deadline <= now or c.out.deadline <= now]:
            connection.overdue(now)

    def abort_all(self) -> None:
        """Abort every connection: the end of a drain."""
        for connection in tuple(self.connections):
            connection.abort()

    def default_lines(self, headers: Iterable[tuple[bytes, bytes]]) -> bytes:
        """Return uvicorn's default fields as header lines; it makes a new list each second, for the date."""
        if self._defaults[0] is not headers:
            self._defaults = (headers, b"".join(b"%b: %b\r\n" % field for field in headers))
        return self._defaults[1]
