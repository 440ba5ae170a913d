"""Points in time as people write them: ISO 8601, `2 weeks ago`, `yesterday`. Sans-I/O; the clock is passed in."""

import re
from datetime import UTC, datetime, timedelta
from typing import Final

_AGO: Final = re.compile(r"(\d{1,5}|an?|one)[ .]*(second|minute|hour|day|week|month|year)s?[ .]*(?:ago)?", re.ASCII)
_SECONDS: Final = {
    "second": 1, "minute": 60, "hour": 3_600, "day": 86_400, "week": 604_800, "month": 2_629_746, "year": 31_556_952
}  # fmt: skip
_WORDS: Final = {"now": 0, "today": 0, "yesterday": 1}
_EPOCH: Final = re.compile(r"@?(\d{9,12})", re.ASCII)
_LONGEST: Final = 64


class BadDate(ValueError):
    """A text that is no point in time; the text says what is one."""


def parse_date(text: str, now: datetime) -> int:
    """Return seconds since the epoch.

    Args:
        text: ISO 8601 (of UTC, when it has no offset), `@` and seconds, `2 weeks ago`, or `today` (midnight).
        now: With its offset.

    Raises:
        BadDate: Anything else.
    """
    given = text.strip().lower() if len(text) <= _LONGEST else ""
    if given in _WORDS:
        if given == "now":
            return int(now.timestamp())
        midnight = now.replace(hour=0, minute=0, second=0, microsecond=0)
        return int((midnight - timedelta(days=_WORDS[given])).timestamp())
    ago = _AGO.fullmatch(given)
    if ago:
        number = int(ago[1]) if ago[1].isdigit() else 1
        return int(now.timestamp()) - number * _SECONDS[ago[2]]
    epoch = _EPOCH.fullmatch(given)
    if epoch:
        return int(epoch[1])
    try:
        found = datetime.fromisoformat(given.upper().replace(" +", "+"))
        return int((found if found.tzinfo else found.replace(tzinfo=UTC)).timestamp())
    except (ValueError, OverflowError, OSError):
        raise BadDate(
            "Give a date such as 2026-03-01, 2026-03-01T14:30:00+01:00, `2 weeks ago` or `yesterday`"
        ) from None
