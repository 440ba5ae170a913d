"""The server room: `Server` and its catalogue, and the four folders that ARCHITECTURE.md tells of."""

from typing import TYPE_CHECKING

from dovetail._lazy import lazy

if TYPE_CHECKING:
    from dovetail.server.app import Server as Server
    from dovetail.server.calls.context import Context as Context
    from dovetail.server.calls.context import get_context as get_context
    from dovetail.server.calls.gates import Rate as Rate
    from dovetail.server.functions.elicited import Elicited as Elicited
    from dovetail.server.functions.markers import Ask as Ask
    from dovetail.server.functions.markers import Complete as Complete
    from dovetail.server.functions.markers import Depends as Depends
    from dovetail.server.functions.markers import Header as Header
    from dovetail.server.functions.media import Audio as Audio
    from dovetail.server.functions.media import File as File
    from dovetail.server.functions.media import Image as Image
    from dovetail.server.functions.visits import Visit as Visit
    from dovetail.server.options import Cache as Cache
    from dovetail.server.options import PromptOptions as PromptOptions
    from dovetail.server.options import ResourceOptions as ResourceOptions
    from dovetail.server.options import ServerOptions as ServerOptions
    from dovetail.server.options import ToolOptions as ToolOptions
    from dovetail.server.sanitizing import sanitized as sanitized
    from dovetail.server.source import load_server as load_server
    from dovetail.server.transports.together import TogetherOptions as TogetherOptions
    from dovetail.server.transports.together import run_together as run_together
    from dovetail.server.transports.together import together as together
    from dovetail.server.watching.audit import Audit as Audit
    from dovetail.server.watching.call_log import CallLog as CallLog
    from dovetail.server.watching.call_log import JsonLines as JsonLines
    from dovetail.server.watching.metrics import Metrics as Metrics
    from dovetail.server.watching.tracing import Tracing as Tracing

__getattr__, __dir__, __all__ = lazy(
    __name__,
    {
        "app": "Server",
        "watching.audit": "Audit",
        "watching.call_log": "CallLog JsonLines",
        "calls.context": "Context get_context",
        "functions.elicited": "Elicited",
        "calls.gates": "Rate",
        "functions.markers": "Ask Complete Depends Header",
        "functions.media": "Audio File Image",
        "functions.visits": "Visit",
        "watching.metrics": "Metrics",
        "options": "Cache PromptOptions ResourceOptions ServerOptions ToolOptions",
        "sanitizing": "sanitized",
        "source": "load_server",
        "transports.together": "TogetherOptions run_together together",
        "watching.tracing": "Tracing",
    },
)
