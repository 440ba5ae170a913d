"""For how long a service's answer may be used again, as its head says (RFC 9111), and those that are kept. No I/O."""

import re
from collections import OrderedDict
from collections.abc import Mapping
from email.utils import parsedate_to_datetime
from typing import Final

import msgspec

_MAX_AGE: Final = re.compile(r"(?:^|[,\s])(s-maxage|max-age)\s*=\s*\"?(\d{1,9})", re.IGNORECASE)
_LONGEST: Final = 86_400.0
_BYTES: Final = 32 * 1024 * 1024


class Answer(msgspec.Struct, frozen=True):
    """An answer.

    Attributes:
        body: As it came.
        until: When it is no longer fresh.
        tag: Its `ETag`; empty for none.
        changed: Its `Last-Modified`; empty for none.
        received: When it came.
    """

    body: bytes
    until: float
    tag: str
    changed: str
    received: float

    @property
    def conditions(self) -> dict[str, str]:
        """The fields that ask whether it is still right."""
        asked = {"if-none-match": self.tag, "if-modified-since": self.changed}
        return {name: value for name, value in asked.items() if value and value.isascii() and value.isprintable()}


def answer_of(body: bytes, headers: Mapping[str, str], now: float) -> Answer | None:
    """Return an answer that may be kept; None for one that may not."""
    said = headers.get("cache-control", "").lower()
    if "no-store" in said or "private" in said:
        return None
    seconds = 0.0 if "no-cache" in said else _fresh(said, headers)
    answer = Answer(body, now + seconds, headers.get("etag", ""), headers.get("last-modified", ""), now)
    return answer if seconds > 0 or answer.conditions else None


def _fresh(said: str, headers: Mapping[str, str]) -> float:
    found = {name.lower(): float(value) for name, value in _MAX_AGE.findall(said)}
    age = headers.get("age", "0")
    spent = float(age) if age.isascii() and age.isdigit() and len(age) <= 9 else 0.0
    for name in ("s-maxage", "max-age"):
        if name in found:
            return min(max(0.0, found[name] - spent), _LONGEST)
    until, made = _date(headers.get("expires", "")), _date(headers.get("date", ""))
    if until is None or made is None:
        return 0.0
    return min(max(0.0, until - made - spent), _LONGEST)


def _date(text: str) -> float | None:
    try:
        return parsedate_to_datetime(text).timestamp() if 0 < len(text) <= 64 else None
    except (ValueError, TypeError, OverflowError, IndexError):
        return None


class Shelf:
    """Answers by what was asked; bounded in number and bytes, what was used longest ago goes first."""

    def __init__(self, most: int) -> None:
        """Make an empty one for so many answers."""
        self._most = most
        self._kept: OrderedDict[str, Answer] = OrderedDict()
        self._bytes = 0

    def __repr__(self) -> str:
        return f"<Shelf {len(self._kept)} answers, {self._bytes} bytes>"

    def get(self, key: str) -> Answer | None:
        """Return what is kept, fresh or not."""
        found = self._kept.get(key)
        if found is not None:
            self._kept.move_to_end(key)
        return found

    def put(self, key: str, answer: Answer | None) -> None:
        """Keep an answer in place of what was kept; None for nothing."""
        old = self._kept.pop(key, None)
        if old is not None:
            self._bytes -= len(old.body)
        if answer is None or not self._most:
            return
        self._kept[key] = answer
        self._bytes += len(answer.body)
        while len(self._kept) > self._most or self._bytes > _BYTES:
            _, oldest = self._kept.popitem(last=False)
            self._bytes -= len(oldest.body)
