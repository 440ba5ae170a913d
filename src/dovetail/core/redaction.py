"""Texts that others wrote, made fit for an error or a log: without what looks like a credential (W-12).

It cannot know every secret, so it errs towards taking too much away. Linear in the input.
"""

import re
from typing import Final

MARK: Final = "[redacted]"

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
