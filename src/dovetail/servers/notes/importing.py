"""Taking in the Markdown files of another folder, which is only read.

Invariants: no link is followed there, nothing that is here is changed, and the same folder taken in again adds nothing:
where it holds the notes, or the folder that they come into, those are left out.
"""

import os
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Final

from dovetail.errors import ToolError, UnsafePath
from dovetail.servers.notes.descriptors import DIRECTORY, ROOT, read_file
from dovetail.servers.notes.names import MOST_STEPS, importable, is_folder, shown, tamed
from dovetail.servers.notes.notebook import Notebook
from dovetail.servers.notes.records import Taken

_TOLD: Final = 200
"""Files that one answer names."""
_TOLD_SECONDS: Final = 1.0
_COUNTED_SECONDS: Final = 1.0
"""Between two looks how many notes other processes have made."""


def take_in(
    notebook: Notebook, source: Path, into: str, tell: Callable[[int], None], stopped: Callable[[], bool]
) -> Taken:
    """Copy the Markdown files of a folder as notes.

    Args:
        notebook: Where to.
        source: The folder.
        into: A folder of notes, or empty.
        tell: Hears about every second how many files were looked at.
        stopped: Tells whether to stop before the next file; what was taken in stays.

    Raises:
        ToolError: The folder cannot be read, or `into` is no name of a folder.
    """
    if not is_folder(into):
        raise ToolError("into: this cannot be the name of a folder; leave it out, or use plain words with / between.")
    taken = Taken([], 0)
    taking = _Taking(notebook, taken, into)
    root = notebook.folder.root
    due = time.monotonic() + _TOLD_SECONDS
    try:
        found = Source(source, notebook.settings.max_notes, (root, root / into)).files(notebook.settings.max_bytes)
        for number, (steps, data) in enumerate(found, 1):
            if stopped():
                break
            taking.take(steps, data)
            if time.monotonic() > due:
                tell(number)
                due = time.monotonic() + _TOLD_SECONDS
    finally:
        if taken.created:
            notebook.changed()
    for told in (taken.renamed, taken.skipped):
        for name in list(told)[_TOLD:]:
            del told[name]
    taken.created = taken.created[:_TOLD]
    return taken


class _Taking:
    """Takes in one file after the other. What other processes add is counted now and then, not for each."""

    def __init__(self, notebook: Notebook, taken: Taken, into: str) -> None:
        self._notebook = notebook
        self._taken = taken
        self._into = into
        self._elsewhere = notebook.made_elsewhere()
        self._due = time.monotonic() + _COUNTED_SECONDS

    def _count(self) -> None:
        if time.monotonic() > self._due:
            with suppress(ToolError):
                self._elsewhere = self._notebook.made_elsewhere()
            self._due = time.monotonic() + _COUNTED_SECONDS

    def take(self, steps: list[str], data: bytes | str) -> None:
        """Take a file in, or say why not."""
        taken, path = self._taken, shown(steps)
        try:
            text = data if isinstance(data, str) else data.decode()
        except UnicodeDecodeError:
            text = data = "not UTF-8"
        if isinstance(data, str):
            taken.skipped[path] = text
            return
        name = self._free(steps, text)
        if name is None:
            return
        self._count()
        try:
            self._notebook.create_among(self._elsewhere, name, text)
        except (ToolError, UnsafePath) as error:
            if self._here(name, text):  # somebody else took it in at this moment
                taken.unchanged += 1
            else:
                taken.skipped[path] = str(error)[:200]
            return
        taken.created.append(name)
        if name != "/".join(filter(None, (self._into, path.rpartition(".")[0]))):
            taken.renamed[path] = name

    def _here(self, name: str, text: str) -> bool:
        with suppress(ToolError, UnsafePath):
            return self._notebook.read(name)[0] == text
        return False

    def _free(self, steps: list[str], text: str) -> str | None:
        """Return the name for a file; None where it is here already, or another note of that name is."""
        path, plain = shown(steps), tamed(steps)
        name = base = "/".join(filter(None, (self._into, plain)))
        for number in range(2, 101):
            try:
                if self._notebook.read(name)[0] == text:
                    self._taken.unchanged += 1
                    return None
                if number == 2 and plain == path.rpartition(".")[0]:
                    self._taken.skipped[path] = "there is another note of that name"
                    return None
            except ToolError:
                break
            name = f"{base} ({number})"
        return name


class Source:
    """Another folder, whose Markdown files are read, and no link in it.

    Args:
        root: The folder.
        most: Files that are looked at.
        but: Folders that are left out, whether they are there yet or come to be meanwhile.
    """

    def __init__(self, root: Path, most: int, but: tuple[Path, ...] = ()) -> None:
        self._root = root
        self._left = most
        self._but = but

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
            if not self._left_out(below):
                yield from self._below(below, steps, most)
        finally:
            os.close(below)

    def _left_out(self, directory: int) -> bool:
        found = os.fstat(directory)
        for path in self._but:
            with suppress(OSError):
                if os.path.samestat(found, os.stat(path)):
                    return True
        return False


def _attempt(directory: int, name: str, most: int) -> bytes | str:
    try:
        return read_file(directory, name, most)[0]
    except UnsafePath:
        return "a link, or no regular file"
    except ToolError:
        return f"larger than {most:,} bytes"
    except OSError:
        return "cannot be read"
