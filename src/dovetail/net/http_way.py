"""Where a request goes: its URL taken apart once, and the proxy on the way. Nothing here sends.

A `Way` holds nothing of a request but its URL. What it shows of itself is the origin, never the path or a password.
"""

import re
from base64 import b64encode
from typing import Final
from urllib.parse import unquote, urlsplit

import msgspec

from dovetail.errors import DefinitionError

_PORTS: Final = {"http": 80, "https": 443}
# What RFC 3986, 3.2.2, lets a name hold, or an address in brackets with or without its zone (RFC 6874).
_HOST: Final = re.compile(r"[A-Za-z0-9._~!$&'()*+,;=%-]{1,255}|[0-9A-Fa-f:.]{2,45}(?:%[A-Za-z0-9._~%-]{1,64})?")
_BLANK: Final = re.compile(r"[^!-~]")


class Proxy(msgspec.Struct, frozen=True):
    """A proxy: where it is, and the header field that it lets pass."""

    host: str
    port: int
    tls: bool
    pass_field: str = ""

    def __repr__(self) -> str:
        return f"<Proxy {self.host}:{self.port}>"


class Way(msgspec.Struct, frozen=True):
    """A URL as a connection takes it.

    Attributes:
        host: As it is resolved and as its certificate is checked.
        port: The port.
        tls: It is https.
        authority: Of the `Host` field.
        target: Of the request line; the whole URL for a proxy that forwards it.
        origin: For people.
        proxy: None for the straight way.
        key: Connections of equal keys lead to the same place in the same way.
    """

    host: str
    port: int
    tls: bool
    authority: str
    target: str
    origin: str
    proxy: Proxy | None
    key: str

    def __repr__(self) -> str:
        return f"<Way to {self.origin}>"

    @property
    def tunnel(self) -> bool:
        """Whether the proxy is asked for a tunnel, as for all that it shall not read."""
        return self.proxy is not None and self.tls


def way_to(url: str, proxy: str | None = None) -> Way:
    """Prepare a URL that `check_url` has passed. What is quoted in it stays so; its fragment is not sent.

    Raises:
        DefinitionError: Its host is none, or its proxy cannot be used. The text repeats neither.
    """
    parts = urlsplit(url)
    host = parts.hostname or ""
    if not _HOST.fullmatch(host):
        raise DefinitionError("The URL cannot be read: its host is none")
    port = parts.port or _PORTS[parts.scheme]
    shown = f"[{host}]" if ":" in host else host
    authority = shown if port == _PORTS[parts.scheme] else f"{shown}:{port}"
    origin = f"{parts.scheme}://{authority}"
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    over = None if proxy is None else _proxy(proxy)
    if over is not None and parts.scheme == "http":
        target = origin + target
    key = origin if over is None else f"{origin} {over.host}:{over.port} {over.tls} {over.pass_field}"
    return Way(host, port, parts.scheme == "https", authority, target, origin, over, key)


def _proxy(url: str) -> Proxy:
    try:
        parts = urlsplit(url if "://" in url else f"http://{url}")
        host, port = parts.hostname or "", parts.port
    except ValueError:
        raise DefinitionError("The URL of the proxy cannot be read") from None
    if parts.scheme not in _PORTS or not _HOST.fullmatch(host) or _BLANK.search(url):
        raise DefinitionError("Expected the URL of a proxy to be one of http or https")
    given = ""
    if parts.username is not None:
        pair = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
        given = f"proxy-authorization: Basic {b64encode(pair.encode()).decode()}\r\n"  # RFC 7617
    return Proxy(host, port or _PORTS[parts.scheme], parts.scheme == "https", given)
