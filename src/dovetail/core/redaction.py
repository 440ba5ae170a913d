"""What is made fit for an error or a log: without what looks like a credential, whoever wrote it (W-12, S-23).

"Log messages MUST NOT contain: credentials or secrets, personal identifying information, internal system details that
could aid attacks." (spec, Logging) Names that hold secrets lose their values, and texts lose what looks like a
credential. No list of these is complete, so it errs towards taking too much away. Linear in the input.
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
    r"(?i)\b([\w-]{0,48}(?:authorization|cookie|token|api[-_]?key|access[-_]?key|secret|passwd|password|passphrase"
    r"|credential|session|\bcode)[\w-]{0,16})([\"']?\s{0,4}[=:]\s{0,4}[\"']?)([^\s\"'&,;}]{3,})"
)
_QUERY: Final = re.compile(r"(https?://[^\s?#\"]{1,2000})\?[^\s\"#]+")
_USER: Final = re.compile(r"([a-z][a-z0-9+.-]{0,20}://)[^\s/@\"]{1,500}@")


def redact_text(text: str) -> str:
    """Return a text without what looks like a credential, without user names in URLs, and without their queries."""
    text = _USER.sub(rf"\1{MARK}@", text)
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
