"""Watching calls from outside: what `tracing`, `metrics`, `call_log` and `audit` have in common.

    app.use(Tracing())      OpenTelemetry spans          needs the "telemetry" extra
    app.use(Metrics())      Prometheus metrics           needs the "telemetry" extra
    app.use(CallLog())      one log record a call
    app.use(Audit(sink))    one audit record a call

Theory. Each is middleware on the one callable shape, and puts itself between the call and its outlet: there every call
ends exactly once, as the bytes that the client gets, whatever the handler did. So nothing in the path of a call knows
of watchers, and a server without any pays nothing. What never becomes a call (a request that is refused before, a
listen stream) the runtime tells them.

Invariants: a report holds no argument, no result, no header and no text of an error; its method and name are ones that
the server knows, never what a client made up, so they are few. A watcher that fails is logged and disturbs nobody.
"""

import logging
from abc import ABC, abstractmethod
from collections.abc import Callable, Container
from hashlib import sha256
from time import perf_counter
from typing import TYPE_CHECKING, Any, Final

import msgspec

from dovetail.core import redact_text
from dovetail.errors import Refusal
from dovetail.server.calls.context import Context, Failed, Outlet, Stop
from dovetail.wire import METHODS, CallToolResult, is_traceparent

if TYPE_CHECKING:
    from dovetail.core import Call, Principal
    from dovetail.server.app import Handler
    from dovetail.wire import Request

log = logging.getLogger("dovetail.server")

_LONGEST: Final = 128
_STOPPED: Final = {Stop.TIMED_OUT: "timed_out", Stop.CANCELLED: "cancelled", Stop.SHUT_DOWN: "aborted"}


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """How one call went.

    Attributes:
        method: The method; `other` for one that nobody has.
        name: The tool, prompt, resource or template that was reached, as it was registered; else empty.
        outcome: `ok`, `tool_error` (a result with `isError`), `error` (a JSON-RPC error), `asked` (the turn ended with
            questions), `timed_out`, `cancelled` (by the client, or because it left) or `aborted` (by the end of the
            server, or of the task that served the call).
        code: The JSON-RPC error code, if the client was sent one.
        error: The kind of failure, as its type's name; empty when there was none.
        reference: The id under which an internal failure was logged and shown to the client.
        seconds: From this watcher's place among the middleware to the last byte made.
        size: Bytes of the outcome's frame.
    """

    method: str
    name: str
    outcome: str
    code: int | None
    error: str
    reference: str
    seconds: float
    size: int


class Refused(msgspec.Struct, frozen=True, kw_only=True):
    """A request that was refused before there was a call: out of order, malformed, unknown, or too many at a time.

    Attributes:
        method: The method; `other` for one that nobody has.
        principal: The caller's key; empty for a local or unauthenticated caller.
        request_id: The JSON-RPC id.
        code: The JSON-RPC error code.
        error: The kind of refusal, as its type's name.
    """

    method: str
    principal: str
    request_id: str
    code: int
    error: str


End = Callable[[Report], None]
TRACE_ID: Final = "dovetail.trace_id"
"""Where in a call's `state` `tracing` leaves the trace id of its span."""


class Watcher(ABC):
    """Middleware that watches."""

    @abstractmethod
    def begin(self, call: "Call", context: Context) -> End:
        """Note that a call begins; what is returned is called once its outcome is made."""

    def refused(self, request: Refused) -> None:  # noqa: B027 -- not everybody keeps count
        """Note that a request was refused before there was a call."""

    def streams(self, more: int) -> None:  # noqa: B027
        """Note that there is a listen stream more (1) or less (-1)."""

    def around(self, handler: "Handler") -> "Handler":
        """Return what runs inside, between `begin` and the outcome; the handler as it is, when not overridden."""
        return handler

    def __call__(self, handler: "Handler") -> "Handler":
        """Wrap a handler."""
        begin, inner = self.begin, self.around(handler)

        async def handle(call: "Call", context: Context) -> Any:
            try:
                end = begin(call, context)
            except Exception as error:
                _broken(error)
                return await handler(call, context)
            watch = context.outlet = Watch(context, end)
            try:
                watch.result = await inner(call, context)
            except BaseException as failure:
                watch.raised(failure)
                raise
            return watch.result

        return handle

    def saw_refusal(
        self, request: "Request", principal: "Principal", error: Refusal, extensions: Container[str]
    ) -> None:
        """Pass a refusal on, as what may be told of it."""
        try:
            self.refused(
                Refused(
                    method=_known(request.method, extensions),
                    principal=principal_of(principal),
                    request_id=_shown(request.id),
                    code=error.code,
                    error=type(error).__name__,
                )
            )
        except Exception as broken:
            _broken(broken)

    def saw_streams(self, more: int) -> None:
        """Pass it on."""
        try:
            self.streams(more)
        except Exception as broken:
            _broken(broken)


def _broken(error: Exception) -> None:
    log.error("A watcher failed: %s", type(error).__name__)


def _known(method: str, extensions: Container[str]) -> str:
    return method if method in METHODS or method in extensions else "other"


def _shown(identifier: bytes) -> str:
    if identifier.isdigit() and len(identifier) <= _LONGEST:
        return identifier.decode()
    return redact_text(identifier[:_LONGEST].decode("utf-8", "replace").strip('"'))


def method_of(call: "Call", context: Context) -> str:
    """Return a call's method, if anybody has it; else `other`."""
    return _known(call.method, context.runtime.server.extension_methods)


def name_of(call: "Call", context: Context) -> str:
    """Return the registered name of what a call is about; empty when there is none (yet)."""
    entry: Any = context.entry
    if entry is None:
        catalogue = context.runtime.server.catalogue
        match call.method:
            case "tools/call":
                entry = catalogue.tools.get(call.params.name)
            case "prompts/get":
                entry = catalogue.prompts.get(call.params.name)
            case _:
                return ""
    return "" if entry is None else entry.name


def request_id_of(context: Context) -> str:
    """Return the request's id, which the client chose, fit for a record."""
    return _shown(context.call.id)


def principal_of(principal: "Principal") -> str:
    """Return the key of a principal, fit for a record."""
    return redact_text(principal.key) if principal.key else ""


def session_of(context: Context) -> str:
    """Return what tells sessions apart, and lets nobody into them: a digest of the id. Empty without a session."""
    identifier = "" if context.session is None else context.session.id
    return sha256(identifier.encode()).hexdigest()[:16] if identifier else ""


def trace_id_of(call: "Call", context: Context) -> str:
    """Return the trace id of the call's span; where nobody traces, the one in the request's `_meta`; else empty."""
    traced = context.state.get(TRACE_ID)
    if traced is not None:
        return str(traced)
    parent = getattr(getattr(call.params, "meta", None), "traceparent", None)
    return parent[3:35] if isinstance(parent, str) and is_traceparent(parent) else ""


class Watch:
    """An outlet that reports the outcome of its call, and passes everything on."""

    __slots__ = ("_context", "_end", "_outlet", "_started", "network", "result")

    def __init__(self, context: Context, end: End) -> None:
        """Watch a call that begins now."""
        self._context = context
        self._outlet: Outlet = context.outlet
        self._end: End | None = end
        self._started = perf_counter()
        self.network = self._outlet.network
        self.result: Any = None

    def raised(self, failure: BaseException) -> None:
        """Report at once when no outcome will follow what was raised."""
        from dovetail.server.calls.turn import goes_through  # it loads asyncio, which a definition need not

        turn = self._context.turn
        if (turn is None or turn.stop is None) and (goes_through(failure) or isinstance(failure, GeneratorExit)):
            self._report("aborted", None, None)

    async def send(self, frame: bytes) -> None:
        """Pass a message on."""
        await self._outlet.send(frame)

    async def finish(self, frame: bytes | None, error: Refusal | None = None) -> None:
        """Report, and pass the outcome on."""
        self._report(self._outcome(frame, error), frame, error)
        await self._outlet.finish(frame, error)

    def suspended(self, context: Context) -> None:
        """Pass it on."""
        self._outlet.suspended(context)

    def ended(self, context: Context) -> None:
        """Pass it on."""
        self._outlet.ended(context)

    async def close_stream(self, retry: float | None) -> None:
        """Pass it on."""
        await self._outlet.close_stream(retry)

    def _outcome(self, frame: bytes | None, error: Refusal | None) -> str:
        turn = self._context.turn
        stop = None if turn is None else turn.stop
        if stop in _STOPPED:
            return _STOPPED[stop]
        if error is not None:
            return "error"
        if self._context.failure is not None or (isinstance(self.result, CallToolResult) and self.result.is_error):
            return "tool_error"
        return "ok" if stop is None else "asked"

    def _report(self, outcome: str, frame: bytes | None, error: Refusal | None) -> None:
        end, self._end = self._end, None
        if end is None:
            return
        context = self._context
        if context.outlet is self:
            context.outlet = self._outlet  # the two let go of each other: no cycle is left to collect
        failure = context.failure
        try:
            end(
                Report(
                    method=method_of(context.call, context),
                    name=name_of(context.call, context),
                    outcome=outcome,
                    code=None if error is None else error.code,
                    error=_kind(outcome, failure, error),
                    reference=_reference(failure, error),
                    seconds=perf_counter() - self._started,
                    size=0 if frame is None else len(frame),
                )
            )
        except Exception as broken:
            _broken(broken)


def _kind(outcome: str, failure: Failed | None, error: Refusal | None) -> str:
    if outcome in ("ok", "asked"):
        return ""
    if outcome in ("error", "tool_error") and failure is not None:
        return failure.kind
    return outcome if error is None else type(error).__name__


def _reference(failure: Failed | None, error: Refusal | None) -> str:
    data = None if error is None else error.data
    shown = data.get("reference", "") if isinstance(data, dict) else ""
    return str(shown or ("" if failure is None else failure.reference))
