"""Gates before a tool: how often (token buckets) and how many at a time. "Servers MUST rate limit tool invocations"
(Tools).

No clock of its own: the time is passed in. Memory is bounded: a bucket that is full again is forgotten.
"""

from collections import OrderedDict
from typing import Final

import msgspec

from dovetail.errors import Busy, DefinitionError

_UNITS: Final = {
    **dict.fromkeys(("s", "sec", "second", "seconds"), 1.0),
    **dict.fromkeys(("m", "min", "minute", "minutes"), 60.0),
    **dict.fromkeys(("h", "hour", "hours"), 3600.0),
}
_BUCKETS: Final = 10_000


class Rate(msgspec.Struct, frozen=True):
    """At most `burst` at once, and `per_second` in the long run."""

    per_second: float
    burst: int

    @classmethod
    def of(cls, text: "str | Rate") -> "Rate":
        """Read a rate such as `"10/s"`, `"100/m"` or `"5/s burst 20"`.

        Raises:
            DefinitionError: It is none.
        """
        if isinstance(text, Rate):
            return text
        amount, _, rest = text.partition("/")
        unit, _, burst = rest.partition(" burst ")
        try:
            count = float(amount)
            allowed = int(burst) if burst else max(1, round(count))
            if count <= 0 or allowed < 1:
                raise ValueError
            return cls(count / _UNITS[unit.strip()], allowed)
        except (KeyError, ValueError, OverflowError):
            raise DefinitionError(f"{text!r} is not a rate: expected one like '10/s' or '100/m burst 20'") from None


class Meter:
    """Token buckets under one rate, by key."""

    __slots__ = ("_buckets", "rate")

    def __init__(self, rate: Rate) -> None:
        """Start with every bucket full."""
        self.rate = rate
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def __repr__(self) -> str:
        return f"<Meter {self.rate.per_second:g}/s, {len(self._buckets)} keys>"

    def take(self, key: str, now: float) -> None:
        """Take a token.

        Raises:
            Busy: There is none.
        """
        rate = self.rate
        tokens, before = self._buckets.pop(key, (float(rate.burst), now))
        tokens = min(float(rate.burst), tokens + max(0.0, now - before) * rate.per_second)
        if tokens < 1.0:
            self._buckets[key] = (tokens, now)
            raise Busy("Too many requests: the rate limit is reached")
        self._buckets[key] = (tokens - 1.0, now)
        if len(self._buckets) > _BUCKETS:
            self._buckets.popitem(last=False)


class Slots:
    """How many may be inside at a time."""

    __slots__ = ("limit", "taken")

    def __init__(self, limit: int) -> None:
        """Start empty."""
        self.limit = limit
        self.taken = 0

    def __repr__(self) -> str:
        return f"<Slots {self.taken}/{self.limit}>"

    def enter(self) -> None:
        """Take a slot.

        Raises:
            Busy: All are taken.
        """
        if self.taken >= self.limit:
            raise Busy("Too many calls at a time: the concurrency limit is reached")
        self.taken += 1

    def leave(self) -> None:
        """Give the slot back."""
        self.taken -= 1
