"""Log levels, and how a client of a stateful revision sets the one it wants (spec, Utilities, Logging)."""

from typing import Final, get_args

from dovetail.wire.base import LoggingLevel
from dovetail.wire.envelope import RequestParams

LEVELS: Final[tuple[LoggingLevel, ...]] = get_args(LoggingLevel)
"""All levels, the least severe first (RFC 5424, section 6.2.1)."""

_RANK: Final = {level: rank for rank, level in enumerate(LEVELS)}


def level_at_least(level: LoggingLevel, minimum: LoggingLevel) -> bool:
    """Tell whether a message of a level reaches who asked for a minimum."""
    return _RANK[level] >= _RANK[minimum]


class SetLevelRequestParams(RequestParams, frozen=True, kw_only=True):
    """From now on, send messages of this level and above (until 2025-11-25)."""

    level: LoggingLevel
