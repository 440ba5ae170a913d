"""The server room."""

from typing import TYPE_CHECKING

from dovetail._lazy import lazy

if TYPE_CHECKING:
    from dovetail.server.app import Server as Server
    from dovetail.server.audit import Audit as Audit
    from dovetail.server.call_log import CallLog as CallLog
    from dovetail.server.call_log import JsonLines as JsonLines
    from dovetail.server.context import Context as Context
    from dovetail.server.context import get_context as get_context
    from dovetail.server.elicited import Elicited as Elicited
    from dovetail.server.gates import Rate as Rate
    from dovetail.server.markers import Ask as Ask
    from dovetail.server.markers import Complete as Complete
    from dovetail.server.markers import Depends as Depends
    from dovetail.server.markers import Header as Header
    from dovetail.server.media import Audio as Audio
    from dovetail.server.media import File as File
    from dovetail.server.media import Image as Image
    from dovetail.server.metrics import Metrics as Metrics
    from dovetail.server.options import Cache as Cache
    from dovetail.server.options import PromptOptions as PromptOptions
    from dovetail.server.options import ResourceOptions as ResourceOptions
    from dovetail.server.options import ServerOptions as ServerOptions
    from dovetail.server.options import ToolOptions as ToolOptions
    from dovetail.server.sanitizing import sanitized as sanitized
    from dovetail.server.source import load_server as load_server
    from dovetail.server.tracing import Tracing as Tracing

__getattr__, __dir__, __all__ = lazy(
    __name__,
    {
        "app": "Server",
        "audit": "Audit",
        "call_log": "CallLog JsonLines",
        "context": "Context get_context",
        "elicited": "Elicited",
        "gates": "Rate",
        "markers": "Ask Complete Depends Header",
        "media": "Audio File Image",
        "metrics": "Metrics",
        "options": "Cache PromptOptions ResourceOptions ServerOptions ToolOptions",
        "sanitizing": "sanitized",
        "source": "load_server",
        "tracing": "Tracing",
    },
)
