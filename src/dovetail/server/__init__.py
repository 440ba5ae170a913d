"""The server room."""

from typing import TYPE_CHECKING

from dovetail._lazy import lazy

if TYPE_CHECKING:
    from dovetail.server.app import Server as Server
    from dovetail.server.context import Context as Context
    from dovetail.server.context import get_context as get_context
    from dovetail.server.elicited import Elicited as Elicited
    from dovetail.server.gates import Rate as Rate
    from dovetail.server.options import Cache as Cache
    from dovetail.server.options import PromptOptions as PromptOptions
    from dovetail.server.options import ResourceOptions as ResourceOptions
    from dovetail.server.options import ServerOptions as ServerOptions
    from dovetail.server.options import ToolOptions as ToolOptions

__getattr__, __dir__, __all__ = lazy(
    __name__,
    {
        "app": "Server",
        "context": "Context get_context",
        "elicited": "Elicited",
        "gates": "Rate",
        "options": "Cache PromptOptions ResourceOptions ServerOptions ToolOptions",
    },
)
