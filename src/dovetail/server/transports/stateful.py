"""What the stateful revisions have and the stateless one has not, whatever the transport:

`initialize`, and notifications.
"""

from typing import TYPE_CHECKING, Protocol

from msgspec import UNSET

from dovetail.core import LISTS, Call, Peer, Principal
from dovetail.errors import Refusal
from dovetail.server.transports.session import Session
from dovetail.wire import (
    CancelledNotificationParams,
    InitializeRequestParams,
    InitializeResult,
    Notification,
    Request,
    decode,
)

if TYPE_CHECKING:
    from dovetail.server.runtime import Runtime


def initialize(runtime: "Runtime", session: Session, request: Request) -> bytes:
    """Open a session; return the encoded result.

    Raises:
        Refusal: Out of order, or of the wrong shape.
    """
    session.handshake.admit("initialize")
    params = decode(request.params or b"{}", InitializeRequestParams)
    peer: Peer = session.handshake.initialize(params)
    server = runtime.server
    capabilities = server.capabilities()
    session.declared = frozenset(name for name in LISTS if getattr(capabilities, name) is not None)
    result = InitializeResult(
        protocol_version=peer.revision.version,
        capabilities=capabilities,
        server_info=server.info,
        instructions=server.instructions,
    )
    return runtime.encode(result, Call("initialize", params, peer, Principal(session.principal), request.id))


class Canceller(Protocol):
    """Somebody who can cancel a call of a session by its id."""

    async def cancel(self, session: Session, identifier: bytes) -> None:
        """Cancel a call; unknown ones are ignored."""
        ...


async def notified(canceller: Canceller, session: Session, message: Notification) -> None:
    """Take a notification of a session. Malformed and unknown ones are ignored: nobody could be told."""
    match message.method:
        case "notifications/initialized":
            session.handshake.initialized()
        case "notifications/cancelled":
            # "Invalid cancellation notifications SHOULD be ignored" (Cancellation, Error Handling)
            try:
                params = decode(message.params or b"{}", CancelledNotificationParams)
            except Refusal:
                return
            if params.request_id is not UNSET:
                await canceller.cancel(session, bytes(params.request_id))
        case _:
            pass
