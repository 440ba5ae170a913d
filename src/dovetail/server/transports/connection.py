"""Serving one conversation on a channel (stdio, in-memory, the 2024-11-05 SSE transport), both eras, message by
message.

Theory of the reader. One task leads: it reads a message and serves it inline. A handler that is done at once costs
nothing more. When one has to wait, its task *becomes* the call's task, and a new task takes the lead. So a call's first
step always runs in the task that it goes on in, and nothing is scheduled for the calls that need no waiting. Each
leader starts in the connection's own context; one whose context variables a handler has changed hands the lead over, so
that nothing of one call is seen by the next.

At most `Limits.in_flight` calls wait at a time; further requests queue, within bounds. Answers and notices are always
read: a call that waits for one of them is what the queue waits for.
"""

import asyncio
import logging
from collections.abc import Callable, Coroutine
from contextvars import Context as Variables
from contextvars import copy_context
from functools import partial
from typing import TYPE_CHECKING, Any

from dovetail.core import Call, Lifecycle, Oversize, Principal
from dovetail.errors import Busy, Disconnected, InvalidRequest, LimitExceeded, Refusal
from dovetail.net import Channel
from dovetail.server.calls.context import Context
from dovetail.server.calls.outcomes import masked
from dovetail.server.calls.turn import cancel, run_call
from dovetail.server.transports.backlog import Backlog, ChannelStream
from dovetail.server.transports.listen import Subscription
from dovetail.server.transports.opening import Opening, is_modern
from dovetail.server.transports.queue import IN_PROGRESS, Queue
from dovetail.server.transports.session import Session
from dovetail.server.transports.stateful import initialize, notified
from dovetail.wire import (
    Answer,
    Batch,
    Broken,
    Failure,
    Message,
    Notification,
    Request,
    error_frame,
    id_key,
    parse,
    result_frame,
)

if TYPE_CHECKING:
    from dovetail.core import Notice
    from dovetail.server.runtime import Runtime

log = logging.getLogger("dovetail.server")

_LEAVE_SECONDS = 0.5
"""How long calls may take to clean up when their client has left. A server whose client was killed is gone within two
seconds, all in all (R-05)."""
_TURNS = 64
"""Messages that are served inline before others on the loop get a turn."""


class ChannelOutlet:
    """One call's place on a channel."""

    network = False

    __slots__ = ("_connection",)

    def __init__(self, connection: "Connection") -> None:
        self._connection = connection

    async def send(self, frame: bytes) -> None:
        """Send a message; waits while the peer does not read."""
        channel = self._connection.channel
        channel.send(frame)
        await channel.drain()

    async def finish(self, frame: bytes | None, error: Refusal | None = None) -> None:
        """Send the outcome."""
        if frame is not None:
            try:
                self._connection.channel.send(frame)
            except Disconnected:
                self._connection.lost()

    def suspended(self, context: Context) -> None:
        """The call keeps the task; somebody else goes on reading."""
        self._connection.suspended(context)

    def ended(self, context: Context) -> None:
        """Forget the call."""
        self._connection.endpoint.finish(context.call.id)
        self._connection.work_off()

    async def close_stream(self, retry: float | None) -> None:
        """There is one stream, and it stays."""


class Connection:
    """One conversation."""

    def __init__(
        self, runtime: "Runtime", channel: Channel, principal: Principal, beat: Callable[[], None] | None = None
    ) -> None:
        """Serve a runtime on a channel;

        `serve` does it. `beat` shows that an idle channel lives, where it needs that.
        """
        self._beat = beat
        self.runtime = runtime
        self.channel = channel
        self.principal = principal
        self.session = Session("", principal)
        self.endpoint = self.session.endpoint
        self.opening = Opening(runtime)
        self._outlet = ChannelOutlet(self)
        self._subscriptions: dict[bytes, Subscription] = {}
        self.backlog = Backlog(
            channel, runtime.limits, say=self._say, spawn=runtime.spawn, overflow=self._end_listening
        )
        self._queue = Queue(runtime.limits)
        self._leaving = False
        self._lead = 0
        self._tasks: set[asyncio.Task[None]] = set()
        self._clean: Variables = copy_context()
        self._ended: asyncio.Future[None] | None = None
        self._leader: asyncio.Task[None] | None = None

    def __repr__(self) -> str:
        return f"<Connection {self.session.handshake!r} {self.endpoint!r}, {self._queue!r}>"

    # Reading.

    async def serve(self) -> None:
        """Serve until the peer ends the conversation; then cancel what is under way."""
        self._ended = asyncio.get_running_loop().create_future()
        self.runtime.hub.join(self)
        self.runtime.connections.add(self)
        self._take_lead()
        try:
            await self._ended
        finally:
            self.runtime.hub.leave(self)
            self.runtime.connections.discard(self)
            self._lead += 1
            for subscription in self._subscriptions.values():
                self.runtime.hub.leave(subscription)
            for context in self.session.close():
                cancel(context)
            if self._leader is not None:
                self._leader.cancel()  # it serves no call: it reads
            tasks = {task for task in self._tasks if task is not asyncio.current_task()}
            if tasks:
                await asyncio.wait(tasks, timeout=_LEAVE_SECONDS)
            for task in tasks:
                task.cancel()
            await self.channel.aclose()

    def lost(self) -> None:
        """The peer is gone."""
        if self._ended is not None and not self._ended.done():
            self._ended.set_result(None)

    def _take_lead(self) -> None:
        self._lead += 1
        task = asyncio.get_running_loop().create_task(self._read(self._lead), context=self._clean.copy())
        self._leader = task
        self._tasks.add(task)
        task.add_done_callback(self._retire)

    def _retire(self, task: "asyncio.Task[None]") -> None:
        self._tasks.discard(task)
        if task.cancelled() and task is self._leader and not self._over:
            self._take_lead()  # a handler cancelled the task that it found itself in: the others still want to be read
        if not task.cancelled() and (error := task.exception()) is not None:
            if not isinstance(error, Disconnected):
                log.error("A connection failed: %s", type(error).__name__, exc_info=error)
            if task is self._leader or isinstance(error, Disconnected):
                self.lost()

    async def _read(self, lead: int) -> None:
        variables = copy_context()
        turns = 0
        while self._lead == lead:
            data = await self.channel.receive()
            if data is None:
                self.lost()
                return
            turns += 1
            if turns % _TURNS == 0:
                await self.channel.drain()  # a peer that does not read is not read either, so memory stays bounded
                await asyncio.sleep(0)
            await self._take(data)
            if copy_context() != variables and self._lead == lead:
                self._take_lead()

    async def _take(self, data: bytes | Oversize) -> None:
        if isinstance(data, Oversize):
            limit = self.runtime.limits.line
            self._say(error_frame(None, LimitExceeded(f"A message is larger than {limit} bytes", limit="line")))
            return
        message = parse(data, self.runtime.limits)
        if type(message) is Request:
            if len(self._queue) or self._full:
                self._put_off(message)
            else:
                await self._request(message)
        else:
            await self._other(message)

    def suspended(self, context: Context) -> None:
        """Note that a call waits: it is in flight from now on, and the lead goes to another task."""
        self.endpoint.begin(context.call.id, context)
        turn = context.turn
        # Only the leader has a lead to hand over; a task that works off the queue, or a batch, has none.
        if turn is not None and turn.task is self._leader and not self._over:
            self._take_lead()

    @property
    def _over(self) -> bool:
        return self._ended is None or self._ended.done()

    @property
    def _full(self) -> bool:
        return len(self.endpoint) + len(self._queue.starting) >= self.runtime.limits.in_flight

    # The queue.

    def _put_off(self, request: Request) -> None:
        try:
            self._require_unused(request.id)
            self._queue.put(request, partial(self._begin, request))
        except Refusal as error:
            self._refuse(request, error)

    def _require_unused(self, identifier: bytes) -> None:
        """Refuse an id that a request has which is in flight, waits or listens (W-04)."""
        if (
            self.endpoint.under_way(identifier)
            or self._queue.holds(identifier)
            or (self._subscriptions and id_key(identifier) in self._subscriptions)
        ):
            raise InvalidRequest(IN_PROGRESS)

    def _begin(self, request: Request, wanted: bool) -> None:
        """Serve a request that was put off; one that was cancelled gets no answer."""
        if wanted:
            self._run(self._put_off_request(request))

    def _run(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work, context=self._clean.copy())
        self._tasks.add(task)
        task.add_done_callback(self._retire)

    def work_off(self) -> None:
        """Serve requests that were put off, now that a call is done."""
        while len(self._queue) and not self._over and not self._full:
            self._queue.start_next()
        if self._leaving and not len(self._queue) and not len(self.endpoint):
            asyncio.get_running_loop().call_soon(self.lost)  # after the outcome of the call that is done now

    def leave(self) -> None:
        """End the conversation as soon as nothing is under way, since the server shuts down."""
        self._leaving = True
        self.work_off()

    async def _put_off_request(self, request: Request) -> None:
        self._queue.begun(request)
        await self._request(request)
        self.work_off()

    # One message.

    async def _request(self, request: Request) -> None:
        try:
            if request.method == "initialize" and not is_modern(request):
                payload = initialize(self.runtime, self.session, request)
                self._say(result_frame(request.id, payload))
                return
            call, modern = self.opening.either(request, self.session, self.principal)
            self._require_unused(request.id)
            if call.method == "subscriptions/listen" and len(self._subscriptions) >= self.runtime.limits.streams:
                raise Busy("Too many listen streams")
        except Refusal as error:
            self._refuse(request, error)
            return
        if call.method == "subscriptions/listen":
            self._listen(call)
            return
        session = None if modern else self.session
        try:
            await run_call(self.runtime, Context(call, self.runtime, self._outlet, session))
        except Disconnected:
            raise
        except (Exception, asyncio.CancelledError) as error:
            if self._over:
                raise
            # The handler cancelled the task it runs in, or what serves it broke: it fails, and nothing else (S-25).
            self._say(error_frame(request.id, masked(error, call)))

    async def _other(self, message: Message) -> None:
        match message:
            case Notification():
                await notified(self, self.session, message)
            case Answer() | Failure():
                self.session.answered(message)
            case Batch():
                await self._batch(message)
            case Broken() if self.session.answered(message):
                pass
            case Broken(identifier, error):
                self._say(error_frame(identifier, error))
            case _:
                pass

    async def cancel(self, session: Session, identifier: bytes) -> None:
        """Cancel a call, or end a listen stream; unknown ids are ignored."""
        subscription = self._subscriptions.pop(id_key(identifier), None)
        if subscription is not None:
            self.runtime.hub.leave(subscription)
            self.backlog.forget(subscription.id)
            return
        context = self.endpoint.find(identifier)
        if context is not None:
            cancel(context)
            return
        self._queue.cancel(identifier)

    async def _batch(self, batch: Batch) -> None:
        from dovetail.server.transports.batch import BatchRunner

        if self.session.handshake.state is Lifecycle.NEW:
            error = InvalidRequest("A batch is allowed only after an initialize that agreed on batches")
            self._say(error_frame(None, error))
            return
        if self.session.peer.revision.batching:
            requests = (item for item in batch.items if isinstance(item, Request))
            self._queue.expect(request.id for request in requests if request.method != "initialize")
        runner = BatchRunner(self.runtime, self.session, self, self._admit)
        self._run(runner.run(batch, self._outlet))

    async def _admit(self, request: Request) -> Call | None:
        """Open the call of one element of a batch, which waits for its turn as any request does."""
        if not self._queue.arrived(request.id):
            return None
        self._require_unused(request.id)
        if len(self._queue) or self._full:
            turn: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
            self._queue.put(request, turn.set_result)
            if not await turn:
                return None
            self._queue.begun(request)
            asyncio.get_running_loop().call_soon(self.work_off)  # once it is in flight, or done
        return self.opening.stateful(request, self.session, principal=self.principal)

    # Notices.

    def _listen(self, call: Call) -> None:
        self._subscriptions[id_key(call.id)] = Subscription(self.runtime, call, ChannelStream(self.backlog, call.id))

    def beat(self) -> None:
        """Show that the channel lives; a pipe needs no sign of life."""
        if self._beat is not None:
            self._beat()

    def deliver(self, notice: "Notice") -> None:
        """Tell a client of a stateful revision what it subscribed to, or may always hear."""
        session = self.session
        for one in notice.each(session.subscriptions):
            if session.ready and session.hears(one):
                self.backlog.tell(one.frame())

    def _refuse(self, request: Request, error: Refusal) -> None:
        self.runtime.refused(request, self.principal, error)
        self._say(error_frame(request.id, error))

    def _say(self, frame: bytes) -> None:
        try:
            self.channel.send(frame)
        except Disconnected:
            self.lost()

    def end_streams(self) -> None:
        """End all listen streams, since the server shuts down."""
        for subscription in tuple(self._subscriptions.values()):
            self._end_listening(subscription.id)

    def _end_listening(self, identifier: bytes) -> None:
        subscription = self._subscriptions.pop(id_key(identifier))
        self.runtime.hub.leave(subscription)
        self.backlog.forget(identifier)
        for frame in subscription.ending():
            self._say(frame)
