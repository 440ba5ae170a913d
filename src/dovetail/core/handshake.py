"""The handshake of the stateful revisions (2024-11-05 to 2025-11-25, Lifecycle): a table, and what it ends in.

state          event                        next           meaning
-------------  ---------------------------  -------------  ------------------------------------------
NEW            initialize                   INITIALIZING   the answer carries the negotiated revision
NEW            ping                         NEW            allowed before anything else
INITIALIZING   notifications/initialized    READY          from here on the server may ask
INITIALIZING   any request                  INITIALIZING   served: the client has our capabilities
READY          any but initialize           READY
"""

from enum import Enum

from dovetail.core.peer import Peer
from dovetail.errors import InvalidRequest
from dovetail.revisions import NEWEST_STATEFUL, Revision, revision_for
from dovetail.wire import InitializeRequestParams


class Lifecycle(Enum):
    """How far a connection or session has come."""

    NEW = "new"
    INITIALIZING = "initializing"
    READY = "ready"


_ALLOWED_BEFORE = frozenset({"initialize", "ping"})


class Handshake:
    """The lifecycle of one connection or session of a stateful revision."""

    __slots__ = ("peer", "state")

    def __init__(self, peer: Peer | None = None) -> None:
        """Start new, or go on with the peer of a session that was stored."""
        self.state = Lifecycle.NEW if peer is None else Lifecycle.READY
        self.peer = peer

    def __repr__(self) -> str:
        spoken = self.peer.revision.version if self.peer else "-"
        return f"<Handshake {self.state.value} {spoken}>"

    def admit(self, method: str) -> None:
        """Let a request pass in this state.

        Raises:
            InvalidRequest: Before `initialize`, or a second `initialize`.
        """
        # "The initialization phase MUST be the first interaction between client and server." (Lifecycle)
        if self.state is Lifecycle.NEW:
            if method not in _ALLOWED_BEFORE:
                raise InvalidRequest("The first request must be initialize")
        elif method == "initialize":
            raise InvalidRequest("initialize: this session is initialized already")

    def initialize(self, params: InitializeRequestParams) -> Peer:
        """Negotiate and return the peer."""
        self.peer = Peer(negotiate(params.protocol_version), params.capabilities, params.client_info)
        self.state = Lifecycle.INITIALIZING
        return self.peer

    def initialized(self) -> None:
        """Note `notifications/initialized`. Before `initialize`, or repeated, it means nothing."""
        if self.state is Lifecycle.INITIALIZING:
            self.state = Lifecycle.READY


def negotiate(requested: str) -> Revision:
    """Return the revision to answer `initialize` with.

    "If the server supports the requested protocol version, it MUST respond with the same version. Otherwise, the server
    MUST respond with another protocol version it supports. This SHOULD be the latest version supported by the server."
    (2025-11-25, Lifecycle, Version Negotiation.) A stateless revision has no handshake, so it cannot be its outcome.
    """
    revision = revision_for(requested)
    return NEWEST_STATEFUL if revision is None or revision.stateless else revision
