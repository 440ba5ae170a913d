"""What `dovetail serve sql` can be told. Loaded for `--help`: nothing heavy stands here."""

from typing import Annotated

from msgspec import Meta, Struct


class Settings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which database, and what may be done with it."""

    url: Annotated[
        str,
        Meta(
            description="The database: a path to an SQLite file, sqlite:///path or postgresql://user@host/name. "
            "Leave the password out: PGPASSWORD, PGPASSFILE or PGSERVICE has it.",
            extra={"argument": "URL"},
            min_length=1,
        ),
    ]
    allow_writes: Annotated[
        bool, Meta(description="Offer insert, update and delete; each asks the user before it changes anything.")
    ] = False
    deny: Annotated[
        tuple[str, ...],
        Meta(
            description="A table, or a column of one, that nobody may read or write.",
            extra={"metavar": "TABLE[.COLUMN]"},
        ),
    ] = ()
    timeout: Annotated[
        float,
        Meta(description="Seconds that a statement may take.", gt=0, le=600, extra={"metavar": "SECONDS"}),
    ] = 10.0
    page_size: Annotated[
        int, Meta(description="Most rows of one answer.", ge=1, le=10_000, extra={"metavar": "ROWS"})
    ] = 100
    cell_size: Annotated[
        int,
        Meta(
            description="Characters after which a value is cut.", ge=16, le=1_000_000, extra={"metavar": "CHARACTERS"}
        ),
    ] = 2_000
    answer_size: Annotated[
        int,
        Meta(
            description="Characters after which the rest of the rows goes to the next page.",
            ge=1_000,
            le=10_000_000,
            extra={"metavar": "CHARACTERS"},
        ),
    ] = 200_000
    memory: Annotated[
        int,
        Meta(
            description="Memory that SQLite may use in one process; of PostgreSQL, work_mem for one sort or hash.",
            ge=16,
            le=65_536,
            extra={"metavar": "MIB"},
        ),
    ] = 256
    changes: Annotated[
        int, Meta(description="Most rows that one call may change.", ge=1, le=1_000_000, extra={"metavar": "ROWS"})
    ] = 1_000
    connections: Annotated[
        int, Meta(description="Most connections to the database.", ge=1, le=64, extra={"metavar": "COUNT"})
    ] = 4
    poll: Annotated[
        float,
        Meta(
            description="Seconds between looks for changes that others made to an SQLite file; 0 for none.",
            ge=0,
            le=3600,
            extra={"metavar": "SECONDS"},
        ),
    ] = 1.0

    def __repr__(self) -> str:
        """Without the URL, which may have a password in it."""
        return f"<Settings of a database, {'with' if self.allow_writes else 'without'} writes>"
