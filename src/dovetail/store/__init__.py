"""The store room: the ports of `core` and `auth` in memory, files and SQLite; key rings, handles. No driver leaks."""

from typing import TYPE_CHECKING

from dovetail._lazy import lazy

if TYPE_CHECKING:
    from dovetail.store.audit_file import AuditFile as AuditFile
    from dovetail.store.cache_memory import MemoryCache as MemoryCache
    from dovetail.store.cache_sqlite import SqliteCache as SqliteCache
    from dovetail.store.handles import Handles as Handles
    from dovetail.store.keyring_tokens import KeyringKeys as KeyringKeys
    from dovetail.store.keyring_tokens import KeyringTokens as KeyringTokens
    from dovetail.store.keys import FileKeys as FileKeys
    from dovetail.store.keys import FixedKeys as FixedKeys
    from dovetail.store.memory import MemoryStores as MemoryStores
    from dovetail.store.paths import open_beneath as open_beneath
    from dovetail.store.paths import safe_join as safe_join
    from dovetail.store.sqlite import SqliteStores as SqliteStores
    from dovetail.store.tokens import FileTokens as FileTokens
    from dovetail.store.tokens import MemoryTokens as MemoryTokens

__getattr__, __dir__, __all__ = lazy(
    __name__,
    {
        "audit_file": "AuditFile",
        "cache_memory": "MemoryCache",
        "cache_sqlite": "SqliteCache",
        "handles": "Handles",
        "keys": "FileKeys FixedKeys",
        "keyring_tokens": "KeyringKeys KeyringTokens",
        "memory": "MemoryStores",
        "paths": "open_beneath safe_join",
        "sqlite": "SqliteStores",
        "tokens": "FileTokens MemoryTokens",
    },
)
