"""A link: one negotiated connection to one server, whatever carries it. What the typed calls stand on.

    ChannelLink   a channel (stdio, in memory, the 2024-11-05 transport): one conversation, answers found by id
    HttpLink      Streamable HTTP of either era: each request has an exchange of its own

What they have in common: a request goes out as JSON without `_meta`, which the link adds as the revision wants it; its
result comes back as JSON, or an error of the tree does. A request that is cancelled here is cancelled on the wire. When
the link is lost, every request under way ends with the reason, and so does each later one.
"""

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Final, Protocol

import msgspec

from dovetail.errors import (
    Disconnected,
    DovetailError,
    InvalidParams,
    PeerError,
    ProtocolViolation,
    SessionLost,
    Unsent,
)
from dovetail.wire import (
    Answer,
    Broken,
    CancelledNotificationParams,
    ClientCapabilities,
    Failure,
    Implementation,
    LoggingLevel,
    Notification,
    ProgressNotificationParams,
    RequestMeta,
    decode,
    encode,
)

if TYPE_CHECKING:
    from dovetail.client.login import Authorizer
    from dovetail.core import ServerPeer
    from dovetail.revisions import Revision

NOTHING: Final[Mapping[str, Any]] = {}
_encode = msgspec.json.encode

CHANGES: Final = frozenset(
    {
        "notifications/tools/list_changed",
        "notifications/prompts/list_changed",
        "notifications/resources/list_changed",
        "notifications/resources/updated",
        "notifications/subscriptions/acknowledged",
    }
)
"""Notifications that the stateless era sends on a listen stream, and nowhere else."""

_SAID: Final = frozenset(
    f"io.modelcontextprotocol/{name}" for name in ("protocolVersion", "clientInfo", "clientCapabilities", "logLevel")
)

Progress = Callable[[ProgressNotificationParams], None]
Heard = Callable[[Notification], None]


class Outgoing(msgspec.Struct, kw_only=True):
    """A request on its way; whoever makes the call sets its timer.

    Attributes:
        method: The method.
        params: Its parameters: a JSON object without `_meta`.
        meta: What else stands in `_meta`, by key.
        name: What the header `Mcp-Name` repeats; None for nothing.
        headers: Further header fields, where the carriage has any.
        on_progress: Hears of progress; a token is sent if somebody listens.
        on_notice: Hears of notifications on the stream of this request's answer, before anybody else (HTTP).
        timer: Stands still while a question of the server is answered.
        principal: Who it is made for; None for the client itself (HTTP).
        authorizer: Makes its credentials, in place of the link's (HTTP).
    """

    method: str
    params: bytes = b"{}"
    meta: Mapping[str, Any] = NOTHING
    name: str | None = None
    headers: Mapping[str, str] = NOTHING
    on_progress: Progress | None = None
    on_notice: Heard | None = None
    timer: "Pausable | None" = None
    principal: str | None = None
    authorizer: "Authorizer | None" = None


class Pausable(Protocol):
    """A call's timer."""

    def pause(self) -> None:
        """Stop; as often as it is called, so often `resume` must be."""
        ...

    def resume(self) -> None:
        """Go on."""
        ...

    def touch(self) -> None:
        """Note a sign of life."""
        ...


class Receiver(Protocol):
    """Who hears what a server says of itself, and answers what it asks: the client above the link."""

    def heard(self, notification: Notification) -> None:
        """Take a notification that belongs to no request."""
        ...

    async def asked(self, method: str, params: bytes | None, call: Outgoing | None, revision: "Revision") -> bytes:
        """Answer a request of the server with the JSON of a result.

        Args:
            method: What it wants.
            params: The JSON of its parameters.
            call: The request on whose stream it came, where that is known.
            revision: The revision to answer in.

        Raises:
            Refusal: What the server is told instead.
        """
        ...

    def missed(self) -> None:
        """Take note that something may have been said and cannot be heard any more."""
        ...

    def stray(self, what: str) -> None:
        """Take note of something that no server should send."""
        ...


class Link(Protocol):
    """See the module."""

    @property
    def peer(self) -> "ServerPeer":
        """The server, as negotiated."""
        ...

    @property
    def lost(self) -> DovetailError | None:
        """Why there is no link any more; None while there is."""
        ...

    async def request(self, outgoing: Outgoing) -> bytes:
        """Send a request and return the JSON of its result.

        Raises:
            PeerError: The server answered with an error.
            Disconnected: The link was lost; `Unsent` when nothing of the request had left.
            AuthRequired: The server wants credentials that there are not.
            HttpFailure: An HTTP status that says no more than itself.
            ProtocolViolation: The server's answer is none.
            LimitExceeded: The answer is larger than a limit.
        """
        ...

    def identify(self, identity: "Identity") -> None:
        """Say each later request as this identity."""
        ...

    async def notify(self, method: str, params: bytes | None = None) -> None:
        """Send a notification.

        Raises:
            Disconnected: The link was lost.
        """
        ...

    async def hearing(self) -> None:
        """Return once what the server says unasked is heard.

        Raises:
            HttpFailure: It has no stream for that.
        """
        ...

    async def ended(self) -> None:
        """Return once the link is lost."""
        ...

    async def retire(self) -> bool:
        """Close it once what is under way has ended, when it is lost; tell whether it is closed already."""
        ...

    async def aclose(self) -> None:
        """End it, in the way that the carriage has for that. Idempotent."""
        ...


class Identity(msgspec.Struct, frozen=True):
    """Who we say we are, and which log messages we want (`level`)."""

    info: Implementation
    capabilities: ClientCapabilities
    level: LoggingLevel | None = None

    def fragment(self, revision: "Revision") -> bytes:
        """Return the members of `_meta` that stand in every request of the stateless era, without braces.

        "Every request MUST include [...] io.modelcontextprotocol/protocolVersion [and] clientCapabilities" (2026-07-28,
        Overview, _meta).
        """
        if not revision.stateless:
            return b""
        prefix = b'"io.modelcontextprotocol/'
        members = [
            prefix + b'protocolVersion":' + _encode(revision.version),
            prefix + b'clientInfo":' + encode(self.info, revision),
            prefix + b'clientCapabilities":' + encode(self.capabilities, revision),
        ]
        if self.level is not None:
            members.append(prefix + b'logLevel":' + _encode(self.level))
        return b",".join(members)


def said(params: msgspec.Struct, revision: "Revision") -> bytes:
    """Return parameters as a revision says them, without the `_meta` that the link adds."""
    return _encode(params) if revision.stateless else encode(params, revision)


def params_of(outgoing: Outgoing, identity: bytes, token: bytes) -> bytes:
    """Return the parameters with their `_meta`.

    Args:
        outgoing: The request.
        identity: What `Identity.fragment` made.
        token: The JSON of the progress token, if somebody listens.
    """
    members = [identity] if identity else []
    if outgoing.on_progress is not None:
        members.append(b'"progressToken":' + token)
    if outgoing.meta:
        # What the link says itself stands once: a progress token finds its listener, a revision is the one spoken.
        ours = (_SAID if identity else set()) | ({"progressToken"} if outgoing.on_progress is not None else set())
        meta = {key: value for key, value in outgoing.meta.items() if key not in ours}
        if meta:
            members.append(_encode(meta)[1:-1])
    if not members:
        return outgoing.params
    rest = outgoing.params[1:]
    return b'{"_meta":{%b}%b%b' % (b",".join(members), b"" if rest == b"}" else b",", rest)


def unsent(lost: DovetailError) -> DovetailError:
    """Return what a request fails with that finds its link lost: nothing of it has been sent."""
    return lost if isinstance(lost, Unsent | SessionLost) or not isinstance(lost, Disconnected) else Unsent(str(lost))


def result_of(message: Answer | Failure | Broken) -> bytes:
    """Return the JSON of a result.

    Raises:
        PeerError: It is an error.
        ProtocolViolation: It cannot be read.
    """
    match message:
        case Answer():
            return message.result
        case Failure(_, error):
            raise PeerError(error.code, error.message, error.data)
        case Broken(_, refusal):
            raise ProtocolViolation(f"The server's answer cannot be read: {refusal.message}")


def progress_of(notification: Notification) -> ProgressNotificationParams | None:
    """Return what a progress notification says; None if it is malformed, for which nobody is disturbed."""
    try:
        return decode(notification.params or b"{}", ProgressNotificationParams)
    except InvalidParams:
        return None


class _Tagged(msgspec.Struct):
    meta: RequestMeta | None = msgspec.field(default=None, name="_meta")


_tagged = msgspec.json.Decoder(_Tagged)


def cancelled_id(notification: Notification) -> bytes:
    """Return the id of the request that a notification withdraws, as it was written; empty without one."""
    try:
        identifier = decode(notification.params or b"{}", CancelledNotificationParams).request_id
    except InvalidParams:
        return b""
    return b"" if isinstance(identifier, msgspec.UnsetType) else bytes(identifier)


def subscription_of(params: bytes | None) -> bytes:
    """Return the id of the stream that a notification's `_meta` names, as it was written; empty without one."""
    try:
        meta = _tagged.decode(params or b"{}").meta
    except msgspec.ValidationError:
        return b""
    return b"" if meta is None or isinstance(meta.subscription_id, msgspec.UnsetType) else bytes(meta.subscription_id)
