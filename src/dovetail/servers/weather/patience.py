"""When to try again, and when not to ask at all: decisions without a clock, which is passed in."""

from collections import OrderedDict
from collections.abc import Callable, Mapping
from email.utils import parsedate_to_datetime
from typing import Final

import msgspec

PASSING: Final = frozenset({408, 425, 429, 500, 502, 503, 504})
"""Statuses that may be gone in a moment."""
_LONGEST_PAUSE: Final = 10.0
_LONGEST_WAIT: Final = 86_400.0


class Deadline:
    """When somebody has waited long enough: one for all questions of a call, by two clocks, whichever is there first.

    Attempts end by `loop`, which no change of the time of day moves; pauses are made, and counted, by `clock`.
    """

    def __init__(self, seconds: float, loop: Callable[[], float], clock: Callable[[], float]) -> None:
        """Begin now.

        Args:
            seconds: Until then.
            loop: The event loop's time.
            clock: The time of day.
        """
        self._loop, self._clock = loop, clock
        self.at = loop() + seconds
        """By the event loop's time."""
        self._until = clock() + seconds

    def __repr__(self) -> str:
        return f"<Deadline in {self.left():.1f} s>"

    def left(self) -> float:
        """Return how many seconds are left: none or less when it has passed."""
        return min(self.at - self._loop(), self._until - self._clock())

    def half(self) -> "Deadline":
        """Return an earlier one: for a question after which there is to be time for another."""
        return Deadline(self.left() / 2, self._loop, self._clock)

    def later(self, other: "Deadline") -> "Deadline":
        """Return whichever leaves more time."""
        return self if self.left() >= other.left() else other


def pause(attempt: int, first: float, random: Callable[[], float]) -> float:
    """Return how long to wait after an attempt (1 for the first): anything up to a time that doubles: full jitter."""
    return random() * min(_LONGEST_PAUSE, first * 2.0 ** min(attempt - 1, 16))


def retry_after(headers: Mapping[str, str], now: float) -> float | None:
    """Read `Retry-After`, seconds or a date (RFC 9110, 10.2.3); None when there is none that can be read."""
    text = headers.get("retry-after", "").strip()
    if text.isascii() and text.isdigit() and len(text) <= 10:
        return min(float(text), _LONGEST_WAIT)
    if not text or len(text) > 64:
        return None
    try:
        return min(max(0.0, parsedate_to_datetime(text).timestamp() - now), _LONGEST_WAIT)
    except (ValueError, TypeError, OverflowError, IndexError):
        return None


class Breaker:
    """Spares what fails: after some failures in a row nobody asks it for a while; then one does, as a test.

    *Closed*: everybody asks. *Open*: nobody does until `seconds` have passed. *Half open*: one asks; if that works, it
    is closed; if not, it is open for twice as long, up to eight times.
    """

    def __init__(self, failures: int = 5, seconds: float = 30.0) -> None:
        """Begin closed.

        Args:
            failures: In a row, after which it opens.
            seconds: For which it is open at first.
        """
        self._most = failures
        self._first = seconds
        self._seconds = seconds
        self._failures = 0
        self._causes: set[str] = set()
        self._until: float | None = None
        self._trying = False

    def __repr__(self) -> str:
        state = "closed" if self._until is None else "half open" if self._trying else f"open until {self._until:g}"
        return f"<Breaker {state}, {self._failures} failures>"

    def wait(self, now: float) -> float | None:
        """Return None when it may be asked now, which the caller then does; else the seconds to wait."""
        spared = self.spared(now)
        self._trying = self._trying or (spared is None and self._until is not None)
        return spared

    def spared(self, now: float) -> float | None:
        """Return what `wait` would, and promise nothing: whoever wants to ask has not begun."""
        if self._until is None or not (self._trying or now < self._until):
            return None
        return max(1.0, self._until - now)

    def worked(self) -> None:
        """It answered, whatever it said."""
        self._failures = 0
        self._causes.clear()
        self._seconds = self._first
        self._until = None
        self._trying = False

    def failed(self, now: float, cause: str | None = None) -> None:
        """It did not answer, or said that it cannot.

        Args:
            now: The time.
            cause: What failed of it: failures of the same are one until something works. Without, each is one more.
        """
        if cause in self._causes and not self._trying:
            return
        self._failures += 1
        if cause is not None:
            self._causes.add(cause)
        if self._trying:
            self._seconds = min(self._seconds * 2, self._first * 8)
        if self._trying or self._failures >= self._most:
            self._until = now + self._seconds
        self._trying = False

    def left(self) -> None:
        """Whoever asked went away before there was an answer: the next one may be the test."""
        self._trying = False


class Part(msgspec.Struct, frozen=True):
    """What of a service fails by itself, and is left alone by itself.

    Attributes:
        name: Like that of no other part.
        said: It, for people: after "asked for".
        kind: What is of its kind, for people, in the plural: these mostly fail together, and other kinds without them.
        cause: What its failures count as for its kind, where several parts fail for one; empty for itself.
    """

    name: str
    said: str
    kind: str
    cause: str = ""


class Breakers:
    """Of each part of a service, and of each kind of parts, which fail by themselves.

    A part is left alone for what it did; a kind for *different* parts that failed in a row, none of it having worked in
    between: one that is broken, however often it is asked, says nothing of the others, and forecasts say nothing of
    alerts. Of parts that were needed longest ago nothing is known any more.
    """

    def __init__(self, most: int = 1000) -> None:
        """Know of so many parts."""
        self._most = most
        self._known: OrderedDict[str, Breaker] = OrderedDict()
        self._kinds: dict[str, Breaker] = {}

    def __repr__(self) -> str:
        return f"<Breakers, {len(self._known)} parts known, {self._kinds!r}>"

    def of(self, part: Part) -> Breaker:
        """Return the one of a part: a closed one where nothing is known of it."""
        found = self._known.setdefault(part.name, Breaker())
        self._known.move_to_end(part.name)
        if len(self._known) > self._most:
            self._known.popitem(last=False)
        return found

    def of_kind(self, part: Part) -> Breaker:
        """Return the one of a part's kind."""
        return self._kinds.setdefault(part.kind, Breaker())

    def spared(self, part: Part, now: float) -> float | None:
        """Return what `wait` would, and promise nothing."""
        waits = self.of_kind(part).spared(now), self.of(part).spared(now)
        return max(wait or 0.0 for wait in waits) if any(waits) else None

    def wait(self, part: Part, now: float) -> float | None:
        """Return None when a part may be asked now, which the caller then does; else the seconds to wait."""
        spared = self.spared(part, now)
        if spared is None:  # else neither has its test taken by somebody whom the other one does not let through
            self.of_kind(part).wait(now)
            self.of(part).wait(now)
        return spared

    def worked(self, part: Part) -> None:
        """A part answered, whatever it said: so did its kind."""
        self.of(part).worked()
        self.of_kind(part).worked()

    def failed(self, part: Part, now: float) -> None:
        """A part did not answer, or said that it cannot: its kind has failed for that cause."""
        self.of(part).failed(now)
        self.of_kind(part).failed(now, part.cause or part.name)

    def left(self, part: Part) -> None:
        """Whoever asked a part went away before there was an answer."""
        self.of(part).left()
        self.of_kind(part).left()
