"""The system's keyring (Keychain, Secret Service, Credential Manager), through the library `keyring`.

    KeyringKeys     the ring for `FileTokens`: only the key is in the keyring, records are files
    KeyringTokens   the records themselves are in the keyring

`keyring` is an extra of its own and loaded when first used. A backend that keeps secrets in the open, or none at all,
is refused. A keyring may ask its user, so every call is made in a thread. What is too large for one entry is refused by
some systems (Windows: 2,560 bytes): then `FileTokens(keys=KeyringKeys())` is the store to use.
"""

import asyncio
import secrets
from base64 import b64decode, b64encode
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Final

import msgspec

from dovetail.errors import DefinitionError, StoreUnusable
from dovetail.store.file_lock import FileLock, blocking
from dovetail.store.keys import KEY_BYTES
from dovetail.store.tokens import state_directory

if TYPE_CHECKING:
    from keyring.backend import KeyringBackend

SERVICE: Final = "dovetail-mcp"
_INDEX: Final = "index"
_OPEN: Final = ("keyring.backends.fail", "keyring.backends.null", "keyrings.alt")


def system_keyring() -> "KeyringBackend":
    """Return the system's keyring.

    Raises:
        DefinitionError: The library is not installed.
        StoreUnusable: There is no keyring here that keeps a secret.
    """
    try:
        import keyring
    except ImportError:
        raise DefinitionError("The system keyring needs an extra: pip install 'dovetail-mcp[keyring]'") from None
    backend = keyring.get_keyring()
    if type(backend).__module__.startswith(_OPEN):
        raise StoreUnusable("There is no system keyring here that keeps secrets: use the file store")
    return backend


class KeyringKeys:
    """A ring of one key, which the keyring keeps; made when it is missing, by one process at a time.

    Args:
        backend: The keyring; the system's by default.
        name: Of the entry.
        directory: Where the lock is that keeps others out while a key is made; of the user's state by default.
    """

    def __init__(
        self, backend: "KeyringBackend | None" = None, name: str = "token-key", directory: Path | None = None
    ) -> None:
        self._backend = backend
        self._name = name
        self._directory = directory
        self._ring: tuple[bytes, ...] = ()

    def __repr__(self) -> str:
        return f"<KeyringKeys {len(self._ring)} keys>"

    def ring(self) -> Sequence[bytes]:
        """Return the key. Blocks while the keyring asks its user."""
        if not self._ring:
            self._ring = (self._fetch(),)
        return self._ring

    def rotate(self) -> None:
        """Make a new key: what was sealed before is lost, and its users log in again."""
        with self._alone():
            self._ring = (self._make(),)

    def _keyring(self) -> "KeyringBackend":
        if self._backend is None:
            self._backend = system_keyring()
        return self._backend

    def _fetch(self) -> bytes:
        key = self._kept()
        if key is None:
            # A keyring has no "add unless it is there": of two that find none, one makes it, and the other takes that.
            with self._alone():
                key = self._kept() or self._make()
        return key

    def _kept(self) -> bytes | None:
        kept = _guarded(lambda: self._keyring().get_password(SERVICE, self._name))
        if kept is None:
            return None
        try:
            key = b64decode(kept, validate=True)
        except ValueError:
            key = b""
        if len(key) != KEY_BYTES:
            raise StoreUnusable("The key in the system keyring is damaged: remove it, and log in again")
        return key

    def _make(self) -> bytes:
        fresh = secrets.token_bytes(KEY_BYTES)
        _guarded(lambda: self._keyring().set_password(SERVICE, self._name, b64encode(fresh).decode()))
        return fresh

    @contextmanager
    def _alone(self) -> Iterator[None]:
        try:
            with blocking(_lock_of(self._directory, self._name)):
                yield
        except OSError as error:
            raise StoreUnusable("The lock of the system keyring's key cannot be had") from error


class KeyringTokens:
    """Records in the keyring; locks are files of the user's state directory.

    Args:
        backend: The keyring; the system's by default.
        directory: Where the locks are.
    """

    def __init__(self, backend: "KeyringBackend | None" = None, directory: Path | None = None) -> None:
        self._backend = backend
        self._directory = directory

    def __repr__(self) -> str:
        return "<KeyringTokens>"

    async def load(self, key: str) -> bytes | None:
        """Return a value, or None."""
        return await asyncio.to_thread(self._load, key)

    async def save(self, key: str, value: bytes | None) -> None:
        """Keep a value, or forget it."""
        async with self.alone(_INDEX):
            await asyncio.to_thread(self._save, key, value)

    async def keys(self) -> Sequence[str]:
        """Return all keys."""
        return await asyncio.to_thread(self._index)

    @asynccontextmanager
    async def alone(self, key: str) -> AsyncIterator[None]:
        """Keep every other task and process out."""
        async with FileLock(_lock_of(self._directory, key)):
            yield

    def _keyring(self) -> "KeyringBackend":
        if self._backend is None:
            self._backend = system_keyring()
        return self._backend

    def _load(self, key: str) -> bytes | None:
        kept = _guarded(lambda: self._keyring().get_password(SERVICE, f"record {key}"))
        return None if kept is None else kept.encode()

    def _save(self, key: str, value: bytes | None) -> None:
        index = set(self._index())
        if value is not None:
            _guarded(lambda: self._keyring().set_password(SERVICE, f"record {key}", value.decode()))
        elif self._load(key) is not None:
            _guarded(lambda: self._keyring().delete_password(SERVICE, f"record {key}"))
        changed = index - {key} if value is None else index | {key}
        if changed != index:
            text = msgspec.json.encode(sorted(changed)).decode()
            _guarded(lambda: self._keyring().set_password(SERVICE, _INDEX, text))

    def _index(self) -> list[str]:
        kept = _guarded(lambda: self._keyring().get_password(SERVICE, _INDEX))
        try:
            return [] if kept is None else msgspec.json.decode(kept, type=list[str])
        except (msgspec.DecodeError, ValueError):
            return []


def _lock_of(directory: Path | None, key: str) -> Path:
    directory = directory or state_directory() / "locks"
    try:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise StoreUnusable("The directory of the token store's locks cannot be made") from error
    return directory / f"{sha256(key.encode()).hexdigest()[:40]}.lock"


def _guarded(call: "Callable[[], str | None]") -> str | None:
    """Make a call to the keyring; whatever it raises may quote what it was given."""
    failed = False
    result: str | None = None
    try:
        result = call()
    except (DefinitionError, StoreUnusable):
        raise
    except Exception:
        failed = True
    if failed:
        raise StoreUnusable("The system keyring refused: it may be locked, or the entry too large for it")
    return result
