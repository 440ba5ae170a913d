"""What can be set about the git server. Read for `--help`, so nothing heavy is imported."""

from typing import Annotated, Literal

import msgspec
from msgspec import Meta


class Settings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Of `dovetail serve git`; each field says for itself what it is."""

    repository: Annotated[
        str, Meta(description="The repository: its working tree, or a bare one.", extra={"argument": "REPOSITORY"})
    ]
    allow_commit: Annotated[bool, Meta(description="Offer git_commit; nothing else ever changes the repository.")] = (
        False
    )
    confirm: Annotated[
        Literal["ask", "always", "never"],
        Meta(
            description="Ask the user before a commit: where the client can, always (others cannot commit), or never."
        ),
    ] = "ask"
    also: Annotated[
        tuple[str, ...],
        Meta(
            description="A folder outside that the repository may use: of alternates, or of a linked worktree.",
            extra={"metavar": "DIR"},
        ),
    ] = ()
    timeout: Annotated[
        float, Meta(description="The longest that one call may take.", ge=0.1, le=600, extra={"metavar": "SECONDS"})
    ] = 20.0
    max_output: Annotated[
        int,
        Meta(
            description="The most text in one answer; of lists, of what they hold.",
            ge=4_096,
            le=16_777_216,
            extra={"metavar": "BYTES"},
        ),
    ] = 4_194_304
    max_file: Annotated[
        int,
        Meta(
            description="The largest file that is read, compared, searched or committed.",
            ge=1_024,
            le=268_435_456,
            extra={"metavar": "BYTES"},
        ),
    ] = 10_485_760
    memory: Annotated[
        int,
        Meta(
            description="The most memory of one process that reads the repository (Linux).",
            ge=128,
            le=65_536,
            extra={"metavar": "MIB"},
        ),
    ] = 1_024
    processes: Annotated[
        int,
        Meta(description="Calls that are worked on at a time, each in a process.", ge=1, le=32, extra={"metavar": "N"}),
    ] = 2
    poll: Annotated[
        float,
        Meta(
            description="How often to look for what others changed, for subscribers; 0 for never.",
            ge=0,
            le=3_600,
            extra={"metavar": "SECONDS"},
        ),
    ] = 1.0
