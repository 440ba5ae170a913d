"""What the messages share: the base Struct, scalars, icons, annotations, and who somebody is.

Here live the words that several features use. Never here: a feature's own types, or anything that knows a revision.

Invariants of every type in this room: one frozen Struct for each construct, the superset over all revisions, named as
the newest official schema names it. Optional means `None`, or `UNSET` for raw JSON (whose null is a value), and is then
left out. Unknown fields are ignored when decoding. Base64 stays the string that it is on the wire. A Struct whose
official name differs says so in `__wire_name__`: a class variable, or a property where it depends on the instance. An
object that has no name of its own in the schema is called `Owner.field`.
"""

from typing import Literal

import msgspec

Role = Literal["user", "assistant"]
"""Who speaks."""

LoggingLevel = Literal["debug", "info", "notice", "warning", "error", "critical", "alert", "emergency"]
"""A level of RFC 5424, lowest first."""

ProgressToken = str | int
"""Chosen by who asks; attached unchanged to each progress notification."""

Cursor = str
"""Opaque to clients; at most 4 KiB here."""


class Wire(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, rename="camel"):
    """The base of everything that stands on the wire: immutable, camelCase out there, what is not set is left out."""


class Icon(Wire, frozen=True, kw_only=True):
    """A picture for display (2025-11-25 and later; Overview, icons).

    Attributes:
        src: An `https:` or `data:` URI. Whoever shows it treats it as untrusted.
        mime_type: Overrides the type that the source announces.
        sizes: Such as `48x48`, or `any` for a format that scales.
        theme: The background it was drawn for.
    """

    src: str
    mime_type: str | None = None
    sizes: list[str] | None = None
    theme: Literal["light", "dark"] | None = None


class Annotations(Wire, frozen=True, kw_only=True):
    """Hints on what something is for.

    Attributes:
        audience: For whom it is meant.
        priority: From 0, optional, to 1, effectively required.
        last_modified: An ISO 8601 time (2025-06-18 and later).
    """

    audience: list[Role] | None = None
    priority: float | None = None
    last_modified: str | None = None


class Implementation(Wire, frozen=True, kw_only=True):
    """What a client or server calls itself. Self-reported and never verified: not a ground for any decision.

    Attributes:
        name: For programs; shown where there is no title.
        version: The version of the implementation, not of the protocol.
        title: For people.
        description: What it does, in a sentence.
        website_url: Where to read more.
        icons: Pictures of several sizes or themes.
    """

    name: str
    version: str
    title: str | None = None
    description: str | None = None
    website_url: str | None = None
    icons: list[Icon] | None = None
