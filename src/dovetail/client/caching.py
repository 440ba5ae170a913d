"""A client's response cache at work: what `core.CachePolicy` decides, done with a store and the requests under way.

A store that is out of reach makes a client slower and nothing else. Whose results are whose is seen from the
credentials that a request would carry: with other ones, nothing of before is found, and nothing that was under way
when they changed is kept.
"""

import asyncio
import logging
import os
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import msgspec
from msgspec.structs import replace

from dovetail.client.flights import Flights
from dovetail.client.listings import Kind, Listing, complete_list
from dovetail.client.options import DEFAULT_LIMITS, Caching, CallOptions, ClientOptions
from dovetail.client.target import Address, Program, Target
from dovetail.client.witness import Witness
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
from dovetail.wire import Limits, Notification

if TYPE_CHECKING:
    from dovetail.client.connection import Connection
    from dovetail.core import Place, ResponseStore

log = logging.getLogger("dovetail.client")

_KNOWN: Final = frozenset({"timeout", "on_progress", "meta", "fresh", "auth", "principal"})
"""Options of a call with which it is known whose answer it gets. With any other one it passes the cache by."""
_TRACING: Final = frozenset({"traceparent", "tracestate"})
_FAREWELL: Final = 5.0
_PATIENCE: Final = 1.0
"""Seconds that a call waits for the store."""
_REST_SECONDS: Final = 10.0
"""How long a store that was too slow is left alone."""
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


class Errand(NamedTuple):
    """A question that is being asked: where its result goes, and whose turn it was when it began (None: its own)."""

    question: Question
    own: "Place"
    ask: Ask
    taken: Taken
    turn: int | None


class ResponseCache:
    """The cache of one client."""

    def __init__(
        self,
        caching: Caching,
        server: bytes,
        connection: "Connection",
        witness: Witness | None,
        *,
        over_http: bool,
    ) -> None:
        """Cache what a server answers.

        Args:
            caching: What was asked for; with a store.
            server: Tells the server, and who we say that we are, from all others.
            connection: Says which revision is spoken, and whether the client is open.
            witness: Sees the client's credentials, if there are any.
            over_http: A call can have credentials of its own.
        """
        assert caching.store is not None
        self._store: ResponseStore = caching.store
        self._server = server
        self._witness = witness
        self._principal = caching.principal
        self._connection = connection
        self._policy = CachePolicy(caching.longest, caching.stale_while_revalidate, caching.stale_if_error)
        self._flights: Flights[Taken] = Flights()
        self._realm = cache_realm(server)
        self._over_http = over_http
        self._drops: dict[str | None, float] = {}
        self._dropping: asyncio.Task[None] | None = None
        self._resting = 0.0

    def __repr__(self) -> str:
        return f"<ResponseCache in {self._store!r}>"

    async def listing(
        self, kind: Kind, page: Callable[[bytes], Awaitable[bytes]], options: CallOptions, limits: Limits
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

            await complete_list(kind, taking, limits)

        pages = iter(await self.answer(Question(kind.method, meta=_meta(options)), options, ask))

        async def kept(_: bytes) -> bytes:
            return next(pages)

        return await complete_list(kind, kept, limits)

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
        context = await self._context(options) if self._connection.held else None
        if context is None:
            taken = Taken(self._store.now)
            await ask(taken)
            return taken.pages
        own = cache_place(self._server, context, question)
        mine = Taken(self._store.now)
        errand = Errand(question, own, ask, mine, None if "auth" in options else self._turn())
        key = (own.key, options.get("timeout", -1.0))
        fresh = options.get("fresh", False)
        cached = None if fresh else await self._load([own.key, cache_place(self._server, PUBLIC, question).key])
        pages = None if cached is None else unpack_pages(cached.body)
        state = self._policy.state(question, cached, self._store.now())
        if pages is not None and state in (Freshness.FRESH, Freshness.AGED):
            if state is Freshness.AGED:
                self._flights.begin(key, lambda: self._fetch(errand))
            return pages
        try:
            # Who wants to hear of progress joins nobody who does not.
            alone = (*key, mine) if "on_progress" in options else key
            taken = await self._flights.join(alone, lambda: self._fetch(errand), anew=fresh)
            if taken.asked and taken is not mine:  # what somebody's answers brought is for nobody else
                await ask(mine)
                return mine.pages
            return taken.pages
        except DovetailError as error:
            if pages is None or not self._spared(errand, cached, error):
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

    async def _context(self, options: CallOptions) -> bytes | None:
        """Return what tells whose result a call gets; None where that is not known for certain."""
        if options.keys() - _KNOWN:
            return None
        try:
            async with asyncio.timeout(_patience(options)):
                return await self._whose(options)
        except TimeoutError:
            return None  # the request itself finds out, in its own time, what its credentials are waiting for

    async def _whose(self, options: CallOptions) -> bytes | None:
        if "auth" in options:  # it goes out with this request, and with this one alone
            auth = options["auth"]
            if not self._over_http or not isinstance(auth, str):
                return None
            return cache_digest(b"call", auth.encode(), options.get("principal", "").encode()).encode()
        if "principal" in options:  # its credentials are those of whichever call was the last one
            return None
        if self._principal is not None:
            return cache_digest(b"principal", self._principal.encode()).encode()
        return b"nobody" if self._witness is None else await self._witness.look()

    def _turn(self) -> int:
        """Return a number that is another one once other credentials go out."""
        return 0 if self._principal is not None or self._witness is None else self._witness.changes

    def _spared(self, errand: Errand, cached: Cached | None, error: DovetailError) -> bool:
        """Tell whether a stale result serves in the place of an error.

        "e.g., network issues, server downtime" (Caching, Freshness Calculation): what the server says of the request
        itself is never replaced.
        """
        if not is_temporary(error) or not self._connection.held or errand.turn not in (None, self._turn()):
            return False
        return self._policy.state(errand.question, cached, self._store.now()) is not Freshness.OVER

    async def _fetch(self, errand: Errand) -> Taken:
        taken, question = errand.taken, errand.question
        began = self._store.now()
        await errand.ask(taken)
        peer = self._connection.peer
        # "Results produced by retrying a request through the multi round-trip requests mechanism MUST NOT be cached"
        # (Caching, Cache Key). Servers of a revision without hints answer as the session wants it.
        if taken.asked or peer is None or not peer.revision.cache_hints or errand.turn not in (None, self._turn()):
            return taken
        kept = self._policy.worth(question, taken.pages, began, taken.received)
        if kept is not None:
            where = cache_place(self._server, PUBLIC, question) if kept.public else errand.own
            await self._save(where, kept.cached, kept.seconds)
        return taken

    async def _load(self, keys: list[str]) -> Cached | None:
        if self._resting > asyncio.get_running_loop().time():
            return None
        try:
            async with asyncio.timeout(_PATIENCE):
                return await self._store.load(keys)
        except StoreUnusable:
            raise
        except Disconnected as error:
            log.warning("The response cache is out of reach: %s", error)
        except TimeoutError:
            self._rest(f"no answer within {_PATIENCE:g} s")
        return None

    async def _save(self, where: "Place", cached: Cached, seconds: float) -> None:
        if self._resting > asyncio.get_running_loop().time():
            return
        try:
            async with asyncio.timeout(_PATIENCE):
                await self._store.save(where, cached, seconds)
        except Disconnected as error:
            log.warning("A result could not be kept: %s", error)
        except TimeoutError:
            self._rest(f"nothing was kept within {_PATIENCE:g} s")

    def _rest(self, why: str) -> None:
        """Do without a slow store for a while: it makes no call wait twice."""
        self._resting = asyncio.get_running_loop().time() + _REST_SECONDS
        log.warning("The response cache is out of reach: %s", why)

    def _drop(self, subject: tuple[str, str] | None, now: float) -> None:
        """Have stale results forgotten, also for the others who share the store; here they count no more already."""
        self._flights.seal()
        if subject is None or len(self._drops) >= _DROPS:
            self._drops = {None: now}
        else:
            self._drops[cache_group(self._realm, subject)] = now
        if self._dropping is None or self._dropping.done():
            self._dropping = asyncio.create_task(self._forget(), name="dovetail: forgetting")

    async def _forget(self) -> None:
        while self._drops:
            group, before = self._drops.popitem()
            try:
                await self._store.drop(self._realm, group, before)
            except Disconnected as error:
                log.warning("What changed could not be forgotten by the response cache: %s", error)


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
    server = cache_digest(_named(target, options), saying).encode()
    return ResponseCache(caching, server, connection, witness, over_http=isinstance(target, Address))


def _patience(options: CallOptions) -> float:
    """Return how long a call waits for what only the cache wants to know."""
    seconds = options.get("timeout")
    return _PATIENCE if seconds is None else min(_PATIENCE, seconds / 2)


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
