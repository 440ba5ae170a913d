"""How often a login may be tried, and whose failure was whose.

Invariants
* A refusal leads to at most three logins for the same want in ten minutes, and ten in all (A-30). Renewals by a refresh
  token are no logins. A login that helped for a while does not count among the three: its token was taken, then ended.
* A failure is that of everybody who had sent a request before it: nobody is sent to the browser for a request that the
  user said no to.
"""

from collections import deque
from collections.abc import Callable
from typing import Final

from dovetail.errors import AuthRequired, ScopeInsufficient

ATTEMPTS: Final = 3
"""Logins for one want, within `WINDOW`."""
ATTEMPTS_IN_ALL: Final = 10
WINDOW: Final = 600.0
_REMEMBERED: Final = 16
_HELPED: Final = ""


class Attempts:
    """The logins of the last ten minutes, and the last failures."""

    def __init__(self, clock: Callable[[], float]) -> None:
        """Begin with none."""
        self._clock = clock
        self._noted: list[tuple[float, str]] = []
        self._failures: deque[tuple[int, str, AuthRequired]] = deque(maxlen=_REMEMBERED)
        self.mark = 0

    def __repr__(self) -> str:
        return f"<Attempts {len(self._noted)}, {self.mark} failures>"

    def begin(self, want: str, scopes: tuple[str, ...] = ()) -> None:
        """Note an attempt, unless there were enough.

        Raises:
            ScopeInsufficient: There were, for these scopes.
            AuthRequired: There were.
        """
        now = self._clock()
        self._noted = [(at, what) for at, what in self._noted if 0 <= now - at < WINDOW]
        alike = sum(what == want for _, what in self._noted)
        if alike >= ATTEMPTS or len(self._noted) >= ATTEMPTS_IN_ALL:
            if scopes:
                raise ScopeInsufficient(scopes)
            raise AuthRequired(
                f"Logging in does not help: it was tried {max(alike, len(self._noted))} times in the last ten minutes"
            )
        self._noted.append((now, want))

    def take_back(self) -> None:
        """Forget the last attempt: nobody said no."""
        self._noted.pop()

    def forgive(self, want: str, *, wholly: bool) -> None:
        """Let the attempts for a want not count for it, because they helped; `wholly`: nor in all."""
        kept = [] if wholly else [(at, _HELPED) for at, what in self._noted if what == want]
        self._noted = [*(noted for noted in self._noted if noted[1] != want), *kept]

    def failed(self, want: str, failure: AuthRequired) -> None:
        """Remember a failure."""
        self.mark += 1
        self._failures.append((self.mark, want, failure))

    def recall(self, want: str, mark: int) -> None:
        """Raise the failure for a want that was after a mark, if there was one."""
        for number, what, failure in reversed(self._failures):
            if number > mark and what == want:
                raise failure
