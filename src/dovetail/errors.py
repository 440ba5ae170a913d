"""One tree of exceptions, and the codes of JSON-RPC and MCP. Whose fault a failure is, is part of its type.

    DovetailError
    ├── Refusal                  the peer sent what we cannot serve; `code`, `message`, `data` go onto the wire
    │   ├── MalformedJSON            -32700  not JSON, or JSON that two parsers could read differently
    │   ├── InvalidRequest           -32600  not a JSON-RPC request
    │   │   ├── LimitExceeded        -32600  larger, deeper or more than a limit allows
    │   │   └── SessionEnded         -32600  the session was ended before the request could be served in it
    │   ├── MethodNotFound           -32601
    │   ├── InvalidParams            -32602
    │   │   ├── InvalidArguments     -32602  arguments that do not fit a tool's or prompt's declaration
    │   │   ├── StateRefused         -32602  a sealed `requestState` that does not open here; why is for the log only
    │   │   ├── ResourceNotFound     -32602 or -32002, as the revision says
    │   │   └── UnsafePath           -32602  a path that leads out of its root, or could be made to
    │   ├── HeaderMismatch           -32020  headers and body disagree
    │   ├── CapabilityMissing        -32021  the client did not declare what this needs
    │   ├── UnsupportedRevision      -32022
    │   ├── UrlElicitationRequired   -32042  (2025-11-25 only)
    │   ├── Busy                     -32603  a limit on concurrency or rate; try again later
    │   └── InternalError            -32603  our fault, masked; the id is in the log
    ├── ToolError                what a model should read; becomes a result with `isError`
    │   └── InvalidOutput            what a handler returned does not fit what it declared (S-10)
    ├── PeerError                the peer answered with an error: `code`, `data`
    │   └── QuestionRefused          the client did so when it was asked something in the middle of a call
    ├── ProtocolViolation        the peer broke the protocol (found on our side, never on the wire)
    ├── Timeout                  a deadline of ours passed
    ├── NoCommonRevision         no protocol revision is spoken by both sides and allowed here
    ├── NotOffered               the server has nothing of what was wanted; asking again changes nothing
    ├── HttpFailure              an HTTP status that answers no request; `status`, `retry_after`
    ├── Disconnected             the other side is gone
    │   ├── Unsent                   provably before anything left: safe to send again
    │   ├── SessionLost              the server no longer knows the session
    │   └── StoreUnusable            the state directory, or a file in it, needs its owner's attention
    ├── AuthRequired             credentials are missing or not enough
    │   ├── LoginRefused             the authorization server, or the user, said no; `error`
    │   ├── LoginUntrusted           what a server said about logging in contradicts itself or what we asked
    │   ├── LoginUnavailable         there is no way to log in from here: nothing answers, or somebody must act first
    │   └── ScopeInsufficient        logged in, and the server wants more than was granted; `scopes`
    ├── OnceUnknown              a side effect was claimed and its outcome is not known; it is never run again
    ├── RoundsExceeded           a call asked its client more often than allowed
    ├── AnswerDeclined           a declared question (`Ask`) was declined or cancelled
    └── DefinitionError          wrong use of this library, found when a server is defined
        ├── InvalidName
        ├── InvalidSchema
        └── Unsayable            a message that a protocol revision has no words for

Texts carry no secrets, no argument values and no more than 256 bytes of a peer's input (W-12).
"""

from typing import Any, ClassVar

PARSE_ERROR = -32700
INVALID_REQUEST = -32600
METHOD_NOT_FOUND = -32601
INVALID_PARAMS = -32602
INTERNAL_ERROR = -32603
RESOURCE_NOT_FOUND = -32002  # 2025-11-25 and earlier
HEADER_MISMATCH = -32020
CAPABILITY_MISSING = -32021
UNSUPPORTED_REVISION = -32022
URL_ELICITATION_REQUIRED = -32042  # 2025-11-25 only

_ECHO_LIMIT = 256


def quote(text: str, limit: int = _ECHO_LIMIT) -> str:
    """Quote a peer's text for an error: printable ASCII only, at most `limit` characters (W-12)."""
    shown = ascii(text[: limit + 1])
    return shown if len(shown) <= limit else shown[: limit - 4] + "...'"


class DovetailError(Exception):
    """The root: every error that this library raises on purpose."""


class Refusal(DovetailError):
    """The peer's message cannot be served; `code`, `message` and `data` are what it is told.

    Attributes:
        code: The JSON-RPC error code.
        message: One sentence that names the field and what was expected.
        data: Structured detail for the peer, or None.
    """

    code: int = INVALID_REQUEST
    retry_after: ClassVar[int | None] = None

    def __init__(self, message: str, *, data: Any = None, code: int | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.data = data
        if code is not None:
            self.code = code


class MalformedJSON(Refusal):
    """The bytes are not JSON, or JSON that two parsers could read differently (duplicate keys, bad UTF-8)."""

    code = PARSE_ERROR


class InvalidRequest(Refusal):
    """JSON, but not a JSON-RPC 2.0 message that MCP allows."""


class LimitExceeded(InvalidRequest):
    """Larger, deeper or more than a limit allows. `limit` names the setting."""

    def __init__(self, message: str, *, limit: str = "", data: Any = None, code: int | None = None) -> None:
        super().__init__(message, data=data, code=code)
        self.limit = limit


class SessionEnded(InvalidRequest):
    """The session was ended, at another worker perhaps, before the request could be served in it: nothing was done."""


class MethodNotFound(Refusal):
    """The revision, or this server, has no such method."""

    code = METHOD_NOT_FOUND


class InvalidParams(Refusal):
    """Parameters of the wrong shape; the message names the field and what was expected."""

    code = INVALID_PARAMS


class InvalidArguments(InvalidParams):
    """Arguments that do not fit what a tool or prompt declares.

    Attributes:
        path: Where, such as `$.items[2].price`.
        expected: What was expected there.
    """

    def __init__(self, path: str, expected: str, *, data: Any = None) -> None:
        super().__init__(f"{path}: {expected}", data=data)
        self.path = path
        self.expected = expected


class StateRefused(InvalidParams):
    """A sealed `requestState` that does not open here; the peer is never told why (S-12).

    Attributes:
        reason: Why, for the log: such as `expired` or `does not authenticate`. Holds nothing of the state.
    """

    def __init__(self, reason: str) -> None:
        super().__init__("requestState is not valid for this request")
        self.reason = reason


class ResourceNotFound(InvalidParams):
    """No such resource. The code depends on the revision, so the one who answers sets it."""

    def __init__(self, uri: str, *, code: int = INVALID_PARAMS) -> None:
        super().__init__("Resource not found", data={"uri": uri[:_ECHO_LIMIT]}, code=code)


class UnsafePath(InvalidParams):
    """A path that leads, or could be made to lead, out of its root. The text names the reason and never the root."""


class HeaderMismatch(Refusal):
    """HTTP headers and the body disagree, or a required header is missing (2026-07-28, Server Validation)."""

    code = HEADER_MISMATCH


class CapabilityMissing(Refusal):
    """The client did not declare a capability that this needs; `data.requiredCapabilities` names it."""

    code = CAPABILITY_MISSING

    def __init__(self, message: str, required: dict[str, Any]) -> None:
        super().__init__(message, data={"requiredCapabilities": required})
        self.required = required


class UnsupportedRevision(Refusal):
    """A protocol revision that this server does not speak; `data` lists those it does."""

    code = UNSUPPORTED_REVISION

    def __init__(self, requested: str, supported: tuple[str, ...]) -> None:
        data = {"supported": list(supported), "requested": requested[:_ECHO_LIMIT]}
        super().__init__("Unsupported protocol version", data=data)


class UrlElicitationRequired(Refusal):
    """A URL must be visited before the request can be served (2025-11-25, elicitation, URL mode).

    Clients that cannot be told so, since they do not open URLs or speak another revision, get a plain error.

    Attributes:
        url: What to visit: https, or http to the same machine; without credentials.
        visit: The visit's id, for `Server.complete_url`; minted, when not given.
    """

    code = URL_ELICITATION_REQUIRED

    def __init__(self, message: str, url: str, *, visit: str = "") -> None:
        from uuid import uuid4

        self.url = url
        self.visit = visit or uuid4().hex
        # "The error MUST include a list of elicitations that are required to complete before the original can be
        # retried." They "MUST be URL mode elicitations and have an `elicitationId` property." (2025-11-25, Elicitation)
        asked = {"mode": "url", "elicitationId": self.visit, "url": url, "message": message}
        super().__init__(message, data={"elicitations": [asked]})


class Busy(Refusal):
    """A limit on concurrency or rate was reached; try again after `retry_after` seconds."""

    code = INTERNAL_ERROR
    retry_after = 1


class InternalError(Refusal):
    """Our fault. The text names only an id; the cause stands in the log under that id."""

    code = INTERNAL_ERROR


class ToolError(DovetailError):
    """Raised by a tool for the model to read: becomes a result with `isError` (spec, Tools, Error Handling)."""


class InvalidOutput(ToolError):
    """What a handler returned does not fit its output schema, or has no form on the wire (S-10). Never holds the value.

    Attributes:
        path: Where, such as `$.items[2].price`.
        expected: What was expected there.
    """

    def __init__(self, path: str, expected: str, *, declared: bool = True) -> None:
        what = "does not fit what was declared" if declared else "cannot be sent"
        super().__init__(f"The result {what}: {path}: {expected}")
        self.path = path
        self.expected = expected


class PeerError(DovetailError):
    """The peer answered with a JSON-RPC error.

    Attributes:
        code: Its code.
        data: Its data, or None.
    """

    def __init__(self, code: int, message: str, data: Any = None) -> None:
        super().__init__(f"{message} ({code})")
        self.code = code
        self.message = message
        self.data = data


class QuestionRefused(PeerError):
    """The client answered a question (`ctx.elicit`, `ctx.sample`, `ctx.roots`) with an error, or not readably.

    Its model may read that. What another server answered to a tool that calls it is a plain `PeerError`, and is masked.
    """


class ProtocolViolation(DovetailError):
    """The peer broke the protocol; found here and never sent."""


class Timeout(DovetailError):
    """A deadline of ours passed. Never mistaken for an error of the peer (W-11)."""


class Disconnected(DovetailError):
    """The other side is gone; nothing more will come."""


class Unsent(Disconnected):
    """Nothing of the message left this process, so that it is safe to send it again."""


class SessionLost(Disconnected):
    """The server no longer knows the session (2025-11-25, Streamable HTTP, Session Management: HTTP 404)."""


class StoreUnusable(Disconnected):
    """The state directory, or a file in it, needs its owner's attention: permissions, damage, or somebody else's file.

    The text names the file's role and what to do, never what it holds.
    """


class NoCommonRevision(DovetailError):
    """No protocol revision is spoken by both sides and allowed here.

    Attributes:
        supported: What the server says it speaks; empty when it did not say.
        stateful: The newest of these that is spoken here, too, but begins with `initialize`; empty for none. It is not
            fallen back to, as whoever stands between could bring that about: it can be asked for.
    """

    def __init__(self, supported: tuple[str, ...], *, refused: str = "", stateful: str = "") -> None:
        told = ", ".join(quote(version, 32) for version in supported[:8]) or "nothing that is understood here"
        text = f"No protocol revision in common: the server speaks {told}"
        if refused:  # what it says that it speaks, it does not
            text = f"The server refuses protocol revision {quote(refused, 32)}, and says that it speaks {told}"
        if stateful:
            text = f"The server speaks {told}, which begins with `initialize`, and no error leads back to that"
        super().__init__(text)
        self.supported = supported
        self.stateful = stateful


class NotOffered(DovetailError):
    """The server has nothing of what was wanted, so that waiting for it would never end."""


class HttpFailure(DovetailError):
    """An HTTP status that says more than the answer under it: no JSON-RPC message, or only that it is too busy.

    Attributes:
        status: The status.
        retry_after: Seconds after which the server wants to be asked again, or None.
        location: Where a redirect leads, without its query; empty for none. Redirects are not followed.
    """

    def __init__(self, status: int, *, retry_after: float | None = None, said: str = "", location: str = "") -> None:
        super().__init__(f"The server answered with HTTP status {status}{': ' if said else ''}{said}")
        self.status = status
        self.retry_after = retry_after
        self.location = location


class AuthRequired(DovetailError):
    """Credentials are missing, or do not suffice. No text of this branch holds a token or a secret."""


class LoginRefused(AuthRequired):
    """The authorization server, or the user in front of it, said no.

    Attributes:
        error: The registered error code of OAuth, such as `access_denied`; `unregistered_error` for any other.
    """

    def __init__(self, what: str, error: str) -> None:
        super().__init__(f"{what}: {error}")
        self.error = error


class LoginUntrusted(AuthRequired):
    """What a server said about logging in contradicts itself, or what we asked: nothing secret was sent to it."""


class LoginUnavailable(AuthRequired):
    """There is no way to log in from here; the text says what is missing and who can help."""


class ScopeInsufficient(AuthRequired):
    """The server goes on asking for scopes although they were asked for (spec, Step-Up Authorization Flow).

    Attributes:
        scopes: What it wants.
    """

    def __init__(self, scopes: tuple[str, ...]) -> None:
        wanted = quote(" ".join(scopes), 128) if scopes else "more than it names"
        super().__init__(f"The server wants scopes that are not granted: {wanted}")
        self.scopes = scopes


class OnceUnknown(DovetailError):
    """A side effect was claimed before and its outcome is unknown, or the ledger is out of reach. It was not run."""


class RoundsExceeded(DovetailError):
    """A call asked its client more often than the limit of rounds allows."""


class AnswerDeclined(DovetailError):
    """A question that a handler declared (`Ask`) was declined or cancelled."""


class DefinitionError(DovetailError):
    """Wrong use of this library, found while a server is being defined."""


class InvalidName(DefinitionError):
    """A tool name outside 1 to 128 of `[A-Za-z0-9_.-]` (spec, Tools, Tool Names), or another illegal name."""


class InvalidSchema(DefinitionError):
    """A JSON Schema that is not valid, not bounded, or of a dialect that is not supported."""


class Unsayable(DefinitionError):
    """A message that a protocol revision has no words for."""
