"""The servers room: those that we ship, each in a folder of its own, written on the public API alone.

Each has `Settings`, a record of what can be said about it, and `make(settings)`, which returns the `Server`. The
command line, a manifest and the pages are made from the record (`shelf`).
"""

from typing import TYPE_CHECKING

from dovetail._lazy import lazy

if TYPE_CHECKING:
    from dovetail.servers.shelf import SHELF as SHELF
    from dovetail.servers.shelf import Setting as Setting
    from dovetail.servers.shelf import Shelved as Shelved
    from dovetail.servers.shelf import make_server as make_server
    from dovetail.servers.shelf import on_shelf as on_shelf
    from dovetail.servers.shelf import settings_of as settings_of

__getattr__, __dir__, __all__ = lazy(
    __name__,
    {
        "shelf": "SHELF Setting Shelved make_server on_shelf settings_of",
    },
)
