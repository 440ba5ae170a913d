"""What stands behind a `Client`: its connection, its calls, what it knows of the tools, and who answers and hears.

Made when a client is first opened. One place puts the parts together; none of them knows `Client`.
"""

from typing import TYPE_CHECKING, Any

import msgspec
from msgspec.structs import replace

from dovetail.client.answering import Answering
from dovetail.client.breaker import Breaker
from dovetail.client.calls import Caller
from dovetail.client.hearing import Hearing
from dovetail.client.link import Identity, Link, Outgoing, said
from dovetail.client.links import Links, Way
from dovetail.client.listening import Changes, Wanted
from dovetail.client.options import CallOptions, ClientOptions, Retry
from dovetail.client.requests import Requests
from dovetail.client.target import Address
from dovetail.client.timer import Timers
from dovetail.client.toolbook import ToolBooks
from dovetail.revisions import OLDEST, Revision, revision_for
from dovetail.wire import Implementation, LoggingLevel, SetLevelRequestParams

if TYPE_CHECKING:
    from dovetail.client.caching import ResponseCache


class Conversation:
    """The working parts of one client."""

    def __init__(self, target: Any, options: ClientOptions) -> None:
        """Put them together; nothing is sent yet.

        Args:
            target: See `dovetail.client.target`.
            options: The client's.
        """
        self._target = target
        self._timers = Timers()
        self._options = options
        self._answering = Answering(options.get("on_elicit"), options.get("on_sample"), options.get("roots"))
        self._hearing = Hearing(self._answering, lambda: self._timers, options)
        self._retry = options.get("retry", Retry())
        self.cache: ResponseCache | None = None
        self._seconds = options.get("opening", 30.0)
        self._identity: Identity | None = None
        self._level = options.get("log_level", "info" if "on_log" in options else None)
        witness = None
        if options.get("cache"):
            from dovetail.client.caching import cache_of
            from dovetail.client.witness import witness_of

            witness = witness_of(target, options, self._timers)
        self._links = Links(
            target, self._open, self._seconds, self._timers, witness or options.get("auth"), owned=witness is not None
        )
        self.connection = self._links.main
        self._caller = Caller(
            self._links.link,
            self._answering,
            rounds=options.get("rounds", 10),
            retry=self._retry,
            breaker=Breaker(str(target), self._retry),
            timers=self._timers,
            visited=self._hearing.visited,
            visit_seconds=options.get("visit", 60.0),
            server=str(target),
            held=lambda: self.connection.held,
        )
        self.tools = ToolBooks(str(target))
        if options.get("cache"):
            self.cache = cache_of(target, options, msgspec.json.encode(self._introduced()), witness, self.connection)
            self._hearing.watcher = self.cache.heard
        self.requests = Requests(self._caller, self._hearing, self._links, options, self._repeatable, self.cache)

    async def release(self) -> None:
        """Give up one use of the connection; with the last one, also what the cache is about."""
        if self.connection.last:
            self._caller.close()
        await self.connection.release()
        if self.connection.held:
            return
        await self.tools.aclose()
        if self.cache is not None:
            await self.cache.aclose()

    async def set_level(self, level: LoggingLevel, options: CallOptions) -> None:
        """Say which log messages are wanted: now, and whenever the link is opened again."""
        link = await self.connection.link()
        self._level = level
        if link.peer.revision.has("logging/setLevel"):
            params = said(SetLevelRequestParams(level=level), link.peer.revision)
            await self.requests.raw("logging/setLevel", params, options)
        elif self._identity is not None:
            self._identity = replace(self._identity, level=level)
            link.identify(self._identity)

    def mirrors(self, revision: Revision) -> bool:
        """Tell whether arguments travel as header fields, too: where there are some."""
        return revision.request_headers and isinstance(self._target, Address)

    def listen(self, want: Wanted) -> Changes:
        """Return what hears of changes."""
        connection = self.connection
        held, server = lambda: connection.held, str(self._target)
        return Changes(want, connection.link, self._hearing, self._retry, self.requests.patience, held, server)

    def _repeatable(self, method: str, name: str | None, options: CallOptions) -> bool:
        """Tell what changes nothing, or says that it may be called twice and is believed (C-11)."""
        if method != "tools/call":
            return True
        return self._retry.idempotent_tools and self.tools.of(options).idempotent(name or "")

    def _introduced(self, level: LoggingLevel | None = None) -> Identity:
        """Return who we say that we are."""
        options = self._options
        info = Implementation(
            name=options.get("name", "dovetail"),
            version=options.get("version", "0.1.0"),
            title=options.get("title"),
            icons=options.get("icons"),
        )
        capabilities = self._answering.capabilities(options.get("extensions"), options.get("experimental"))
        return Identity(info, capabilities, level)

    async def _open(self, way: Way) -> Link:
        from dovetail.client.dialling import dial

        options, level = self._options, self._level
        identity = self._identity = self._introduced(level)
        fixed, minimum = revision_for(options.get("revision", "")), revision_for(options.get("minimum", "")) or OLDEST
        link = await dial(self._target, options, identity, self._hearing, fixed=fixed, minimum=minimum, way=way)
        if (
            level is not None
            and link.peer.capabilities.logging is not None
            and link.peer.revision.has("logging/setLevel")
        ):
            await link.request(Outgoing(method="logging/setLevel", params=msgspec.json.encode({"level": level})))
        return link
