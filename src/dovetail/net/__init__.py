"""The net room: where bytes enter and leave. Channels and servers; protocol questions are decided above."""

from typing import TYPE_CHECKING

from dovetail._lazy import lazy

if TYPE_CHECKING:
    from dovetail.net.asgi import Gone as Gone
    from dovetail.net.asgi import Outbox as Outbox
    from dovetail.net.asgi import Reply as Reply
    from dovetail.net.asgi import TooLarge as TooLarge
    from dovetail.net.asgi import read_body as read_body
    from dovetail.net.channel import Channel as Channel
    from dovetail.net.channel import Returning as Returning
    from dovetail.net.child import ChildChannel as ChildChannel
    from dovetail.net.child import spawn as spawn
    from dovetail.net.child_exit import ChildExit as ChildExit
    from dovetail.net.ending import run_to_end as run_to_end
    from dovetail.net.http_client import HttpClient as HttpClient
    from dovetail.net.http_client import Response as Response
    from dovetail.net.lifespan import FAILURE as FAILURE
    from dovetail.net.memory import memory_pair as memory_pair
    from dovetail.net.serving import ServeOptions as ServeOptions
    from dovetail.net.serving import serve as serve
    from dovetail.net.serving import serve_workers as serve_workers
    from dovetail.net.sse_channel import SseChannel as SseChannel
    from dovetail.net.sse_channel import open_sse as open_sse
    from dovetail.net.standard import abandon as abandon
    from dovetail.net.standard import fill_streams as fill_streams
    from dovetail.net.standard import say as say
    from dovetail.net.stdio import apart as apart
    from dovetail.net.stdio import check_streams as check_streams
    from dovetail.net.stdio import open_stdio as open_stdio
    from dovetail.net.threads import Strand as Strand
    from dovetail.net.threads import Threads as Threads
    from dovetail.net.uvicorn_protocol import HttpSite as HttpSite

__getattr__, __dir__, __all__ = lazy(
    __name__,
    {
        "asgi": "Gone Outbox Reply TooLarge read_body",
        "channel": "Channel Returning",
        "child": "ChildChannel spawn",
        "child_exit": "ChildExit",
        "ending": "run_to_end",
        "http_client": "HttpClient Response",
        "lifespan": "FAILURE",
        "memory": "memory_pair",
        "serving": "ServeOptions serve serve_workers",
        "sse_channel": "SseChannel open_sse",
        "standard": "abandon fill_streams say",
        "stdio": "apart check_streams open_stdio",
        "threads": "Strand Threads",
        "uvicorn_protocol": "HttpSite",
    },
)
