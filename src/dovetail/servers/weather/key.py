"""OpenWeather's key: from the system's keyring, else from the environment. Never from a command line; never shown.

`keyring` is loaded when a key is first wanted, and asked in a thread, since it may ask its user. A keyring that keeps
secrets in the open, or none, is passed over.
"""

import asyncio
import os
import re
from typing import Final

from dovetail.errors import ToolError

SERVICE: Final = "dovetail-weather"
NAME: Final = "openweather"
VARIABLE: Final = "DOVETAIL_OPENWEATHER_KEY"
HOW: Final = f"`keyring set {SERVICE} {NAME}`, or the environment variable {VARIABLE}"
"""How a user sets the key."""
_SECONDS: Final = 20.0
_KEY: Final = re.compile(r"[A-Za-z0-9_-]{8,128}")
_OPEN: Final = ("keyring.backends.fail", "keyring.backends.null", "keyrings.alt")


class Key:
    """Finds the key, and remembers it."""

    def __init__(self, *, keyring: bool = True) -> None:
        """Prepare; nothing is asked before the first `find`.

        Args:
            keyring: Whether the system's keyring is asked.
        """
        self._keyring = keyring
        self._found: str | None = None

    def __repr__(self) -> str:
        return f"<Key {'found' if self._found else 'not looked for yet, or missing'}>"

    async def find(self) -> str | None:
        """Return the key; None when there is none.

        Raises:
            ToolError: What is kept is no key.
        """
        if self._found is None:
            found = await self._asked() if self._keyring else None
            found = (found or os.environ.get(VARIABLE, "")).strip()
            if found and not _KEY.fullmatch(found):
                raise ToolError(f"What is kept as OpenWeather's key is none. The user sets it by {HOW}")
            self._found = found or None
        return self._found

    async def _asked(self) -> str | None:
        try:
            async with asyncio.timeout(_SECONDS):
                return await asyncio.to_thread(_from_keyring)
        except TimeoutError:
            return None


def _from_keyring() -> str | None:
    try:
        import keyring
        from keyring.errors import KeyringError
    except ImportError:
        return None
    try:
        backend = keyring.get_keyring()
        if type(backend).__module__.startswith(_OPEN):
            return None
        return backend.get_password(SERVICE, NAME)
    except (KeyringError, OSError, RuntimeError):
        return None
