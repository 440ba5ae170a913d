"""Host and Origin: who may talk to a server that a browser can reach (S-01, S-02, S-05).

A web page can make its reader's browser send requests to any address, and DNS rebinding makes them look same-origin.
Two headers tell: `Host` says by which name the server was reached, `Origin` which page asks. Each is checked by itself,
on every request of every route, before anything else is read.

Allowed are, with any port, the loopback names and the address that the server is bound to, and what the two settings
add. An origin is allowed when it is `http` or `https` on an allowed host, or configured. There is no switch to turn
this off: an unspecified address (0.0.0.0, ::) and `*` are no names of anything.
"""

import re
from collections.abc import Iterable
from ipaddress import IPv6Address
from typing import Final

from dovetail.core.http import Rejected
from dovetail.errors import DefinitionError, InvalidRequest, quote

LOOPBACK: Final = ("localhost", "127.0.0.1", "[::1]")
"""The names that are always allowed, with any port."""

_UNSPECIFIED: Final = frozenset({"", "*", "0.0.0.0", "::", "[::]"})  # noqa: S104
# RFC 9110, section 7.2: Host = uri-host [ ":" port ]. No userinfo, no zone, no percent-encoding, no trailing dot.
_AUTHORITY: Final = re.compile(r"(\[[0-9a-f:.]+\]|[a-z0-9_](?:[a-z0-9._-]*[a-z0-9_])?)(?::([1-9][0-9]{0,4}))?")
_ORIGIN: Final = re.compile(r"([a-z][a-z0-9+.-]*)://(.+)")
_LONGEST: Final = 255 + len(":65535")
_DEFAULT_PORTS: Final = {"http": 80, "https": 443}
_MEMORY: Final = 256


class Guard:
    """Decides on a request by its `Host` and `Origin`. Verdicts that let pass are remembered, a few hundred of them."""

    def __init__(
        self, allowed_hosts: Iterable[str] = (), allowed_origins: Iterable[str] = (), bind: str = "127.0.0.1"
    ) -> None:
        """Allow the loopback names, the bound address, and what is configured.

        Args:
            allowed_hosts: Names or addresses under which the server is reached: `mcp.example.com` with any port, or
                `mcp.example.com:8443` with just that one.
            allowed_origins: Origins of pages that may use it, exactly: `https://app.example.com`.
            bind: The address that the server listens on. An unspecified one (0.0.0.0) adds no name.

        Raises:
            DefinitionError: An entry that is no host, or no origin.
        """
        self._hosts: set[tuple[str, int | None]] = {(name, None) for name in LOOPBACK}
        if bind not in _UNSPECIFIED and "%" not in bind:
            self._hosts.add(_configured_host(bind))
        self._hosts.update(map(_configured_host, allowed_hosts))
        self._origins = frozenset(map(_configured_origin, allowed_origins))
        self._passed: set[tuple[bytes, bytes | None]] = set()

    def __repr__(self) -> str:
        names = sorted(name if port is None else f"{name}:{port}" for name, port in self._hosts)
        return f"<Guard hosts={names} origins={sorted(self._origins)}>"

    def check(self, host: bytes | None, origin: bytes | None) -> Rejected | None:
        """Return why a request is refused, or None when it may go on.

        Args:
            host: The value of `Host`; None when there is none. Two of them are refused before (`fields_of`).
            origin: The value of `Origin`; None when there is none, as from everything that is not a browser.

        Returns:
            403 for the origin, 421 for a host that is not ours, 400 for one that is missing or malformed; or None.
        """
        if host is not None and (host, origin) in self._passed:
            return None
        # "If the `Origin` header is present and invalid, servers MUST respond with HTTP 403 Forbidden." (2026-07-28,
        # Streamable HTTP, Security & Endpoint)
        if origin is not None and not self._is_allowed_origin(_text(origin)):
            return Rejected(403, _refusal("Origin", origin, "allowed_origins=", "--allow-origin"))
        if host is None:
            return Rejected(400, InvalidRequest("Host: the header is missing"))
        place = _authority(_text(host))
        if place is None:
            return Rejected(400, InvalidRequest(f"Host {_shown(host)} is malformed: expected a name and maybe a port"))
        if not self._is_allowed(*place):
            return Rejected(421, _refusal("Host", host, "allowed_hosts=", "--allow-host"))
        if len(self._passed) >= _MEMORY:
            self._passed.clear()
        self._passed.add((host, origin))
        return None

    def is_configured(self, origin: bytes) -> bool:
        """Tell whether an origin is one of `allowed_origins`; that it passed as a page of this host is not enough."""
        parts = _origin(_text(origin)) if self._origins else None
        return parts is not None and _written(*parts) in self._origins

    def _is_allowed(self, name: str, port: int | None) -> bool:
        if (name, None) in self._hosts:
            return True
        if port is None:  # the port of the scheme, and which scheme it was is not said
            return (name, 80) in self._hosts or (name, 443) in self._hosts
        return (name, port) in self._hosts

    def _is_allowed_origin(self, value: str) -> bool:
        parts = _origin(value)
        if parts is None:  # `null`, the origin of sandboxed frames and local files, is one of these
            return False
        scheme, name, port = parts
        if _written(scheme, name, port) in self._origins:
            return True
        return scheme in _DEFAULT_PORTS and self._is_allowed(name, port or _DEFAULT_PORTS[scheme])


def _text(value: bytes) -> str:
    return value.decode("latin-1")


def _shown(value: bytes) -> str:
    return quote(_text(value[:256]))


def _refusal(header: str, value: bytes, setting: str, option: str) -> InvalidRequest:
    said = f"{header} {_shown(value)} is not allowed"
    bare = _text(value).rpartition(":")[0] or _text(value)
    if header == "Host" and (bare in _UNSPECIFIED or _text(value) in _UNSPECIFIED):
        return InvalidRequest(f"{said}: an unspecified address names no host")
    if header == "Origin" and _origin(_text(value)) is None:
        return InvalidRequest(f"{said}, and cannot be: it names no page, as https://app.example.com does")
    return InvalidRequest(f"{said}; {setting} allows it (on the command line, {option})")


def _authority(value: str) -> tuple[str, int | None] | None:
    """Read a host and port in their one spelling; None when malformed."""
    match = _AUTHORITY.fullmatch(value.lower()) if value.isascii() and len(value) <= _LONGEST else None
    if match is None:
        return None
    name, port = match.group(1), match.group(2)
    if port is not None and int(port) > 65535:
        return None
    if name.startswith("["):
        try:
            name = f"[{IPv6Address(name[1:-1]).compressed}]"
        except ValueError:
            return None
    return name, None if port is None else int(port)


def _origin(value: str) -> tuple[str, str, int | None] | None:
    """Read an origin as scheme, host and port (the scheme's own left out); None when malformed."""
    match = _ORIGIN.fullmatch(value.lower()) if len(value) <= _LONGEST + 64 else None
    place = _authority(match.group(2)) if match else None
    if match is None or place is None:
        return None
    scheme, (name, port) = match.group(1), place
    return scheme, name, None if port == _DEFAULT_PORTS.get(scheme) else port


def _written(scheme: str, name: str, port: int | None) -> str:
    return f"{scheme}://{name}" if port is None else f"{scheme}://{name}:{port}"


def _configured_host(entry: str) -> tuple[str, int | None]:
    name = entry.removesuffix(":*")
    if ":" in name and "[" not in name and name.count(":") > 1:
        name = f"[{name}]"  # a bare IPv6 address
    place = _authority(_ascii(name))
    if place is None or place[0] in _UNSPECIFIED:
        raise DefinitionError(
            f"allowed_hosts: {quote(entry)} is no host; expected a name or address with or without a port,"
            " such as 'mcp.example.com' or '192.168.1.5:8000'"
        )
    return place


def _configured_origin(entry: str) -> str:
    scheme, separator, rest = entry.removesuffix("/").partition("://")
    parts = _origin(scheme + separator + _ascii(rest))
    if parts is None or parts[1] in _UNSPECIFIED:
        raise DefinitionError(
            f"allowed_origins: {quote(entry)} is no origin; expected 'https://app.example.com', with a port if not 443"
        )
    return _written(*parts)


def _ascii(name: str) -> str:
    """Spell a configured name as it comes in a header: its labels in ASCII (IDNA)."""
    if name.isascii():
        return name
    host, colon, port = name.partition(":")
    try:
        return host.encode("idna").decode() + colon + port
    except UnicodeError:
        return ""
