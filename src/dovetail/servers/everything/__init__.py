"""The everything server: each feature of the protocol once, on every revision, for those who build clients."""

from typing import TYPE_CHECKING

from dovetail._lazy import lazy

if TYPE_CHECKING:
    from dovetail.servers.everything.server import make as make
    from dovetail.servers.everything.settings import Settings as Settings

__getattr__, __dir__, __all__ = lazy(__name__, {"server": "make", "settings": "Settings"})
