"""Which URLs are fetched, decided from their text alone. No I/O: which addresses are connected to is decided later.

The invariant: a URL that passes here is read by everybody alike. So its host is a name of letters, digits, `-`, `_`
and dots, or an address in its one canonical spelling; there are no credentials, no backslashes, no control characters,
nothing percent-encoded in the host. What some resolvers take for an address (`0x7f000001`, `2130706433`, `127.1`,
`017700000001`, digits in other scripts) is refused by its last label, as WHATWG URL, "ends in a number checker", finds
it. What a name resolves to is checked when the connection is made, at every hop, by `dovetail.auth.refusals`.
"""

import re
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from typing import Final
from urllib.parse import quote, urljoin, urlsplit

import msgspec

from dovetail.auth import refusal
from dovetail.errors import DefinitionError, ToolError

Network = IPv4Network | IPv6Network

LONGEST: Final = 8_000
_PORTS: Final = {"http": 80, "https": 443}
_HOST: Final = re.compile(r"[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?(?:\.[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?)*")
_NUMBER: Final = re.compile(r"[0-9]+|0x[0-9a-f]*")
_FORBIDDEN: Final = re.compile(r"[\x00-\x20\x7f-\x9f\\\u2028\u2029]")
# IDNA 2003, which Python has, and IDNA 2008 lead these to different hosts (UTS 46, deviation characters).
_DEVIATING: Final = re.compile("[\u00df\u03c2\u200c\u200d\u1e9e]")
_SAFE: Final = "!$%&'()*+,-./:;=?@[]_~"
_RANGE: Final = re.compile(r"([0-9]{1,5})(?:-([0-9]{1,5}))?")


class Target(msgspec.Struct, frozen=True):
    """A URL that may be asked for.

    Attributes:
        url: Normalised: scheme and host in lower case, no default port, no fragment, ASCII only.
        origin: Its scheme, host and port, as text.
        host: The host, for people.
    """

    url: str
    origin: str
    host: str


class Policy(msgspec.Struct, frozen=True):
    """What is allowed besides public addresses over https.

    Attributes:
        http: Plain http is.
        ports: Ports besides 443 and 80, as ranges with both ends.
        loopback: This machine is.
        networks: Networks that are not public ones.
    """

    http: bool = False
    ports: tuple[tuple[int, int], ...] = ()
    loopback: bool = False
    networks: tuple[Network, ...] = ()

    def check(self, text: str) -> Target:
        """Return a URL in its normal form.

        Raises:
            ToolError: It is none, or may not be fetched; the text says what to do and does not repeat the URL.
        """
        text = text.strip()
        if len(text) > LONGEST:
            raise ToolError(f"The URL has more than {LONGEST} characters: give a shorter one")
        if _FORBIDDEN.search(text):
            raise ToolError("The URL holds blanks, control characters or backslashes: percent-encode them")
        try:
            parts = urlsplit(text)
            host, port = parts.hostname, parts.port
        except ValueError:
            raise ToolError("The URL cannot be read: expected one such as https://example.com/page") from None
        scheme = self._scheme(parts.scheme.lower(), bool(parts.netloc))
        if "@" in parts.netloc:
            raise ToolError("The URL holds a user name or password: give it without; this server sends no credentials")
        name = self._host(host or "", literal="[" in parts.netloc)
        number = self._port(scheme, port)
        shown = f"[{name}]" if ":" in name else name
        origin = f"{scheme}://{shown}" if number == _PORTS[scheme] else f"{scheme}://{shown}:{number}"
        query = f"?{parts.query}" if parts.query else ""
        url = origin + quote((_without_dots(parts.path) or "/") + query, safe=_SAFE)
        if len(url) > LONGEST:
            raise ToolError(f"The URL has more than {LONGEST} characters once it is encoded: give a shorter one")
        return Target(url, origin, shown)

    def follow(self, target: Target, location: str) -> Target:
        """Return where a redirect leads, checked like any other URL.

        Args:
            target: What redirects.
            location: Its `Location`, as it was received: bytes as Latin-1.

        Raises:
            ToolError: It leads where nothing is fetched from.
        """
        try:
            location = location.encode("latin-1").decode()
        except UnicodeError:
            location = quote(location, safe=_SAFE + "#", encoding="latin-1", errors="replace")
        try:
            return self.check(urljoin(target.url, location.replace(" ", "%20")))
        except ValueError:
            reason = "The URL cannot be read"
        except ToolError as error:
            reason = str(error)
        raise ToolError(f"{target.host} redirects to a URL that is not followed. {reason}")

    def _scheme(self, scheme: str, authority: bool) -> str:
        if scheme not in _PORTS or not authority:
            kinds = "http and https" if self.http else "https"
            raise ToolError(f"Only {kinds} URLs are fetched: give one such as https://example.com/page")
        if scheme == "http" and not self.http:
            raise ToolError(
                "Plain http is not fetched here: try the same URL with https, or ask the user to start this server "
                "with --allow-http"
            )
        return scheme

    def _host(self, host: str, *, literal: bool) -> str:
        if not host.isascii():
            host = _ascii(host)
        host = host.lower()
        if host.endswith(".") and not host.endswith(".."):
            host = host[:-1]
        try:
            address = ip_address(host)
        except ValueError:
            address = None
        if address is not None and literal is (address.version == 6):
            reason = refusal(host, loopback=self.loopback, networks=self.networks)
            if reason is not None:
                raise ToolError(refused(reason))
            return str(address)
        if literal or len(host) > 253 or not _HOST.fullmatch(host):
            raise ToolError("The URL has no host that can be looked up: expected one such as example.com")
        if _NUMBER.fullmatch(host.rpartition(".")[2]):
            raise ToolError("The host of the URL ends in a number: write a name, or an address as four plain numbers")
        if not self.loopback and (host == "localhost" or host.endswith(".localhost")):
            raise ToolError(refused("loopback"))
        return host

    def _port(self, scheme: str, port: int | None) -> int:
        number = _PORTS[scheme] if port is None else port
        if number in _PORTS.values() or any(first <= number <= last for first, last in self.ports):
            return number
        raise ToolError(
            "The URL names a port that is not fetched from: use 443, or ask the user to start this server with "
            "--allow-port"
        )


def refused(reason: str) -> str:
    """Say that an address is refused, for a model."""
    return (
        f"That address may not be connected to from here ({reason}): only public addresses are. If it is the user's "
        "own, ask them to start this server with --allow-network or --allow-loopback"
    )


def networks_of(texts: tuple[str, ...]) -> tuple[Network, ...]:
    """Read the setting `allow_network`.

    Raises:
        DefinitionError: One of them is no network.
    """
    try:
        return tuple(ip_network(text) for text in texts)
    except ValueError:
        raise DefinitionError("allow_network: expected networks such as 10.1.0.0/16 or fd00::/8") from None


def ports_of(texts: tuple[str, ...]) -> tuple[tuple[int, int], ...]:
    """Read the setting `allow_port`.

    Raises:
        DefinitionError: One of them is neither a port nor a range.
    """
    found = []
    for text in texts:
        match = _RANGE.fullmatch(text)
        first, last = (int(match[1]), int(match[2] or match[1])) if match else (0, 0)
        if not 1 <= first <= last <= 65_535:
            raise DefinitionError("allow_port: expected a port such as 8443, or a range such as 8000-8099")
        found.append((first, last))
    return tuple(found)


def _without_dots(path: str) -> str:
    """Return a path without `.` and `..` in it (RFC 3986, 5.2.4): what robots.txt forbids has one name."""
    kept: list[str] = []
    segments = path.split("/")
    for place, segment in enumerate(segments):
        meant = segment.replace("%2e", ".").replace("%2E", ".")
        if meant not in (".", ".."):
            kept.append(segment)
            continue
        if meant == ".." and len(kept) > 1:
            kept.pop()
        if place == len(segments) - 1:
            kept.append("")
    return "/".join(kept)


def _ascii(host: str) -> str:
    if _DEVIATING.search(host):
        raise ToolError("The host of the URL can be read in two ways: write it in its ASCII form (xn--...)")
    try:
        return host.encode("idna").decode("ascii")
    except UnicodeError:
        raise ToolError("The host of the URL is no name: write it in its ASCII form (xn--...)") from None
