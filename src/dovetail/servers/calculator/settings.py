"""What the calculator can be told on the command line. Imports nothing heavy: `--help` reads it."""

from typing import Annotated

import msgspec
from msgspec import Meta


class Settings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Settings of `dovetail serve calculator`."""

    seconds: Annotated[
        float,
        Meta(
            description="Seconds that one calculation may take, on the clock and of processor time.",
            extra={"metavar": "SECONDS"},
            ge=0.1,
            le=600,
        ),
    ] = 10.0
    memory: Annotated[
        int,
        Meta(
            description="MiB of address space that a computing process may have.",
            extra={"metavar": "MIB"},
            ge=192,
            le=65536,
        ),
    ] = 512
    processes: Annotated[
        int,
        Meta(
            description="Computing processes that may run at a time; they are started when first needed.",
            extra={"metavar": "N"},
            ge=1,
            le=64,
        ),
    ] = 2
    digits: Annotated[
        int,
        Meta(
            description="Significant digits of decimal results, where a call does not say.",
            extra={"metavar": "N"},
            ge=1,
            le=1000,
        ),
    ] = 15
