"""What a failure says to whoever made the call: which server, what was asked of it, what happened, and what to do.

One place for all of it, and only on the way out of a failure. Nothing secret is said: no query of a URL, no
credentials, no argument, and at most 256 bytes of what a server wrote (W-12).
"""

import re
from typing import Final, TypeVar

from dovetail.errors import (
    AuthRequired,
    DefinitionError,
    Disconnected,
    DovetailError,
    HttpFailure,
    LimitExceeded,
    NoCommonRevision,
    PeerError,
    ProtocolViolation,
    RoundsExceeded,
    SessionLost,
    StoreUnusable,
    Timeout,
    Unsent,
)
from dovetail.wire import Limits

E = TypeVar("E", bound=DovetailError)

_ECHO: Final = 256
_NAME: Final = 64
_USER: Final = re.compile(r"//[^/@\s]*@")
_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]")

_IN_ITS_LOG: Final = "why may stand in its own log"
_IS_IT: Final = "is the URL right? If this is a server of MCP, tell who makes it"
_IS_MCP: Final = "is this a server of MCP? If it is, tell who makes it"
_CODES: Final = {
    -32601: "it has no such method: see `server.capabilities` of the client",
    -32602: "see what it lists: names, and the arguments that they take",
    -32002: "see what it lists: there is no such resource",
    -32603: "why stands in its own log",
}
_STATUSES: Final = {
    403: "see `auth` and `headers` of the client",
    404: "is the path of the URL right?",
    405: "is the path of the URL right?",
    413: "send less at a time",
    429: "try again later, or less often",
    503: "try again later",
}
_KINDS: Final[dict[type[DovetailError], str]] = {
    AuthRequired: "see `auth` of the client",
    NoCommonRevision: "one of the two needs an update, unless `revision` or `minimum` of the client forbids it",
    LimitExceeded: "`limits` of the client allows more",
    RoundsExceeded: "`rounds` of the client allows more",
    ProtocolViolation: _IS_IT,
    SessionLost: "call again: the client opens another one",
}
_ENDED_WELL: Final = "ended with exit code 0"
_LIMITS: Final = frozenset(Limits.__struct_fields__)
_METHODS: Final = {
    "tools/call": "it may have been carried out, so look before you call it again",
    "opening": "is this a server of MCP?",
}


def asked(method: str, name: str | None) -> str:
    """Return what to call a request in an error: the method, and what it is about without what may be secret."""
    if not name:
        return method
    return f"{method} {_one_line(_USER.sub('//', name.partition('?')[0]), _NAME)}"


def named(error: E, server: str, what: str) -> E:
    """Return the same failure in the words for whoever made the call. One that has such words keeps them.

    A copy, as several may wait for what failed once: of the same type, with the same attributes.

    Args:
        error: What happened.
        server: The server's name.
        what: What was asked of it; see `asked`.
    """
    if isinstance(error, DefinitionError):
        return error  # is about what was written here, and says what is wrong with it
    said = getattr(error, "_said", "")
    if said:
        text = said if said.startswith(f"{what}: ") else f"{what}: {said}"
    else:
        text = f"{what}: {_with_hint(_core(error, server, what), _hint(error, server, what))}"
    copy = type(error).__new__(type(error), f"{server}: {text}")
    copy.__dict__.update(error.__dict__, _said=text)
    copy.__cause__, copy.__suppress_context__ = error.__cause__, True
    return copy.with_traceback(error.__traceback__)


def _core(error: DovetailError, server: str, what: str) -> str:
    """Return what happened, without what it is going to be said behind."""
    if isinstance(error, PeerError):
        return f"{_one_line(error.message, _ECHO)} ({error.code})"
    method = what.partition(" ")[0]
    text = str(error).removeprefix(f"{server}: ").removeprefix(f"{what}: ").removeprefix(f"{method}: ")
    origin, mark, rest = text.partition(": ")
    return rest if mark and "://" in origin and server.startswith(origin) else text


def _with_hint(text: str, hint: str) -> str:
    first, line_end, rest = text.partition("\n")  # what a program wrote last stands below
    return f"{first}{'; ' if hint else ''}{hint}{line_end}{rest}"


def _hint(error: DovetailError, server: str, what: str) -> str:
    """Return what to do about it; empty where it says so itself."""
    method, text = what.partition(" ")[0], str(error)
    match error:
        case HttpFailure():
            return _status_hint(error)
        case PeerError():
            return _CODES.get(error.code, _IN_ITS_LOG)
        case Timeout():
            return _timeout_hint(method, text)
        case Unsent():
            return "is it running, and is the URL right?" if "://" in server and "in a row" not in text else ""
        case Disconnected() if method == "opening" and _ENDED_WELL in text:
            return "it ended before it said a word: does its file call `app.run()`?"
        case Disconnected() if not isinstance(error, StoreUnusable | SessionLost) and "the client" not in text.lower():
            return _METHODS.get(method, "call again: the client connects again")
    return _kind_hint(error, server, text)


def _kind_hint(error: DovetailError, server: str, text: str) -> str:
    match error:
        case NoCommonRevision() if error.stateful:
            return f"revision={error.stateful!r} of the client asks for it"
        case ProtocolViolation() if "://" not in server:
            return _IS_MCP
        case AuthRequired() if "`auth`" in text:
            return ""
        case LimitExceeded() if error.limit not in _LIMITS:
            return ""
    return _KINDS.get(type(error), "")


def _timeout_hint(method: str, text: str) -> str:
    if method == "opening":
        return "`opening` of the client and `timeout` allow more"
    return "`longest` of the client allows more" if "not finished" in text else "`timeout` allows more"


def _status_hint(error: HttpFailure) -> str:
    if error.location:
        return f"redirects are not followed: it is at {error.location}, so use that URL if you trust it"
    if error.retry_after is not None:
        return f"try again in {error.retry_after:g} s"
    return _STATUSES.get(error.status, _IN_ITS_LOG if error.status >= 500 else _IS_IT)


def _one_line(text: str, limit: int) -> str:
    """Return at most `limit` bytes of a text, and nothing in it that acts on a terminal."""
    cut = text.encode("utf-8", "replace")[: limit + 1]
    shown = cut if len(cut) <= limit else cut[: limit - 3]
    clean = _CONTROL.sub("?", shown.decode("utf-8", "ignore"))
    return clean if len(cut) <= limit else f"{clean}..."
