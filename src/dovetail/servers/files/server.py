"""The files server, put together: tools, resources, a prompt, and the watch that its lifespan keeps."""

import os
import shutil
import sys
from collections.abc import AsyncIterator, Callable, Coroutine
from importlib import import_module
from pathlib import Path
from typing import Any, Final

from dovetail import Context, Server, ToolAnnotations, __version__
from dovetail.errors import DefinitionError
from dovetail.servers.files.looks import Looks
from dovetail.servers.files.opening import can_confine
from dovetail.servers.files.reads import Reads
from dovetail.servers.files.settings import Settings
from dovetail.servers.files.site import Site
from dovetail.servers.files.views import Views
from dovetail.servers.files.watching import Telling
from dovetail.servers.files.writes import Writes

_INSTRUCTIONS: Final = """\
Files below the directories that list_allowed_directories names. Paths are absolute, or relative to the first of them.
Symbolic links are never followed, and nothing outside can be reached. Find by name with search_files, by content with
search_text; read with read_text_file, in parts by first_line and last_line. Answers are limited: a note says what is
missing and how to get it."""
_WRITING: Final = (
    " Change parts of a file with edit_file (dry_run only shows the diff); write whole ones with write_file."
)

_SUBSCRIBE: Final = "resources/subscribe"

Method = Callable[[Any, Context], Coroutine[Any, Any, Any]]


def make(settings: Settings) -> Server:
    """Make the server.

    Raises:
        DefinitionError: A directory, or the ripgrep program, that is not there; or a system on which files cannot be
            confined.
        ModuleNotFoundError: What the extra `files` installs is missing.
    """
    if not can_confine():
        raise DefinitionError("files: needs a POSIX system, on which files are opened relative to a directory")
    if settings.watch:
        import_module("watchfiles")
    site = Site(settings)

    async def lifespan(server: Server) -> AsyncIterator[Telling]:
        telling = Telling(settings.watch, server.notify.resource_updated)
        if site.given is not None:
            telling.aim(site.given.items)
        try:
            with server.notify.when_heard(telling.begin):
                yield telling
        finally:
            await telling.close()

    server = Server(
        "files",
        version=__version__,
        title="Files",
        description="Reads, writes, searches and watches files below given directories.",
        instructions=_INSTRUCTIONS.replace("\n", " ") + ("" if settings.read_only else _WRITING),
        lifespan=lifespan,
    )
    if settings.sanitize:
        from dovetail.server import sanitized

        server.use(sanitized)
    server.use(_hearing)
    _offer_reading(server, site)
    if not settings.read_only:
        _offer_writing(server, site)
    Views(site).offer(server)
    return server


def _hearing(handler: Method) -> Method:
    """Begin to watch when somebody may want to hear of it soon.

    A client of a stateful revision on a pipe says when it subscribes, and is answered when changes are heard of. Others
    open a stream, with which the watch begins at the latest (`when_heard`); their first call gives it time to stand.
    """

    async def serve(call: Any, ctx: Context) -> Any:
        telling = ctx.lifespan
        if isinstance(telling, Telling):
            if not telling.begun and (ctx.revision.stateless or ctx.network or call.method == _SUBSCRIBE):
                telling.begin()
            if call.method == _SUBSCRIBE:
                await telling.stands()
        return await handler(call, ctx)

    return serve


def _offer_reading(server: Server, site: Site) -> None:
    hints = ToolAnnotations(read_only_hint=True, destructive_hint=False, idempotent_hint=True, open_world_hint=False)
    reads, looks = Reads(site), Looks(site, find_ripgrep(site.settings.ripgrep))
    for title, tool in (
        ("Read a text file", reads.read_text_file),
        ("Read a picture, a sound or another file", reads.read_media_file),
        ("Read bytes of a file", reads.read_binary_file),
        ("Read several text files", reads.read_multiple_files),
        ("Look at a file", reads.get_file_info),
        ("List a directory", looks.list_directory),
        ("Draw the tree of a directory", looks.directory_tree),
        ("Find files by name", looks.search_files),
        ("Find files by content", looks.search_text),
        ("Tell what may be used", looks.list_allowed_directories),
    ):
        server.add_tool(tool, title=title, annotations=hints)


def _offer_writing(server: Server, site: Site) -> None:
    writes = Writes(site)
    for title, tool, destructive, idempotent in (
        ("Write a file", writes.write_file, True, True),
        ("Edit a file", writes.edit_file, True, False),
        ("Make a directory", writes.create_directory, False, True),
        ("Move or rename", writes.move_file, False, False),
        ("Delete a file", writes.delete_file, True, False),
    ):
        hints = ToolAnnotations(
            read_only_hint=False, destructive_hint=destructive, idempotent_hint=idempotent, open_world_hint=False
        )
        server.add_tool(tool, title=title, annotations=hints)


def find_ripgrep(given: str | None) -> str | None:
    """Return the ripgrep program: as given, on PATH, or beside our interpreter; None when there is none.

    Raises:
        DefinitionError: The one that is given is not there.
    """
    if given == "none":
        return None
    if given is None:
        return shutil.which("rg") or shutil.which("rg", path=str(Path(sys.executable).parent))
    found = shutil.which(os.path.expanduser(given))
    if found is None:
        raise DefinitionError(f"files: ripgrep: expected a program that can be run, or `none`, not {given!r}")
    return os.path.abspath(found)  # it means the same wherever this process is later
