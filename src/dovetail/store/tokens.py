"""Token stores: in memory, and in encrypted files. The port is `auth`'s `TokenStore`.

A record is one file, named by a hash of its key, so that a directory listing tells nothing; its content is

    version (1 byte) | nonce (12) | AES-256-GCM(file key, key length (2) | key | value), bound to the file's name

The file key is derived from a ring (`FileKeys`: a file of mode 0600 beside the records; or `KeyringKeys`: the system's
keyring). The directory has mode 0700 and belongs to us, or nothing is read or written. A file is replaced whole, or not
at all. A damaged or foreign file counts as no record; one that others could read is refused, not mended in silence.
"""

import asyncio
import hmac
import os
import secrets
import stat
import sys
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from hashlib import sha256
from pathlib import Path
from typing import Final

from dovetail.core import Keys
from dovetail.errors import StoreUnusable, quote
from dovetail.store.file_lock import FileLock
from dovetail.store.keys import FileKeys

_VERSION: Final = b"\x01"
_NONCE: Final = 12
_LARGEST: Final = 1024 * 1024
_SUFFIX: Final = ".token"
_LABEL: Final = b"dovetail token file 1"
_READ: Final = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)


class MemoryTokens:
    """Records of this process, gone with it."""

    def __init__(self) -> None:
        self._records: dict[str, bytes] = {}
        self._locks: dict[str, asyncio.Lock] = {}

    def __repr__(self) -> str:
        return f"<MemoryTokens {len(self._records)} records>"

    async def load(self, key: str) -> bytes | None:
        """Return a value, or None."""
        return self._records.get(key)

    async def save(self, key: str, value: bytes | None) -> None:
        """Keep a value, or forget it."""
        if value is None:
            self._records.pop(key, None)
        else:
            self._records[key] = value

    async def keys(self) -> Sequence[str]:
        """Return all keys."""
        return sorted(self._records)

    @asynccontextmanager
    async def alone(self, key: str) -> AsyncIterator[None]:
        """Keep other tasks out."""
        async with self._locks.setdefault(key, asyncio.Lock()):
            yield


class FileTokens:
    """Records in encrypted files of one directory, for all processes of one user.

    Args:
        directory: Made with mode 0700 when it is missing.
        keys: The ring; a key file in the directory by default.

    Raises:
        StoreUnusable: From every method: others may use the directory or a file in it, or it cannot be used at all.
    """

    def __init__(
        self,
        directory: str | os.PathLike[str],
        keys: Keys | None = None,
        random: Callable[[int], bytes] = secrets.token_bytes,
    ) -> None:
        self._directory = Path(directory)
        self._keys = keys if keys is not None else FileKeys(self._directory / "tokens.key")
        self._random = random

    def __repr__(self) -> str:
        return f"<FileTokens {self._keys!r}>"

    @classmethod
    def of_user(cls, keys: Keys | None = None) -> "FileTokens":
        """Return the store in the user's own state directory; with `KeyringKeys()`, its key is in the keyring."""
        return cls(state_directory() / "tokens", keys)

    async def load(self, key: str) -> bytes | None:
        """Return a value, or None."""
        return await asyncio.to_thread(self._load, key)

    async def save(self, key: str, value: bytes | None) -> None:
        """Replace a value at once, or forget it."""
        await asyncio.to_thread(self._save, key, value)

    async def keys(self) -> Sequence[str]:
        """Return all keys that this ring can open."""
        return await asyncio.to_thread(self._list)

    @asynccontextmanager
    async def alone(self, key: str) -> AsyncIterator[None]:
        """Keep every other task and process out."""
        await asyncio.to_thread(self._ready)
        async with FileLock(self._directory / f"{_name(key)}.lock"):
            yield

    def _load(self, key: str) -> bytes | None:
        self._ready()
        sealed = _read(self._directory / f"{_name(key)}{_SUFFIX}")
        opened = None if sealed is None else self._open(_name(key), sealed)
        return opened[1] if opened is not None and opened[0] == key else None

    def _save(self, key: str, value: bytes | None) -> None:
        self._ready()
        path = self._directory / f"{_name(key)}{_SUFFIX}"
        try:
            if value is None:
                path.unlink(missing_ok=True)
            else:
                _replace(path, self._seal(_name(key), key, value))
        except OSError as error:
            raise StoreUnusable("The token store cannot be written") from error

    def _list(self) -> list[str]:
        self._ready()
        found = []
        for path in sorted(self._directory.glob(f"*{_SUFFIX}")):
            sealed = _read(path)
            opened = None if sealed is None else self._open(path.name.removesuffix(_SUFFIX), sealed)
            found += [opened[0]] if opened is not None else []
        return sorted(found)

    def _ready(self) -> None:
        try:
            self._directory.mkdir(mode=0o700, parents=True, exist_ok=True)
            found = os.lstat(self._directory)
        except OSError as error:
            raise StoreUnusable("The token store's directory cannot be made") from error
        if not stat.S_ISDIR(found.st_mode):
            raise StoreUnusable("The token store's directory is something else")
        if os.name == "posix" and (found.st_uid != os.geteuid() or stat.S_IMODE(found.st_mode) & 0o077):
            raise StoreUnusable(
                f"The token store's directory has mode {stat.S_IMODE(found.st_mode):04o} or another owner, so others "
                "may know what is in it: `chmod 700` it if nobody read it, and log in again if somebody may have"
            )

    def _seal(self, name: str, key: str, value: bytes) -> bytes:
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM

        nonce = self._random(_NONCE)
        spelled = key.encode()
        content = len(spelled).to_bytes(2, "big") + spelled + value
        return _VERSION + nonce + AESGCM(_derived(self._keys.ring()[0])).encrypt(nonce, content, name.encode())

    def _open(self, name: str, sealed: bytes) -> tuple[str, bytes] | None:
        from cryptography.exceptions import InvalidTag
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM

        nonce, body = sealed[1 : 1 + _NONCE], sealed[1 + _NONCE :]
        if sealed[:1] != _VERSION or len(nonce) != _NONCE:
            return None
        for key in self._keys.ring():
            try:
                content = AESGCM(_derived(key)).decrypt(nonce, body, name.encode())
            except InvalidTag:
                continue
            size = int.from_bytes(content[:2], "big")
            return content[2 : 2 + size].decode(), content[2 + size :]
        return None


def state_directory() -> Path:
    """Return where the system keeps a user's state: XDG_STATE_HOME, Application Support, LOCALAPPDATA."""
    given = os.environ.get("XDG_STATE_HOME", "")
    if given and Path(given).is_absolute():
        return Path(given) / "dovetail"
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Application Support" / "dovetail"
    if os.name == "nt":
        return Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local") / "dovetail"
    return Path.home() / ".local" / "state" / "dovetail"


def _name(key: str) -> str:
    return sha256(key.encode()).hexdigest()[:40]


def _derived(key: bytes) -> bytes:
    return hmac.digest(key, _LABEL + b"\x01", "sha256")  # HKDF-Expand for one block (RFC 5869, 3.3)


def _read(path: Path) -> bytes | None:
    """Return a file's content; None when there is none."""
    try:
        descriptor = os.open(path, _READ)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise StoreUnusable("A file of the token store cannot be read, or is a symbolic link") from error
    with os.fdopen(descriptor, "rb") as file:
        found = os.fstat(file.fileno())
        if os.name == "posix" and (found.st_uid != os.geteuid() or stat.S_IMODE(found.st_mode) & 0o077):
            raise StoreUnusable(
                f"A file of the token store may be read by others, or has another owner: remove "
                f"{quote(str(path), 200)}, and log in again"
            )
        return file.read(_LARGEST) if stat.S_ISREG(found.st_mode) else None


def _replace(path: Path, content: bytes) -> None:
    fresh = path.with_name(f"{path.stem}.{secrets.token_hex(8)}.new")
    try:
        descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.replace(fresh, path)
    except BaseException:
        fresh.unlink(missing_ok=True)
        raise
