"""The store room: the ports of `core` in memory and in SQLite, key rings, state handles. No driver's type leaks."""

from typing import TYPE_CHECKING

from dovetail._lazy import lazy

if TYPE_CHECKING:
    from dovetail.store.audit_file import AuditFile as AuditFile
    from dovetail.store.handles import Handles as Handles
    from dovetail.store.keys import FileKeys as FileKeys
    from dovetail.store.keys import FixedKeys as FixedKeys
    from dovetail.store.memory import MemoryStores as MemoryStores
    from dovetail.store.paths import open_beneath as open_beneath
    from dovetail.store.paths import safe_join as safe_join
    from dovetail.store.sqlite import SqliteStores as SqliteStores

__getattr__, __dir__, __all__ = lazy(
    __name__,
    {
        "audit_file": "AuditFile",
        "handles": "Handles",
        "keys": "FileKeys FixedKeys",
        "memory": "MemoryStores",
        "paths": "open_beneath safe_join",
        "sqlite": "SqliteStores",
    },
)
