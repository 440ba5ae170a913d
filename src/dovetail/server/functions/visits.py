"""Visits: what comes of asking the user to open a URL, and which URLs may be asked for.

A visit has two ends: the user agrees to go there, and some time later is done there. The client tells the first; only
the server can know the second.
"""

from ipaddress import ip_address
from typing import Final
from urllib.parse import urlsplit

from dovetail.errors import DefinitionError
from dovetail.server.functions.elicited import Elicited

_PRINTABLE: Final = frozenset(map(chr, range(0x21, 0x7F))) - frozenset('"<>\\^`{|}')
"""What may stand in a URL (RFC 3986, section 2): all else is sent percent-encoded."""


class Visit(Elicited[None]):
    """Whether the user agreed to visit a URL. That it was visited, and what came of it, the URL's own server knows.

    Attributes:
        action: `accept`, `decline` or `cancel`.
        id: What `Server.complete_url` and `ctx.notify.url_completed` take: what was passed as `visit=`. If nothing was,
            it is minted where the revision tells clients the end of a visit, and empty elsewhere.
    """

    __slots__ = ("id",)

    def __init__(self, action: str, identifier: str = "") -> None:
        """Made from a client's answer."""
        super().__init__(action, None)
        self.id = identifier


def check_url(url: str) -> str:
    """Return a URL that a user may be asked to open.

    "The url parameter MUST contain a valid URL." "SHOULD use HTTPS URLs in non-development environments", "MUST NOT
    provide a URL which is pre-authenticated to access a protected resource" (2025-11-25, Elicitation).

    Raises:
        DefinitionError: It is neither https nor http to this machine, or carries a user's name or password. The text
            does not quote it: it may hold what is nobody else's business.
    """
    if not _PRINTABLE.issuperset(url):
        raise DefinitionError("A URL to visit has a character that must be percent-encoded")
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname or "", parts.port
    except ValueError:
        raise DefinitionError("A URL to visit is not valid") from None
    if not host or not (parts.scheme == "https" or (parts.scheme == "http" and _is_this_machine(host))):
        raise DefinitionError("A URL to visit is https://..., or http:// to this machine only")
    if "@" in parts.netloc:
        raise DefinitionError("A URL to visit carries no user name or password: whoever sees it could use them")
    return url


def _is_this_machine(host: str) -> bool:
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False
