"""The notes of one process: what may be done with them, by name.

Invariants: a note is changed or deleted only by who has read it as it is, by its revision; the revision is a digest of
its bytes, and is compared while the folder's lock is held. What is remembered of a text is dropped when its file is
another one. Every failure is a `ToolError` that says what to do, and holds no path outside the folder. All blocks.
"""

import errno
import os
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from hashlib import sha256
from typing import Final

import msgspec

from dovetail.errors import ToolError, UnsafePath, quote
from dovetail.servers.notes.descriptors import Found
from dovetail.servers.notes.folder import Folder, Scan
from dovetail.servers.notes.frontmatter import About, about, below, front_matter
from dovetail.servers.notes.names import steps_of, uri_of
from dovetail.servers.notes.records import Listed, Written
from dovetail.servers.notes.searching import folded
from dovetail.servers.notes.settings import Settings

REMEMBERED: Final = 64 * 1024 * 1024
"""Characters of texts that are remembered for searching."""


class Indexed(msgspec.Struct, frozen=True):
    """What is remembered of a note.

    Attributes:
        found: The file that it was read from.
        about: What it says of itself.
        text: Its text, as it is compared.
    """

    found: Found
    about: About
    text: str


class Notebook:
    """Notes in a folder.

    Args:
        folder: The folder.
        settings: The settings.
    """

    def __init__(self, folder: Folder, settings: Settings) -> None:
        self.folder = folder
        self.settings = settings
        self.changed: Callable[[], None] = _nothing
        """Called in the writer's thread after a write."""
        self._remembering = threading.Lock()
        self._remembered: OrderedDict[str, Indexed] = OrderedDict()
        self._held = 0
        self._made = 0
        """Notes that were made here; changed while the folder's lock is held."""

    def __repr__(self) -> str:
        return f"<Notebook {self.folder.root.name}>"

    # Reading.

    def scan(self) -> Scan:
        """Look what notes there are."""
        with _told(""):
            return self.folder.scan()

    def read(self, name: str) -> tuple[str, str]:
        """Return the text of a note and its revision.

        Raises:
            ToolError: There is none of that name, or it cannot be read.
        """
        with _told(name):
            data, _ = self.folder.read(steps_of(name), self.settings.max_bytes)
        return _text(data, name), revision_of(data)

    def listed(self, name: str, found: Found) -> Listed:
        """Describe a note."""
        known = self.indexed(name, found)
        return Listed(
            name=name,
            uri=uri_of(name),
            modified=datetime.fromtimestamp(found.modified / 1e9, UTC).isoformat(timespec="seconds"),
            bytes=found.size,
            title=known.about.title,
            tags=list(known.about.tags),
        )

    def indexed(self, name: str, found: Found) -> Indexed:
        """Return what a note says, from memory if its file is the same; nothing of one that cannot be read."""
        with self._remembering:
            known = self._remembered.get(name)
            if known is not None and known.found == found:
                self._remembered.move_to_end(name)
                return known
        try:
            data, now = self.folder.read(steps_of(name), self.settings.max_bytes)
            text = data.decode()
        except (OSError, UnicodeDecodeError, ToolError, UnsafePath):
            return Indexed(found, About(), "")
        fresh = Indexed(now, about(text), folded(text))
        self._remember(name, fresh)
        return fresh

    def _remember(self, name: str, fresh: Indexed) -> None:
        with self._remembering:
            old = self._remembered.pop(name, None)
            self._held += len(fresh.text) - (0 if old is None else len(old.text))
            self._remembered[name] = fresh
            while self._held > REMEMBERED:
                _, dropped = self._remembered.popitem(last=False)
                self._held -= len(dropped.text)

    # Writing.

    def create(self, name: str, text: str) -> Written:
        """Make a note.

        Raises:
            ToolError: There is one of that name already, or it cannot be.
        """
        data, steps = self._data(text), self._steps(name)
        with self._writing(name):
            self._room(len(self.folder.scan().notes))
            self.folder.create(steps, data)
            self._made += 1
        return self._done(steps, data)

    def made_elsewhere(self) -> int:
        """Return how many notes there are, but for those that were made here: for `create_among`."""
        with self._writing(""):
            return len(self.folder.scan().notes) - self._made

    def create_among(self, elsewhere: int, name: str, text: str) -> None:
        """Make one of many notes without a look how many there are; who makes them calls `changed` in the end.

        Args:
            elsewhere: As `made_elsewhere` told.
            name: Its name.
            text: Its text.

        Raises:
            ToolError: As `create`.
        """
        data, steps = self._data(text), self._steps(name)
        with self._writing(name):
            self._room(elsewhere + self._made)
            self.folder.create(steps, data)
            self._made += 1

    def _room(self, count: int) -> None:
        if count >= self.settings.max_notes:
            raise ToolError(f"There are {self.settings.max_notes:,} notes already (--max-notes); delete some first.")

    def update(self, name: str, text: str, revision: str, *, keep_front_matter: bool) -> Written:
        """Replace the text of a note.

        Raises:
            ToolError: It is not what the caller read any more, or is not there.
        """
        steps, note = self._steps(name), ""
        with self._writing(name):
            old = self._unchanged(steps, revision)
            above = front_matter(_text(old, name)) if keep_front_matter and not front_matter(text) else ""
            if above:
                text, note = below(above, text), "The front matter was kept as it was."
            data = self._data(text)
            self.folder.replace(steps, data)
        return self._done(steps, data, note)

    def append(self, name: str, text: str) -> Written:
        """Add to the end of a note, on a line of its own; nobody's change is lost, whatever it is now."""
        steps = self._steps(name)
        with self._writing(name):
            old, _ = self.folder.read(steps, self.settings.max_bytes)
            before = _text(old, name)
            line = "" if not before or before.endswith("\n") else "\n"
            data = self._data(f"{before}{line}{text}")
            self.folder.replace(steps, data)
        return self._done(steps, data)

    def delete(self, name: str, revision: str) -> None:
        """Delete a note.

        Raises:
            ToolError: It is not what the caller read any more, or is not there.
        """
        steps = self._steps(name)
        with self._writing(name):
            self._unchanged(steps, revision)
            self.folder.delete(steps)
        self.changed()

    def _unchanged(self, steps: list[str], revision: str) -> bytes:
        data, _ = self.folder.read(steps, self.settings.max_bytes)
        if revision_of(data) != revision:
            raise ToolError(
                "The note was changed since you read it; nothing was written. Read it again with read_note, put your"
                " change into what it says now, and use the new revision."
            )
        return data

    def _steps(self, name: str) -> list[str]:
        if self.settings.read_only:
            raise ToolError("These notes are read-only; nothing was written.")
        return steps_of(name)

    def _data(self, text: str) -> bytes:
        data = text.encode()
        if len(data) > self.settings.max_bytes:
            raise ToolError(
                f"A note may have {self.settings.max_bytes:,} bytes (--max-bytes); nothing was written. Make several."
            )
        if "\0" in text:
            raise ToolError("A note is text, and holds no NUL; nothing was written.")
        return data

    @contextmanager
    def _writing(self, name: str) -> Iterator[None]:
        with _told(name), self.folder.writing():
            yield

    def _done(self, steps: list[str], data: bytes, note: str = "") -> Written:
        self.changed()
        name = "/".join(steps).removesuffix(".md")
        return Written(name=name, uri=uri_of(name), revision=revision_of(data), note=note)


def _nothing() -> None:
    """Hear of nothing."""


def revision_of(data: bytes) -> str:
    """Return what tells one state of a note from any other."""
    return sha256(data).hexdigest()[:32]


def _text(data: bytes, name: str) -> str:
    try:
        return data.decode()
    except UnicodeDecodeError:
        raise ToolError(f"{quote(name, 120)} is not UTF-8, and cannot be shown or changed here.") from None


@contextmanager
def _told(name: str) -> Iterator[None]:
    """Put what the system says into words; its own hold paths."""
    try:
        yield
    except FileNotFoundError:
        raise ToolError(
            f"There is no note {quote(name, 120)}. Look with list_notes or search_notes, or make it with create_note."
        ) from None
    except FileExistsError:
        raise ToolError(
            f"There is something at {quote(name, 120)} already; nothing was written. Read it with read_note and change"
            " it with update_note, or choose another name."
        ) from None
    except UnsafePath as error:
        raise ToolError(f"{error.message}; nothing was read or written. Choose another name.") from None
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise ToolError("The disk is full; nothing was written.") from None
        said = os.strerror(error.errno) if error.errno else "an error of the system"
        raise ToolError(f"The notes cannot be reached ({said}); ask their owner to look at the folder.") from None
