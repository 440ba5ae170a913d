"""What the everything server can be told on the command line. Imports nothing heavy: `--help` reads it."""

from typing import Annotated

import msgspec
from msgspec import Meta


class Settings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Settings of `dovetail serve everything`."""

    page_size: Annotated[
        int,
        Meta(
            description="Entries on one page of a list, so that clients meet a cursor.",
            extra={"metavar": "N"},
            ge=1,
            le=1000,
        ),
    ] = 10
    beat: Annotated[
        float,
        Meta(
            description="Seconds between the changes that toggle-subscriber-updates makes.",
            extra={"metavar": "SECONDS"},
            ge=0.01,
            le=3600,
        ),
    ] = 5.0
