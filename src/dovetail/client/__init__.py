"""The client room: one server, any revision, any transport."""

from typing import TYPE_CHECKING

from dovetail._lazy import lazy

if TYPE_CHECKING:
    from dovetail.client.client import CallOptions as CallOptions
    from dovetail.client.client import Client as Client
    from dovetail.client.listening import Change as Change
    from dovetail.client.listening import Changes as Changes
    from dovetail.client.listings import Listing as Listing
    from dovetail.client.options import ClientOptions as ClientOptions
    from dovetail.client.options import Retry as Retry
    from dovetail.client.portal import SyncClient as SyncClient
    from dovetail.client.results import ToolResult as ToolResult

__getattr__, __dir__, __all__ = lazy(
    __name__,
    {
        "client": "CallOptions Client",
        "listening": "Change Changes",
        "listings": "Listing",
        "options": "ClientOptions Retry",
        "portal": "SyncClient",
        "results": "ToolResult",
    },
)
