"""`CallLog`: one structured log record a call, and `JsonLines`, a formatter that writes any record as a line of JSON.

The two are apart on purpose: `CallLog` hands facts to `logging`, whichever handlers are there, and `JsonLines` makes
every record of the process redacted JSON, ours and others'. See `observing`.
"""

import logging
import time
from typing import TYPE_CHECKING, Any, Final

import msgspec

from dovetail.server.context import Context
from dovetail.server.observing import End, Report, observed, request_id_of, session_of, trace_id_of
from dovetail.server.redact import redact, redact_text

if TYPE_CHECKING:
    from dovetail.core import Call
    from dovetail.server.app import Handler

_FACTS: Final = "dovetail_call"
_TROUBLE: Final = frozenset({"error", "timed_out", "aborted"})


class CallLog:
    """Middleware that logs one record a call: who, what, how long and how it ended; never arguments or results.

    Records go to the logger `dovetail.calls`: INFO, or WARNING for errors, timeouts and broken connections. The facts
    are in the text, and for `JsonLines` as fields: `method`, `name`, `principal`, `revision`, `request_id`, `trace_id`
    (the client's), `session` (a digest), `outcome`, `code`, `error`, `reference` (the id under which an internal
    failure was logged), `ms` and `bytes`.
    """

    def __init__(self, logger: logging.Logger | str = "dovetail.calls") -> None:
        """Log to a logger."""
        self._log = logging.getLogger(logger) if isinstance(logger, str) else logger

    def __repr__(self) -> str:
        return f"<CallLog to {self._log.name}>"

    def __call__(self, handler: "Handler") -> "Handler":
        """Wrap a handler."""
        return observed(self._begin)(handler)

    def _begin(self, call: "Call", context: Context) -> End:
        def end(report: Report) -> None:
            level = logging.WARNING if report.outcome in _TROUBLE else logging.INFO
            if not self._log.isEnabledFor(level):
                return
            facts = {
                "method": report.method,
                "name": report.name,
                "principal": redact_text(call.principal.key),
                "revision": call.peer.revision.version,
                "request_id": request_id_of(context),
                "trace_id": trace_id_of(call),
                "session": session_of(context),
                "outcome": report.outcome,
                "code": report.code,
                "error": report.error,
                "reference": report.reference,
                "ms": round(report.seconds * 1000, 3),
                "bytes": report.size,
            }
            facts = {key: value for key, value in facts.items() if value not in ("", None)}
            what = f"{report.method} {report.name}".rstrip()
            why = f" ({report.error})" if report.error else ""
            self._log.log(level, "%s: %s%s, %.1f ms", what, report.outcome, why, facts["ms"], extra={_FACTS: facts})

        return end


class JsonLines(logging.Formatter):
    """A formatter: each record becomes one line of JSON, redacted.

    Fields: `time` (UTC, RFC 3339), `level`, `logger`, `message`, those of `CallLog`; `exception` where there is one.

    Example:
        handler = logging.StreamHandler()
        handler.setFormatter(JsonLines())
        logging.basicConfig(handlers=[handler], level=logging.INFO)
    """

    def format(self, record: logging.LogRecord) -> str:
        """Return a record as a line of JSON, without the newline."""
        line: dict[str, Any] = {
            "time": time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created)) + f".{int(record.msecs):03d}Z",
            "level": record.levelname,
            "logger": record.name,
            "message": redact_text(record.getMessage()),
        }
        facts = getattr(record, _FACTS, None)
        if isinstance(facts, dict):
            line |= redact(facts)
        if record.exc_info:
            line["exception"] = redact_text(self.formatException(record.exc_info))
        return msgspec.json.encode(line, enc_hook=str).decode()
