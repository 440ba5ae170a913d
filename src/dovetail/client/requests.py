"""Requests below the typed methods: from a method and its parameters to a decoded result, with the call's options."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any, Final, TypeVar

from dovetail.client.calls import Call, Caller
from dovetail.client.failures import asked, named
from dovetail.client.hearing import Hearing
from dovetail.client.link import NOTHING, Outgoing
from dovetail.client.links import Links
from dovetail.client.listings import Kind, Listing, complete_list, readable
from dovetail.client.options import (
    CALL_OPTIONS,
    DEFAULT_LIMITS,
    CallOptions,
    ClientOptions,
    check_bounds,
    check_options,
)
from dovetail.errors import InvalidParams, PeerError, ProtocolViolation
from dovetail.revisions import Revision
from dovetail.wire import METHODS

if TYPE_CHECKING:
    from dovetail.client.caching import ResponseCache, Taken
    from dovetail.client.login import Authorizer

T = TypeVar("T")

_SECONDS: Final = 60.0
_LONGEST: Final = 600.0
_PARALLEL: Final = 16


class Requests:
    """Makes one client's requests."""

    def __init__(
        self,
        caller: Caller,
        hearing: Hearing,
        links: Links,
        options: ClientOptions,
        repeatable: Callable[[str, str | None, CallOptions], bool],
        cache: "ResponseCache | None" = None,
    ) -> None:
        """Make requests.

        Args:
            caller: Makes the calls.
            hearing: Hands progress on.
            links: What the calls go over.
            options: The client's; a call's own come first.
            repeatable: Tells whether a method, and what it names, may be sent twice.
            cache: Keeps what may be reused.
        """
        self._caller = caller
        self._hearing = hearing
        self._links = links
        self._options = options
        self._repeatable = repeatable
        self._cache = cache

    async def list(self, kind: Kind, options: CallOptions) -> Listing[Any]:
        """Return a complete list."""

        async def page(params: bytes) -> bytes:
            return await self.raw(kind.method, params, options)

        async with self._caller.within(kind.method, self._bounds(options)[1]):
            try:
                limits = self._options.get("limits", DEFAULT_LIMITS)
                if self._cache is not None:
                    return await self._cache.listing(kind, page, options, limits)
                return await complete_list(kind, page, limits)
            except InvalidParams as error:
                raise ProtocolViolation(f"the server's list cannot be read: {error.message}") from None

    async def typed(
        self,
        method: str,
        params: bytes,
        kind: type[T],
        options: CallOptions,
        name: str | None = None,
        headers: Mapping[str, str] = NOTHING,
    ) -> T:
        """Return a result as its type."""
        if self._cache is None:
            raw = await self.raw(method, params, options, name, headers)
        else:
            raw = await self._cached(self._cache, method, params, kind, options, name, headers)
        return self._decoded(method, name, raw, kind)

    async def revision(self, options: CallOptions) -> Revision:
        """Return what is spoken with the server; open the link for that, if it is not open."""
        if not options.keys() <= CALL_OPTIONS:
            check_options("A call", CALL_OPTIONS, options)
        principal = options.get("principal")
        link = self._links.live(principal)
        if link is None:
            seconds, most = self._bounds(options)
            link = await self._caller.opened(principal, self._authorizer(options), seconds, most)
        return link.peer.revision

    async def tell(self, method: str) -> None:
        """Send a notification without parameters, where the revision has it."""
        link = await self._links.link()
        if link.peer.revision.has(method):
            async with self._caller.within(method, self._bounds({})[1]):
                await link.notify(method)

    def time_left(self, options: CallOptions) -> Callable[[], float]:
        """Return what says how long a call that begins now may still take, or be silent, whichever is less."""
        seconds, most = self._bounds(options)
        now = asyncio.get_running_loop().time
        until = now() + most
        return lambda: min(until - now(), most if seconds is None else seconds)

    @property
    def patience(self) -> float:
        """How long the server may be silent when a call says nothing else."""
        seconds, most = self._bounds({})
        return most if seconds is None else min(seconds, most)

    def _authorizer(self, options: CallOptions) -> "Authorizer | None":
        return self._links.authorizer(options["auth"]) if "auth" in options else None

    def _bounds(self, options: CallOptions) -> tuple[float | None, float]:
        """Return how long the server may be silent, and how long a call may take in all."""
        if "timeout" in options:
            check_bounds("A call", options)
        seconds = options["timeout"] if "timeout" in options else self._options.get("timeout", _SECONDS)
        return seconds, self._options.get("longest", _LONGEST)

    async def _cached(
        self,
        cache: "ResponseCache",
        method: str,
        params: bytes,
        kind: type[Any],
        options: CallOptions,
        name: str | None,
        headers: Mapping[str, str],
    ) -> bytes:
        """Return a result that may be kept, or what is called in any case."""

        async def ask(taken: "Taken") -> None:
            raw = await self.raw(method, params, options, name, headers, on_asked=taken.note_asked)
            if METHODS[method].cacheable:
                self._decoded(method, name, raw, kind)  # what cannot be read is not kept
            taken.take(raw)

        try:
            async with self._caller.within(asked(method, name), self._bounds(options)[1]):
                return await cache.result(method, params, options, name or "", ask)
        except PeerError as error:
            cache.failed(method, error)
            raise

    async def raw(
        self,
        method: str,
        params: bytes,
        options: CallOptions,
        name: str | None = None,
        headers: Mapping[str, str] = NOTHING,
        *,
        by_hand: bool = False,
        on_asked: Callable[[], None] | None = None,
    ) -> bytes:
        """Return the JSON of a result; `by_hand`, also of one that asks. `on_asked` hears of questions."""
        if not options.keys() <= CALL_OPTIONS:
            check_options(method, CALL_OPTIONS, options)
        listener = options.get("on_progress", self._options.get("on_progress"))
        deliveries, last = self._hearing.deliveries, 0

        def heard(progress: Any) -> None:
            nonlocal last
            assert listener is not None
            last = deliveries.deliver(listener, progress) or last

        outgoing = Outgoing(
            method=method,
            params=params,
            meta=options.get("meta", NOTHING),
            name=name,
            headers={**_lowered(headers), **_lowered(options["headers"])} if "headers" in options else headers,
            on_progress=None if listener is None else heard,
            principal=options.get("principal"),
            authorizer=self._authorizer(options),
        )
        seconds, most = self._bounds(options)
        call = Call(
            outgoing=outgoing,
            seconds=seconds,
            most=most,
            repeatable=self._repeatable(method, name, options),
            by_hand=by_hand,
            on_asked=on_asked,
        )
        result = await self._caller.call(call)
        if last:
            await deliveries.flushed(last)
        return result

    def _decoded(self, method: str, name: str | None, raw: bytes, kind: type[T]) -> T:
        try:
            return readable(raw, kind)
        except InvalidParams as error:
            unreadable = ProtocolViolation(f"the server's result cannot be read: {error.message}")
            raise named(unreadable, self._caller.server, asked(method, name)) from None


async def several(names: Iterable[str], one: Callable[[str], Awaitable[T]]) -> dict[str, T]:
    """Do one thing for each name, some at a time; return what came of it, by name."""
    room = asyncio.Semaphore(_PARALLEL)

    async def waited(name: str) -> T:
        async with room:
            return await one(name)

    wanted = list(dict.fromkeys(names))
    return dict(zip(wanted, await asyncio.gather(*map(waited, wanted)), strict=True))


def _lowered(headers: Mapping[str, str]) -> dict[str, str]:
    """Return header fields under the names by which those of the client are known: the caller's own come before all."""
    return {name.lower(): value for name, value in headers.items()}
