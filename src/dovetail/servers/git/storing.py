"""What a file of the working tree is stored as: its mode, its bytes, its id. The one place that says so.

What git_status shows as changed, what a patch compares, what the user is asked about and what is committed is what
`git add` would store: line ends and `ident` by attributes and configuration (`cleaning`); no filter program is run.
libgit2 decides alone which ordinary files of the working tree differ; its rules for that come to the same, see
`cleaning`. Runs in a worker.
"""

import os
import stat
from typing import Final

import pygit2
from pygit2.enums import FileMode, ObjectType

from dovetail.servers.git.cleaning import (
    Attribute,
    Ends,
    Unsafe,
    check_safe,
    converts,
    has_crlf,
    line_ends,
    to_lf,
    without_ident,
)
from dovetail.servers.git.names import quote_name
from dovetail.servers.git.objects import LINK
from dovetail.servers.git.repository import Refused, Repository
from dovetail.servers.git.text import cut
from dovetail.servers.git.worktree import Absent, look, take

_YES: Final = ("true", "yes", "on", "1", "")


def stored(
    repository: Repository, path: bytes, index: pygit2.Index, *, known: int = 0, strict: bool = False
) -> tuple[int, bytes]:
    """Return the mode and the bytes that a file would be stored with.

    Args:
        repository: Whose working tree it lies in.
        path: The file.
        index: What is staged of it so far has a say in its line ends.
        known: The mode that it is stored with so far; 0 when it is not.
        strict: Refuse what `core.safecrlf` forbids to store.

    Raises:
        Absent: There is no such file.
        Refused: It is too large, or forbidden.
    """
    work = repository.places.work
    if work is None:
        raise Absent
    seen, data = take(work, tuple(path.split(b"/")), repository.max_file)
    mode = file_mode(repository, seen, known)
    return mode, data if mode == LINK else _clean(repository, path, data, index, strict=strict)


def standing(repository: Repository, path: bytes, known: int) -> tuple[int, str]:
    """Return the mode and the id that a file would be stored with; (0, "") when none is there.

    The id is empty where the contents are too large, or cannot be told without a loss.
    """
    work = repository.places.work
    try:
        if work is None:
            raise Absent
        seen = look(work, tuple(path.split(b"/")))
    except Absent:
        return 0, ""
    if not (stat.S_ISREG(seen.st_mode) or stat.S_ISLNK(seen.st_mode)):
        return 0, ""
    try:
        mode, data = stored(repository, path, repository.git.index, known=known)
    except (Absent, Refused, pygit2.GitError, OSError, ValueError):
        return file_mode(repository, seen, known), ""
    return mode, str(pygit2.hash(data))


def file_mode(repository: Repository, seen: os.stat_result, known: int) -> int:
    """Return the mode that a file would be stored with.

    Args:
        repository: Its configuration may say that modes of this file system mean nothing.
        seen: What lies there.
        known: The mode that it is stored with so far; 0 when it is not.
    """
    if stat.S_ISLNK(seen.st_mode):
        return LINK
    config = repository.git.config
    if "core.filemode" in config and not config.get_bool("core.filemode"):
        return known if known in (FileMode.BLOB, FileMode.BLOB_EXECUTABLE) else int(FileMode.BLOB)
    return int(FileMode.BLOB_EXECUTABLE if seen.st_mode & stat.S_IXUSR else FileMode.BLOB)


def _clean(repository: Repository, path: bytes, data: bytes, index: pygit2.Index, *, strict: bool) -> bytes:
    ends = _ends(repository, path)
    # Only of what is text by its looks: where the attributes say that it is, it is converted whatever is stored.
    converted = converts(ends, data) and (ends.text is True or not _stored_crlf(repository, index, path))
    if strict and _said(repository, "core.safecrlf") in _YES:
        try:
            check_safe(ends, data, converted=converted)
        except Unsafe:
            raise Refused(
                f"The line ends of {cut(quote_name(path), 256)} would not come back as they are, which core.safecrlf "
                "forbids: nothing was committed. The user converts the file, or says in .gitattributes what it is."
            ) from None
    data = to_lf(data) if converted else data
    return without_ident(data) if _attribute(repository, path, "ident") is True else data


def _ends(repository: Repository, path: bytes) -> Ends:
    text, crlf, eol = (_attribute(repository, path, name) for name in ("text", "crlf", "eol"))
    auto = _said(repository, "core.autocrlf", "false")
    auto = auto if auto == "input" else "true" if auto in _YES else "false"
    return line_ends(text, crlf, eol, auto, _said(repository, "core.eol", "native"))


def _said(repository: Repository, name: str, otherwise: str = "false") -> str:
    config = repository.git.config
    return str(config[name] or "").lower() if name in config else otherwise


def _attribute(repository: Repository, path: bytes, name: str) -> Attribute:
    return repository.git.get_attr(path, name)


def _stored_crlf(repository: Repository, index: pygit2.Index, path: bytes) -> bool:
    """Tell whether what is staged has `\\r\\n`; of a file in conflict, our side."""
    name = os.fsdecode(path)
    try:
        if name not in index:
            return False
        torn = index.conflicts
        entry = torn[name][1] if torn is not None and name in torn else index[name]
        return entry is not None and has_crlf(repository.read(str(entry.id), ObjectType.BLOB, repository.max_file))
    except (KeyError, Refused):  # a submodule, or one that is too large
        return False
