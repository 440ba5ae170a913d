"""Connections for reading, each of which knows what file it was opened for.

Invariant: what `renew` leaves behind reads the file as it is now. Where nothing can be written beside it, it is read as
one that does not change while nobody writes, and as any other while somebody does (see `resting`); a connection opened
for the one sees nothing of the other, so that each is asked before every use, whoever had it meanwhile.
"""

from pathlib import Path

from dovetail.servers.memory.places import reader
from dovetail.servers.resting import Stamp, stamp


class Reader:
    """A connection that can only read.

    Args:
        path: The file.
        alone: This process does not write to the file either, and may not be able to write beside it.

    Raises:
        StoreUnusable: The file cannot be opened.
    """

    def __init__(self, path: Path, *, alone: bool) -> None:
        self._path = path
        self._alone = alone
        self._stamp = self._now()
        self.connection = reader(path, self._stamp)

    def __repr__(self) -> str:
        return f"<Reader of {self._path.name}{'' if self._stamp is None else ' as it rests'}>"

    def close(self) -> None:
        """Close the connection."""
        self.connection.close()

    def renew(self) -> None:
        """Open the file anew where it is another one than it was opened for.

        Raises:
            StoreUnusable: It cannot be opened now; a later `renew` tries again.
        """
        now = self._now()
        if now != self._stamp:
            fresh = reader(self._path, now)
            self.connection.close()
            self.connection, self._stamp = fresh, now

    def version(self) -> tuple[Stamp | None, int]:
        """Return what is another one after a commit by any other connection.

        Raises:
            StoreUnusable: The file cannot be opened now.
        """
        self.renew()
        return self._stamp, self.connection.execute("PRAGMA data_version").fetchone()[0]

    def _now(self) -> Stamp | None:
        return stamp(self._path) if self._alone else None
