"""Dovetail: Model Context Protocol software in Python, on all five protocol revisions.

Names are loaded when they are first used: importing this package imports nothing else.
"""

from typing import TYPE_CHECKING

from dovetail._lazy import lazy

if TYPE_CHECKING:
    from dovetail.client import Client as Client
    from dovetail.core import Principal as Principal
    from dovetail.errors import AuthRequired as AuthRequired
    from dovetail.errors import CapabilityMissing as CapabilityMissing
    from dovetail.errors import DovetailError as DovetailError
    from dovetail.errors import ToolError as ToolError
    from dovetail.server import Ask as Ask
    from dovetail.server import Audio as Audio
    from dovetail.server import Cache as Cache
    from dovetail.server import Complete as Complete
    from dovetail.server import Context as Context
    from dovetail.server import Depends as Depends
    from dovetail.server import Elicited as Elicited
    from dovetail.server import File as File
    from dovetail.server import Header as Header
    from dovetail.server import Image as Image
    from dovetail.server import Rate as Rate
    from dovetail.server import Server as Server
    from dovetail.server import get_context as get_context
    from dovetail.wire import Icon as Icon
    from dovetail.wire import Limits as Limits
    from dovetail.wire import ToolAnnotations as ToolAnnotations

__version__ = "0.1.0"

__getattr__, __dir__, __all__ = lazy(
    __name__,
    {
        "client": "Client",
        "core": "Principal",
        "errors": "AuthRequired CapabilityMissing DovetailError ToolError",
        "server": "Ask Audio Cache Complete Context Depends Elicited File Header Image Rate Server get_context",
        "wire": "Icon Limits ToolAnnotations",
    },
)
