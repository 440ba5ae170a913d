"""Who is on the other side, and what one call is: the two immutable facts that everything past the opening works with.

The handshake (stateful revisions) and the admission (stateless) both end in the same `Peer`; past that point nobody
knows which it was.
"""

from collections.abc import Mapping
from typing import Any, Final

import msgspec

from dovetail.revisions import Revision
from dovetail.wire import ClientCapabilities, Implementation


class Peer(msgspec.Struct, frozen=True):
    """The client of a call, as it described itself. Self-reported: never a ground for a security decision (C-17).

    Attributes:
        revision: The protocol revision that both sides speak.
        capabilities: What the client declared it can do.
        info: Its name and version, or None when it kept them to itself.
    """

    revision: Revision
    capabilities: ClientCapabilities
    info: Implementation | None = None

    @property
    def opens_urls(self) -> bool:
        """Its user can be asked to open a URL."""
        declared = self.capabilities.elicitation
        return declared is not None and declared.url is not None


class Principal(msgspec.Struct, frozen=True):
    """On whose behalf a call is made, as the server established it (never as the client says).

    Attributes:
        key: A stable identity such as `issuer|client|subject`; empty when nobody was authenticated.
        bucket: What limits are counted by: the key, or the peer's address where there is no key.
        scopes: What was granted.
        claims: What else the authenticator knows.
    """

    key: str = ""
    bucket: str = ""
    scopes: frozenset[str] = frozenset()
    claims: Mapping[str, Any] = msgspec.field(default_factory=dict)


ANONYMOUS: Final = Principal()


class Call(msgspec.Struct, frozen=True, gc=False):
    """One request, as immutable facts.

    Attributes:
        method: The method, such as `tools/call`.
        params: The decoded parameters: the Struct that the method table names for the method.
        peer: Who asks.
        principal: On whose behalf.
        id: The JSON-RPC id as it was written.
        headers: HTTP header fields in lower case, or None where there are none.
        log_level: The minimum level of log messages that the client wants, or None for none.
    """

    method: str
    params: Any
    peer: Peer
    principal: Principal = ANONYMOUS
    id: bytes = b""
    headers: Mapping[bytes, bytes] | None = None
    log_level: str | None = None
