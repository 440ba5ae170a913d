"""Which era a server was of, remembered for a while: one of the stateful era is not probed again each time.

"The era determination is a property of the server, not of an individual request. Clients SHOULD cache the result for
[...] origin (HTTP)" (2026-07-28, Versioning, Backward Compatibility). A program is remembered by what it is started
with: one that is silent when it is probed would cost seconds each time that it is started again. A verdict that proves
wrong is forgotten, and the server is probed anew.
"""

import time
from collections.abc import Callable
from typing import Final
from urllib.parse import urlsplit

SECONDS: Final = 600.0
"""How long a verdict holds: a server that was brought up to date is found out after that."""
DOUBT_SECONDS: Final = 10.0
"""For how long an endpoint that has been asked anew is believed, whatever it answers."""
_MOST: Final = 1000


class Verdicts:
    """Verdicts of one process, by endpoint."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._legacy: dict[str, float] = {}
        self._doubted: dict[str, float] = {}
        self._eras: dict[str, tuple[bool, float]] = {}

    def __repr__(self) -> str:
        return f"<Verdicts on {len(self._legacy)} endpoints>"

    def legacy(self, url: str) -> bool:
        """Tell whether an endpoint is known to be of the stateful era."""
        until = self._legacy.get(url)
        if until is None:
            return False
        if until > self._clock():
            return True
        del self._legacy[url]
        return False

    def note(self, url: str, *, stateless: bool) -> None:
        """Remember what an endpoint turned out to be."""
        era, _ = self._eras.get(url, (stateless, 0.0))
        if era is not stateless or url not in self._eras:
            if len(self._eras) >= _MOST:
                del self._eras[next(iter(self._eras))]
            self._eras[url] = (stateless, self._clock())
        self._legacy.pop(url, None)
        if not stateless:
            if len(self._legacy) >= _MOST:
                del self._legacy[next(iter(self._legacy))]
            self._legacy[url] = self._clock() + SECONDS

    def doubt(self, url: str, *, stateless: bool) -> bool:
        """Tell whether an endpoint that answers strangely may be asked anew for its era: not each time.

        An error that only looks so comes again and again; each new opening would cost the server a session. Where
        somebody has found out meanwhile that the endpoint is of the other era, all who speak the old one may ask.
        """
        now = self._clock()
        if self._eras.get(url, (stateless, 0.0))[0] is not stateless:
            return True
        if self._doubted.get(url, 0.0) > now:
            return False
        self._doubted.pop(url, None)
        if len(self._doubted) >= _MOST:
            del self._doubted[next(iter(self._doubted))]
        self._doubted[url] = now + DOUBT_SECONDS
        return True

    def forget(self, url: str) -> None:
        """Forget a verdict that proved wrong."""
        self._legacy.pop(url, None)


def origin_of(url: str) -> str:
    """Return what an endpoint is remembered by."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}".lower()


VERDICTS: Final = Verdicts()
"""Those of this process."""
