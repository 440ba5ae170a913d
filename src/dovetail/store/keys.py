"""Key rings: from a setting, or from a file with mode 0600 that all workers of a state directory share.

Invariants: a key is 32 bytes; the first of a ring seals, every one opens. The file appears complete or not at all,
whoever races to create it. A file that others may read is refused, because its keys must be taken as known. No key,
nor any part of one, is in an error or a repr.
"""

import os
import secrets
import stat
from base64 import b64encode, urlsafe_b64decode
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from dovetail.errors import DefinitionError, StoreUnusable, quote
from dovetail.store.file_lock import blocking

KEY_BYTES = 32
RING = 3
"""Keys that a rotation leaves in the ring."""

# Never through a link, and never waiting for whoever may write to a pipe in the file's place.
_READ = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)

_FILE_BYTES = 64 * 1024


class FixedKeys:
    """A ring that does not change by itself: the keys of a setting, or of memory."""

    def __init__(self, ring: Sequence[bytes], random: Callable[[int], bytes] = secrets.token_bytes) -> None:
        if not ring or any(len(key) != KEY_BYTES for key in ring):
            raise DefinitionError(f"A key ring holds one key or more of exactly {KEY_BYTES} bytes")
        self._ring = tuple(ring)
        self._random = random

    def __repr__(self) -> str:
        return f"<FixedKeys {len(self._ring)} keys>"

    @classmethod
    def fresh(cls) -> "FixedKeys":
        """Return a ring of one new random key."""
        return cls([secrets.token_bytes(KEY_BYTES)])

    @classmethod
    def of(cls, setting: Sequence[str]) -> "FixedKeys":
        """Read a setting: keys in base64 (either alphabet, padded or not), the one that seals first.

        Raises:
            DefinitionError: One is not 32 bytes of base64; the text names its place, not its value.
        """
        return cls([_decode(text, place) for place, text in enumerate(setting, 1)])

    @classmethod
    def from_environment(cls, variable: str) -> "FixedKeys":
        """Read an environment variable that holds keys in base64, separated by commas or white space.

        Raises:
            DefinitionError: It is not set, or holds something else.
        """
        value = os.environ.get(variable, "")
        if not value.strip():
            raise DefinitionError(f"The environment variable {variable} should hold the keys and is not set")
        return cls.of(value.replace(",", " ").split())

    def ring(self) -> Sequence[bytes]:
        """Return the keys: seal with the first, open with any."""
        return self._ring

    def rotate(self) -> None:
        """Put a new key first and keep the last three. A setting's keys change in this process only."""
        self._ring = (self._random(KEY_BYTES), *self._ring)[:RING]


class FileKeys:
    """The ring in a file of the state directory, created when it is missing; every worker sees a rotation at once.

    The file's identity is looked at whenever the ring is asked for (a `stat`, about a microsecond): a worker that
    trusted an old copy for a second would refuse what another had sealed with the new key meanwhile.

    Args:
        path: The file; one key a line, in base64, the one that seals first.

    Raises:
        StoreUnusable: From `ring` and `rotate`: others may read the file, it belongs to somebody else, or is damaged.
    """

    def __init__(self, path: Path, random: Callable[[int], bytes] = secrets.token_bytes) -> None:
        self._path = path
        self._random = random
        self._ring: tuple[bytes, ...] = ()
        self._seen: tuple[int, int, int] = (0, 0, 0)

    def __repr__(self) -> str:
        return f"<FileKeys {len(self._ring)} keys>"

    def ring(self) -> Sequence[bytes]:
        """Return the keys: seal with the first, open with any."""
        try:
            found = os.lstat(self._path)
        except FileNotFoundError:
            self._create()
            return self.ring()
        except OSError as error:
            raise StoreUnusable("The key file is out of reach") from error
        identity = (found.st_ino, found.st_mtime_ns, found.st_ctime_ns)
        if identity != self._seen:
            self._ring, self._seen = self._load(), identity
        return self._ring

    def rotate(self) -> None:
        """Put a new key first and keep the last three, for all workers."""
        with self._alone():
            ring = (self._random(KEY_BYTES), *self.ring())[:RING]
            fresh = self._write(ring)
            os.replace(fresh, self._path)

    def _create(self) -> None:
        with self._alone():
            fresh = self._write([self._random(KEY_BYTES)])
            try:
                os.link(fresh, self._path)  # unlike a rename, it fails when another worker was first
            except FileExistsError:
                fresh.unlink()
            except OSError:  # a file system without hard links: the lock is what keeps others away
                os.replace(fresh, self._path)
            else:
                fresh.unlink()

    def _write(self, ring: Sequence[bytes]) -> Path:
        fresh = self._path.with_name(f"{self._path.name}.{secrets.token_hex(8)}.new")
        text = "".join(f"{b64encode(key).decode()}\n" for key in ring)
        try:
            descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(descriptor, "w") as file:
                file.write(text)
                file.flush()
                os.fsync(file.fileno())
        except OSError as error:
            fresh.unlink(missing_ok=True)
            raise StoreUnusable("The key file cannot be written to the state directory") from error
        return fresh

    def _load(self) -> tuple[bytes, ...]:
        try:
            descriptor = os.open(self._path, _READ)
            with os.fdopen(descriptor, "rb") as file:
                _check_private(os.fstat(file.fileno()))
                content = file.read(_FILE_BYTES)
            ring = tuple(_decode(text, place) for place, text in enumerate(content.decode("ascii").split(), 1))
        except OSError as error:
            raise StoreUnusable("The key file cannot be read, or is a symbolic link") from error
        except (UnicodeDecodeError, DefinitionError) as error:
            raise StoreUnusable(
                f"The key file {quote(str(self._path), 200)} is damaged, it should hold one base64 key of 32 bytes a "
                "line: remove it to have a new one made (what was sealed before is then lost: log in again)"
            ) from error
        if not ring:
            raise StoreUnusable("The key file is empty: remove it to have a new key made")
        return ring

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """Hold the lock of whoever changes the file; readers need none."""
        try:
            with blocking(self._path.with_name(f"{self._path.name}.lock")):
                yield
        except OSError as error:
            raise StoreUnusable("The key file, or its lock, cannot be written to the state directory") from error


def _check_private(found: os.stat_result) -> None:
    if os.name != "posix":
        return
    if not stat.S_ISREG(found.st_mode) or found.st_uid not in (os.geteuid(), 0):
        raise StoreUnusable("The key file is not a regular file of this user")
    if stat.S_IMODE(found.st_mode) & 0o077:
        mode = stat.S_IMODE(found.st_mode)
        raise StoreUnusable(
            f"The key file has mode {mode:04o}, so others may know its keys: remove it to have a new one made "
            "(states sealed before are then refused), or `chmod 600` it if nobody read it"
        )


def _decode(text: str, place: int) -> bytes:
    try:
        plain = text.replace("+", "-").replace("/", "_").rstrip("=")
        key = urlsafe_b64decode(plain + "=" * (-len(plain) % 4))
    except ValueError:
        key = b""
    if len(key) != KEY_BYTES:
        raise DefinitionError(f"Key {place} is not {KEY_BYTES} bytes in base64")
    return key
