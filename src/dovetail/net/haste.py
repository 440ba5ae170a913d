"""Whether to look out for the next message at once, in place of sleeping until it comes.

To wake a process up takes a machine longer (20 to 50 µs) than many a call. A client that sends its next request as soon
as it has an answer is met awake, then; that pays on more than one processor only, and only while the client goes on so.

    a gap of at most `WINDOW` between an answer and the next request: one more of those in a row
    `ENOUGH` in a row: after each answer the channel looks out, for `WINDOW` at most
    looked out in vain: as many more are needed as were in vain, twice each time
"""

import os
from typing import Final

WINDOW: Final = 0.000_1
"""Seconds. An event loop that is busy for so long is late for nothing else."""
ENOUGH: Final = 8
_MOST: Final = 4096


class Haste:
    """What the last gaps were like."""

    __slots__ = ("_needed", "_row", "_since", "able")

    def __init__(self, processors: int | None = None) -> None:
        """Know of no gap yet; `processors` is how many this process may use, as far as the system says."""
        self.able = (_processors() if processors is None else processors) > 1
        self._needed = ENOUGH
        self._row = 0
        self._since = -1.0

    def __repr__(self) -> str:
        return f"<Haste {self._row} of {self._needed}>"

    @property
    def pays(self) -> bool:
        """Whether the next request is likely to come at once."""
        return self.able and self._row >= self._needed

    def answered(self, now: float) -> None:
        """Note that an answer was written."""
        self._since = now

    def asked(self, now: float) -> None:
        """Note that a request came."""
        if self._since >= 0.0:
            self._row = self._row + 1 if now - self._since <= WINDOW else 0
            self._since = -1.0

    def met(self) -> None:
        """Note that a request came while we looked out for it."""
        self._needed = ENOUGH
        self._since = -1.0

    def missed(self) -> None:
        """Note that none came."""
        self._row = 0
        self._needed = min(self._needed * 2, _MOST)


def _processors() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
