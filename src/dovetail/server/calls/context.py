"""What a handler may do, besides computing: one `Context` a call.

Definition-time module: it must not import asyncio, so that defining a server stays cheap. What needs the event loop
(asking, stopping, timers) stands in `turn` and `asking` and is loaded when the first call needs it.
"""

import sys
from collections.abc import Callable, Coroutine, Mapping
from contextvars import ContextVar
from enum import Enum
from typing import TYPE_CHECKING, Any, ClassVar, Protocol, TypeVar, cast, overload

import msgspec

from dovetail.core import Call, Principal
from dovetail.errors import DefinitionError
from dovetail.revisions import Revision
from dovetail.server.calls.telling import Log, Notify, noted, said
from dovetail.wire import as_json, notification_frame

if TYPE_CHECKING:
    from dovetail.errors import Refusal
    from dovetail.server.app import Server
    from dovetail.server.calls.gates import Slot
    from dovetail.server.calls.turn import Turn
    from dovetail.server.entries import Entry
    from dovetail.server.functions.elicited import Elicited
    from dovetail.server.functions.visits import Visit
    from dovetail.server.runtime import Runtime
    from dovetail.server.transports.session import Session
    from dovetail.wire import CreateMessageResult, ReadResourceResult, Root

T = TypeVar("T")
Asking = Coroutine[Any, Any, T]
"""A question that was put but not asked yet: `await` it, alone or with others in a `gather`."""

_NUMBER = (int, float)
_MOST = sys.float_info.max


def _number(value: Any) -> float:
    if type(value) in _NUMBER:
        return cast("float", value)
    from dovetail.wire import plain

    try:
        value = plain(value)  # such as NumPy's
    except TypeError:
        value = None
    if not isinstance(value, _NUMBER) or isinstance(value, bool):
        raise DefinitionError("progress: progress, total: expected numbers")
    return value


class Stop(Enum):
    """Why a call was ended before its handler was done."""

    CANCELLED = "cancelled by the client"
    SUSPENDED = "waiting for the client's answers"
    TIMED_OUT = "timed out"
    SHUT_DOWN = "the server is shutting down"


class Failed(msgspec.Struct, frozen=True, gc=False):
    """What a call failed with; not the exception, whose frames would keep the call alive."""

    kind: str
    """The exception's type."""
    reference: str
    """The id under which it was logged, if it was masked."""


class Outlet(Protocol):
    """Where the messages of one call go. Implemented once a transport."""

    network: bool
    """The caller came over a network: limits on rate apply."""

    async def send(self, frame: bytes) -> None:
        """Send a message that belongs to the call, before its outcome."""
        ...

    async def finish(self, frame: bytes | None, error: "Refusal | None" = None) -> None:
        """Send the outcome; None when there is none to send. Called once."""
        ...

    def suspended(self, context: "Context") -> None:
        """Note that the handler waits for something: from now on it can be cancelled."""
        ...

    def ended(self, context: "Context") -> None:
        """Note that the handler is done, in whatever way."""
        ...

    async def close_stream(self, retry: float | None) -> None:
        """Close the connection without ending the stream, where the transport can (2025-11-25, SSE polling)."""
        ...


class Context:
    """What one call's handler can ask, tell and know.

    Passed to a parameter annotated `Context`; see also `get_context`.
    """

    __injected__: ClassVar[str] = "context"  # how `functions.signature` knows it, which stands below
    inside: ClassVar[bool] = False
    """True for what is read inside a call, whose clock and slot stay the call's; see `calls.inside`."""

    __slots__ = (
        "_owner",
        "_progress",
        "_state",
        "call",
        "entry",
        "failure",
        "outlet",
        "runtime",
        "session",
        "slot",
        "sound",
        "timeout",
        "turn",
    )

    def __init__(self, call: Call, runtime: "Runtime", outlet: Outlet, session: "Session | None" = None) -> None:
        """Made by a transport's driver, one a request."""
        self.call = call
        self.runtime = runtime
        self.outlet = outlet
        self.session = session
        self.turn: Turn | None = None
        self.entry: Entry | None = None
        self.slot: Slot | None = None
        self.timeout: float | None = None
        self.failure: Failed | None = None
        self.sound: object = None  # structured content that is known to be JSON
        self._progress = float("-inf")
        self._state: dict[str, Any] | None = None
        self._owner: Server | None = None  # who serves the method of an extension

    def __repr__(self) -> str:
        how = "suspended" if self.suspended else "cancelled" if self.cancelled else "running"
        return f"<Context {self.call.method} {self.request_id} {how}>"

    # Facts.

    @property
    def revision(self) -> Revision:
        """The protocol revision of the call."""
        return self.call.peer.revision

    @property
    def request_id(self) -> str:
        """The JSON-RPC id as text."""
        return self.call.id.decode("utf-8", "replace").strip('"')

    @property
    def principal(self) -> Principal:
        """On whose behalf the call is made."""
        return self.call.principal

    @property
    def headers(self) -> Mapping[bytes, bytes]:
        """HTTP header fields in lower case; empty where there are none."""
        return self.call.headers or {}

    @property
    def state(self) -> dict[str, Any]:
        """A dict of this call, for middleware to hand things on in."""
        if self._state is None:
            self._state = {}
        return self._state

    @property
    def lifespan(self) -> Any:
        """What the lifespan of the server that defines the handler yielded; None without one."""
        owner = self._owner if self.entry is None else self.entry.owner
        return self.runtime.lifespans.get(owner or self.runtime.server)

    @property
    def network(self) -> bool:
        """True when the caller came over a network."""
        return self.outlet.network

    @property
    def cancelled(self) -> bool:
        """True once the client cancelled the call, it ran out of time, or the server shuts down."""
        return self.turn is not None and self.turn.stop not in (None, Stop.SUSPENDED)

    @property
    def suspended(self) -> bool:
        """True once the turn has ended with questions: clean-up runs, and the handler runs again with the answers."""
        return self.turn is not None and self.turn.stop is Stop.SUSPENDED

    @property
    def quiet(self) -> bool:
        """True while a replay goes over ground that an earlier turn covered:

        progress, logs and notices are withheld.
        """
        return self.turn is not None and self.turn.replaying

    @property
    def muted(self) -> bool:
        """True when the client gets no more messages of the call.

        "Progress notifications MUST stop after completion"; a cancelled request gets no further messages either.
        """
        turn = self.turn
        return turn is not None and (turn.stop is not None or turn.over or turn.replaying)

    # Telling.

    @property
    def log(self) -> Log:
        """Log messages to the client."""
        return Log(self)

    @property
    def notify(self) -> Notify:
        """Change notices to every client that wants them."""
        return Notify(self)

    @said
    async def progress(self, progress: float, total: float | None = None, message: str | None = None) -> None:
        """Report progress; nothing happens when the client did not ask for it.

        Args:
            progress: How far. It "MUST increase with each notification" (spec, Progress): a value that does not is
                dropped, and so is one that is no finite number.
            total: Out of how much, if known; infinity is not known either.
            message: What is going on, for people (2025-03-26 and later).

        Raises:
            DefinitionError: A number that is none, or a message that is no text.
        """
        progress, total = _number(progress), None if total is None else _number(total)
        if message is not None and not isinstance(message, str):
            raise DefinitionError(f"progress: message: expected a string, not {type(message).__name__}")
        meta = getattr(self.call.params, "meta", None)
        token = None if meta is None else meta.progress_token
        if token is None or not abs(progress) <= _MOST or progress <= self._progress or self.muted:
            return
        self._progress = progress
        body: dict[str, Any] = {"progressToken": token, "progress": progress}
        if total is not None and abs(total) <= _MOST:
            body["total"] = total
        if message is not None and "message" in self.revision.fields_of("ProgressNotificationParams"):
            body["message"] = message
        await self.outlet.send(notification_frame("notifications/progress", as_json(body)))

    @said
    async def close_stream(self, retry: float | None = None) -> None:
        """Close the call's event stream without ending it: the client comes back for the rest after `retry` seconds.

        Only where clients expect it (2025-11-25, Streamable HTTP); elsewhere nothing happens.
        """
        await self.outlet.close_stream(retry)

    # Asking. The rules stand in `asking`; what is asked where, in `core.asks`.

    @overload
    def elicit(self, message: str, schema: type[T], *, key: str | None = None) -> "Asking[Elicited[T]]": ...

    @overload
    def elicit(self, message: str, schema: Any = None, *, key: str | None = None) -> "Asking[Elicited[Any]]": ...

    def elicit(self, message: str, schema: Any = None, *, key: str | None = None) -> "Asking[Elicited[Any]]":
        """Ask the user to fill in a form: `answer = await ctx.elicit("Which branch?", Branch)`.

        Args:
            message: What to ask, for people.
            schema: A flat dataclass, Struct, TypedDict or Pydantic model; a Literal, Enum or scalar type; a dict with
                a form schema; or None for a bare confirmation.
            key: The question's identity over all turns; its place in the code, when not given.

        Raises:
            CapabilityMissing: The client, or the revision, has no such forms.
            DefinitionError: The schema is not flat, or asks for a secret (spec, Elicitation).
        """
        from dovetail.server.calls.asking import elicit

        return noted(elicit(self, key or _site(), message, schema))

    def elicit_url(
        self, message: str, url: str, *, visit: str | None = None, key: str | None = None
    ) -> "Asking[Visit]":
        """Ask the user to visit a URL, out of the client's and the model's sight (2025-11-25 and later).

        `accepted` means that the user agreed to go there. When the user is done there, say so: `Server.complete_url`.

        Args:
            message: What to ask, for people.
            url: https, or http to this machine; without credentials.
            visit: A unique id for the visit; minted, when not given.
            key: See `elicit`.

        Raises:
            CapabilityMissing: The client, or the revision, cannot open URLs.
            DefinitionError: A URL that nobody should be asked to open.
        """
        from dovetail.server.calls.asking import elicit_url

        return noted(elicit_url(self, key or _site(), message, url, visit))

    def sample(
        self, messages: Any, *, max_tokens: int = 1024, key: str | None = None, **options: Any
    ) -> "Asking[CreateMessageResult]":
        """Ask the client's model for a completion.

        Args:
            messages: A text, a SamplingMessage (or a dict that is one as JSON), or a list of them.
            max_tokens: The most tokens to generate.
            key: See `elicit`.
            options: Other fields of `CreateMessageRequestParams`, in Python spelling.

        Raises:
            CapabilityMissing: The client offers no sampling, or none with tools.
            DefinitionError: There is no such field, or it takes another value; nothing was sent.
        """
        from dovetail.server.calls.asking import sample

        return noted(sample(self, key or _site(), messages, max_tokens, options))

    def roots(self, *, key: str | None = None) -> "Asking[list[Root]]":
        """Ask for the directories that the client works in.

        Raises:
            CapabilityMissing: The client has none to tell.
        """
        from dovetail.server.calls.asking import roots

        return noted(roots(self, key or _site()))

    def ask_sync(self, question: Coroutine[Any, Any, T]) -> T:
        """Ask from a plain function: `answer = ctx.ask_sync(ctx.elicit("Which?", Branch))`.

        The function's place in the thread pool is free while the answer is awaited.
        """
        from dovetail.server.calls.pool import ask_from_thread

        return ask_from_thread(self, question)

    @said
    async def once(self, name: str, function: Callable[..., Any], *args: Any) -> Any:
        """Run a side effect at most once in the life of this call, over all turns and workers; return its result.

        Args:
            name: What it is, unique within the call.
            function: A plain or async function; its result must be JSON-able, and its return annotation, if it has
                one, is what the result comes back as.
            args: Its arguments.

        Raises:
            OnceUnknown: It was claimed before and its outcome is not known, or the ledger is out of reach.
            DefinitionError: It promises to return what JSON has no words for, and was not run; it asks the client, or
                calls once with its own name.
        """
        from dovetail.server.calls.once import once

        return await once(self, name, function, args)

    @said
    async def read_resource(self, uri: str) -> "ReadResourceResult":
        """Read a resource of this server, as the caller may see it.

        One of a mounted server is read within that server's middleware and lifespan. The resource's own limits hold.

        Raises:
            ResourceNotFound: There is none with that URI, or the caller does not see it.
            Busy: The resource's limit on rate or concurrency is reached.
        """
        return await self.runtime.methods.read_inside(uri, self)


def _site() -> str:
    """Name the place in the handler's code that asks: the function, and the line within it."""
    frame = sys._getframe(2)
    return f"{frame.f_code.co_name}:{frame.f_lineno - frame.f_code.co_firstlineno}"


CURRENT: ContextVar[Context] = ContextVar("dovetail_context")


def get_context() -> Context:
    """Return the context of the call being served.

    Raises:
        LookupError: No call is being served here.
    """
    try:
        return CURRENT.get()
    except LookupError:
        raise LookupError("get_context() works only while a call is being served") from None
