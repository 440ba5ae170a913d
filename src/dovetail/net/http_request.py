"""What may go into an HTTP request: the method, the URL and the header fields, checked before anything is sent.

Nothing here sends. Invariant: what passes can open no header field, no request and no connection of its own, whoever
made it - a model that chose an argument, a manifest, a server that named a URL (C-08).
"""

import re
from collections.abc import Mapping
from typing import Final
from urllib.parse import urlsplit

from dovetail.errors import DefinitionError, quote

METHODS: Final = frozenset({"DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT"})

# They frame the message or belong to the connection (RFC 9110, 7.6.1; RFC 9112, 6): two writers of one are how requests
# are smuggled. Of the answer's encodings none is offered, as a compressed answer can be a bomb.
OURS: Final = frozenset(
    "accept-encoding connection content-length expect host http2-settings keep-alive proxy-authorization "
    "proxy-connection te trailer transfer-encoding upgrade".split()
)
_TOKEN: Final = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")  # RFC 9110, 5.6.2
_KNOWN: Final[dict[str, str]] = {}  # names that passed, in lower case; few in any program
_KNOWN_MANY: Final = 256


def checked_headers(headers: Mapping[str, str]) -> dict[str, str]:
    """Return header fields with their names in lower case.

    Raises:
        DefinitionError: A name is no token, is this library's own to write, or stands twice; or a value holds something
            else than visible ASCII, blanks and tabs. The text names the field and never its value.
    """
    known = _KNOWN
    try:
        fields = {known[name]: value for name, value in headers.items()}
    except KeyError:
        fields = {_checked_name(name): value for name, value in headers.items()}
    if len(fields) != len(headers):
        raise DefinitionError("A header field is given twice, in two spellings")
    values = "".join(fields.values())
    if not (values.isascii() and values.isprintable()):
        _check_values(fields)
    return fields


def _checked_name(name: str) -> str:
    if not _TOKEN.fullmatch(name):
        raise DefinitionError(f"Header {quote(name, 64)}: the name is no HTTP token")
    lower = name.lower()
    if lower in OURS:
        raise DefinitionError(f"Header {lower}: it frames the message, and is not for the caller to set")
    if len(_KNOWN) < _KNOWN_MANY:
        _KNOWN[name] = lower
    return lower


def _check_values(fields: Mapping[str, str]) -> None:
    for name, value in fields.items():
        if not (value.isascii() and value.replace("\t", " ").isprintable()):
            raise DefinitionError(f"Header {name}: the value may hold visible ASCII, blanks and tabs, and nothing else")


def check_method(method: str) -> None:
    """Refuse what is no method of a request with an answer (RFC 9110, 9.3).

    Raises:
        DefinitionError: It is another one.
    """
    if method not in METHODS:
        raise DefinitionError(f"Method {quote(method, 32)}: expected one of {', '.join(sorted(METHODS))}")


def check_url(url: str) -> tuple[str, str]:
    """Return the scheme and host of an absolute http or https URL.

    Raises:
        DefinitionError: It is no such URL, holds credentials (which belong into a header field, where no log shows
            them), or characters that no URL has. The text does not repeat it.
    """
    if not (url.isascii() and url.isprintable()) or " " in url or "\\" in url:
        raise DefinitionError("A URL holds visible ASCII only; encode everything else")
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError:
        raise DefinitionError("The URL cannot be read") from None
    if parts.scheme not in ("http", "https") or not host or port == 0:
        raise DefinitionError("Expected an absolute URL of http or https")
    if "@" in parts.netloc:
        raise DefinitionError("The URL holds credentials; give them as a header field")
    return parts.scheme, host
