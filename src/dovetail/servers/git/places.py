"""Where a repository's parts lie, and that all of them lie in it: before libgit2 opens anything.

A repository can lead out of itself: a `.git` file or a `commondir` that names another place, `objects/info/alternates`,
a configuration that includes others or moves the working tree, links among Git's own files. What leads out is refused,
unless it leads into a folder that whoever started the server named (`--also`). Nothing is searched upwards.

Reads without following links and without waiting (a FIFO has no end). `landlock` holds the same line in the kernel.
"""

import contextlib
import os
import re
import stat
from itertools import islice
from pathlib import Path
from typing import Final

import msgspec

_SMALL: Final = 65_536
_CONFIG: Final = 1_048_576
_INDEX: Final = 536_870_912
_MOST_ENTRIES: Final = 1_000_000
_DEEPEST: Final = 5
_BARE: Final = re.compile(rb"^\s*bare\s*(=\s*(true|yes|on|1)\s*)?$", re.IGNORECASE | re.MULTILINE)
_INCLUDE: Final = re.compile(rb"\[\s*include", re.IGNORECASE)
_PARTS: Final = (
    "HEAD",
    "config",
    "config.worktree",
    "packed-refs",
    "index",
    "objects",
    "refs",
    "logs",
    "info",
    "shallow",
)
_FOLDERS: Final = frozenset({"objects", "refs", "logs", "info"})
_FLAGS: Final = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_CLOEXEC", 0)


class Outside(Exception):
    """A repository that is none, or that leads out of itself; the text says how and what to do."""


class Places(msgspec.Struct, frozen=True):
    """Where a repository lies; every path is real, absolute and checked.

    Attributes:
        top: What was given.
        git: What libgit2 opens: `.git`, or a bare repository.
        common: Where objects and references are; `git`, but in a linked worktree.
        work: The working tree; None when bare.
        also: What may be used besides.
        stores: Folders of objects: its own first, then alternates.
    """

    top: Path
    git: Path
    common: Path
    work: Path | None
    also: tuple[Path, ...] = ()
    stores: tuple[Path, ...] = ()

    @property
    def roots(self) -> tuple[Path, ...]:
        """The folders that may be read."""
        return (self.top, *self.also)


def locate(repository: str, also: tuple[str, ...] = ()) -> Places:
    """Find the parts of a repository, and check that none lies outside.

    Raises:
        Outside: It is no repository, or a part of it lies elsewhere.
    """
    top = _real(Path(repository), "repository")
    roots = (top, *(_real(Path(folder), "also") for folder in also))
    git, work = _git_folder(top, roots)
    common = _common(git, roots)
    for folder in {git, common}:
        _check_parts(folder)
    if not (common / "objects").is_dir() or not (common / "refs").is_dir():
        raise Outside("repository: expected a Git repository: its `objects` or `refs` is missing")
    return Places(top, git, common, work, roots[1:], _stores(common / "objects", roots))


def _real(path: Path, setting: str) -> Path:
    try:
        real = path.resolve(strict=True)
    except (OSError, RuntimeError, ValueError):
        raise Outside(f"{setting}: expected a folder that exists") from None
    if not real.is_dir():
        raise Outside(f"{setting}: expected a folder")
    return real


def _git_folder(top: Path, roots: tuple[Path, ...]) -> tuple[Path, Path | None]:
    inner = top / ".git"
    try:
        kind = inner.lstat().st_mode
    except FileNotFoundError:
        if (top / "HEAD").is_file() and (top / "objects").is_dir():
            _check_bare(top)
            return top, None
        raise Outside(
            "repository: expected the top of a Git working tree, or a bare repository; "
            "nothing is looked for in the folders above"
        ) from None
    if stat.S_ISDIR(kind):
        return inner, top
    if stat.S_ISREG(kind):
        line = read_small(inner).strip()
        if line.startswith(b"gitdir:"):
            return _inside(top, line[7:].strip(), roots, "its .git file leads to"), top
    raise Outside("repository: its .git is neither a folder nor a file that names one")


def _check_bare(top: Path) -> None:
    """Refuse the `.git` of a working tree: Git itself tells one by its name, unless it is configured as bare."""
    if top.name != ".git":
        return
    with contextlib.suppress(FileNotFoundError):
        if _BARE.search(read_small(top / "config", _CONFIG)):
            return
    raise Outside("repository: this is the .git of a working tree: name the folder that it is in")


def _common(git: Path, roots: tuple[Path, ...]) -> Path:
    try:
        line = read_small(git / "commondir").strip()
    except FileNotFoundError:
        return git
    return _inside(git, line, roots, "its commondir leads to")


def _inside(base: Path, named: bytes, roots: tuple[Path, ...], what: str) -> Path:
    """Return a folder that a file of the repository names, when it lies in one of the roots."""
    try:
        found = (base / os.fsdecode(named)).resolve(strict=True)
    except (OSError, RuntimeError, ValueError):
        raise Outside(f"repository: {what} a folder that is not there") from None
    if not any(found.is_relative_to(root) for root in roots):
        raise Outside(
            f"repository: {what} a folder outside the repository. If it is yours, allow it: --also FOLDER "
            "(of a linked worktree, the main repository; of a submodule, the repository around it)"
        )
    if not found.is_dir():
        raise Outside(f"repository: {what} something that is no folder")
    return found


def _check_parts(folder: Path) -> None:
    for name in _PARTS:
        try:
            found = (folder / name).lstat()
        except FileNotFoundError:
            continue
        fits = stat.S_ISDIR(found.st_mode) if name in _FOLDERS else stat.S_ISREG(found.st_mode)
        if not fits:
            raise Outside(f"repository: {name} among Git's files is a link, or not what it should be")
        if name in ("index", "packed-refs") and found.st_size > _INDEX:
            raise Outside(f"repository: {name} among Git's files is larger than {_INDEX >> 20} MiB")
    for name in ("config", "config.worktree"):
        try:
            text = read_small(folder / name, _CONFIG)
        except FileNotFoundError:
            continue
        if _INCLUDE.search(text):
            raise Outside(
                f"repository: its {name} includes other files, which is not supported: move what they set into it"
            )


def _stores(objects: Path, roots: tuple[Path, ...], deep: int = 0) -> tuple[Path, ...]:
    """Return a folder of objects and its alternates, theirs included; every one of them checked."""
    for name in ("info", "pack"):
        if (objects / name).is_symlink():
            raise Outside(f"repository: objects/{name} is a link")
    if (objects / "info" / "http-alternates").is_symlink():
        raise Outside("repository: a file among its objects is a link")
    try:
        lines = read_small(objects / "info" / "alternates").splitlines()
    except FileNotFoundError:
        return (objects,)
    if deep == _DEEPEST:
        raise Outside("repository: its alternates have alternates, too deep")
    found = [objects]
    for line in lines:
        named = line.strip()
        if named and not named.startswith(b"#"):
            store = _inside(objects, named, roots, "objects/info/alternates leads to")
            if store not in found:
                found += _stores(store, roots, deep + 1)
    return tuple(found)


def check_links(places: Places) -> None:
    """Look at every file of Git's own, once: none is a link, a FIFO or a device.

    Raises:
        Outside: One is.
    """
    left = _MOST_ENTRIES
    waiting = [*places.stores, places.common / "refs", places.git / "refs"]
    while waiting:
        folder = waiting.pop()
        try:
            with os.scandir(folder) as found:
                entries = list(islice(found, left + 1))
        except (FileNotFoundError, NotADirectoryError):
            continue
        left -= len(entries)
        if left < 0:
            raise Outside("repository: it has more than a million files of Git's own; `git gc` packs them")
        for entry in entries:
            if entry.is_dir(follow_symlinks=False):
                waiting.append(Path(entry.path))
            elif not entry.is_file(follow_symlinks=False):
                raise Outside("repository: among Git's own files is a link, a pipe or a device")


def read_small(path: Path, most: int = _SMALL) -> bytes:
    """Read a small regular file without following a link and without waiting.

    Raises:
        FileNotFoundError: There is none.
        Outside: It is something else, or too large.
    """
    try:
        file = os.open(path, _FLAGS)
    except FileNotFoundError:
        raise
    except OSError:
        raise Outside(f"repository: {path.name} among Git's files is a link, or cannot be read") from None
    try:
        found = os.fstat(file)
        if not stat.S_ISREG(found.st_mode) or found.st_size > most:
            raise Outside(f"repository: {path.name} among Git's files is no regular file, or too large")
        return os.read(file, most + 1)
    finally:
        os.close(file)
