"""What the tools return."""

import msgspec


class Listed(msgspec.Struct, omit_defaults=True):
    """A note in a list.

    Attributes:
        name: Its name: the path of its file below the folder, without .md.
        uri: Of the resource, to read or subscribe to.
        title: In its front matter, or its first heading.
        tags: In its front matter.
        modified: When it was changed last, in UTC.
        bytes: Its size.
    """

    name: str
    uri: str
    modified: str
    bytes: int
    title: str = ""
    tags: list[str] = []


class Notes(msgspec.Struct, omit_defaults=True, rename="camel"):
    """A page of notes.

    Attributes:
        notes: The notes.
        total: How many there are on all pages.
        next_cursor: There is more: call again with this as `cursor`.
        note: What was left out, and why.
    """

    notes: list[Listed]
    total: int
    next_cursor: str | None = None
    note: str | None = None


class Note(msgspec.Struct, omit_defaults=True, rename="camel"):
    """A note.

    Attributes:
        name: Its name.
        revision: What update_note and delete_note want, so that nobody's change is lost.
        text: Its text, front matter and all.
        next_offset: There is more: call again with this as `offset`.
    """

    name: str
    revision: str
    text: str
    next_offset: int | None = None


class Written(msgspec.Struct, omit_defaults=True):
    """A note that was written.

    Attributes:
        name: Its name.
        uri: Of the resource.
        revision: Of the note as it is now.
        note: What else happened.
    """

    name: str
    uri: str
    revision: str
    note: str = ""


class Deleted(msgspec.Struct):
    """A note that was deleted.

    Attributes:
        name: Its name.
        message: In words.
    """

    name: str
    message: str


class Snippet(msgspec.Struct):
    """A place in a note.

    Attributes:
        line: Its line, from 1.
        text: What stands there.
    """

    line: int
    text: str


class Hit(msgspec.Struct, omit_defaults=True):
    """A note that was found.

    Attributes:
        name: Its name.
        uri: Of the resource.
        title: In its front matter, or its first heading.
        tags: In its front matter.
        snippets: Where the words stand, the best places first.
        missing: Words that do not stand in it.
    """

    name: str
    uri: str
    title: str = ""
    tags: list[str] = []
    snippets: list[Snippet] = []
    missing: list[str] = []


class Hits(msgspec.Struct, omit_defaults=True, rename="camel"):
    """What was found.

    Attributes:
        hits: The notes, the best first.
        total: How many there are.
        next_cursor: There is more: call again with this as `cursor`.
        note: What was not looked at, and why.
    """

    hits: list[Hit]
    total: int
    next_cursor: str | None = None
    note: str | None = None


class Taken(msgspec.Struct, omit_defaults=True):
    """What was taken in from another folder.

    Attributes:
        created: Names of the notes that are new.
        unchanged: How many were here already, word for word.
        renamed: Files whose name no note may have, and what they are called now.
        skipped: Files that were not taken in, and why.
    """

    created: list[str]
    unchanged: int
    renamed: dict[str, str] = {}
    skipped: dict[str, str] = {}
