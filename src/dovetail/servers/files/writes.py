"""Tools that change files. They are offered unless the server is read-only; `beneath` refuses them then, too."""

import asyncio
import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, TypeVar

from msgspec import Meta

from dovetail import Context, ToolError
from dovetail.servers.files.beneath import NoParent, Stamp
from dovetail.servers.files.editing import Edit, apply, diff
from dovetail.servers.files.places import Place
from dovetail.servers.files.reading import as_text, read_bytes
from dovetail.servers.files.site import Site
from dovetail.servers.files.trouble import explain, explained

T = TypeVar("T")
_BOM = b"\xef\xbb\xbf"


@dataclass
class Written:
    """A file that was written.

    Attributes:
        path: Of the file.
        uri: Of the resource.
        size: Bytes that it has now.
        created: It is new.
    """

    path: str
    uri: str
    size: int
    created: bool


@dataclass
class Done:
    """What was done.

    Attributes:
        path: Where.
        changed: False when it was so already.
    """

    path: str
    changed: bool


class Writes:
    """The tools."""

    def __init__(self, site: Site) -> None:
        self._site = site
        self._most = site.settings.max_write

    async def write_file(self, path: str, content: str, ctx: Context) -> Written:
        """Write a whole text file: a new one, or in place of the one that is there, whose contents are lost.

        The file changes at once, or not at all. To change a part of a file use edit_file. The directory must be there:
        see create_directory.

        Args:
            path: Of the file: absolute, or relative to the first allowed directory.
            content: All that shall stand in it, written as UTF-8.
        """
        place = await self._site.place(path, ctx)
        data = self._encoded(content)
        created = await self._change(path, lambda: place.root.write(place.steps, data))
        await self._site.tell(ctx, place)
        return Written(place.shown, place.uri, len(data), created)

    def _encoded(self, text: str) -> bytes:
        data = text.encode("utf-8", "surrogatepass")
        if len(data) > self._most:
            raise ToolError(f"The content has {len(data)} bytes; {self._most} are the limit. Write several files.")
        return data

    async def _change(self, path: str, change: Callable[[], T]) -> T:
        """Change something in a thread, one change at a time."""

        def alone() -> T:
            with self._site.writing, explained(path):
                return change()

        return await asyncio.to_thread(alone)

    async def edit_file(
        self,
        path: str,
        edits: Annotated[list[Edit], Meta(min_length=1, max_length=200)],
        ctx: Context,
        dry_run: bool = False,
    ) -> str:
        """Replace parts of a text file, and return what changed as a unified diff.

        All edits are made, one after the other, or none. Each old_text must stand in the file exactly once, unless it
        says everywhere. Line ends stay as they are in the file. If somebody else changes the file meanwhile, nothing is
        written.

        Args:
            path: Of the file: absolute, or relative to the first allowed directory.
            edits: What to replace by what.
            dry_run: Change nothing; only return the diff.
        """
        place = await self._site.place(path, ctx)
        text = await self._change(path, lambda: self._edit(place, edits, dry_run))
        if not text:
            return "Nothing changed: the edits leave the file as it is."
        if dry_run:
            return f"{text}\nNothing was written: this was a dry run."
        await self._site.tell(ctx, place)
        return text

    def _edit(self, place: Place, edits: list[Edit], dry_run: bool) -> str:
        file, found = place.root.open(place.steps)
        try:
            data = read_bytes(file, 0, self._most + 1)
        finally:
            os.close(file)
        if len(data) > self._most:
            raise ToolError(f"The file has {found.st_size} bytes; {self._most} are the limit for an edit.")
        old = as_text(data)
        new = apply(old, edits)
        if new != old and not dry_run:
            mark = _BOM if data.startswith(_BOM) else b""
            place.root.write(place.steps, mark + self._encoded(new), Stamp.of(found))
        return diff(old, new, place.shown.lstrip("/"), self._site.settings.max_read)

    async def create_directory(self, path: str, ctx: Context) -> Done:
        """Make a directory, with those above it that are missing. It is no error when it is there already.

        Args:
            path: Of the directory: absolute, or relative to the first allowed directory.
        """
        place = await self._site.place(path, ctx)
        made = await self._change(path, lambda: place.root.make_directory(place.steps))
        if made:
            await self._site.tell(ctx, place)
        return Done(place.shown, made)

    async def move_file(self, source: str, destination: str, ctx: Context) -> Done:
        """Move or rename a file or a directory. Nothing is ever replaced: the destination must not be there yet.

        Args:
            source: What to move: absolute, or relative to the first allowed directory.
            destination: Its new path, with its new name; the directory that it lies in must be there.
        """
        old = await self._site.place(source, ctx)
        new = await self._site.place(destination, ctx)
        shown = f"{source} -> {destination}"

        def move() -> None:
            try:
                old.root.move(old.steps, new.root, new.steps)
            except FileNotFoundError as missing:
                raise explain(missing, destination if isinstance(missing, NoParent) else source) from None

        await self._change(shown, move)
        await self._site.tell(ctx, old, new, below=True)
        return Done(new.shown, True)

    async def delete_file(self, path: str, ctx: Context) -> Done:
        """Delete a file, a symbolic link (not what it leads to), or an empty directory. It cannot be undone.

        Args:
            path: What to delete: absolute, or relative to the first allowed directory.
        """
        place = await self._site.place(path, ctx)
        await self._change(path, lambda: place.root.remove(place.steps))
        await self._site.tell(ctx, place)
        return Done(place.shown, True)
