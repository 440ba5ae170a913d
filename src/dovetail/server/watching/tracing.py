"""`Tracing`: one OpenTelemetry span a call. Needs the "telemetry" extra, and an SDK to export with. See `observing`.

Names and attributes follow OpenTelemetry's semantic conventions for MCP: a SERVER span named `{method} {target}`, where
the target is the tool's or prompt's name. Its parent is what the request's `_meta` carries (2026-07-28, Overview,
_meta: `traceparent`, `tracestate`, `baggage`); else the span around the call, such as an ASGI instrumentation's. The
span is current while the handler runs, so that what the handler traces becomes its child.

Never on a span: arguments, results, texts of errors, session ids (a digest stands in for them: who has an id has the
session).
"""

from typing import TYPE_CHECKING, Any, Final

try:
    from opentelemetry import baggage, trace
    from opentelemetry import context as otel
    from opentelemetry.baggage.propagation import W3CBaggagePropagator
    from opentelemetry.context import Context as Surroundings
    from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator
except ModuleNotFoundError as missing:
    raise ModuleNotFoundError('Tracing needs the "telemetry" extra: pip install "dovetail-mcp[telemetry]"') from missing

from dovetail.server.calls.context import Context
from dovetail.server.watching.observing import (
    TRACE_ID,
    End,
    Report,
    Watcher,
    method_of,
    name_of,
    request_id_of,
    session_of,
)
from dovetail.wire import is_baggage, is_traceparent, is_tracestate

if TYPE_CHECKING:
    from dovetail.core import Call
    from dovetail.server.app import Handler

_FAILED: Final = frozenset({"error", "tool_error", "timed_out", "aborted"})
_TARGETS: Final = {"tools/call": "gen_ai.tool.name", "prompts/get": "gen_ai.prompt.name"}
_HERE: Final = "dovetail.surroundings"
_OURS: Final = otel.create_key("dovetail")
_PARENT: Final = TraceContextTextMapPropagator()
_BAGGAGE: Final = W3CBaggagePropagator()


class Tracing(Watcher):
    """Middleware that makes one span a call."""

    def __init__(self, provider: trace.TracerProvider | None = None) -> None:
        """Trace with a provider, or the process's own."""
        self._tracer = trace.get_tracer("dovetail", tracer_provider=provider)

    def __repr__(self) -> str:
        return f"<Tracing by {type(self._tracer).__name__}>"

    def around(self, handler: "Handler") -> "Handler":
        """Return a handler that runs with its call's span as the current one."""

        async def handle(call: "Call", context: Context) -> Any:
            token = otel.attach(context.state[_HERE])
            try:
                return await handler(call, context)
            finally:
                otel.detach(token)

        return handle

    def begin(self, call: "Call", context: Context) -> End:
        """Start the call's span."""
        parent = surroundings_of(call, context)
        name = f"{method_of(call, context)} {name_of(call, context)}".rstrip()
        span = self._tracer.start_span(name, parent, trace.SpanKind.SERVER, _facts(call, context))
        if (traced := span.get_span_context()).is_valid:
            context.state[TRACE_ID] = trace.format_trace_id(traced.trace_id)
        context.state[_HERE] = otel.set_value(_OURS, True, trace.set_span_in_context(span, parent))

        def end(report: Report) -> None:
            if report.name and report.method == "resources/read":
                span.set_attribute("mcp.resource.uri", report.name)
            if report.outcome in _FAILED:
                kind = str(report.code) if report.code is not None else "tool_error"
                span.set_attribute("error.type", kind if report.outcome in ("error", "tool_error") else report.outcome)
                if report.code is not None:
                    span.set_attribute("rpc.response.status_code", str(report.code))
                span.set_status(trace.StatusCode.ERROR)
            span.set_attribute("dovetail.outcome", report.outcome)
            if report.reference:
                span.set_attribute("dovetail.reference", report.reference)
            span.end()

        return end


def surroundings_of(call: "Call", context: Context) -> Surroundings:
    """Return what a call's span is made in: what its `_meta` carries, where that is well-formed; else what is current.

    In a mounted server, that is the span of the server around it. A span of ours that is current otherwise belongs to
    another call, and is no parent.
    """
    around: Surroundings | None = context.state.get(_HERE)
    if around is not None:
        return around
    here = otel.get_current()
    meta = getattr(call.params, "meta", None)
    parent, state, bag = (getattr(meta, key, None) for key in ("traceparent", "tracestate", "baggage"))
    if isinstance(parent, str) and is_traceparent(parent):
        carrier = {"traceparent": parent}
        if isinstance(state, str) and is_tracestate(state):
            carrier["tracestate"] = state
        here = _PARENT.extract(carrier, Surroundings())
    elif otel.get_value(_OURS, here) is not None:
        here = Surroundings()
    if isinstance(bag, str) and is_baggage(bag):
        here = _BAGGAGE.extract({"baggage": bag}, baggage.clear(here))
    return here


def _facts(call: "Call", context: Context) -> dict[str, str]:
    method, name, session = method_of(call, context), name_of(call, context), session_of(context)
    facts = {
        "mcp.method.name": method,
        "mcp.protocol.version": call.peer.revision.version,
        "jsonrpc.request.id": request_id_of(context),
        "network.transport": "tcp" if context.network else "pipe",
    }
    if method == "tools/call":
        facts["gen_ai.operation.name"] = "execute_tool"
    if name and method in _TARGETS:
        facts[_TARGETS[method]] = name
    if session:
        facts["mcp.session.id"] = session
    if call.headers is not None:
        facts["network.protocol.name"] = "http"
    return facts
