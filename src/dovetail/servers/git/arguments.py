"""What the operations of a worker take. Plain data, so that the server needs no libgit2."""

from typing import Literal

import msgspec


class LogArgs(msgspec.Struct, frozen=True, kw_only=True):
    """What the log is asked for."""

    revision: str = "HEAD"
    paths: tuple[str, ...] = ()
    author: str = ""
    text: str = ""
    since: str = ""
    until: str = ""
    max_count: int = 20
    cursor: str = ""
    brief: bool = False


class BranchArgs(msgspec.Struct, frozen=True, kw_only=True):
    """What is asked about branches."""

    kind: str = "local"
    contains: str = ""
    not_contains: str = ""
    max_count: int = 100


class TagArgs(msgspec.Struct, frozen=True, kw_only=True):
    """What is asked about tags."""

    containing: str = ""
    max_count: int = 100


class SuggestArgs(msgspec.Struct, frozen=True, kw_only=True):
    """What is typed of a revision."""

    typed: str


class ListArgs(msgspec.Struct, frozen=True, kw_only=True):
    """Which files to list."""

    revision: str = "HEAD"
    path: str = ""
    recursive: bool = False
    max_count: int = 500
    cursor: str = ""


class ReadArgs(msgspec.Struct, frozen=True, kw_only=True):
    """Which file to read, and which lines of it."""

    path: str
    revision: str = "HEAD"
    start: int = 1
    end: int | None = None


class ContentsArgs(msgspec.Struct, frozen=True, kw_only=True):
    """Which file's bytes."""

    path: str
    revision: str = "HEAD"


class SuggestPathArgs(msgspec.Struct, frozen=True, kw_only=True):
    """What is typed of a path."""

    typed: str
    revision: str = "HEAD"


class DiffArgs(msgspec.Struct, frozen=True, kw_only=True):
    """What to compare."""

    mode: Literal["revisions", "staged", "unstaged"]
    target: str = ""
    paths: tuple[str, ...] = ()
    context: int = 3
    max_bytes: int = 100_000
    names: bool = False


class ShowArgs(msgspec.Struct, frozen=True, kw_only=True):
    """Which commit to show."""

    revision: str = "HEAD"
    paths: tuple[str, ...] = ()
    context: int = 3
    max_bytes: int = 100_000
    names: bool = False


class StatusArgs(msgspec.Struct, frozen=True, kw_only=True):
    """What is asked about the working tree."""

    untracked: str = "folders"
    max_count: int = 500


class BlameArgs(msgspec.Struct, frozen=True, kw_only=True):
    """Which lines of which file."""

    path: str
    revision: str = "HEAD"
    start: int = 1
    end: int | None = None


class SearchArgs(msgspec.Struct, frozen=True, kw_only=True):
    """What to look for, and where."""

    pattern: str
    revision: str = ""
    paths: tuple[str, ...] = ()
    regex: bool = False
    ignore_case: bool = False
    context: int = 0
    max_count: int = 100


class CommitArgs(msgspec.Struct, frozen=True, kw_only=True):
    """What to commit; `shown` is the mark of what the user agreed to, empty when nobody was asked."""

    message: str
    paths: tuple[str, ...] = ()
    shown: str = ""
