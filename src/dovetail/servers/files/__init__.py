"""The files server: reading, writing, searching and watching files below given directories, and never beside them."""

from typing import TYPE_CHECKING

from dovetail._lazy import lazy

if TYPE_CHECKING:
    from dovetail.servers.files.server import make as make
    from dovetail.servers.files.settings import Settings as Settings

__getattr__, __dir__, __all__ = lazy(__name__, {"server": "make", "settings": "Settings"})
