"""The fetch server: web pages as Markdown, from public addresses only, politely and from a cache that honours HTTP."""

from typing import TYPE_CHECKING

from dovetail._lazy import lazy

if TYPE_CHECKING:
    from dovetail.servers.fetch.server import make as make
    from dovetail.servers.fetch.settings import Settings as Settings

__getattr__, __dir__, __all__ = lazy(__name__, {"server": "make", "settings": "Settings"})
