"""Connections for reading, each of which knows what file it was opened for.

Invariant: what `renew` leaves behind reads the file as it is now. Where nothing can be written beside it, it is read as
one that does not change while nobody writes, and as any other while somebody does (see `resting`); a connection opened
for the one sees nothing of the other, so that each is asked before every use, whoever had it meanwhile.
"""

from functools import partial
from pathlib import Path

from dovetail.servers.memory.places import reader
from dovetail.servers.resting import Follower


class Reader(Follower):
    """A connection that can only read; whatever fails is a `StoreUnusable`.

    Args:
        path: The file.
        alone: This process does not write to the file either, and may not be able to write beside it.

    Raises:
        StoreUnusable: The file cannot be opened.
    """

    def __init__(self, path: Path, *, alone: bool) -> None:
        super().__init__(path, partial(reader, path), still=not alone)

    def __repr__(self) -> str:
        return f"<Reader of {self._path.name}{'' if self.stamp is None else ' as it rests'}>"

    def version(self) -> tuple[int, int]:
        """Return what is another one after a commit by any other connection.

        Raises:
            StoreUnusable: The file cannot be opened now.
        """
        self.renew()
        return self.opened, self.connection.execute("PRAGMA data_version").fetchone()[0]
