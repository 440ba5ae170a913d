"""`Audit`: one record of each call on a small port (`AuditSink` of `core`). See `observing`.

What a sink does not take is counted and logged, and never holds a call up or makes it fail: whoever must not lose a
record watches `lost`.
"""

import logging
import os
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import msgspec

from dovetail.core import AuditRecord, AuditSink
from dovetail.server.calls.context import Context
from dovetail.server.watching.observing import End, Report, Watcher, principal_of, request_id_of, trace_id_of
from dovetail.wire import digest

if TYPE_CHECKING:
    from dovetail.core import Call

log = logging.getLogger("dovetail.server")


class Audit(Watcher):
    """Middleware that writes one record a call.

    Example:
        app.use(Audit("audit.jsonl"))

    Attributes:
        lost: Records that the sink did not take.
    """

    def __init__(self, sink: AuditSink | str | os.PathLike[str], *, clock: Callable[[], float] = time.time) -> None:
        """Record to a sink, or to a file: JSON lines, appended, for its owner's eyes.

        Raises:
            StoreUnusable: The file cannot be opened, or others may use it.
        """
        if isinstance(sink, (str, os.PathLike)):
            from dovetail.store import AuditFile

            sink = AuditFile(sink)
        self._sink = sink
        self._clock = clock
        self.lost = 0

    def __repr__(self) -> str:
        return f"<Audit to {self._sink!r}, {self.lost} lost>"

    def begin(self, call: "Call", context: Context) -> End:
        """Note what the call asks for."""
        # Now, and not at the end: what a handler does to its arguments must not show.
        arguments = digest_of(call.params)

        def end(report: Report) -> None:
            record = AuditRecord(
                time=self._clock(),
                server=context.runtime.server.name,
                principal=principal_of(call.principal),
                method=report.method,
                name=report.name,
                revision=call.peer.revision.version,
                outcome=report.outcome,
                code=report.code,
                error=report.error,
                reference=report.reference,
                seconds=round(report.seconds, 6),
                arguments=arguments,
                request_id=request_id_of(context),
                trace_id=trace_id_of(call, context),
            )
            try:
                self._sink.record(record)
            except Exception as error:
                self._lose(error)

        return end

    def _lose(self, error: Exception) -> None:
        self.lost += 1
        if self.lost & (self.lost - 1) == 0:  # the first, second, fourth, eighth ...: a full disk fills no log
            log.error("An audit record was lost (%d so far): %s", self.lost, type(error).__name__)


def digest_of(params: Any) -> str:
    """Return the digest of what a request asks for: its arguments, or its URI; empty when it has neither.

    What has no canonical form (1e400, a lone surrogate) has no digest: the record says `none` instead.
    """
    asked = getattr(params, "arguments", None)
    if asked is None or asked is msgspec.UNSET:
        uri = getattr(params, "uri", None)
        if uri is None:
            return ""
        asked = {"uri": uri}
    try:
        return digest(msgspec.json.decode(asked) if isinstance(asked, msgspec.Raw) else asked)
    except (ValueError, msgspec.MsgspecError):
        return "none"
