"""`CallLog`: one structured log record a call, and `JsonLines`, a formatter that writes any record as a line of JSON.

The two are apart on purpose: `CallLog` hands facts to `logging`, whichever handlers are there, and `JsonLines` makes
every record of the process redacted JSON, ours and others'. See `observing`.
"""

import logging
import time
from typing import TYPE_CHECKING, Any, Final

import msgspec

from dovetail.core import redact_text
from dovetail.server.calls.context import CURRENT, Context
from dovetail.server.watching.observing import (
    End,
    Refused,
    Report,
    Watcher,
    method_of,
    principal_of,
    request_id_of,
    session_of,
    trace_id_of,
)

if TYPE_CHECKING:
    from dovetail.core import Call

_FACTS: Final = "dovetail_call"
_TROUBLE: Final = frozenset({"error", "timed_out", "aborted"})


class CallLog(Watcher):
    """Middleware that logs one record a call: who, what, how long and how it ended; never arguments or results.

    Records go to the logger `dovetail.calls`: INFO, or WARNING for errors, timeouts, calls that were cut off and
    requests that were refused. The facts are in the text, and for `JsonLines` as fields: `method`, `name`, `principal`,
    `revision`, `request_id`, `trace_id`, `session` (a digest), `outcome`, `code`, `error`, `reference` (the id under
    which an internal failure was logged), `ms` and `bytes`.
    """

    def __init__(self, logger: logging.Logger | str = "dovetail.calls") -> None:
        """Log to a logger."""
        self._log = logging.getLogger(logger) if isinstance(logger, str) else logger

    def __repr__(self) -> str:
        return f"<CallLog to {self._log.name}>"

    def begin(self, call: "Call", context: Context) -> End:
        """Note nothing yet."""

        def end(report: Report) -> None:
            level = logging.WARNING if report.outcome in _TROUBLE else logging.INFO
            if not self._log.isEnabledFor(level):
                return
            facts = {
                "method": report.method,
                "name": report.name,
                "principal": principal_of(call.principal),
                "revision": call.peer.revision.version,
                "request_id": request_id_of(context),
                "trace_id": trace_id_of(call, context),
                "session": session_of(context),
                "outcome": report.outcome,
                "code": report.code,
                "error": report.error,
                "reference": report.reference,
                "ms": round(report.seconds * 1000, 3),
                "bytes": report.size,
            }
            what = f"{report.method} {report.name}".rstrip()
            why = f" ({report.error})" if report.error else ""
            extra = {_FACTS: _given(facts)}
            self._log.log(level, "%s: %s%s, %.1f ms", what, report.outcome, why, facts["ms"], extra=extra)

        return end

    def refused(self, request: Refused) -> None:
        """Log a request that was refused before there was a call."""
        facts = {
            "method": request.method,
            "principal": request.principal,
            "request_id": request.request_id,
            "outcome": "refused",
            "code": request.code,
            "error": request.error,
        }
        self._log.warning("%s: refused (%s)", request.method, request.error, extra={_FACTS: _given(facts)})


def _given(facts: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in facts.items() if value not in ("", None)}


class JsonLines(logging.Formatter):
    """A formatter: each record becomes one line of JSON, redacted.

    Fields: `time` (UTC, RFC 3339), `level`, `logger`, `message`; `exception` where there is one; those of `CallLog`;
    and in what is logged while a call is served, `method`, `request_id`, `trace_id` and `session` of that call.

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
            line |= facts  # redacted by who stated them
        elif (context := CURRENT.get(None)) is not None:
            line |= _of_call(context)
        if record.exc_info:
            line["exception"] = redact_text(self.formatException(record.exc_info))
        return msgspec.json.encode(line, enc_hook=str).decode()


def _of_call(context: Context) -> dict[str, str]:
    """What a line that is logged inside a call is found by."""
    call = context.call
    return _given(
        {
            "method": method_of(call, context),
            "request_id": request_id_of(context),
            "trace_id": trace_id_of(call, context),
            "session": session_of(context),
        }
    )
