"""Settings of the files server; the command line, the manifest and the page are made from this."""

from typing import Annotated, Final

import msgspec
from msgspec import Meta

KIB: Final = 1024
MIB: Final = 1024 * KIB


class Settings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What the server may touch, and how much of it at a time."""

    directories: Annotated[
        tuple[str, ...],
        Meta(
            description="Directories that may be used, with all below them; those that the client names, when none is.",
            extra={"argument": "DIR"},
        ),
    ] = ()
    read_only: Annotated[bool, Meta(description="Offer nothing that writes, and refuse it below, too.")] = False
    max_read: Annotated[
        int, Meta(ge=1 * KIB, le=2 * MIB, description="Bytes of files in one answer.", extra={"metavar": "BYTES"})
    ] = 1 * MIB
    max_write: Annotated[
        int,
        Meta(ge=1, le=64 * MIB, description="Bytes that a file is written or edited with.", extra={"metavar": "BYTES"}),
    ] = 16 * MIB
    search_seconds: Annotated[
        float, Meta(gt=0, le=300, description="How long a search may take.", extra={"metavar": "SECONDS"})
    ] = 20.0
    ripgrep: Annotated[
        str | None,
        Meta(
            description="The ripgrep program; looked for on PATH when not given. `none` searches without it.",
            extra={"metavar": "FILE"},
        ),
    ] = None
    watch: Annotated[
        int,
        Meta(
            ge=0,
            le=100_000,
            description="Most directories to watch for changes from outside; 0 watches nothing.",
            extra={"metavar": "NUMBER"},
        ),
    ] = 5_000
    sanitize: Annotated[
        bool, Meta(description="Take characters that are read and not seen out of all that is returned.")
    ] = False
