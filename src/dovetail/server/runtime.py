"""A server that runs: what its calls share while they are served. One a server and process, whatever the transports.

A `Server` is a definition and costs nothing; a `Runtime` holds the stores, the hub, the pool and the composed handler,
and is made when the first transport starts.
"""

import asyncio
import logging
import os
import time
from collections.abc import Callable, Coroutine, Sequence
from contextlib import AsyncExitStack
from itertools import takewhile
from typing import TYPE_CHECKING, Any

import msgspec

from dovetail.core import (
    AskLedger,
    Binding,
    Call,
    Notice,
    Principal,
    State,
    Stores,
    open_state,
    read_state,
    seal_state,
    without_values,
    write_state,
)
from dovetail.errors import (
    DefinitionError,
    Disconnected,
    InvalidOutput,
    LimitExceeded,
    Refusal,
    UrlElicitationRequired,
)
from dovetail.server.calls.beginning import URL_STATE_SECONDS
from dovetail.server.calls.context import Context, Failed
from dovetail.server.calls.gates import Meter
from dovetail.server.calls.outcomes import masked, sayable, unwrapped
from dovetail.server.calls.pool import Pool
from dovetail.server.calls.turn import GRACE_SECONDS, Turn, end_calls, owner_of, turn_of
from dovetail.server.functions.rereading import require_unbroken
from dovetail.server.methods import Method, Methods, wrapped
from dovetail.server.notices import Hub
from dovetail.wire import (
    CallToolResult,
    InputRequiredResult,
    Request,
    digest,
    encode_result,
    error_frame,
    result_frame,
)

if TYPE_CHECKING:
    from dovetail.server.app import Middleware, Server
    from dovetail.server.transports.connection import Connection
    from dovetail.server.watching.observing import Watcher
    from dovetail.wire import Limits

log = logging.getLogger("dovetail.server")

STATE_SECONDS = 600.0
"""How long a client may take to answer a round (asking, The seal), unless its user has to visit a URL."""


class Runtime:
    """What the calls of one server share in one process."""

    def __init__(
        self, server: "Server", stores: Stores, *, worker: str = "", clock: Callable[[], float] = time.time
    ) -> None:
        """Prepare to serve; `start` makes it ready."""
        self.server = server
        self.stores = stores
        self.worker = worker
        self.clock = clock
        """The wall's, for what is sealed: any worker, and any other day, has to make the same of it."""
        self.steady: Callable[[], float] = time.monotonic
        """For ages and rates: no step of the wall's clock makes a session older or younger (R-34)."""
        self.limits: Limits = server.limits
        self.abandoned = 0
        """Handlers that did not end in time after their call had ended."""
        self.hub = Hub(stores.bus)
        self.pool = Pool(server.threads)
        self.meter = Meter(server.rate)
        self.in_flight: set[Context] = set()
        self.lifespans: dict[Server, Any] = {}
        self.streams: dict[object, Callable[[], None]] = {}
        self.connections: set[Connection] = set()
        self.draining = False
        self._exit = AsyncExitStack()
        self._background: set[asyncio.Task[Any]] = set()
        self.effects: set[asyncio.Task[Any]] = set()
        """What `ctx.once` runs, for calls that are over, too."""
        self.unrecorded: set[tuple[str, str]] = set()
        """Effects, by call and name, whose outcome the store did not take: who asks again is not to wait for it."""
        self.loop: asyncio.AbstractEventLoop | None = None
        self.methods = Methods(self)
        self.watchers = watchers_of(server.middleware)
        self.handle = self._composed()
        self._info = server.encoded_info

    def __repr__(self) -> str:
        state = "draining" if self.draining else "ready" if self.loop else "new"
        return f"<Runtime of {self.server.name} {state}, {len(self.in_flight)} in flight, {len(self.hub)} listeners>"

    def _composed(self) -> Method:
        """Return the methods inside the middleware. Watchers that stand first see retries that are refused, too."""
        layers = self.server.middleware
        watching = sum(1 for _ in takewhile(lambda layer: layer in self.watchers, layers))
        resuming = self.methods.resuming(wrapped(layers[watching:], self.methods.dispatch))
        return wrapped(layers[:watching], resuming)

    # Life.

    async def start(self) -> None:
        """Open the stores and enter the server's lifespan, and those of all that is mounted; all of it, or nothing.

        Raises:
            DefinitionError: A lifespan that returns no async context manager.
        """
        if self.loop is not None:
            return
        self.loop = asyncio.get_running_loop()
        try:
            await self._open()
        except BaseException:
            await self._close()
            raise
        self.server.running.add(self)

    async def _open(self) -> None:
        await self.stores.open()
        self._exit.push_async_callback(self.stores.aclose)
        self.hub.open()
        self._exit.callback(self.hub.close)
        self._exit.callback(self.pool.close)
        for server in self.server.family():
            if server.lifespan is not None and server not in self.lifespans:  # mounted twice, it still starts once
                manager = server.lifespan(server)
                if not hasattr(manager, "__aenter__"):
                    raise DefinitionError(f"The lifespan of {server.name} returned no async context manager")
                self.lifespans[server] = await self._exit.enter_async_context(manager)

    async def _close(self) -> None:
        try:
            await self._exit.aclose()
        finally:
            self.loop = None

    def drain(self) -> None:
        """Begin to shut down: streams that would last end, so that clients go elsewhere (idempotent)."""
        self.draining = True
        for end in list(self.streams.values()):
            end()
        for connection in list(self.connections):
            connection.end_streams()

    async def stop(self, seconds: float = 1.0, grace: float = GRACE_SECONDS) -> None:
        """End what is under way and release everything; idempotent.

        Args:
            seconds: What calls may take to end; effects have a second in any case.
            grace: What effects may take that are cut off then.
        """
        self.server.running.discard(self)
        self.drain()
        end_calls(self)
        tasks = [turn.task for context in self.in_flight if (turn := context.turn) and turn.task is not None]
        if tasks:
            await asyncio.wait(tasks, timeout=seconds)
        if self.effects:
            _, cut = await asyncio.wait(self.effects, timeout=1.0)
            for task in cut:
                task.cancel()
            if cut:
                await asyncio.wait(cut, timeout=grace)  # each says in the ledger that it was cut off
        for task in list(self._background):
            task.cancel()
        await self._close()

    def spawn(self, work: Coroutine[Any, Any, Any]) -> None:
        """Run something beside the calls; a failure is logged, never raised."""
        task = asyncio.get_running_loop().create_task(work)
        self._background.add(task)
        task.add_done_callback(self._reap)

    def release(self, call: str, names: Sequence[str]) -> None:
        """Forget the effects of a call that ended without a state: nobody can come back and ask for them."""
        self.spawn(self.stores.ledger.drop(call, names))

    def effect(self, work: Coroutine[Any, Any, Any]) -> "asyncio.Task[Any]":
        """Run a side effect beside the call that wants it; it goes on when the call is over."""
        task = asyncio.get_running_loop().create_task(work)
        self.effects.add(task)
        task.add_done_callback(self._done)
        return task

    def _done(self, task: "asyncio.Task[Any]") -> None:
        self.effects.discard(task)
        if not task.cancelled():
            task.exception()  # the call hears of it, if it still waits; the ledger keeps what a later one is told

    def _reap(self, task: "asyncio.Task[Any]") -> None:
        self._background.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None and not isinstance(error, Disconnected):
            log.error("Background work failed: %s", type(error).__name__)

    # Watching. What is seen of calls, the watchers see for themselves (`observing`).

    def refused(self, request: Request, principal: Principal, error: Refusal) -> None:
        """Tell the watchers of a request that was refused before there was a call."""
        for watcher in self.watchers:
            watcher.saw_refusal(request, principal, error, self.server.extension_methods)

    def listening(self, more: int) -> None:
        """Tell the watchers of listen streams that were opened (1) or ended (-1)."""
        for watcher in self.watchers:
            watcher.saw_streams(more)

    # Notices.

    async def publish(self, notice: Notice) -> None:
        """Tell every client that wants to hear; return when the bus has it."""
        await asyncio.shield(self.hub.publish(notice))

    def announce(self, notice: Notice) -> None:
        """Publish from anywhere, threads included."""
        loop = self.loop
        if loop is not None and not loop.is_closed():
            loop.call_soon_threadsafe(self.hub.publish, notice)

    # Outcomes.

    def success(self, result: Any, context: Context) -> tuple[bytes, Refusal | None]:
        """Return the frame of a result."""
        try:
            payload = self.encode(result, context.call)
        except Exception as failure:
            return self.outcome(failure, context)
        return result_frame(context.call.id, payload), None

    def encode(self, result: Any, call: Call) -> bytes:
        """Return a result as its peer's revision says it; lists that did not change are encoded once."""
        listing = self.server.catalogue.encoded.get(id(result))
        if listing is not None:
            revision = call.peer.revision
            payload = listing.payloads.get(revision.index)
            if payload is None:
                payload = listing.payloads[revision.index] = encode_result(result, revision, server_info=self._info)
            return payload
        payload = encode_result(result, call.peer.revision, server_info=self._info)
        require_unbroken(result, payload)
        return payload

    def outcome(self, failure: BaseException, context: Context) -> tuple[bytes, Refusal | None]:
        """Return the frame of a failure, and the refusal in it if it is an error on the wire."""
        call, failure = context.call, unwrapped(failure)
        outcome = sayable(failure, call)
        if isinstance(outcome, UrlElicitationRequired) and context.session is not None:
            self.spawn(context.session.expect(outcome.visit))
        if isinstance(failure, InvalidOutput):
            # The model is told, too, but it is the server's author who can mend it. The text holds no value.
            log.error("%s %s: %s", call.method, "" if context.entry is None else context.entry.name, failure)
        context.failure = Failed(type(failure).__name__, getattr(failure, "dovetail_reference", ""))
        if isinstance(outcome, CallToolResult):
            try:
                return result_frame(call.id, self.encode(outcome, call)), None
            except Exception as unsayable:
                outcome = masked(unsayable, call)
        return error_frame(call.id, outcome), outcome

    # The state of calls that ask (core.asks).

    def new_call_id(self) -> str:
        """Return a fresh 128-bit id for a logical call."""
        return os.urandom(16).hex()

    def new_ledger(self, context: Context) -> AskLedger:
        """Return the ask ledger of a call that brought no state, with the answers that it may have brought."""
        return AskLedger(State(self.new_call_id(), 0), _responses(context))

    def binding(self, context: Context) -> Binding:
        """Return what a call's state is bound to: who, where, which definition, and which request (S-12)."""
        params, target = context.call.params, self.methods.target(context.call)
        subject = {"name": getattr(params, "name", None), "uri": getattr(params, "uri", None)}
        arguments = getattr(params, "arguments", None)
        if arguments is not None and arguments is not msgspec.UNSET:
            subject["arguments"] = msgspec.json.decode(arguments) if isinstance(arguments, msgspec.Raw) else arguments
        return Binding(
            principal=context.principal.key,
            audience=self.server.audience,
            definition="" if target is None else target.digest,
            method=context.call.method,
            request=digest(subject),
        )

    async def resume_call(self, context: Context) -> None:
        """Take up the state that a retry brings.

        Raises:
            StateRefused: The state was not issued here, for this principal and this request, or has expired.
        """
        brought: str = context.call.params.request_state
        sealed = open_state(brought, self.binding(context), self.stores.keys.ring(), now=self.clock())
        state = read_state(sealed)
        ledger = AskLedger(state, _responses(context))
        for key in ledger.stored():
            ledger.load(key, await self.stores.ledger.kept(f"{state.call}:{key}"))
        turn = turn_of(context)
        turn.ledger = ledger
        if self.server.single_use:
            turn.nonce = f"{state.call}:{state.round}"

    async def ask_client(self, turn: Turn) -> None:
        """End a turn with its questions and the sealed state."""
        context = turn.context
        try:
            frame = await self._questions(turn)
        except LimitExceeded as failure:
            # "A state over the limit is never issued: the error names the ask." (asking, Size)
            asks = ", ".join(turn.ledger.pending if turn.ledger is not None else ())
            named = LimitExceeded(f"{failure.message}; asked by {asks}", limit=failure.limit)
            await context.outlet.finish(error_frame(context.call.id, named), named)
        except Exception as failure:
            # Whatever fails here, the client waits for an outcome: the turn has no other (S-25).
            frame, error = self.outcome(failure, context)
            await context.outlet.finish(frame, error)
        else:
            await context.outlet.finish(frame)

    async def _questions(self, turn: Turn) -> bytes:
        context, ledger = turn.context, turn.ledger
        assert ledger is not None
        state = ledger.next_state(self.limits.rounds)
        seconds = URL_STATE_SECONDS if _wants_visit(ledger) else STATE_SECONDS
        for given in ledger.oversize():
            await self.stores.ledger.keep(f"{state.call}:{given.key}", given.value, seconds, owner_of(context))
        sealed = seal_state(
            write_state(without_values(state)),
            self.binding(context),
            self.stores.keys.ring(),
            expires=self.clock() + seconds,
            random=os.urandom,
            limit=self.limits.request_state,
        )
        requests = {
            key: msgspec.Raw(b'{"method":"%b","params":%b}' % (method.encode(), params))
            for key, (method, params, _) in ledger.pending.items()
        }
        result = InputRequiredResult(input_requests=requests, request_state=sealed)
        return result_frame(context.call.id, self.encode(result, context.call))


def watchers_of(middleware: "Sequence[Middleware]") -> "tuple[Watcher, ...]":
    """Return those layers that watch; nothing is loaded for a server without middleware."""
    if not middleware:
        return ()
    from dovetail.server.watching.observing import Watcher

    return tuple(layer for layer in middleware if isinstance(layer, Watcher))


class _Mode(msgspec.Struct):
    """All that is read of a question here; who fills in a form may not say how long its state is good for."""

    mode: str = "form"


_mode_of = msgspec.json.Decoder(_Mode).decode


def _wants_visit(ledger: AskLedger) -> bool:
    questions = ledger.pending.values()
    return any(method == "elicitation/create" and _mode_of(params).mode == "url" for method, params, _ in questions)


def _responses(context: Context) -> dict[str, bytes]:
    """The client's answers by key, as JSON."""
    given = getattr(context.call.params, "input_responses", None) or {}
    return {key: bytes(value) for key, value in given.items()}
