"""A resource that is read inside another call: `ctx.read_resource`.

To the resource's function, and to the middleware around it, it is a call of its own: `resources/read`, with its own
entry, lifespan and outcome. To the client there is one call, whose clock, questions, progress and messages these are.
"""

from collections.abc import Awaitable, Callable, Coroutine
from typing import TYPE_CHECKING, Any, TypeVar

import msgspec

from dovetail.core import Call
from dovetail.errors import InternalError, Refusal
from dovetail.server.calls.context import CURRENT, Context, Failed
from dovetail.server.calls.turn import turn_of
from dovetail.wire import ReadResourceRequestParams

if TYPE_CHECKING:
    from dovetail.server.entries import Entry

T = TypeVar("T")


class Within:
    """The outlet of what happens inside a call: messages go where the call's go; the outcome goes to the handler."""

    __slots__ = ("_call", "network")

    def __init__(self, outer: Context) -> None:
        """Pass on to the outlet that the call has at the time."""
        self._call = outer
        self.network = outer.network

    async def send(self, frame: bytes) -> None:
        """Send a message that belongs to the call."""
        await self._call.outlet.send(frame)

    async def finish(self, frame: bytes | None, error: Refusal | None = None) -> None:
        """Nothing: those who watch have heard of the outcome, and the client will hear of the call's."""

    def suspended(self, context: Context) -> None:
        """Nothing: the call knows."""

    def ended(self, context: Context) -> None:
        """Nothing: the call goes on."""

    async def close_stream(self, retry: float | None) -> None:
        """Close the call's stream."""
        await self._call.outlet.close_stream(retry)


class Inside(Context):
    """The context of what is read inside a call."""

    inside = True

    __slots__ = ("_outer",)

    def __init__(self, outer: Context, uri: str, entry: "Entry") -> None:
        """Share the call's turn; hand down a copy of its state, so that what is written there stays inside."""
        params = ReadResourceRequestParams(uri=uri, meta=getattr(outer.call.params, "meta", None))
        call = msgspec.structs.replace(outer.call, method="resources/read", params=params)
        super().__init__(call, outer.runtime, Within(outer), outer.session)
        self._outer = outer
        self._state = dict(outer.state)
        self.turn = turn_of(outer)
        self.entry = entry

    def progress(
        self, progress: float, total: float | None = None, message: str | None = None
    ) -> Coroutine[Any, Any, None]:
        """See `Context.progress`: it is one progress, and it increases."""
        return self._outer.progress(progress, total, message)

    async def run(self, handler: "Callable[[Call, Context], Awaitable[T]]") -> T:
        """Run what is read, with this as the current context, and let those who watch hear how it ended."""
        token = CURRENT.set(self)
        try:
            result = await handler(self.call, self)
        except BaseException as failure:
            await self._failed(failure)
            raise
        finally:
            CURRENT.reset(token)
        await self.outlet.finish(None)
        return result

    async def _failed(self, failure: BaseException) -> None:
        if self.turn is not None and self.turn.stop is not None:
            await self.outlet.finish(None)  # the call was ended, and how says its turn
            return
        self.failure = Failed(type(failure).__name__, "")
        await self.outlet.finish(None, failure if isinstance(failure, Refusal) else InternalError("It failed"))
