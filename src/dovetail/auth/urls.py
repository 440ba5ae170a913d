"""URLs of a login: which may be asked, which may be opened, where metadata stands, and what names a server.

Invariants: an endpoint is https, or http on a loopback host; it holds no user, no fragment, and no character that a
shell, a terminal or a browser could take for something else (A-28). Comparison never repairs: identifiers are compared
byte for byte, and only `covers` (is this resource that server?) normalises, and only scheme, host and default port.
"""

import re
from base64 import b64encode
from collections.abc import Mapping
from ipaddress import ip_address
from typing import Final
from urllib.parse import SplitResult, quote, urlencode, urlsplit, urlunsplit

from dovetail.errors import LoginUntrusted

LONGEST: Final = 2048
"""Characters in a URL of a login."""

# RFC 3986 without the sub-delimiters that a shell would act on (! $ ' ( ) * ;); `&`, `=` and `%` make queries.
_PLAIN: Final = re.compile(r"[A-Za-z0-9\-._~:/?@\[\]&=%+,]+\Z")
_HOST: Final = re.compile(r"[A-Za-z0-9_](?:[A-Za-z0-9_.\-]*[A-Za-z0-9_.])?\Z|\[[0-9A-Fa-f:.]+\]\Z")
_PORTS: Final = {"https": 443, "http": 80}


def check_url(url: str, what: str, *, longest: int = LONGEST) -> SplitResult:
    """Return an endpoint's parts.

    Args:
        url: What a server, or a setting, says.
        what: What it is, for the error.
        longest: Characters that it may have.

    Raises:
        LoginUntrusted: It is no https URL (or http on this machine), or holds what no endpoint needs.
    """
    if len(url) > longest or not _PLAIN.match(url):
        raise LoginUntrusted(f"The {what} is not a plain URL of at most {longest} characters")
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise LoginUntrusted(f"The {what} is not a URL") from None
    host = parts.netloc.rpartition(":")[0] if port is not None else parts.netloc.removesuffix(":")
    if parts.scheme not in _PORTS or not host:
        raise LoginUntrusted(f"The {what} must be an https URL")
    if parts.scheme == "http" and not is_loopback(parts.hostname or ""):
        raise LoginUntrusted(f"The {what} must be an https URL; http is for this machine only")
    if "@" in parts.netloc or not _HOST.match(host):
        raise LoginUntrusted(f"The {what} names no plain host")
    return parts


def is_loopback(host: str) -> bool:
    """Tell whether a host, as written in a URL, is this machine: `localhost`, 127.0.0.0/8 in four numbers, or ::1."""
    if host.lower() == "localhost":
        return True
    try:
        return ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def origin(url: str) -> tuple[str, str, int]:
    """Return scheme, host and port, the default port spelled out.

    Raises:
        LoginUntrusted: It is no http or https URL.
    """
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise LoginUntrusted("A URL names no host") from None
    if parts.scheme not in _PORTS or not parts.hostname:
        raise LoginUntrusted("A URL is neither http nor https")
    return parts.scheme, parts.hostname, port if port is not None else _PORTS[parts.scheme]


def root_of(url: str) -> str:
    """Return the origin as a URL without a path: the authorization base URL of 2025-03-26."""
    scheme, host, port = origin(url)
    shown = f"[{host}]" if ":" in host else host
    return f"{scheme}://{shown}" if port == _PORTS[scheme] else f"{scheme}://{shown}:{port}"


def canonical(server: str) -> str:
    """Return the canonical URI of a server that has published none (spec, Canonical Server URI).

    Raises:
        LoginUntrusted: It is no http or https URL.
    """
    root, parts = root_of(server), urlsplit(server)
    path = parts.path if parts.path != "/" else ""
    return root + path + (f"?{parts.query}" if parts.query else "")


def covers(resource: str, server: str) -> bool:
    """Tell whether a protected resource identifier is the server, or a parent of it on the same origin.

    "The resource value returned MUST be identical to the protected resource's resource identifier value" (RFC 9728,
    section 3.3). Metadata found at the root describes the whole origin, so that a parent is accepted, whole path
    segments only.
    """
    try:
        if origin(resource) != origin(server):
            return False
        ours, theirs = urlsplit(server), urlsplit(resource)
    except (LoginUntrusted, ValueError):
        return False
    if theirs.fragment or "#" in resource or (theirs.query and theirs.query != ours.query):
        return False
    parent, child = theirs.path.rstrip("/"), ours.path.rstrip("/")
    if {".", ".."} & {*parent.split("/"), *child.split("/")} or "%" in parent:
        return theirs.path == ours.path
    return child == parent or child.startswith(parent + "/")


def inserted(url: str, suffix: str) -> str:
    """Insert `/.well-known/<suffix>` between host and path (RFC 8414, section 3.1; RFC 9728, section 3.1)."""
    parts = urlsplit(url)
    path = parts.path.rstrip("/") if parts.path == "/" else parts.path
    return urlunsplit((parts.scheme, parts.netloc, f"/.well-known/{suffix}{path}", parts.query, ""))


def appended(url: str, suffix: str) -> str:
    """Append `/.well-known/<suffix>` to the path (OpenID Connect Discovery 1.0, section 4)."""
    parts = urlsplit(url)
    return urlunsplit((parts.scheme, parts.netloc, f"{parts.path.rstrip('/')}/.well-known/{suffix}", "", ""))


def with_query(endpoint: str, parameters: Mapping[str, str]) -> str:
    """Add parameters to an endpoint, keeping a query that it has; every other character is percent-encoded (A-28)."""
    query = urlencode(parameters, quote_via=quote, safe="")
    return f"{endpoint}{'&' if '?' in endpoint else '?'}{query}"


def form(parameters: Mapping[str, str]) -> bytes:
    """Encode a body of `application/x-www-form-urlencoded`."""
    return urlencode(parameters).encode("ascii")


def basic(client_id: str, secret: str) -> str:
    """Return the value of `Authorization` for a client's secret, both parts form-encoded first (RFC 6749, 2.3.1)."""
    pair = f"{quote(client_id, safe='')}:{quote(secret, safe='')}"
    return f"Basic {b64encode(pair.encode('ascii')).decode('ascii')}"
