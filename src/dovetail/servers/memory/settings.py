"""What `dovetail serve memory` takes."""

from typing import Annotated

import msgspec
from msgspec import Meta


class Settings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Settings of the memory server; each is an option of the command line."""

    file: Annotated[
        str | None,
        Meta(
            description="The file that holds the graph; memory.db in the user's data directory, when not given.",
            extra={"argument": "FILE"},
        ),
    ] = None
    import_file: Annotated[
        tuple[str, ...],
        Meta(
            description="A file in the reference server's JSON lines, taken in at the start, once for each content.",
            extra={"metavar": "JSONL"},
        ),
    ] = ()
    read_only: Annotated[bool, Meta(description="Offer nothing that writes, and open the file for reading.")] = False
    page_size: Annotated[
        int, Meta(ge=1, le=10_000, description="Entities and relations in one answer.", extra={"metavar": "COUNT"})
    ] = 200
    answer_chars: Annotated[
        int,
        Meta(
            ge=1_000,
            le=10_000_000,
            description="Characters of names and observations in one answer.",
            extra={"metavar": "COUNT"},
        ),
    ] = 100_000
    max_text: Annotated[
        int, Meta(ge=1, le=1_000_000, description="Characters of one new observation.", extra={"metavar": "COUNT"})
    ] = 20_000
    max_observations: Annotated[
        int,
        Meta(ge=1, le=1_000_000, description="Observations that one entity can grow to.", extra={"metavar": "COUNT"}),
    ] = 100_000
    max_line: Annotated[
        int,
        Meta(
            ge=1_000,
            le=100_000_000,
            description="Characters of one line of a file to import.",
            extra={"metavar": "COUNT"},
        ),
    ] = 10_000_000
    max_bytes: Annotated[
        int, Meta(ge=1_048_576, description="Bytes that the file may grow to.", extra={"metavar": "BYTES"})
    ] = 1_073_741_824
    watch: Annotated[
        float,
        Meta(
            ge=0,
            le=3600,
            description="Seconds between two looks for what other processes changed; 0 for never.",
            extra={"metavar": "SECONDS"},
        ),
    ] = 1.0
