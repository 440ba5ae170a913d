"""What a worker process can be asked: each operation by its name, with what it takes."""

from collections.abc import Callable
from typing import Any, Final

import msgspec

from dovetail.servers.git.arguments import (
    BlameArgs,
    BranchArgs,
    CommitArgs,
    ContentsArgs,
    DiffArgs,
    ListArgs,
    LogArgs,
    ReadArgs,
    SearchArgs,
    ShowArgs,
    StatusArgs,
    SuggestArgs,
    SuggestPathArgs,
    TagArgs,
)
from dovetail.servers.git.blame import blame
from dovetail.servers.git.committing import commit, preview
from dovetail.servers.git.files import contents, list_files, read_text, suggest_paths
from dovetail.servers.git.history import log
from dovetail.servers.git.patches import diff, show
from dovetail.servers.git.refs import branches, suggest_revisions, tags
from dovetail.servers.git.search import search
from dovetail.servers.git.status import status


class Operation(msgspec.Struct, frozen=True):
    """One operation: the function, what it takes, and whether it writes."""

    run: Callable[..., Any]
    takes: type[msgspec.Struct]
    writes: bool = False


OPERATIONS: Final = {
    "blame": Operation(blame, BlameArgs),
    "branches": Operation(branches, BranchArgs),
    "commit": Operation(commit, CommitArgs, writes=True),
    "contents": Operation(contents, ContentsArgs),
    "diff": Operation(diff, DiffArgs),
    "list_files": Operation(list_files, ListArgs),
    "log": Operation(log, LogArgs),
    "preview": Operation(preview, CommitArgs, writes=True),
    "read_text": Operation(read_text, ReadArgs),
    "search": Operation(search, SearchArgs),
    "show": Operation(show, ShowArgs),
    "status": Operation(status, StatusArgs),
    "suggest_paths": Operation(suggest_paths, SuggestPathArgs),
    "suggest_revisions": Operation(suggest_revisions, SuggestArgs),
    "tags": Operation(tags, TagArgs),
}
