"""What `dovetail dev` watches: the Python files of a file's project, and what its user adds.

A project begins at the next folder upwards that holds a `pyproject.toml` or a `setup.py`; without one, it is the file's
own folder. Folders are watched one by one, so that an environment, a cache or a hidden folder inside costs nothing.
"""

import os
from collections.abc import AsyncIterator, Iterable, Iterator
from pathlib import Path
from typing import Final

from watchfiles import Change, awatch

_MARKS: Final = ("pyproject.toml", "setup.py", "setup.cfg")
_SKIPPED: Final = frozenset({"__pycache__", "node_modules", "site-packages", "venv", "env", "build", "dist"})
FOLDERS: Final = 2000
"""Folders watched at most: the nearest ones."""
_STEP_MILLISECONDS: Final = 100
"""So long nothing must have changed: what a checkout or a formatter changes at once reloads once."""


class Watch:
    """The places of one project."""

    def __init__(self, file: Path, more: Iterable[str] = ()) -> None:
        """Watch a file's project, and further files and folders, whose changes all count."""
        self.file = file.resolve()
        self.root = project_of(self.file)
        self._more = [Path(each).resolve() for each in more]

    def __repr__(self) -> str:
        return f"<Watch {self.root}>"

    def shown(self, path: Path) -> str:
        """Return how a path is called in a message."""
        return os.path.relpath(path, self.root)

    async def changes(self) -> AsyncIterator[list[Path]]:
        """Yield what has changed, whenever something has, until cancelled."""
        while True:
            watched = self._folders()
            async for batch in awatch(*watched, watch_filter=None, recursive=False, step=_STEP_MILLISECONDS):
                paths = [(change, Path(name)) for change, name in batch]
                new = [p for change, p in paths if change == Change.added and p not in watched and self._walks(p)]
                found = {path for _, path in paths if self._counts(path)}
                for folder in new:  # files may have come into it before it was watched
                    found.update(path for path in folder.glob("*.py"))
                if found:
                    yield sorted(found)
                if new:
                    break

    def _counts(self, path: Path) -> bool:
        extra = any(path == each or each in path.parents for each in self._more)
        return (extra and "__pycache__" not in path.parts) or (path.suffix == ".py" and self.root in path.parents)

    def _walks(self, path: Path) -> bool:
        return path.is_dir() and _worth_a_look(path) and any(r in path.parents for r in (self.root, *self._more))

    def _folders(self) -> list[Path]:
        """Return what is watched now: every folder of the project, and those of what was added."""
        found: dict[Path, None] = {self.file.parent: None}
        for place in (*self._more, self.root):
            for folder in [place.parent] if place.is_file() else folders(place):
                found[folder] = None
        return list(found)[:FOLDERS]


def project_of(file: Path) -> Path:
    """Return where a file's project begins."""
    home = Path.home()
    for folder in file.parents:
        if folder == home or folder.parent == folder:
            break
        if any((folder / mark).is_file() for mark in _MARKS):
            return folder
    return file.parent


def folders(root: Path) -> Iterator[Path]:
    """Yield a folder and those inside it, nearest first, without environments, caches and hidden ones."""
    level = [root]
    while level:
        below: list[Path] = []
        for folder in level:
            yield folder
            # A home or a whole disk is nobody's project: what lies beside the file has to do.
            if folder != Path.home() and folder.parent != folder:
                below += _inside(folder)
        level = below


def _inside(folder: Path) -> list[Path]:
    try:
        with os.scandir(folder) as entries:
            found = [Path(entry.path) for entry in entries if entry.is_dir(follow_symlinks=False)]
    except OSError:
        return []
    return sorted(path for path in found if _worth_a_look(path))


def _worth_a_look(folder: Path) -> bool:
    hidden = folder.name.startswith(".") or folder.name in _SKIPPED
    return not hidden and not (folder / "pyvenv.cfg").exists()
