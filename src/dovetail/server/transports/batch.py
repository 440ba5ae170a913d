"""JSON-RPC batches (2025-03-26 only): each element on its own, all answers in one array.

"Implementations MAY support sending JSON-RPC batches, but MUST support receiving JSON-RPC batches." (2025-03-26,
Messages.)
"""

import asyncio
from collections.abc import Awaitable, Callable

from dovetail.core import Call, Principal
from dovetail.errors import InvalidRequest, Refusal
from dovetail.server.calls.context import Context, Outlet
from dovetail.server.calls.turn import run_call
from dovetail.server.runtime import Runtime
from dovetail.server.transports.queue import IN_PROGRESS
from dovetail.server.transports.session import Session
from dovetail.server.transports.stateful import Canceller, notified
from dovetail.wire import (
    Answer,
    Batch,
    Broken,
    Failure,
    Notification,
    Request,
    Single,
    batch_frame,
    error_frame,
    id_key,
)

OpenCall = Callable[[Request], Awaitable[Call | None]]


class _Element:
    """The outlet of one element:

    its outcome is kept for the array, everything else passes through the batch's outlet.
    """

    __slots__ = ("_outlet", "frame", "network")

    def __init__(self, outlet: Outlet) -> None:
        self._outlet = outlet
        self.frame: bytes | None = None
        self.network = outlet.network

    async def send(self, frame: bytes) -> None:
        await self._outlet.send(frame)

    async def finish(self, frame: bytes | None, error: Refusal | None = None) -> None:
        self.frame = frame

    def suspended(self, context: Context) -> None:
        self._outlet.suspended(context)

    def ended(self, context: Context) -> None:
        self._outlet.ended(context)

    async def close_stream(self, retry: float | None) -> None:
        """One element does not close the stream of all."""


class BatchRunner:
    """Serves the batches of one session."""

    def __init__(
        self,
        runtime: Runtime,
        session: Session,
        canceller: Canceller,
        open_call: Callable[[Request], Awaitable[Call | None]],
    ) -> None:
        """Serve with the session's runtime; `open_call` admits a request of it, or says that nobody wants it now."""
        self._runtime = runtime
        self._session = session
        self._canceller = canceller
        self._open_call = open_call

    def __repr__(self) -> str:
        return f"<BatchRunner of {self._session!r}>"

    async def run(self, batch: Batch, outlet: Outlet) -> None:
        """Serve all elements and finish the outlet with the array of their answers, or with nothing."""
        if not self._session.peer.revision.batching:
            # Refused whole: nothing of it is executed (W-05).
            error = InvalidRequest("A batch is not allowed in this protocol revision: send one message at a time")
            await outlet.finish(error_frame(None, error), error)
            return
        seen: set[bytes] = set()
        frames = await asyncio.gather(*(self._element(item, outlet, _repeats(item, seen)) for item in batch.items))
        answers = [frame for frame in frames if frame is not None]
        await outlet.finish(batch_frame(answers) if answers else None)

    async def _element(self, item: Single, outlet: Outlet, repeated: bool) -> bytes | None:
        match item:
            case Request():
                return await self._request(item, outlet, repeated)
            case Notification():
                await notified(self._canceller, self._session, item)
            case Answer() | Failure():
                self._session.answered(item)
            case Broken() if self._session.answered(item):
                pass
            case Broken(identifier, error):
                return error_frame(identifier, error)
        return None

    async def _request(self, request: Request, outlet: Outlet, repeated: bool) -> bytes | None:
        try:
            if repeated:
                raise InvalidRequest("id: an earlier request of this batch has this id")
            if request.method == "initialize":
                # "The initialize request MUST NOT be part of a JSON-RPC batch" (2025-03-26, Lifecycle)
                raise InvalidRequest("initialize: must not be part of a batch")
            call = await self._open_call(request)
            if call is None:
                return None
            if self._session.endpoint.under_way(request.id):
                raise InvalidRequest(IN_PROGRESS)
        except Refusal as error:
            self._runtime.refused(request, Principal(self._session.principal), error)
            return error_frame(request.id, error)
        element = _Element(outlet)
        await run_call(self._runtime, Context(call, self._runtime, element, self._session))
        return element.frame


def _repeats(item: Single, seen: set[bytes]) -> bool:
    """Tell whether a request has the id of an earlier one: their answers could not be told apart (W-04)."""
    if not isinstance(item, Request):
        return False
    key = id_key(item.id)
    if key in seen:
        return True
    seen.add(key)
    return False
