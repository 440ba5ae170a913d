"""State handles: what a tool gives a model to come back with, worth nothing to anybody else (S-18).

A handle is 192 random bits. What it stands for is kept under a digest of principal and handle together, so a foreign
handle is simply not there: the same error, by the same path, as one that expired or never was. The store holds no
handle, and who reads it cannot make one.
"""

import secrets
from collections.abc import Callable
from hashlib import sha256

from dovetail.core import Ledger
from dovetail.errors import ToolError
from dovetail.wire import DEFAULT_LIMITS

_RANDOM_BYTES = 24


class Handles:
    """State that outlives a call, by handle.

    Args:
        ledger: Where it is kept; shared by the workers where the ledger is.
        ttl: Seconds until a handle expires.
        random: Returns that many random bytes from a cryptographic source.
        limit: The most characters of a handle that are looked at.
    """

    def __init__(
        self,
        ledger: Ledger,
        ttl: float = 3600.0,
        *,
        random: Callable[[int], bytes] = secrets.token_bytes,
        limit: int = DEFAULT_LIMITS.handle,
    ) -> None:
        self._ledger = ledger
        self._ttl = ttl
        self._random = random
        self._limit = limit

    def __repr__(self) -> str:
        return f"<Handles for {self._ttl:g} s>"

    async def create(self, principal: str, value: bytes) -> str:
        """Keep a value and return its handle: 48 characters of hexadecimal.

        Args:
            principal: Whose it is: `ctx.principal.key`, "" where nobody is authenticated.
            value: What is kept.

        Raises:
            Disconnected: The store is out of reach, or full, or a principal has more in it than its share.
        """
        handle = self._random(_RANDOM_BYTES).hex()
        await self._ledger.keep(_key(principal, handle), value, self._ttl, principal)
        return handle

    async def load(self, principal: str, handle: str) -> bytes:
        """Return what a handle stands for.

        Raises:
            ToolError: This principal has no such handle: unknown, expired and somebody else's read the same.
            Disconnected: The store is out of reach.
        """
        value = await self._ledger.kept(_key(principal, handle)) if len(handle) <= self._limit else None
        if value is None:
            raise ToolError("Unknown or expired handle: start again to get a new one")
        return value


def _key(principal: str, handle: str) -> str:
    owner = principal.encode("utf-8", "surrogatepass")
    # The length keeps (principal, handle) pairs apart that read the same when put together.
    mixed = len(owner).to_bytes(4, "big") + owner + handle.encode("utf-8", "surrogatepass")
    return f"handle:{sha256(mixed).hexdigest()}"
