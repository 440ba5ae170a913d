"""Redaction: what must not stand in a log message, whoever wrote it (spec, Logging; S-23).

"Log messages MUST NOT contain: credentials or secrets, personal identifying information, internal system details that
could aid attacks." Names that hold secrets lose their values, and texts lose what looks like a credential. Linear in
the input.
"""

import re
from collections.abc import Mapping
from typing import Any, Final

from dovetail.wire import looks_secret

MARK: Final = "[redacted]"
_DEPTH: Final = 16

# Each alternative starts with a literal and has no nested repetition: no input makes it backtrack.
_SECRETS: Final = re.compile(
    r"(?i)\b(?:bearer|basic|dpop)\s+[a-z0-9._~+/=-]{8,}"
    r"|\b(?:sk|pk|rk|ghp|gho|ghs|ghu|github_pat|glpat|xox[abprs]|AKIA|ASIA|ya29|npm)[-_.]?[A-Za-z0-9_-]{12,}"
    r"|\beyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{4,}(?:\.[A-Za-z0-9_-]*)?"
    r"|-----BEGIN [A-Z ]{0,30}PRIVATE KEY-----"
)
_PAIRS: Final = re.compile(
    r"(?i)\b(authorization|cookie|set-cookie|code|token|access_token|refresh_token|id_token|api[-_]?key|secret|password"
    r"|passwd|client_secret|session)(\"?\s{0,4}[=:]\s{0,4}\"?)([^\s\"&,;}]{3,})"
)
_QUERY: Final = re.compile(r"(https?://[^\s?#\"]{1,2000})\?[^\s\"#]+")


def redact_text(text: str) -> str:
    """Return a text without what looks like a credential, and without the queries of its URLs."""
    text = _QUERY.sub(rf"\1?{MARK}", text)
    text = _SECRETS.sub(MARK, text)
    return _PAIRS.sub(rf"\1\2{MARK}", text)


def redact(value: Any, depth: int = 0) -> Any:
    """Return a value for a log: texts redacted, and values under names that hold secrets replaced."""
    if isinstance(value, str):
        return redact_text(value)
    if depth >= _DEPTH:
        return MARK
    if isinstance(value, Mapping):
        return {
            key: MARK if isinstance(key, str) and looks_secret(key) else redact(item, depth + 1)
            for key, item in value.items()
        }
    if isinstance(value, (list, tuple, set, frozenset)):
        return [redact(item, depth + 1) for item in value]
    return value
