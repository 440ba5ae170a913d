"""The notes server: what it offers, put together."""

import asyncio
import os
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from msgspec.structs import replace

from dovetail import Context, Server, __version__
from dovetail.errors import DefinitionError
from dovetail.servers.notes.folder import Folder
from dovetail.servers.notes.notebook import Notebook
from dovetail.servers.notes.offers import Desk
from dovetail.servers.notes.prompts import offer_prompts
from dovetail.servers.notes.settings import Settings
from dovetail.servers.notes.tools import note, offer
from dovetail.servers.notes.watching import announcing

_INSTRUCTIONS = """\
The user's notes: Markdown files in one folder, which the user edits with other programs, too. search_notes first, then
read_note. To change a note, send all of its new text to update_note with the revision that read_note told; if the note
was changed meanwhile, nothing is written, and you read it again. append_to_note adds without reading. Ask the user
before you delete. Names are paths below the folder, without .md; hidden files and links are not there."""
_READ_ONLY = "\nThese notes are read-only: there are no tools that write."


def make(settings: Settings) -> Server:
    """Make the server.

    Raises:
        DefinitionError: A folder that is not there, or a system that lacks what confines the server to it.
        ModuleNotFoundError: Changes are to be watched for, and watchfiles is not installed.
    """
    if os.open not in os.supports_dir_fd or not hasattr(os, "O_NOFOLLOW"):
        raise DefinitionError("The notes server needs a POSIX system, such as Linux or macOS")
    root = _folder("directory", settings.directory)
    if settings.import_folder and settings.read_only:
        raise DefinitionError("import_folder: nothing can be imported with read_only; leave one of them out")
    folders = tuple(str(_folder("import_folder", name)) for name in settings.import_folder)
    settings = replace(settings, import_folder=folders)
    if not settings.no_watch:
        import watchfiles  # noqa: F401 -- a missing one is to be seen now

    @asynccontextmanager
    async def lifespan(server: Server) -> AsyncIterator[Desk]:
        """Watch the folder for as long as the server runs."""
        notebook = Notebook(Folder(root, settings.max_notes), settings)
        if not settings.read_only:
            await asyncio.to_thread(notebook.folder.tidy)
        async with announcing(notebook, server, _reader):
            yield Desk(notebook)

    server = Server(
        "notes",
        version=__version__,
        title="Notes",
        description="Markdown notes in a folder.",
        instructions=_INSTRUCTIONS + (_READ_ONLY if settings.read_only else ""),
        lifespan=lifespan,
        page_size=500,
    )
    offer(server, settings)
    offer_prompts(server, settings)
    return server


def _folder(setting: str, name: str) -> Path:
    """Return a folder's path, which means the same wherever this process is later."""
    path = Path(os.path.expanduser(name))  # a client's configuration has no shell that would know what ~ is
    if not name.strip() or not path.is_dir():
        raise DefinitionError(f"{setting}: expected a folder that is there; make it first")
    return path.absolute()


def _reader(name: str) -> Callable[..., Any]:
    """Return what reads one note as a resource."""

    def read(ctx: Context) -> str:
        return note(name, ctx)

    return read
