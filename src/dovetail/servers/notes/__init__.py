"""Markdown notes in a folder: written, found and changed by several at once, and none lost."""

from typing import TYPE_CHECKING

from dovetail._lazy import lazy

if TYPE_CHECKING:
    from dovetail.servers.notes.folder import Folder as Folder
    from dovetail.servers.notes.notebook import Notebook as Notebook
    from dovetail.servers.notes.server import make as make
    from dovetail.servers.notes.settings import Settings as Settings

__getattr__, __dir__, __all__ = lazy(
    __name__,
    {"folder": "Folder", "notebook": "Notebook", "server": "make", "settings": "Settings"},
)
