"""Tools that read files. Small files are read in the event loop, larger ones in a thread: the figures say so."""

import asyncio
import base64
import mimetypes
import os
import stat
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Final

from msgspec import Meta

from dovetail import Audio, Context, File, Image, ToolError
from dovetail.errors import UnsafePath
from dovetail.servers.files.places import Place
from dovetail.servers.files.reading import Lines, last_lines, lines_between, read_bytes, whole
from dovetail.servers.files.site import Site
from dovetail.servers.files.trouble import explain, explained
from dovetail.servers.files.walking import Kind, when
from dovetail.wire import CallToolResult, ContentBlock, TextContent

IN_PLACE: Final = 64 * 1024
"""Bytes up to which a file is read without a thread: handing over costs more than the reading."""
_TEXTUAL: Final = ("application/json", "application/xml", "application/yaml", "application/toml")
_KINDS: Final = {stat.S_IFREG: "file", stat.S_IFDIR: "directory", stat.S_IFLNK: "link"}

Count = Annotated[int, Meta(ge=1)]


@dataclass
class Chunk:
    """Some bytes of a file.

    Attributes:
        path: Of the file.
        size: Of the whole file, in bytes.
        offset: Where these bytes begin.
        length: How many there are.
        next_offset: Where to go on; null at the end of the file.
        base64: The bytes.
    """

    path: str
    size: int
    offset: int
    length: int
    next_offset: int | None
    base64: str


@dataclass
class Info:
    """What is known of a file or directory.

    Attributes:
        path: As it was asked for.
        uri: Of the resource, to read or subscribe to.
        kind: What it is; a link is never followed.
        size: Bytes; of files only.
        mime_type: By the ending of the name; of files only.
        modified: When the contents last changed.
        accessed: When somebody last read it, as far as the system notes that.
        permissions: As `ls` shows them.
        links: How many names it has.
    """

    path: str
    uri: str
    kind: Kind
    size: int | None
    mime_type: str | None
    modified: datetime
    accessed: datetime
    permissions: str
    links: int


class Reads:
    """The tools."""

    def __init__(self, site: Site) -> None:
        self._site = site
        self._most = site.settings.max_read

    async def read_text_file(
        self,
        path: str,
        ctx: Context,
        head: Count | None = None,
        tail: Count | None = None,
        first_line: Count | None = None,
        last_line: Count | None = None,
    ) -> CallToolResult:
        """Read a UTF-8 text file: all of it, or some of its lines.

        Returns the text exactly as it stands in the file. When it is longer than the server returns at a time, a second
        text says where it was cut and what to ask for next. For pictures, sounds and other files use read_media_file.

        Args:
            path: Of the file: absolute, or relative to the first allowed directory.
            head: Only so many lines from the beginning.
            tail: Only so many lines from the end.
            first_line: Only lines from this one on, counted from 1.
            last_line: Only lines up to this one, itself included.
        """
        place = await self._site.place(path, ctx)
        if (head is not None) + (tail is not None) + (first_line is not None or last_line is not None) > 1:
            raise ToolError("Ask for head, or for tail, or for first_line and last_line; not for several at once.")
        if first_line is not None and last_line is not None and last_line < first_line:
            raise ToolError("last_line: expected a line that is not before first_line")
        try:
            file, found = place.root.open(place.steps)
        except (OSError, UnsafePath) as failure:
            raise explain(failure, path) from None
        try:
            if found.st_size <= IN_PLACE:
                lines = self._lines(file, found.st_size, first_line or 1, head or last_line, tail)
            else:
                lines = await asyncio.to_thread(
                    self._lines, file, found.st_size, first_line or 1, head or last_line, tail
                )
        finally:
            os.close(file)
        texts: list[ContentBlock] = [TextContent(text=lines.text)]
        if lines.note:
            texts.append(TextContent(text=f"[{lines.note}]"))
        return CallToolResult(content=texts)  # made by hand: nothing has to be found out of what is returned

    def _lines(self, file: int, size: int, first: int, last: int | None, tail: int | None) -> Lines:
        if tail is not None:
            return last_lines(file, size, tail, self._most)
        if first == 1 and last is None:
            return whole(file, size, self._most)
        return lines_between(file, first, last, self._most)

    async def read_media_file(self, path: str, ctx: Context) -> list[Image | Audio | File]:
        """Read a whole file that is no text: a picture, a sound, or any other file as an embedded resource.

        What it is is told by the ending of its name. Larger files than the server returns at a time are refused; read
        them in parts with read_binary_file.

        Args:
            path: Of the file: absolute, or relative to the first allowed directory.
        """
        place = await self._site.place(path, ctx)
        data = await asyncio.to_thread(self._all, place, path)
        kind = mime_type_of(place.name)
        if kind.startswith("image/"):
            return [Image(data, kind)]
        if kind.startswith("audio/"):
            return [Audio(data, kind)]
        return [File(data, kind, name=place.name, uri=place.uri)]

    def _all(self, place: Place, path: str) -> bytes:
        with explained(path):
            file, found = place.root.open(place.steps)
            try:
                data = read_bytes(file, 0, self._most + 1)
            finally:
                os.close(file)
        if len(data) > self._most:
            raise ToolError(
                f"The file has {found.st_size} bytes, more than the {self._most} that are returned at a time. "
                "Read it in parts with read_binary_file."
            )
        return data

    async def read_binary_file(
        self,
        path: str,
        ctx: Context,
        offset: Annotated[int, Meta(ge=0)] = 0,
        length: Annotated[int, Meta(ge=1, le=1 << 20)] = 4096,
    ) -> Chunk:
        """Read some bytes of any file, in base64; to look into a format, or to read a large file in parts.

        Args:
            path: Of the file: absolute, or relative to the first allowed directory.
            offset: The first byte, counted from 0.
            length: How many bytes at most.
        """
        place = await self._site.place(path, ctx)
        length = min(length, self._most)

        def read() -> Chunk:
            with explained(path):
                file, found = place.root.open(place.steps)
                try:
                    data = read_bytes(file, offset, length)
                finally:
                    os.close(file)
            end = offset + len(data)
            following = end if data and end < found.st_size else None
            return Chunk(place.shown, found.st_size, offset, len(data), following, base64.b64encode(data).decode())

        return await asyncio.to_thread(read)

    async def read_multiple_files(
        self, paths: Annotated[list[str], Meta(min_length=1, max_length=100)], ctx: Context
    ) -> list[TextContent]:
        """Read several text files in one call: one text each, with the path on its first line.

        A file that cannot be read has its error there, and the others are read all the same. What is returned in all is
        limited; files beyond that are named, to be asked for again.

        Args:
            paths: Of the files, each absolute or relative to the first allowed directory.
        """
        places: list[Place | ToolError] = []
        for path in paths:
            try:
                places.append(await self._site.place(path, ctx))
            except ToolError as failure:
                places.append(failure)
        return await asyncio.to_thread(self._several, paths, places)

    def _several(self, paths: list[str], places: list[Place | ToolError]) -> list[TextContent]:
        texts: list[TextContent] = []
        left = self._most
        for path, place in zip(paths, places, strict=True):
            said = "Error: "
            if isinstance(place, ToolError):
                said += str(place)
            else:
                try:
                    lines = self._one(place, path, left)
                    left -= len(lines.text.encode())
                    said = lines.text + (f"\n[{lines.note}]" if lines.note else "")
                except ToolError as failure:
                    said += str(failure)
            texts.append(TextContent(text=f"{path}:\n{said}"))
        return texts

    def _one(self, place: Place, path: str, left: int) -> Lines:
        with explained(path):
            file, found = place.root.open(place.steps)
            try:
                if found.st_size > left and left < self._most:
                    raise ToolError("the limit of bytes in one call is reached. Ask for this file again, alone.")
                return whole(file, found.st_size, max(left, 1))
            finally:
                os.close(file)

    async def get_file_info(self, path: str, ctx: Context) -> Info:
        """Tell the kind, size, times and permissions of a file or directory, and its URI as a resource.

        Args:
            path: Absolute, or relative to the first allowed directory.
        """
        place = await self._site.place(path, ctx)
        with explained(path):
            found = place.root.stat(place.steps)
        kind: Kind = _KINDS.get(stat.S_IFMT(found.st_mode), "other")  # type: ignore[assignment]
        return Info(
            path=place.shown,
            uri=place.uri,
            kind=kind,
            size=found.st_size if kind == "file" else None,
            mime_type=mime_type_of(place.name) if kind == "file" else None,
            modified=when(found.st_mtime),
            accessed=when(found.st_atime),
            permissions=stat.filemode(found.st_mode),
            links=found.st_nlink,
        )


def mime_type_of(name: str) -> str:
    """Return what a file is by the ending of its name."""
    found, encoding = mimetypes.guess_type(name, strict=False)
    if encoding is not None:
        return "application/gzip" if encoding == "gzip" else "application/octet-stream"
    return found or "application/octet-stream"


def textual_type(data: bytes, name: str) -> str:
    """Return what a file is: what is UTF-8, but of no type that is known for text, is plain text."""
    found = mime_type_of(name)
    if found.startswith("text/") or found in _TEXTUAL:
        return found
    try:
        data.decode()
    except UnicodeDecodeError:
        return found
    return "text/plain" if found == "application/octet-stream" or found.startswith("application/x-") else found
