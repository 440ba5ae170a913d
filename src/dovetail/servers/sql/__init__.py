"""The SQL server: an SQLite or PostgreSQL database for a model to read, and to change where that was allowed."""

from typing import TYPE_CHECKING

from dovetail._lazy import lazy

if TYPE_CHECKING:
    from dovetail.servers.sql.server import make as make
    from dovetail.servers.sql.settings import Settings as Settings

__getattr__, __dir__, __all__ = lazy(
    __name__,
    {
        "server": "make",
        "settings": "Settings",
    },
)
