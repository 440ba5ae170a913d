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
    from dovetail.net.memory import memory_pair as memory_pair
    from dovetail.net.serving import ServeOptions as ServeOptions
    from dovetail.net.serving import serve as serve
    from dovetail.net.serving import serve_workers as serve_workers
    from dovetail.net.stdio import apart as apart
    from dovetail.net.stdio import check_streams as check_streams
    from dovetail.net.stdio import open_stdio as open_stdio
    from dovetail.net.uvicorn_protocol import HttpSite as HttpSite

__getattr__, __dir__, __all__ = lazy(
    __name__,
    {
        "asgi": "Gone Outbox Reply TooLarge read_body",
        "channel": "Channel",
        "memory": "memory_pair",
        "serving": "ServeOptions serve serve_workers",
        "stdio": "apart check_streams open_stdio",
        "uvicorn_protocol": "HttpSite",
    },
)
