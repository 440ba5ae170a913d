"""`Metrics`: what a server does, in numbers, for Prometheus. Needs the "telemetry" extra. See `observing`.

    dovetail_calls_total{method, name, revision, outcome}   calls, by how they ended; refused requests
    dovetail_errors_total{method, name, error}              those that failed, by JSON-RPC code or kind
    dovetail_call_seconds{method, name}                     histogram
    dovetail_result_bytes{method, name}                     histogram of the outcomes' frames
    dovetail_calls_in_flight                                calls under way
    dovetail_sessions                                       sessions of the stateful revisions over HTTP, all workers'
    dovetail_listen_streams                                 open `subscriptions/listen` streams over HTTP

Labels are names that the server knows, so a client cannot make up series.

While it is in use, `app.asgi()` and `run("http")` answer `GET /metrics`, behind the same guard as every route, and
where the server has `identify`, only to those whom it knows: names of tools are not for everybody. With several
workers, set PROMETHEUS_MULTIPROC_DIR to an empty directory before the start: then any worker answers for all.
"""

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

try:
    from prometheus_client import (
        CONTENT_TYPE_LATEST,
        CollectorRegistry,
        Counter,
        Gauge,
        Histogram,
        generate_latest,
        multiprocess,
    )
except ModuleNotFoundError as missing:
    raise ModuleNotFoundError('Metrics need the "telemetry" extra: pip install "dovetail-mcp[telemetry]"') from missing

from dovetail.server.calls.context import Context
from dovetail.server.watching.observing import End, Refused, Report, Watcher

if TYPE_CHECKING:
    from dovetail.core import Call, Sessions

_FAILED: Final = frozenset({"error", "tool_error", "timed_out"})
_SECONDS: Final = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)
_BYTES: Final = (100, 1_000, 10_000, 100_000, 1_000_000, 10_000_000)


class Metrics(Watcher):
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
        self._sessions = Gauge("dovetail_sessions", "Sessions", registry=registry, multiprocess_mode="livemostrecent")
        self._streams = Gauge(
            "dovetail_listen_streams", "Listen streams", registry=registry, multiprocess_mode="livesum"
        )

    def __repr__(self) -> str:
        return f"<Metrics in {self.registry!r}>"

    def begin(self, call: "Call", context: Context) -> End:
        """Count a call that begins."""
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

    def refused(self, request: Refused) -> None:
        """Count a request that was refused before there was a call; its revision is not known."""
        self._calls.labels(request.method, "", "", "refused").inc()
        self._errors.labels(request.method, "", str(request.code)).inc()

    def streams(self, more: int) -> None:
        """Count listen streams."""
        self._streams.inc(more)

    async def scrape(self, sessions: "Sessions") -> tuple[bytes, bytes]:
        """Return the content type and the text of `/metrics`."""
        self._sessions.set(await sessions.count())
        registry: Any = self.registry
        if shared := os.environ.get("PROMETHEUS_MULTIPROC_DIR"):
            _forget_the_dead(shared)
            registry = CollectorRegistry()
            multiprocess.MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
        return CONTENT_TYPE_LATEST.encode(), generate_latest(registry)


def _forget_the_dead(directory: str) -> None:
    """Drop what workers that are gone had under way: nobody else takes it back."""
    workers = {file.stem.rpartition("_")[2] for file in Path(directory).glob("gauge_live*_*.db")}
    for worker in filter(str.isdigit, workers):
        try:
            os.kill(int(worker), 0)
        except ProcessLookupError:
            multiprocess.mark_process_dead(int(worker), directory)  # type: ignore[no-untyped-call]
        except OSError:
            pass  # it lives, as somebody else
