"""Where the database is, from what the command line says. No I/O but a look whether the SQLite file is there.

A password in a URL never leaves `Postgres.conninfo`: no error, repr or resource has it.
"""

from pathlib import Path
from urllib.parse import unquote, urlsplit

from msgspec import Struct

from dovetail.errors import DefinitionError

_EXPECTED = "expected a path to an SQLite file, sqlite:///path or postgresql://user@host/name"


class Sqlite(Struct, frozen=True):
    """A file."""

    path: Path

    @property
    def label(self) -> str:
        """What people call it."""
        return self.path.name


class Postgres(Struct, frozen=True):
    """A database on a server."""

    conninfo: str

    def __repr__(self) -> str:
        return f"Postgres({self.label!r})"

    @property
    def label(self) -> str:
        """What people call it: the database's name, if the URL has it."""
        return unquote(urlsplit(self.conninfo).path.lstrip("/")) or "PostgreSQL"


Address = Sqlite | Postgres


def address(url: str) -> Address:
    """Read a URL or a path.

    Raises:
        DefinitionError: It is neither, or there is no such file. The text repeats nothing of a URL.
    """
    scheme = url.split(":", 1)[0].lower() if "://" in url else ""
    if scheme in ("postgresql", "postgres"):
        return _postgres(url)
    if scheme == "sqlite":
        rest = url[len("sqlite://") :]
        if not rest.startswith("/") or any(mark in rest for mark in "?#"):
            raise DefinitionError(f"URL: {_EXPECTED}; sqlite:// takes three slashes and no options")
        # As SQLAlchemy has it: three slashes for a relative path, four for an absolute one; else as URLs have it.
        relative = unquote(rest[1:])
        return _file(relative if _there(relative) else unquote(rest))
    if scheme or url.startswith(("file:", ":memory:")):
        raise DefinitionError(f"URL: {_EXPECTED}; this is neither")
    return _file(url)


def _file(path: str) -> Sqlite:
    if not _there(path):
        raise DefinitionError("URL: there is no such file; the server opens a database that is there, and makes none")
    return Sqlite(Path(path).expanduser().resolve())


def _there(path: str) -> bool:
    try:
        return Path(path).expanduser().is_file()
    except (OSError, ValueError, RuntimeError):  # too long, a NUL, nobody's home
        return False


def _postgres(url: str) -> Postgres:
    try:
        urlsplit(url)
    except ValueError:
        raise DefinitionError(f"URL: {_EXPECTED}; this is not a URL") from None
    return Postgres(url)
