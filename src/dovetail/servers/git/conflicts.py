"""Files in conflict: what the index holds of each, up to three times instead of once. Runs in a worker.

libgit2's differences take any one of the three for what is staged; so they are read here, and its word on such a file
is never used.
"""

import os
from typing import Final

import msgspec
import pygit2

from dovetail.servers.git.objects import MODULE, Entry

_KINDS: Final = {
    (True, True, True): "both modified",
    (False, True, True): "both added",
    (True, True, False): "deleted by them",
    (True, False, True): "deleted by us",
    (False, True, False): "added by us",
    (False, False, True): "added by them",
    (True, False, False): "both deleted",
}
"""By whether the common ancestor, our side and theirs have the file; in the words of `git status`."""


class Conflict(msgspec.Struct, frozen=True):
    """One file in conflict.

    Attributes:
        path: The file.
        base: As the common ancestor has it; None where that has none.
        ours: As the branch has it that is checked out; in a rebase, the one that it goes onto.
        theirs: As the other side has it.
    """

    path: bytes
    base: Entry | None
    ours: Entry | None
    theirs: Entry | None

    @property
    def kind(self) -> str:
        """What the two sides did."""
        return _KINDS[self.base is not None, self.ours is not None, self.theirs is not None]

    @property
    def module(self) -> bool:
        """True when a side has a submodule there."""
        return any(side is not None and side.mode == MODULE for side in (self.base, self.ours, self.theirs))


def conflicts(index: pygit2.Index) -> dict[bytes, Conflict]:
    """Return the files of an index that are in conflict, by their paths."""
    found = {}
    for sides in index.conflicts or ():
        path = os.fsencode(next(side.path for side in sides if side is not None))
        found[path] = Conflict(path, *(side and Entry(path, int(side.mode), str(side.id)) for side in sides))
    return found
