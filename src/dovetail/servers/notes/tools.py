"""The tools: list, search, read; create, update, append, delete; and import, where a folder was named for it."""

from pathlib import Path
from typing import Annotated

from msgspec import Meta

from dovetail import Complete, Context, Server, ToolAnnotations, get_context
from dovetail.errors import ResourceNotFound, ToolError, UnsafePath
from dovetail.servers.notes.finding import listed, searched
from dovetail.servers.notes.importing import take_in
from dovetail.servers.notes.names import NAME_CHARS, uri_of
from dovetail.servers.notes.offers import notebook
from dovetail.servers.notes.records import Deleted, Hits, Note, Notes, Taken, Written
from dovetail.servers.notes.searching import QUERY_CHARS
from dovetail.servers.notes.settings import Settings

Name = Annotated[str, Meta(min_length=1, max_length=NAME_CHARS + 3)]
Below = Annotated[str, Meta(max_length=NAME_CHARS)]
Tag = Annotated[str, Meta(min_length=1, max_length=200)]
Cursor = Annotated[str, Meta(max_length=9)]
Revision = Annotated[str, Meta(min_length=32, max_length=32)]


def list_notes(
    ctx: Context,
    folder: Below = "",
    tag: Tag | None = None,
    newest: bool = False,
    limit: Annotated[int, Meta(ge=1, le=1_000)] | None = None,
    cursor: Cursor | None = None,
) -> Notes:
    """List the notes: names, titles, tags, when they were changed.

    To find what is in them, use search_notes.

    Args:
        folder: Only notes in this folder, and those below; all, when not given.
        tag: Only notes with this tag in their front matter.
        newest: Those changed last come first; by name otherwise.
        limit: Notes on the page, at most; the server's own limit, when not given.
        cursor: `nextCursor` of the page before.
    """
    book = notebook(ctx)
    return listed(book, folder, tag, newest, cursor, min(limit or book.settings.page_size, 1_000))


def search_notes(
    query: Annotated[str, Meta(max_length=QUERY_CHARS)],
    ctx: Context,
    folder: Below = "",
    tag: Tag | None = None,
    limit: Annotated[int, Meta(ge=1, le=100)] = 10,
    cursor: Cursor | None = None,
) -> Hits:
    """Search names, titles, tags and texts of the notes; the best fit comes first.

    Case and accents do not matter, and parts of words are found. Several words need not all be there: who has all of
    them comes first, and `missing` tells what a note lacks. "Words in quotes" stand together. Returns up to three
    snippets of each note, with their lines; read_note has the rest.

    Args:
        query: The words, such as: garden tomatoes; not a question.
        folder: Only notes in this folder, and those below.
        tag: Only notes with this tag in their front matter.
        limit: Notes, at most.
        cursor: `nextCursor` of the answer before.
    """
    return searched(notebook(ctx), query, folder, tag, cursor, limit)


def read_note(name: Name, ctx: Context, offset: Annotated[int, Meta(ge=0)] = 0) -> Note:
    """Read a note, front matter and all, with its revision: update_note and delete_note want that.

    Of a long note the first part; `nextOffset` says where to go on.

    Args:
        name: Its name, as list_notes and search_notes tell it.
        offset: Characters to leave out at the beginning.
    """
    book = notebook(ctx)
    text, revision = book.read(name)
    end = offset + book.settings.answer_chars
    return Note(
        name=name.removesuffix(".md"),
        revision=revision,
        text=text[offset:end],
        next_offset=end if end < len(text) else None,
    )


def create_note(name: Name, text: str, ctx: Context) -> Written:
    """Write a new note. Where there is one of that name, nothing is written: use update_note or append_to_note.

    Args:
        name: Its name, in plain words: letters, digits, spaces, - and _; with / between folders, which are made.
        text: Markdown. It may begin with front matter, such as ---, tags: [garden], --- on lines of their own.
    """
    return notebook(ctx).create(name, text)


def update_note(name: Name, text: str, revision: Revision, ctx: Context, keepFrontMatter: bool = True) -> Written:
    """Replace the text of a note that you have read. If it was changed since, nothing is written: read it again.

    Args:
        name: Its name.
        text: All of the new text, not only what is new. Without front matter, that of the note stays as it is.
        revision: What read_note, or your last write, told: the state that your text was made from.
        keepFrontMatter: False to drop the front matter when the text has none.
    """
    return notebook(ctx).update(name, text, revision, keep_front_matter=keepFrontMatter)


def append_to_note(name: Name, text: str, ctx: Context) -> Written:
    """Add to the end of a note, on a line of its own. Needs no revision, as nothing is lost by it.

    Args:
        name: Its name.
        text: Markdown to add.
    """
    return notebook(ctx).append(name, text)


def delete_note(name: Name, revision: Revision, ctx: Context) -> Deleted:
    """Delete a note that you have read. This cannot be undone: ask the user first.

    Args:
        name: Its name.
        revision: What read_note told; if the note was changed since, it is not deleted.
    """
    notebook(ctx).delete(name, revision)
    return Deleted(name=name.removesuffix(".md"), message="The note is deleted.")


def import_folder(ctx: Context, into: Below = "", number: Annotated[int, Meta(ge=1, le=100)] = 1) -> Taken:
    """Copy the Markdown files of a folder that the user named when the server was started, as notes.

    Folders stay folders. Nothing here is changed: what is here already is left alone, word for word the same or not.
    Hidden files, links and everything that is no Markdown stay where they are. Names that no note may have are changed,
    and told.

    Args:
        into: A folder of notes to put them in; the whole, when not given.
        number: Which of the folders, from 1, where the user named several.
    """
    book = notebook(ctx)
    sources = book.settings.import_folder
    if number > len(sources):
        raise ToolError(f"number: the user named {len(sources)} folders; say which, from 1.")

    def tell(files: int) -> None:
        ctx.ask_sync(ctx.progress(files, message=f"{files:,} files"))

    return take_in(book, Path(sources[number - 1]), into.strip("/"), tell, lambda: ctx.cancelled)


def names(typed: str) -> list[str]:
    """Suggest names of notes: those that begin so, then those that hold it."""
    known = list(notebook(get_context()).scan().notes)
    low = typed.lower()
    first = [name for name in known if name.lower().startswith(low)]
    return first + [name for name in known if low in name.lower() and not name.lower().startswith(low)]


def note(name: Annotated[str, Complete(names)], ctx: Context) -> str:
    """Read a note: Markdown, front matter and all.

    Args:
        name: Its name.
    """
    try:
        return notebook(ctx).read(name)[0]
    except (ToolError, UnsafePath):
        raise ResourceNotFound(uri_of(name)) from None


def _hints(title: str, *, reads: bool = False, destroys: bool = False, idempotent: bool = True) -> ToolAnnotations:
    return ToolAnnotations(
        title=title,
        read_only_hint=reads,
        destructive_hint=destroys,
        idempotent_hint=idempotent,
        open_world_hint=False,
    )


def offer(server: Server, settings: Settings) -> None:
    """Offer the tools and the template."""
    server.tool(annotations=_hints("List notes", reads=True))(list_notes)
    server.tool(annotations=_hints("Search notes", reads=True))(search_notes)
    server.tool(annotations=_hints("Read a note", reads=True))(read_note)
    if not settings.read_only:
        server.tool(annotations=_hints("Create a note"))(create_note)
        server.tool(annotations=_hints("Update a note", destroys=True))(update_note)
        server.tool(annotations=_hints("Append to a note", idempotent=False))(append_to_note)
        server.tool(annotations=_hints("Delete a note", destroys=True))(delete_note)
        if settings.import_folder:
            server.tool(annotations=_hints("Import a folder"))(import_folder)
    server.add_resource("note://{+name}", note, name="note", title="A note", mime_type="text/markdown")
