"""The store of a login without a user: tokens in memory, and which issuer a client belongs to in the user's files.

Invariant: what cannot be kept over the program's end is kept until then; a program without a place for files works.
"""

from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager

from dovetail.auth import TokenStore, is_binding
from dovetail.errors import StoreUnusable
from dovetail.store import MemoryTokens

_NO_FILES = (StoreUnusable, ImportError, RuntimeError)  # RuntimeError: nobody knows the user's home


class Bindings:
    """A `TokenStore` that keeps bindings, and nothing else, beyond its program."""

    def __init__(self, lasting: Callable[[], TokenStore]) -> None:
        """Keep bindings in the store that `lasting` makes, if it can be used."""
        self._memory = MemoryTokens()
        self._lasting = lasting

    def __repr__(self) -> str:
        return f"<Bindings, {self._memory!r}>"

    async def load(self, key: str) -> bytes | None:
        """Return a value, or None."""
        kept = await self._memory.load(key)
        if kept is None and is_binding(key):
            try:
                return await self._lasting().load(key)
            except _NO_FILES:
                return None
        return kept

    async def save(self, key: str, value: bytes | None) -> None:
        """Keep a value, or forget it."""
        await self._memory.save(key, value)
        if is_binding(key):
            try:
                await self._lasting().save(key, value)
            except _NO_FILES:
                return

    async def keys(self) -> Sequence[str]:
        """Return the keys of this program."""
        return await self._memory.keys()

    def alone(self, key: str) -> AbstractAsyncContextManager[None]:
        """Keep other tasks out."""
        return self._memory.alone(key)
