"""Resources, their completion, and the prompt: files as a person picks them in a client."""

import asyncio
import os
import re
from dataclasses import dataclass
from typing import Annotated, Any, Final
from urllib.parse import quote as percent
from urllib.parse import unquote

import msgspec

from dovetail import Complete, Context, File, Server
from dovetail.errors import InvalidParams, ResourceNotFound, UnsafePath
from dovetail.servers.files.names import below, uri_of, visible
from dovetail.servers.files.places import Place
from dovetail.servers.files.reading import read_bytes
from dovetail.servers.files.reads import textual_type
from dovetail.servers.files.site import Site
from dovetail.servers.files.trouble import explained
from dovetail.servers.files.walking import Budget, Entry, described, scan, tree

_SUGGESTED: Final = 1_000
_LISTED: Final = 5_000
_TOUR: Final = 400
_README: Final = 20_000
_SPECIAL: Final = re.compile(r"[%?#]")
_ENCODED: Final = re.compile(r"%(25|3F|23)", re.IGNORECASE)
_BESIDE: Final = ("README.md", "README", "README.rst", "README.txt", "readme.md")


@dataclass
class Folder:
    """A directory as a resource.

    Attributes:
        uri: Its own.
        entries: What lies in it; each is read under `uri`, a slash and its name.
        complete: False when there is more.
    """

    uri: str
    entries: list[Entry]
    complete: bool


class Views:
    """What is offered besides the tools."""

    def __init__(self, site: Site) -> None:
        self._site = site

    def offer(self, server: Server) -> None:
        """Offer all of it."""
        path = Annotated[str, Complete(self._paths)]
        where = Annotated[str, Complete(self._directories)]

        async def file(path: path, ctx: Context) -> File:
            """A file by its absolute path, or what lies in a directory. Subscribe to hear when it changes."""
            return await self.read("/" + str(path), ctx)

        async def directories(ctx: Context) -> dict[str, Any]:
            """The directories that may be used."""
            roots = await self._site.roots(ctx)
            return {"directories": [{"path": root.path, "uri": uri_of(root.path)} for root in roots.items]}

        async def explain_directory(ctx: Context, path: where = ".") -> str:
            """Explain what a directory holds: its tree and its README go along.

            Args:
                path: Of the directory: absolute, or relative to the first allowed directory.
            """
            return await self.explain(str(path), ctx)

        server.add_resource(
            "file:///{+path}",
            file,
            name="file",
            title="A file or a directory",
            any_path=True,  # `Site.place` judges it
        )
        server.add_resource(
            "files://directories", directories, title="Directories that may be used", mime_type="application/json"
        )
        server.add_prompt(explain_directory, title="Explain a directory")

    async def read(self, path: str, ctx: Context) -> File:
        """Return a file's contents, or a directory's as JSON.

        Raises:
            ResourceNotFound: It is not there, or lies outside the roots: which of them is not told.
        """
        roots = await self._site.roots(ctx)
        uri = uri_of(path)
        try:
            place = roots.place(path)
            return await asyncio.to_thread(self._read, place, uri)
        except (OSError, UnsafePath):
            raise ResourceNotFound(uri) from None

    def _read(self, place: Place, uri: str) -> File:
        try:
            file, found = place.root.open(place.steps)
        except IsADirectoryError:
            return self._folder(place, uri)
        try:
            most = self._site.settings.max_read
            data = read_bytes(file, 0, most + 1)
        finally:
            os.close(file)
        if len(data) > most:
            raise InvalidParams(
                f"The file has {found.st_size} bytes; as a resource at most {most} are read. Use read_text_file."
            )
        return File(data, textual_type(data, place.name), name=place.name, uri=uri)

    def _folder(self, place: Place, uri: str) -> File:
        with place.root.directory(place.steps) as held:
            found = scan(held)
            entries = [entry for one in found[:_LISTED] if (entry := described(one))]
        folder = Folder(place.uri, entries, len(found) <= _LISTED)
        return File(msgspec.json.encode(folder), "application/json", name=place.name, uri=uri)

    async def explain(self, path: str, ctx: Context) -> str:
        """Return the prompt's text."""
        place = await self._site.place(path, ctx)

        def look() -> str:
            with explained(path):
                drawn = tree(place, 3, (), Budget(_TOUR, 5.0))
            return drawn + self._readme(place)

        drawn = await asyncio.to_thread(look)
        return (
            f"Explain what {place.shown} holds and how its parts belong together. Read the files that you need with "
            f"read_text_file and search_text; say which ones you read.\n\n{drawn}"
        )

    def _readme(self, place: Place) -> str:
        for name in _BESIDE:
            there = place.under(name)
            try:
                file, _ = there.root.open(there.steps)
            except (OSError, UnsafePath):
                continue
            try:
                text = read_bytes(file, 0, _README).decode("utf-8", "replace")
            finally:
                os.close(file)
            return f"\n\n{there.shown} begins:\n\n{text}"
        return ""

    # Completion. Nobody can be asked for roots here: those of the client are known once it has called a tool.

    def _paths(self, typed: str) -> list[str]:
        """Suggest absolute paths without their first slash, as they stand in the template's URI.

        What means something else there is percent-encoded; the rest is written as people read it.
        """
        plain = _ENCODED.sub(lambda found: unquote(found[0]), typed)
        found = self._suggested("/" + plain.lstrip("/"), files=True)
        return [_SPECIAL.sub(lambda one: percent(one[0]), path[1:]) for path in found]

    def _directories(self, typed: str) -> list[str]:
        """Suggest directories, absolute, or relative to the first root."""
        roots = self._site.known
        if typed.startswith("/") or roots is None:
            return self._suggested(typed or "/", files=False)
        first = roots.items[0].path
        found = self._suggested(os.path.join(first, typed), files=False)
        return [rest for path in found if (rest := below(path, first)) is not None and rest.startswith(typed)]

    def _suggested(self, typed: str, *, files: bool) -> list[str]:
        roots = self._site.known
        if roots is None:
            return []
        above, _, begun = typed.rpartition("/")
        try:
            place = roots.place(above or "/")
            with place.root.directory(place.steps) as held:
                entries = [entry for entry in scan(held) if entry.name.startswith(begun)][:_SUGGESTED]
                folders = {entry.name for entry in entries if entry.is_dir(follow_symlinks=False)}
        except (OSError, UnsafePath):
            return [root.path + "/" for root in roots.items if root.path.startswith(typed)]
        names = [visible(entry.name) for entry in entries if entry.name in folders or files]
        return [f"{above}/{name}{'/' if name in folders else ''}" for name in names]
