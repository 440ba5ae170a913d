"""What can be set about the fetch server. The command line, the manifest and the page are made from this."""

from typing import Annotated

import msgspec
from msgspec import Meta


class Settings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Settings of `dovetail serve fetch`."""

    user_agent: Annotated[
        str | None,
        Meta(
            description="Sent to web servers; its part before `/` is the name that robots.txt is read for.",
            extra={"metavar": "TEXT"},
        ),
    ] = None
    ignore_robots: Annotated[bool, Meta(description="Fetch also what a site's robots.txt forbids to programs.")] = False
    allow_http: Annotated[bool, Meta(description="Fetch http URLs, too; only https otherwise.")] = False
    allow_port: Annotated[
        tuple[str, ...],
        Meta(description="A port, or a range such as 8000-8099, besides 443 and 80.", extra={"metavar": "PORT"}),
    ] = ()
    allow_loopback: Annotated[bool, Meta(description="Fetch from this machine, too (127.0.0.0/8 and ::1).")] = False
    allow_network: Annotated[
        tuple[str, ...],
        Meta(description="A network that is no public one, such as 10.1.0.0/16.", extra={"metavar": "CIDR"}),
    ] = ()
    cache: Annotated[
        str | None,
        Meta(description="An SQLite file that keeps the cache; memory otherwise.", extra={"metavar": "FILE"}),
    ] = None
    cache_bytes: Annotated[
        int,
        Meta(description="The most that the cache may hold; 0 for no cache.", ge=0, extra={"metavar": "BYTES"}),
    ] = 64 * 1024 * 1024
    max_bytes: Annotated[
        int, Meta(description="The largest page.", ge=1024, le=10 * 1024 * 1024, extra={"metavar": "BYTES"})
    ] = 5 * 1024 * 1024
    max_blob_bytes: Annotated[
        int,
        Meta(
            description="The largest file that is no text and is handed on; 0 to refuse all of them.",
            ge=0,
            le=10 * 1024 * 1024,
            extra={"metavar": "BYTES"},
        ),
    ] = 256 * 1024
    seconds: Annotated[
        float,
        Meta(description="For a page: robots.txt, redirects and all.", gt=0, le=300, extra={"metavar": "SECONDS"}),
    ] = 30.0
    extract_seconds: Annotated[
        float, Meta(description="For making Markdown of a page.", gt=0, le=120, extra={"metavar": "SECONDS"})
    ] = 10.0
    redirects: Annotated[
        int, Meta(description="The most redirects that are followed.", ge=0, le=20, extra={"metavar": "COUNT"})
    ] = 5
