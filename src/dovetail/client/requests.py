"""Requests below the typed methods: from a method and its parameters to a decoded result, with the call's options."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Any, Final, TypeVar

from dovetail.client.calls import Call, Caller
from dovetail.client.hearing import Hearing
from dovetail.client.link import NOTHING, Outgoing
from dovetail.client.listings import Kind, Listing, complete_list
from dovetail.client.options import CallOptions, ClientOptions, OnProgress
from dovetail.errors import InvalidParams, ProtocolViolation
from dovetail.wire import decode

T = TypeVar("T")

_SECONDS: Final = 60.0
_LONGEST: Final = 600.0
_PARALLEL: Final = 16


class Requests:
    """Makes one client's requests."""

    def __init__(
        self, caller: Caller, hearing: Hearing, options: ClientOptions, repeatable: Callable[[str, str | None], bool]
    ) -> None:
        """Make requests.

        Args:
            caller: Makes the calls.
            hearing: Hands progress on.
            options: The client's; a call's own come first.
            repeatable: Tells whether a method, and what it names, may be sent twice.
        """
        self._caller = caller
        self._hearing = hearing
        self._options = options
        self._repeatable = repeatable

    async def list(self, kind: Kind, options: CallOptions) -> Listing[Any]:
        """Return a complete list."""

        async def page(params: bytes) -> bytes:
            return await self.raw(kind.method, params, options)

        try:
            return await complete_list(kind, page)
        except InvalidParams as error:
            raise ProtocolViolation(f"{kind.method}: the server's list cannot be read: {error.message}") from None

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
        raw = await self.raw(method, params, options, name, headers)
        try:
            return decode(raw, kind)
        except InvalidParams as error:
            raise ProtocolViolation(f"{method}: the server's result cannot be read: {error.message}") from None

    async def raw(
        self,
        method: str,
        params: bytes,
        options: CallOptions,
        name: str | None = None,
        headers: Mapping[str, str] = NOTHING,
        *,
        by_hand: bool = False,
    ) -> bytes:
        """Return the JSON of a result; `by_hand`, also of one that asks."""
        listener = options.get("on_progress", self._options.get("on_progress"))
        outgoing = Outgoing(
            method=method,
            params=params,
            meta=options.get("meta", NOTHING),
            name=name,
            headers={**options["headers"], **headers} if "headers" in options else headers,
            on_progress=None if listener is None else self._progress(listener),
        )
        call = Call(
            outgoing=outgoing,
            what=f"{method} {name}" if name else method,
            seconds=options["timeout"] if "timeout" in options else self._options.get("timeout", _SECONDS),
            most=self._options.get("longest", _LONGEST),
            repeatable=self._repeatable(method, name),
            by_hand=by_hand,
        )
        result = await self._caller.call(call)
        if listener is not None:
            await self._hearing.deliveries.flushed()
        return result

    def _progress(self, listener: OnProgress) -> Callable[[Any], None]:
        return lambda progress: self._hearing.deliveries.deliver(listener, progress)


async def several(names: Iterable[str], one: Callable[[str], Awaitable[T]]) -> dict[str, T]:
    """Do one thing for each name, some at a time; return what came of it, by name."""
    room = asyncio.Semaphore(_PARALLEL)

    async def waited(name: str) -> T:
        async with room:
            return await one(name)

    wanted = list(dict.fromkeys(names))
    return dict(zip(wanted, await asyncio.gather(*map(waited, wanted)), strict=True))
