"""What `dovetail serve notes` takes."""

from typing import Annotated

import msgspec
from msgspec import Meta


class Settings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Settings of the notes server; each is an option of the command line."""

    directory: Annotated[
        str, Meta(description="The folder that holds the notes; it must exist.", extra={"argument": "DIR"})
    ]
    read_only: Annotated[bool, Meta(description="Offer nothing that writes.")] = False
    import_folder: Annotated[
        tuple[str, ...],
        Meta(
            description="A folder of Markdown files that the tool import_folder may copy notes from.",
            extra={"metavar": "DIR"},
        ),
    ] = ()
    page_size: Annotated[int, Meta(ge=1, le=1_000, description="Notes in one answer.", extra={"metavar": "COUNT"})] = (
        100
    )
    answer_chars: Annotated[
        int,
        Meta(
            ge=1_000,
            le=10_000_000,
            description="Characters of a note in one answer; the rest is read from an offset.",
            extra={"metavar": "COUNT"},
        ),
    ] = 100_000
    max_bytes: Annotated[
        int, Meta(ge=1, le=16_777_216, description="Bytes of one note.", extra={"metavar": "BYTES"})
    ] = 1_048_576
    max_notes: Annotated[
        int, Meta(ge=1, le=100_000, description="Notes that are looked at, and may be.", extra={"metavar": "COUNT"})
    ] = 10_000
    search_seconds: Annotated[
        float,
        Meta(
            gt=0,
            le=600,
            description="How long one search looks; it then says how far it came.",
            extra={"metavar": "SECONDS"},
        ),
    ] = 10.0
    listed: Annotated[
        int,
        Meta(
            ge=0,
            le=10_000,
            description="Notes in the list of resources, by name; all others can be read and subscribed to as well.",
            extra={"metavar": "COUNT"},
        ),
    ] = 1_000
    no_watch: Annotated[bool, Meta(description="Do not watch for what other programs change.")] = False
