"""Gates before a tool: how often (token buckets), how many at a time, for how long. "Servers MUST rate limit tool
invocations" (Tools).

No clock of its own: the time is passed in. Memory is bounded: a bucket that is full again is forgotten.
"""

from collections import Counter, OrderedDict
from typing import TYPE_CHECKING, Final

import msgspec

from dovetail.errors import Busy, DefinitionError

if TYPE_CHECKING:
    from dovetail.server.calls.context import Context

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
            raise Busy("Too many requests: the rate limit is reached. Try again in a moment")
        self._buckets[key] = (tokens - 1.0, now)
        if len(self._buckets) > _BUCKETS:
            self._buckets.popitem(last=False)


class Slots:
    """How many may be inside at a time."""

    __slots__ = ("_back", "limit", "taken")

    def __init__(self, limit: int) -> None:
        """Start empty."""
        self.limit = limit
        self.taken = 0
        self._back: Counter[str] = Counter()

    def __repr__(self) -> str:
        return f"<Slots {self.taken}/{self.limit}>"

    def enter(self, back: str = "") -> None:
        """Take a slot.

        Args:
            back: The turn of a call that was inside, left to ask its client, and comes back with the answer. It was
                admitted once: there may be one too many for a while, as where the call waits (`Turn.unpause`). What
                comes a second time while the first is inside is a copy, which nobody has admitted.

        Raises:
            Busy: All are taken.
        """
        if self.taken >= self.limit and (not back or back in self._back):
            raise Busy("Too many calls at a time: the concurrency limit is reached. Try again when some are done")
        self.stay(back)

    def stay(self, back: str = "") -> None:
        """Take a slot for what outlives its call, over the limit if need be."""
        self.taken += 1
        if back:
            self._back[back] += 1

    def leave(self, back: str = "") -> None:
        """Give the slot back."""
        self.taken -= 1
        if back:
            self._back[back] -= 1
            if not self._back[back]:
                del self._back[back]


class Slot:
    """One slot that one call holds, given back while the call rests: as often as it may be said, it counts once."""

    __slots__ = ("_back", "_held", "slots")

    def __init__(self, slots: Slots, back: str = "") -> None:
        """Take the slot, as `Slots.enter`.

        Raises:
            Busy: All are taken.
        """
        slots.enter(back)
        self.slots = slots
        self._back = back
        self._held = True

    def __repr__(self) -> str:
        return f"<Slot {'held' if self._held else 'resting'} of {self.slots!r}>"

    def rest(self) -> None:
        """Give the slot back for a while."""
        if self._held:
            self._held = False
            self.slots.leave()

    def resume(self) -> None:
        """Hold the slot again: there may be one too many for a while."""
        if not self._held:
            self._held = True
            self.slots.stay()

    def leave(self) -> None:
        """Give the slot back for good, also from rest: a handler may end while a question of its is open."""
        self.resume()
        self.slots.leave(self._back)


def coming_back(context: "Context") -> str:
    """Return the turn's name if it takes up a call that held a place where this one wants one; "" if it does not."""
    ledger = None if context.turn is None else context.turn.ledger
    if ledger is None or not (context.quiet if context.inside else ledger.placed):
        return ""
    return f"{ledger.call}:{ledger.round}"


class Timed:
    """Runs a call's clock. It is the handler's alone: what middleware does before and after has time."""

    __slots__ = ("_context", "_seconds")

    # No generator behind it: every call of an entry with a timeout pays for this.
    def __init__(self, context: "Context", seconds: float) -> None:
        """Prepare."""
        self._context = context
        self._seconds = seconds

    def __enter__(self) -> None:
        """Start the clock."""
        context = self._context
        context.timeout = self._seconds
        # A call that has waited before it came here, in middleware or for a store, starts its clock now.
        if context.turn is not None and context.turn.task is not None:
            context.turn.limit_time(self._seconds)

    def __exit__(self, *failure: object) -> None:
        """End it."""
        self._context.timeout = None
        if self._context.turn is not None:
            self._context.turn.lift_limit()
