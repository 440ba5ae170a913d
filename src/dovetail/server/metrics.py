"""`Metrics`: what a server does, in numbers, for Prometheus. Needs the "telemetry" extra. See `observing`.

    dovetail_calls_total{method, name, revision, outcome}   calls, by how they ended
    dovetail_errors_total{method, name, error}              those that failed, by JSON-RPC code or kind
    dovetail_call_seconds{method, name}                     histogram
    dovetail_result_bytes{method, name}                     histogram of the outcomes' frames
    dovetail_calls_in_flight                                calls under way
    dovetail_sessions                                       sessions of the stateful revisions over HTTP, all workers'
    dovetail_listen_streams                                 open `subscriptions/listen` streams over HTTP

Labels are names that the server knows, so a client cannot make up series.

While it is in use, `app.asgi()` and `run("http")` answer `GET /metrics`, behind the same guard as every route. With
several workers, set PROMETHEUS_MULTIPROC_DIR to an empty directory before the start: then any worker answers for all.
"""

import os
from typing import TYPE_CHECKING, Any, Final
from weakref import WeakSet

from prometheus_client import (
    CONTENT_TYPE_LATEST,
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    generate_latest,
    multiprocess,
)

from dovetail.server.context import Context
from dovetail.server.observing import End, Report, observed

if TYPE_CHECKING:
    from dovetail.core import Call
    from dovetail.server.app import Handler
    from dovetail.server.runtime import Runtime

_FAILED: Final = frozenset({"error", "tool_error", "timed_out"})
_SECONDS: Final = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)
_BYTES: Final = (100, 1_000, 10_000, 100_000, 1_000_000, 10_000_000)


class Metrics:
    """Middleware that counts calls.

    Attributes:
        registry: Where the metrics are registered.
    """

    def __init__(self, registry: CollectorRegistry | None = None) -> None:
        """Count in a registry: one of its own, when none is given; `prometheus_client.REGISTRY` joins the process's."""
        self.registry = registry = registry or CollectorRegistry()
        place = ["method", "name"]
        self._calls = Counter("dovetail_calls", "Calls", [*place, "revision", "outcome"], registry=registry)
        self._errors = Counter("dovetail_errors", "Calls that failed", [*place, "error"], registry=registry)
        self._seconds = Histogram(
            "dovetail_call_seconds", "Duration of calls", place, buckets=_SECONDS, registry=registry
        )
        self._bytes = Histogram("dovetail_result_bytes", "Size of outcomes", place, buckets=_BYTES, registry=registry)
        self._in_flight = Gauge(
            "dovetail_calls_in_flight", "Calls under way", registry=registry, multiprocess_mode="livesum"
        )
        self._sessions = Gauge("dovetail_sessions", "Sessions", registry=registry, multiprocess_mode="livemax")
        self._streams = Gauge(
            "dovetail_listen_streams", "Listen streams", registry=registry, multiprocess_mode="livesum"
        )
        self._runtimes: WeakSet[Runtime] = WeakSet()

    def __repr__(self) -> str:
        return f"<Metrics of {len(self._runtimes)} runtimes>"

    def __call__(self, handler: "Handler") -> "Handler":
        """Wrap a handler."""
        return observed(self._begin)(handler)

    def _begin(self, call: "Call", context: Context) -> End:
        self._in_flight.inc()

        def end(report: Report) -> None:
            self._in_flight.dec()
            place = (report.method, report.name)
            self._calls.labels(*place, call.peer.revision.version, report.outcome).inc()
            self._seconds.labels(*place).observe(report.seconds)
            if report.size:
                self._bytes.labels(*place).observe(report.size)
            if report.outcome in _FAILED:
                self._errors.labels(*place, str(report.code) if report.code is not None else report.error).inc()

        return end

    async def scrape(self, runtime: "Runtime") -> tuple[bytes, bytes]:
        """Return the content type and the text of `/metrics`."""
        self._runtimes.add(runtime)
        self._streams.set(sum(len(each.streams) for each in self._runtimes))
        self._sessions.set(await runtime.stores.sessions.count())
        registry: Any = self.registry
        if os.environ.get("PROMETHEUS_MULTIPROC_DIR"):
            registry = CollectorRegistry()
            multiprocess.MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
        return CONTENT_TYPE_LATEST.encode(), generate_latest(registry)
