"""Lists and searches over all notes: which there are in a folder, with a tag, with words in them."""

from collections.abc import Iterable, Iterator
from time import monotonic
from typing import Final

from dovetail.errors import ToolError
from dovetail.servers.notes.descriptors import Found
from dovetail.servers.notes.names import is_folder, uri_of
from dovetail.servers.notes.notebook import Notebook
from dovetail.servers.notes.records import Hit, Hits, Notes
from dovetail.servers.notes.searching import folded, score, snippets, terms

SECONDS: Final = 10.0
"""How long a search looks at notes."""


def listed(notebook: Notebook, folder: str, tag: str | None, newest: bool, cursor: str | None, limit: int) -> Notes:
    """List notes, by name or the newest first.

    Raises:
        ToolError: A cursor that is none of ours.
    """
    scan = notebook.scan()
    names = list(_chosen(notebook, scan.notes, folder, tag))
    if newest:
        names.sort(key=lambda name: -scan.notes[name].modified)
    start = place(cursor)
    page = names[start : start + limit]
    end = start + len(page)
    return Notes(
        notes=[notebook.listed(name, scan.notes[name]) for name in page],
        total=len(names),
        next_cursor=str(end) if end < len(names) else None,
        note=_left_out(scan.ignored),
    )


def searched(notebook: Notebook, query: str, folder: str, tag: str | None, cursor: str | None, limit: int) -> Hits:
    """Search the notes, the best fit first.

    Raises:
        ToolError: Nothing to look for, or a cursor that is none of ours.
    """
    wanted = terms(query)
    if not wanted:
        raise ToolError("query: nothing to look for in it. Give a word or more, or use list_notes for everything.")
    scan = notebook.scan()
    rated = []
    end_of_time = monotonic() + SECONDS
    late = None
    for name in _chosen(notebook, scan.notes, folder, None):
        if monotonic() > end_of_time:
            late = f"Not all notes were looked at: it took longer than {SECONDS:g} s. Name a `folder` to search less."
            break
        known = notebook.indexed(name, scan.notes[name])
        if not _tagged(known.about.tags, tag):
            continue
        title, tags = folded(known.about.title), folded(" ".join(known.about.tags))
        value, missing = score(wanted, folded(name), title, tags, known.text)
        if value:
            rated.append((-value, -scan.notes[name].modified, name, missing))
    rated.sort()
    start = place(cursor)
    page = rated[start : start + limit]
    end = start + len(page)
    return Hits(
        hits=[_hit(notebook, name, scan.notes[name], wanted, missing) for _, _, name, missing in page],
        total=len(rated),
        next_cursor=str(end) if end < len(rated) else None,
        note=late or _left_out(scan.ignored),
    )


def _hit(notebook: Notebook, name: str, found: Found, wanted: list[str], missing: list[str]) -> Hit:
    known = notebook.indexed(name, found)
    try:
        text = notebook.read(name)[0]
    except ToolError:  # gone, or unreadable, just now
        text = ""
    return Hit(
        name=name,
        uri=uri_of(name),
        title=known.about.title,
        tags=list(known.about.tags),
        snippets=snippets(wanted, text),
        missing=missing,
    )


def _chosen(notebook: Notebook, notes: dict[str, Found], folder: str, tag: str | None) -> Iterator[str]:
    below = folder.strip("/")
    if not is_folder(below):
        raise ToolError("folder: this cannot be the name of a folder; leave it out for all notes.")
    for name, found in notes.items():
        if below and not name.startswith(f"{below}/"):
            continue
        if tag is None or _tagged(notebook.indexed(name, found).about.tags, tag):
            yield name


def _tagged(tags: Iterable[str], tag: str | None) -> bool:
    return tag is None or folded(tag.removeprefix("#")) in map(folded, tags)


def place(cursor: str | None) -> int:
    """Return where a page begins.

    Raises:
        ToolError: A cursor that is none of ours.
    """
    if not cursor:
        return 0
    if not (cursor.isascii() and cursor.isdigit()) or len(cursor) > 9:
        raise ToolError("cursor: this is none that was given; begin again without one.")
    return int(cursor)


def _left_out(ignored: int) -> str | None:
    if not ignored:
        return None
    return f"{ignored} Markdown files are left out: links, names that no note may have, or more than --max-notes."
