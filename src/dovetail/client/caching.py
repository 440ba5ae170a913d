"""A client's response cache at work: what `core.CachePolicy` decides, done with a store and the requests under way.

A store that is out of reach makes a client slower and nothing else. Whose results are whose is seen from the
credentials that went out last: with other ones than a request began with, nothing of it is kept.
"""

import asyncio
import logging
import os
from collections.abc import Awaitable, Callable, Mapping
from typing import TYPE_CHECKING, Any, Final

import msgspec
from msgspec.structs import replace

from dovetail.client.flights import Flights
from dovetail.client.listings import Kind, Listing, complete_list
from dovetail.client.options import DEFAULT_LIMITS, Caching, CallOptions, ClientOptions
from dovetail.client.target import Address, Program, Target
from dovetail.core import (
    PUBLIC,
    Cached,
    CachePolicy,
    Freshness,
    Question,
    cache_digest,
    cache_group,
    cache_place,
    cache_realm,
    is_cacheable,
    is_temporary,
    unpack_pages,
)
from dovetail.errors import Disconnected, DovetailError, PeerError, StoreUnusable
from dovetail.wire import Notification

if TYPE_CHECKING:
    from dovetail.client.connection import Connection
    from dovetail.client.login import Authorizer
    from dovetail.core import Place, ResponseStore

log = logging.getLogger("dovetail.client")

_NEUTRAL: Final = frozenset({"timeout", "on_progress", "meta", "fresh"})
"""Options of a call that do not change whose answer it gets. With any other one it passes the cache by."""
_TRACING: Final = frozenset({"traceparent", "tracestate"})
_FAREWELL: Final = 5.0
_DROPS: Final = 1000
_encode = msgspec.json.encode

Ask = Callable[["Taken"], Awaitable[None]]


class Taken:
    """What a request, or those for the pages of a list, brought.

    Attributes:
        pages: The results' JSON.
        received: When the first came.
        asked: The server asked something first.
    """

    def __init__(self, now: Callable[[], float]) -> None:
        """Begin empty."""
        self._now = now
        self.pages: list[bytes] = []
        self.received = 0.0
        self.asked = False

    def take(self, raw: bytes) -> None:
        """Take one result."""
        if not self.pages:
            self.received = self._now()
        self.pages.append(raw)

    def note_asked(self) -> None:
        """Take note of a question."""
        self.asked = True


class Witness:
    """An authorizer that sees whose credentials went out last: `context`, a digest; empty before the first."""

    def __init__(self, auth: "str | Authorizer", url: str) -> None:
        """Watch what `Client(auth=...)` means."""
        self._auth = auth
        self._url = url
        self._made: Authorizer | None = None
        self.context = b""

    async def headers(self, method: str, url: str, body: bytes | None = None) -> Mapping[str, str]:
        """See `Authorizer.headers`."""
        headers = await self._authorizer().headers(method, url, body)
        # A proof of possession is new with each request; whose the credentials are, the others say.
        lasting = sorted((name.lower(), value) for name, value in headers.items() if name.lower() != "dpop")
        self.context = cache_digest(_encode(lasting)).encode()
        return headers

    async def challenged(self, method: str, url: str, status: int, headers: Mapping[str, str]) -> bool:
        """See `Authorizer.challenged`."""
        return await self._authorizer().challenged(method, url, status, headers)

    async def aclose(self) -> None:
        """Close the authorizer, if it was made here."""
        made, self._made = self._made, None
        closing: Any = getattr(made, "aclose", None)
        if closing is not None and made is not self._auth:
            await closing()

    def _authorizer(self) -> "Authorizer":
        if self._made is None:
            from dovetail.client.login import authorizer_of

            self._made = authorizer_of(self._auth, self._url)
        return self._made


class ResponseCache:
    """The cache of one client."""

    def __init__(self, caching: Caching, server: bytes, witness: Witness | None, connection: "Connection") -> None:
        """Cache what a server answers.

        Args:
            caching: What was asked for; with a store.
            server: Tells the server, and who we say that we are, from all others.
            witness: Sees the credentials, if there are any.
            connection: Says which revision is spoken, and whether the client is open.
        """
        assert caching.store is not None
        self._store: ResponseStore = caching.store
        self._server = server
        self._witness = witness
        self._principal = caching.principal
        self._connection = connection
        self._policy = CachePolicy(caching.longest, caching.stale_while_revalidate, caching.stale_if_error)
        self._flights: Flights[Taken] = Flights()
        self._drops: dict[tuple[str, str | None], float] = {}
        self._dropping: asyncio.Task[None] | None = None

    def __repr__(self) -> str:
        return f"<ResponseCache in {self._store!r}>"

    async def listing(
        self, kind: Kind, page: Callable[[bytes], Awaitable[bytes]], options: CallOptions
    ) -> Listing[Any]:
        """Return a complete list, whose pages are all of one time.

        "Clients that require a consistent snapshot of the full list SHOULD re-fetch from the beginning" (2026-07-28,
        Caching, Interaction with Pagination).
        """

        async def ask(taken: Taken) -> None:
            async def taking(params: bytes) -> bytes:
                raw = await page(params)
                taken.take(raw)
                return raw

            await complete_list(kind, taking)

        pages = iter(await self.answer(Question(kind.method, meta=_meta(options)), options, ask))

        async def kept(_: bytes) -> bytes:
            return next(pages)

        return await complete_list(kind, kept)

    async def result(self, method: str, params: bytes, options: CallOptions, name: str, ask: Ask) -> bytes:
        """Return one result's JSON; see `answer`. What may never be kept is asked for each time."""
        if is_cacheable(method):
            return (await self.answer(Question(method, params, _meta(options), name), options, ask))[0]
        taken = Taken(self._store.now)
        await ask(taken)
        return taken.pages[0]

    async def answer(self, question: Question, options: CallOptions, ask: Ask) -> list[bytes]:
        """Return the results' JSON for a question: kept, or fetched now.

        Args:
            question: What is asked.
            options: Of the call.
            ask: Asks the server.

        Raises:
            DovetailError: What asking raises.
            StoreUnusable: The store's file cannot be used at all.
        """
        context = self._context()
        if context is None or not self._connection.held or options.keys() - _NEUTRAL:
            taken = Taken(self._store.now)
            await ask(taken)
            return taken.pages
        own = cache_place(self._server, context, question)
        key = (own.key, options.get("timeout", -1.0), object() if "on_progress" in options else None)

        mine = Taken(self._store.now)

        async def fetch() -> Taken:
            return await self._fetch(question, context, own, ask, mine)

        fresh = options.get("fresh", False)
        cached = None if fresh else await self._load([own.key, cache_place(self._server, PUBLIC, question).key])
        pages = None if cached is None else unpack_pages(cached.body)
        state = self._policy.state(question, cached, self._store.now())
        if pages is not None and state in (Freshness.FRESH, Freshness.AGED):
            if state is Freshness.AGED:
                self._flights.begin(key, fetch)
            return pages
        try:
            taken = await self._flights.join(key, fetch, anew=fresh)
            if taken.asked and taken is not mine:  # what somebody's answers brought is for nobody else
                await ask(mine)
                return mine.pages
            return taken.pages
        except DovetailError as error:
            # "e.g. network issues, server downtime": what the server says of the request itself is never replaced.
            if pages is None or not is_temporary(error) or not self._connection.held:
                raise
            if self._policy.state(question, cached, self._store.now()) is Freshness.OVER:
                raise
            return pages

    def heard(self, notification: Notification | None) -> None:
        """Take a notification of the server; None when some may have been missed."""
        now = self._store.now()
        subjects = self._policy.changed(notification, now)
        if notification is None:
            self._drop(None, now)
        for subject in subjects:
            self._drop(subject, now)

    def failed(self, method: str, error: PeerError) -> None:
        """Take note of a call that was refused."""
        now = self._store.now()
        for subject in self._policy.suspected(method, error.code, now):
            self._drop(subject, now)

    async def aclose(self) -> None:
        """Give up what nobody waits for; the store is the caller's."""
        await self._flights.aclose()
        if self._dropping is not None:
            await asyncio.wait({self._dropping}, timeout=_FAREWELL)
        if self._witness is not None:
            await self._witness.aclose()

    def _context(self) -> bytes | None:
        """Return what tells whose results these are; None while nobody knows."""
        if self._principal is not None:
            return cache_digest(b"principal", self._principal.encode()).encode()
        return b"nobody" if self._witness is None else self._witness.context or None

    async def _fetch(self, question: Question, context: bytes, own: "Place", ask: Ask, taken: Taken) -> Taken:
        began = self._store.now()
        await ask(taken)
        peer = self._connection.peer
        # "Results produced by retrying a request through the multi round-trip requests mechanism MUST NOT be cached"
        # (Caching, Cache Key). Servers of a revision without hints answer as the session wants it.
        if taken.asked or peer is None or not peer.revision.cache_hints or self._context() != context:
            return taken
        kept = self._policy.worth(question, taken.pages, began, taken.received)
        if kept is not None:
            where = cache_place(self._server, PUBLIC, question) if kept.public else own
            try:
                await self._store.save(where, kept.cached, kept.seconds)
            except Disconnected as error:
                log.warning("A result could not be kept: %s", error)
        return taken

    async def _load(self, keys: list[str]) -> Cached | None:
        try:
            return await self._store.load(keys)
        except StoreUnusable:
            raise
        except Disconnected as error:
            log.warning("The response cache is out of reach: %s", error)
            return None

    def _drop(self, subject: tuple[str, str] | None, now: float) -> None:
        """Have stale results forgotten, also for the others who share the store; here they count no more already."""
        self._flights.seal()
        context = self._context()
        for whose in (PUBLIC,) if context is None else (PUBLIC, context):
            home = cache_realm(self._server, whose)
            self._drops[home, None if subject is None else cache_group(home, subject)] = now
        while len(self._drops) > _DROPS:
            home, _ = next(iter(self._drops))
            for key in [key for key in self._drops if key[0] == home]:
                del self._drops[key]
            self._drops[home, None] = now
        if self._dropping is None or self._dropping.done():
            self._dropping = asyncio.create_task(self._forget(), name="dovetail: forgetting")

    async def _forget(self) -> None:
        while self._drops:
            where = next(iter(self._drops))
            before = self._drops.pop(where)
            try:
                await self._store.drop(*where, before)
            except Disconnected as error:
                log.warning("What changed could not be forgotten by the response cache: %s", error)


def witness_of(target: Target, options: ClientOptions) -> Witness | None:
    """Return what is to be handed on in the place of a client's credentials; None without any."""
    auth = options.get("auth")
    return Witness(auth, target.url) if isinstance(target, Address) and auth is not None else None


def cache_of(
    target: Target, options: ClientOptions, saying: bytes, witness: Witness | None, connection: "Connection"
) -> ResponseCache:
    """Return the cache that a client was told to have.

    Args:
        target: The server.
        options: The client's.
        saying: Who we say that we are, and what we can: results may depend on it.
        witness: Sees the client's credentials, if there are any.
        connection: The client's.
    """
    wanted = options["cache"]
    caching = wanted if isinstance(wanted, Caching) else Caching()
    limits = options.get("limits", DEFAULT_LIMITS)
    store = caching.store
    if store is None:
        from dovetail.store import MemoryCache

        store = MemoryCache(limits)
    caching = replace(caching, store=store, longest=min(caching.longest, limits.cache_seconds))
    return ResponseCache(caching, cache_digest(_named(target, options), saying).encode(), witness, connection)


def _named(target: Target, options: ClientOptions) -> bytes:
    """Return what tells a server from all others. Header fields and variables may name a tenant, so they count."""
    match target:
        case Address():
            headers = {**target.headers, **options.get("headers", {})}
            return _encode(["http", target.url, sorted((name.lower(), value) for name, value in headers.items())])
        case Program():
            where = os.path.abspath(target.cwd or ".")
            return _encode(["program", target.argv, where, sorted(target.env.items())])
    return os.urandom(32)  # a server in this process, or behind a channel: nobody else can mean the same


def _meta(options: CallOptions) -> bytes:
    given = {key: value for key, value in options.get("meta", {}).items() if key not in _TRACING}
    return _encode(given, order="deterministic") if given else b""
