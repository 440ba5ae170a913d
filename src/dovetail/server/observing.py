"""Watching calls from outside: what `tracing`, `metrics`, `call_log` and `audit` have in common.

    app.use(Tracing())      OpenTelemetry spans          needs the "telemetry" extra
    app.use(Metrics())      Prometheus metrics           needs the "telemetry" extra
    app.use(CallLog())      one log record a call
    app.use(Audit(sink))    one audit record a call

Theory. Each is middleware on the one callable shape, and puts itself between the call and its outlet: there every call
ends exactly once, as the bytes that the client gets, whatever the handler did. So nothing in the path of a call knows
of watchers, and a server without any pays nothing.

Invariants: a report holds no argument, no result, no header and no text of an error; its method and name are ones that
the server knows, never what a client made up, so they are few. A watcher that fails is logged and disturbs nobody.
"""

import logging
from collections.abc import Callable
from hashlib import sha256
from time import perf_counter
from typing import TYPE_CHECKING, Any, Final

import msgspec

from dovetail.errors import Refusal
from dovetail.server.context import Context, Outlet, Stop
from dovetail.server.redact import redact_text
from dovetail.wire import METHODS, CallToolResult, is_traceparent

if TYPE_CHECKING:
    from dovetail.core import Call
    from dovetail.server.app import Handler, Middleware

log = logging.getLogger("dovetail.server")

_LONGEST: Final = 128


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """How one call went.

    Attributes:
        method: The method; `other` for one that nobody has.
        name: The tool, prompt, resource or template that was reached, as it was registered; else empty.
        outcome: `ok`, `tool_error` (a result with `isError`), `error` (a JSON-RPC error), `asked` (the turn ended with
            questions), `timed_out`, `cancelled` (by the client) or `aborted` (the connection or the process ended).
        code: The JSON-RPC error code, of an `error`.
        error: The kind of failure, as its type's name; empty when there was none.
        reference: The id under which an internal failure was logged and shown to the client.
        seconds: From the first middleware to the last byte made.
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


End = Callable[[Report], None]


def method_of(call: "Call", context: Context) -> str:
    """Return a call's method, if anybody has it; else `other`."""
    known = call.method in METHODS or call.method in context.runtime.server.extension_methods
    return call.method if known else "other"


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
    return redact_text(context.request_id[:_LONGEST])


def session_of(context: Context) -> str:
    """Return what tells sessions apart, and lets nobody into them: a digest of the id. Empty without a session."""
    identifier = "" if context.session is None else context.session.id
    return sha256(identifier.encode()).hexdigest()[:16] if identifier else ""


def trace_id_of(call: "Call") -> str:
    """Return the W3C trace id that the request brought in its `_meta`; empty without one."""
    parent = getattr(getattr(call.params, "meta", None), "traceparent", None)
    return parent[3:35] if isinstance(parent, str) and is_traceparent(parent) else ""


def observed(begin: "Callable[[Call, Context], End]") -> "Middleware":
    """Return middleware that watches calls: `begin` is called first, and what it returns once the outcome is made."""

    def middleware(handler: "Handler") -> "Handler":
        async def handle(call: "Call", context: Context) -> Any:
            try:
                end = begin(call, context)
            except Exception as error:
                log.error("A watcher failed: %s", type(error).__name__)
                return await handler(call, context)
            watch = context.outlet = Watch(context, end)
            try:
                watch.result = await handler(call, context)
            except BaseException as failure:
                watch.failed(failure)
                raise
            return watch.result

        return handle

    return middleware


class Watch:
    """An outlet that reports the outcome of its call, and passes everything on."""

    __slots__ = ("_context", "_end", "_failure", "_outlet", "_started", "network", "result")

    def __init__(self, context: Context, end: End) -> None:
        """Watch a call that begins now."""
        self._context = context
        self._outlet: Outlet = context.outlet
        self._end: End | None = end
        self._failure: BaseException | None = None
        self._started = perf_counter()
        self.network = self._outlet.network
        self.result: Any = None

    def failed(self, failure: BaseException) -> None:
        """Note what the handler raised; report at once when no outcome will follow it."""
        self._failure = failure
        turn = self._context.turn
        if isinstance(failure, KeyboardInterrupt) or (
            turn is not None and turn.stop is None and turn.task is not None and turn.task.cancelling()
        ):
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
        if stop is Stop.TIMED_OUT:
            return "timed_out"
        if frame is None:
            return "cancelled"
        if error is not None:
            return "error"
        if stop is Stop.SUSPENDED:
            return "asked"
        bad = self._failure is not None or (isinstance(self.result, CallToolResult) and self.result.is_error)
        return "tool_error" if bad else "ok"

    def _report(self, outcome: str, frame: bytes | None, error: Refusal | None) -> None:
        end, self._end = self._end, None
        if end is None:
            return
        call, failure = self._context.call, self._failure
        try:
            end(
                Report(
                    method=method_of(call, self._context),
                    name=name_of(call, self._context),
                    outcome=outcome,
                    code=None if error is None else error.code,
                    error=_kind(outcome, failure, error),
                    reference=_reference(failure, error),
                    seconds=perf_counter() - self._started,
                    size=0 if frame is None else len(frame),
                )
            )
        except Exception as broken:
            log.error("A watcher failed: %s", type(broken).__name__)


def _kind(outcome: str, failure: BaseException | None, error: Refusal | None) -> str:
    if outcome in ("ok", "asked"):
        return ""
    if outcome in ("error", "tool_error") and failure is not None:
        return type(failure).__name__
    return outcome if error is None else type(error).__name__


def _reference(failure: BaseException | None, error: Refusal | None) -> str:
    data = None if error is None else error.data
    shown = data.get("reference", "") if isinstance(data, dict) else ""
    return str(shown or getattr(failure, "dovetail_reference", ""))
