"""What `dovetail doctor` looks at over HTTP before any client does: encryption, credentials, and whose pages may call.

Two requests of our own are sent, `server/discover` each: one without credentials, and one that says it comes from a
page of a stranger. Neither has an effect on a server.
"""

import asyncio
from collections.abc import AsyncIterator, Mapping
from typing import Any, Final
from urllib.parse import urlsplit

import msgspec

from dovetail.auth import check_url, is_loopback, read_demand, refusals
from dovetail.cli.findings import Finding, note, ok, wrong
from dovetail.cli.probing import Answer, probe
from dovetail.cli.targets import pairs
from dovetail.cli.terminal import shown
from dovetail.cli.visiting import VARIABLE, Visit
from dovetail.errors import DovetailError
from dovetail.net import HttpClient

_STRANGER: Final = "https://stranger.example"
_SECONDS: Final = 15.0
_METADATA_BYTES: Final = 64 * 1024


async def examined_http(url: str, doing: Visit) -> AsyncIterator[Finding]:
    """Look at what can be told without a client; what cannot be reached is left for the client to say."""
    host = urlsplit(url).hostname or ""
    local = is_loopback(host)
    if urlsplit(url).scheme == "http" and not local:
        yield wrong(
            "encryption", "http, beyond this machine: anybody on the way reads all of it", "serve it over https"
        )
    http = HttpClient()
    try:
        async with asyncio.timeout(doing.options.get("timeout", _SECONDS)):
            answer = await probe(http, url, _own_headers(doing))
            if 200 <= answer.status < 300 and not answer.mcp:
                return  # a page of somebody: who may read it is no question of MCP
            yield await _credentials(answer, url, doing, local)
            yield await _stranger(http, url, doing)
    except (TimeoutError, DovetailError):
        return  # the connection's own finding says more
    finally:
        await http.aclose()


async def _credentials(answer: Answer, url: str, doing: Visit, local: bool) -> Finding:
    status, headers, _ = answer
    given = doing.options.get("token") or doing.options.get("oauth")
    if status == 401 or (status == 403 and "www-authenticate" in headers):
        return await _challenged(url, status, headers, bool(given))
    if status == 403:
        return wrong(
            "credentials", "it refuses us with HTTP status 403, and does not say what it wants", "ask its owner"
        )
    if given:
        return ok("credentials", "it asks for none; those that were given may not be needed")
    if local or _private(doing):
        return ok("credentials", "it asks for none")
    return note(
        "credentials", "it asks for none: whoever finds it can use it", "ask for credentials, if that is not meant"
    )


def _private(doing: Visit) -> bool:
    return any(name.lower() in ("authorization", "x-api-key") for name in _own_headers(doing))


async def _challenged(url: str, status: int, headers: Mapping[str, str], given: bool) -> Finding:
    """Say what a challenge says, and whether a client can follow it (2025-06-18 and later, Authorization)."""
    if "www-authenticate" not in headers:
        return wrong("credentials", f"HTTP status {status} without WWW-Authenticate", "say there where to log in")
    demand = read_demand(headers)
    said = f"it wants credentials (HTTP status {status})"
    if demand.error:
        said += f", {shown(demand.error)}"
    if demand.scopes:
        said += f", for the scopes {shown(' '.join(demand.scopes))}"
    if demand.metadata is None:
        advice = "it should name resource_metadata in WWW-Authenticate: not every client looks for it elsewhere"
        return note("credentials", said, advice)
    servers = await _issuers(demand.metadata, local=is_loopback(urlsplit(url).hostname or ""))
    if not servers:
        return wrong("credentials", f"{said}; its metadata cannot be read", f"mend {shown(demand.metadata)}")
    said += f"; one logs in at {', '.join(map(shown, servers))}"
    return ok("credentials", said) if given else note("credentials", said, f"log in with --oauth, or set {VARIABLE}")


async def _issuers(metadata: str, *, local: bool) -> list[str]:
    """Return the authorization servers that a protected resource's metadata names; none if it cannot be read.

    The server chose the URL: it leads to no inner address, unless the server is on this machine itself (A-29).
    """
    http = HttpClient(admit=lambda addresses: refusals(addresses, loopback=local, networks=()))
    try:
        check_url(metadata, "URL of the metadata")
        response = await http.send("GET", metadata, {"accept": "application/json"})
        body = await response.read(_METADATA_BYTES)
        document: Any = msgspec.json.decode(body) if response.status == 200 else None
    except (DovetailError, msgspec.DecodeError):
        return []
    finally:
        await http.aclose()
    servers = document.get("authorization_servers") if isinstance(document, dict) else None
    return [each for each in servers if isinstance(each, str)] if isinstance(servers, list) else []


async def _stranger(http: HttpClient, url: str, doing: Visit) -> Finding:
    """Find out whether a web page of anybody can use it.

    "Servers MUST validate the Origin header on all incoming connections to prevent DNS rebinding attacks" (2025-03-26
    and later, Streamable HTTP, Security Warning)
    """
    own = {**_own_headers(doing), "origin": _STRANGER}
    if token := doing.options.get("token"):
        own["authorization"] = f"Bearer {token}"
    status, *_ = await probe(http, url, own)
    if status in (401, 403):
        return ok("origin", "the pages of strangers are refused")
    if 200 <= status < 300:
        return wrong(
            "origin", "any web page can use it (DNS rebinding)", "refuse an Origin that is not allowed, with 403"
        )
    return note(
        "origin", f"a page of a stranger gets HTTP status {status}", "refuse an Origin that is not allowed, with 403"
    )


def _own_headers(doing: Visit) -> dict[str, str]:
    headers = {name.lower(): value for name, value in pairs(doing.options.get("headers", ())).items()}
    inner = doing.target.get("headers") if isinstance(doing.target, dict) else None
    if isinstance(inner, dict):
        headers = {**{str(name).lower(): str(value) for name, value in inner.items()}, **headers}
    return headers
