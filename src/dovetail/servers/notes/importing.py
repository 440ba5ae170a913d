"""Taking in the Markdown files of another folder, which is only read.

Invariants: no link is followed there, nothing that is here is changed, and the same folder taken in again adds nothing.
"""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from dovetail.errors import ToolError, UnsafePath
from dovetail.servers.notes.descriptors import DIRECTORY, ROOT, read_file
from dovetail.servers.notes.names import MOST_STEPS, importable, is_folder, tamed
from dovetail.servers.notes.notebook import Notebook
from dovetail.servers.notes.records import Taken

_TOLD: Final = 200
"""Files that one answer names."""


def take_in(notebook: Notebook, source: Path, into: str) -> Taken:
    """Copy the Markdown files of a folder as notes.

    Args:
        notebook: Where to.
        source: The folder.
        into: A folder of notes, or empty.

    Raises:
        ToolError: The folder cannot be read, or `into` is no name of a folder.
    """
    if not is_folder(into):
        raise ToolError("into: this cannot be the name of a folder; leave it out, or use plain words with / between.")
    taken = Taken([], 0)
    most = notebook.settings.max_bytes
    for steps, data in Source(source, notebook.settings.max_notes).files(most):
        shown = "/".join(steps)
        if isinstance(data, str):
            taken.skipped[shown] = data
            continue
        _take(notebook, taken, shown, steps, data, into)
    for told in (taken.renamed, taken.skipped):
        for name in list(told)[_TOLD:]:
            del told[name]
    taken.created = taken.created[:_TOLD]
    return taken


def _take(notebook: Notebook, taken: Taken, shown: str, steps: list[str], data: bytes, into: str) -> None:
    try:
        text = data.decode()
    except UnicodeDecodeError:
        taken.skipped[shown] = "not UTF-8"
        return
    base = "/".join(filter(None, (into, tamed(steps))))
    for number in range(1, 100):
        name = base if number == 1 else f"{base} ({number})"
        try:
            if notebook.read(name)[0] == text:
                taken.unchanged += 1
                return
            if number == 1 and tamed(steps) == shown.rpartition(".")[0]:
                taken.skipped[shown] = "there is another note of that name"
                return
        except ToolError:
            break
    try:
        notebook.create(name, text)
    except (ToolError, UnsafePath) as error:
        taken.skipped[shown] = str(error)[:200]
        return
    taken.created.append(name)
    if name != "/".join(filter(None, (into, shown.rpartition(".")[0]))):
        taken.renamed[shown] = name


class Source:
    """Another folder, whose Markdown files are read, and no link in it.

    Args:
        root: The folder.
        most: Files that are looked at.
    """

    def __init__(self, root: Path, most: int) -> None:
        self._root = root
        self._left = most

    def files(self, most: int) -> Iterator[tuple[list[str], bytes | str]]:
        """Read each file; of one that cannot be read, why.

        Raises:
            ToolError: The folder cannot be read.
        """
        try:
            root = os.open(self._root, ROOT)
        except OSError:
            raise ToolError("The folder to import cannot be read; ask the user to look at it.") from None
        try:
            yield from self._below(root, [], most)
        finally:
            os.close(root)

    def _below(self, directory: int, steps: list[str], most: int) -> Iterator[tuple[list[str], bytes | str]]:
        with os.scandir(directory) as entries:
            found = sorted((entry for entry in entries if not entry.name.startswith(".")), key=lambda entry: entry.name)
        for entry in found:
            here = [*steps, entry.name]
            if entry.is_dir(follow_symlinks=False) and len(steps) < MOST_STEPS:
                yield from self._inside(directory, here, most)
            elif importable(entry.name):
                self._left -= 1
                if self._left < 0:
                    yield here, "too many files"
                    return
                yield here, _attempt(directory, entry.name, most)

    def _inside(self, directory: int, steps: list[str], most: int) -> Iterator[tuple[list[str], bytes | str]]:
        try:
            below = os.open(steps[-1], DIRECTORY, dir_fd=directory)
        except OSError:
            yield steps, "a folder that cannot be read"
            return
        try:
            yield from self._below(below, steps, most)
        finally:
            os.close(below)


def _attempt(directory: int, name: str, most: int) -> bytes | str:
    try:
        return read_file(directory, name, most)[0]
    except UnsafePath:
        return "a link, or no regular file"
    except ToolError:
        return f"larger than {most:,} bytes"
    except OSError:
        return "cannot be read"
