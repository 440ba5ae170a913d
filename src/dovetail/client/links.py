"""The links of one client: one for itself, and over HTTP one for each principal that it calls for; under them one pool.

A principal's link has the session and the credentials of that principal and of nobody else. All of them are closed with
the client's own.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import TYPE_CHECKING, Any, Final

import msgspec

from dovetail.client.connection import Connection
from dovetail.client.link import Link
from dovetail.client.target import Address, Program, Target
from dovetail.client.timer import Timers
from dovetail.errors import AuthRequired, DefinitionError

if TYPE_CHECKING:
    from dovetail.client.login import Authorizer
    from dovetail.net import HttpClient

_PRINCIPALS: Final = 1000
"""Principals whose links are kept; beyond that, the one whose last call is longest ago is let go."""


class Way(msgspec.Struct, frozen=True):
    """How a link reaches its server over HTTP.

    Attributes:
        pool: The connections; None for what is not HTTP.
        authorizer: Makes the credentials of each request, if there are any.
    """

    pool: "HttpClient | None" = None
    authorizer: "Authorizer | None" = None


class Latest:
    """A principal's credentials: those that its last call was given."""

    def __init__(self) -> None:
        """Have none yet."""
        self.authorizer: Authorizer | None = None

    async def headers(self, method: str, url: str, body: bytes | None = None) -> Mapping[str, str]:
        """See `Authorizer.headers`."""
        return {} if self.authorizer is None else await self.authorizer.headers(method, url, body)

    async def challenged(self, method: str, url: str, status: int, headers: Mapping[str, str]) -> bool:
        """See `Authorizer.challenged`."""
        return self.authorizer is not None and await self.authorizer.challenged(method, url, status, headers)

    def answered(self, url: str, headers: Mapping[str, str]) -> None:
        """See `Attentive.answered`."""
        answered = getattr(self.authorizer, "answered", None)
        if answered is not None:
            answered(url, headers)


class Links:
    """See the module."""

    def __init__(
        self,
        target: Target,
        open_link: Callable[[Way], Awaitable[Link]],
        seconds: float,
        timers: Timers,
        auth: "str | Authorizer | None",
        *,
        owned: bool = False,
    ) -> None:
        """Own the links to one target.

        Args:
            target: The server.
            open_link: Opens a link.
            seconds: How long that may take.
            timers: The client's; they stand while a user logs in.
            auth: The client's own credentials; see `ClientOptions`.
            owned: Who makes the credentials was made for these links, and is closed with them.
        """
        self._target = target
        self._open_link = open_link
        self._seconds = seconds
        self._timers = timers
        self._auth = auth
        self._owned = owned
        self._pool: HttpClient | None = None
        self._own: Authorizer | None = None
        self._others: dict[str, tuple[Connection, Latest]] = {}
        self._leaving: set[asyncio.Task[None]] = set()
        self._retiring: list[Link] = []
        self.main = Connection(
            str(target),
            lambda: open_link(self._way()),
            seconds,
            timers,
            starts=isinstance(target, Program),
            closed=self._close,
        )

    def __repr__(self) -> str:
        return f"<Links to {self._target}: {self.main!r}, {len(self._others)} of principals>"

    async def link(self, principal: str | None = None, authorizer: "Authorizer | None" = None) -> Link:
        """Return the open link of the client itself, or of a principal; open it if need be.

        Raises:
            Disconnected: The client is not open.
            DovetailError: The link cannot be opened; see `Client.connect`.
        """
        if principal is None or not isinstance(self._target, Address):
            return await self.main.link()
        return await self._other(principal, authorizer).link()

    def live(self, principal: str | None = None) -> Link | None:
        """Return a link that is open, if it is."""
        if principal is None or not isinstance(self._target, Address):
            return self.main.live
        known = self._others.get(principal)
        return None if known is None else known[0].live

    def authorizer(self, auth: "str | Authorizer") -> "Authorizer":
        """Return what makes the credentials that a call is given.

        Raises:
            DefinitionError: There are no requests over HTTP that could carry them.
            AuthRequired: It is no token.
        """
        if not isinstance(self._target, Address):
            raise DefinitionError("auth: credentials are for a server over HTTP")
        if auth == "oauth":
            raise AuthRequired("oauth: a call cannot log in by itself; give it a token, or a Login that is kept")
        from dovetail.client.login import authorizer_of

        return authorizer_of(auth, self._target.url, self._timers)

    def _other(self, principal: str, authorizer: "Authorizer | None") -> Connection:
        known = self._others.pop(principal, None)
        if known is None:
            known = self._made()
        self._others[principal] = known  # as the last: those that are used come after those that are not
        connection, latest = known
        if authorizer is not None:
            latest.authorizer = authorizer
        if self.main.held and not connection.held:
            connection.hold()
        if len(self._others) > _PRINCIPALS:
            # Who is waited for stays, so that for a while there may be more of them.
            oldest = next((name for name, (each, _) in self._others.items() if not each.opening), principal)
            if oldest != principal:
                leaving = asyncio.create_task(self._leave(self._others.pop(oldest)[0]))
                self._leaving.add(leaving)
                leaving.add_done_callback(self._leaving.discard)
        return connection

    async def _leave(self, connection: Connection) -> None:
        self._retiring = [link for link in self._retiring if link.lost is None]
        link = await connection.let_go()
        if link is not None:
            self._retiring.append(link)

    def _made(self) -> tuple[Connection, Latest]:
        latest = Latest()

        async def opened() -> Link:
            return await self._open_link(self._way(latest))

        return Connection(str(self._target), opened, self._seconds, self._timers), latest

    def _way(self, authorizer: "Authorizer | None" = None) -> Way:
        if not isinstance(self._target, Address):
            return Way()
        if self._pool is None:
            from dovetail.net import HttpClient

            self._pool = HttpClient()
        if authorizer is None and self._own is None and self._auth is not None:
            from dovetail.client.login import authorizer_of

            self._own = authorizer_of(self._auth, self._target.url, self._timers)
        return Way(self._pool, authorizer or self._own)

    async def _close(self) -> None:
        """Close what stands beside the client's own link, which is closed already."""
        # All of it is taken at once: who opens the client meanwhile makes theirs anew.
        others, self._others = self._others, {}
        pool, self._pool = self._pool, None
        own, self._own = self._own, None
        await asyncio.gather(*self._leaving, return_exceptions=True)
        retiring, self._retiring = self._retiring, []
        ending = [connection.release() for connection, _ in others.values()]
        await asyncio.gather(*ending, *(link.aclose() for link in retiring), return_exceptions=True)
        if pool is not None:
            await pool.aclose()
        closing: Any = getattr(own, "aclose", None)
        if closing is not None and (self._owned or own is not self._auth):  # who handed in a login closes it
            await closing()
