"""Discovery: from a server that turned a request away to the authorization server that it trusts.

Order (spec, Authorization Server Discovery): the URL in the challenge; else `/.well-known/oauth-protected-resource`
with the server's path inserted, then at the root. For an issuer with a path: RFC 8414 inserted, OpenID inserted, OpenID
appended; without one: RFC 8414, OpenID. What is not found, or is no JSON object, leads to the next; an answer of 5xx
ends the search, because what would be found next is not what the server wanted to say.

Invariants: a redirect is followed within its origin only, three times at most, and every hop is checked again (A-27).
The document's `issuer` is byte for byte the one that was asked for (A-21); its `resource` covers the server (A-20).
"""

from collections.abc import Sequence
from typing import Final
from urllib.parse import urljoin, urlsplit

import msgspec

from dovetail.auth.challenges import Demand
from dovetail.auth.metadata import ResourceMetadata, ServerMetadata, read_document, read_object
from dovetail.auth.steps import Flow, Reply, Request, send
from dovetail.auth.urls import appended as appended_to
from dovetail.auth.urls import check_url, covers, inserted, origin, root_of
from dovetail.errors import LoginUnavailable, LoginUntrusted
from dovetail.revisions import NEWEST

HOPS: Final = 3
_RESOURCE: Final = "oauth-protected-resource"
_SERVER: Final = "oauth-authorization-server"
_OPENID: Final = "openid-configuration"
_REDIRECTS: Final = frozenset({301, 302, 303, 307, 308})
_HEADERS: Final = {"accept": "application/json", "mcp-protocol-version": NEWEST.version}


class Found(msgspec.Struct, frozen=True, kw_only=True):
    """Where to log in, and for what.

    Attributes:
        server: The authorization server.
        resource: The identifier of what tokens are for; sent byte for byte as the parameter `resource`.
        scopes: The resource's `scopes_supported`.
        dpop: The resource takes, or wants, tokens that are bound to a key.
        legacy: The server publishes no metadata of its own, as before 2025-06-18.
        assumed: Nor does the authorization server: its endpoints are the default ones of 2025-03-26.
    """

    server: ServerMetadata
    resource: str
    scopes: tuple[str, ...] | None = None
    dpop: bool = False
    legacy: bool = False
    assumed: bool = False


def resource_urls(server: str) -> tuple[str, ...]:
    """Return where a server's own metadata may stand, first to last."""
    root = root_of(server)
    plain = server.partition("?")[0].partition("#")[0]
    return tuple(dict.fromkeys((inserted(plain, _RESOURCE), inserted(root, _RESOURCE))))


def server_urls(issuer: str) -> tuple[str, ...]:
    """Return where an issuer's metadata may stand, first to last."""
    if urlsplit(issuer).path in ("", "/"):
        return inserted(issuer, _SERVER), inserted(issuer, _OPENID)
    trimmed = issuer.rstrip("/")
    return inserted(trimmed, _SERVER), inserted(trimmed, _OPENID), appended_to(trimmed, _OPENID)


def discover_resource(server: str, demand: Demand, *, foreign: bool = False) -> Flow[ResourceMetadata | None]:
    """Find the metadata of a protected resource; None when it publishes none.

    Args:
        server: The URL that was asked.
        demand: What its answer demanded.
        foreign: The challenge may name metadata on another origin.

    Raises:
        LoginUntrusted: The metadata is of something else, or names no authorization server.
        LoginUnavailable: The server fails to answer.
    """
    urls = resource_urls(server)
    if demand.metadata is not None:
        check_url(demand.metadata, "URL of the protected resource metadata")
        if not foreign and origin(demand.metadata) != origin(server):
            raise LoginUntrusted("The challenge names protected resource metadata on another origin than the server's")
        urls = tuple(dict.fromkeys((demand.metadata, *urls)))
    document = yield from _first(urls, "protected resource metadata")
    if document is None:
        return None
    found = read_document(document, ResourceMetadata, "protected resource metadata")
    if not covers(found.resource, server):
        raise LoginUntrusted("The protected resource metadata is for another resource than the server that was asked")
    if not found.authorization_servers:
        raise LoginUntrusted("The protected resource metadata names no authorization server")
    return found


def discover_server(issuer: str) -> Flow[ServerMetadata]:
    """Find and check the metadata of the authorization server with this issuer identifier.

    Raises:
        LoginUntrusted: "If they differ, the client MUST NOT use the metadata": the document names another issuer.
        LoginUnavailable: There is none.
    """
    check_url(issuer, "issuer")
    if "?" in issuer:
        raise LoginUntrusted("An issuer has no query (RFC 8414, section 2)")
    document = yield from _first(server_urls(issuer), "authorization server metadata")
    if document is None:
        raise LoginUnavailable("The authorization server publishes no metadata where the specification says")
    return _checked(document, (issuer,))


def discover_legacy(server: str) -> Flow[Found]:
    """Find the authorization server of a server of 2025-03-26: on its own origin, by default paths if need be."""
    base = root_of(server)
    document = yield from _first((inserted(base, _SERVER),), "authorization server metadata")
    if document is not None:
        # The base URL with and without its slash are one place, and servers of that time name either.
        return Found(server=_checked(document, (base, base + "/")), resource=server, legacy=True)
    assumed = ServerMetadata(
        issuer=base,
        authorization_endpoint=f"{base}/authorize",
        token_endpoint=f"{base}/token",
        registration_endpoint=f"{base}/register",
        code_challenge_methods_supported=("S256",),
        token_endpoint_auth_methods_supported=("none", "client_secret_post", "client_secret_basic"),
    )
    return Found(server=assumed, resource=server, legacy=True, assumed=True)


def choose_issuer(offered: Sequence[str], known: Sequence[str]) -> str:
    """Choose one of the authorization servers that a resource trusts: the first that is known here, else the first."""
    return next((issuer for issuer in offered if issuer in known), offered[0])


def _checked(document: bytes, issuers: Sequence[str]) -> ServerMetadata:
    found = read_document(document, ServerMetadata, "authorization server metadata")
    if found.issuer not in issuers:
        raise LoginUntrusted("The authorization server metadata names another issuer than the one that was asked for")
    check_url(found.token_endpoint, "token endpoint")
    for url, what in (
        (found.authorization_endpoint, "authorization endpoint"),
        (found.registration_endpoint, "registration endpoint"),
        (found.revocation_endpoint, "revocation endpoint"),
    ):
        if url is not None:
            check_url(url, what)
    return found


def _first(urls: Sequence[str], what: str) -> Flow[bytes | None]:
    for url in urls:
        reply = yield from _get(url, what)
        if reply.status >= 500:
            raise LoginUnavailable(f"The {what} cannot be had: HTTP status {reply.status}")
        document = read_object(reply.body) if reply.status == 200 else None
        if document is not None:
            return document
    return None


def _get(url: str, what: str) -> Flow[Reply]:
    start = url
    for _ in range(HOPS + 1):
        check_url(url, f"URL of the {what}")
        reply = yield from send(Request(method="GET", url=url, headers=_HEADERS))
        if reply.status not in _REDIRECTS:
            return reply
        url = urljoin(url, reply.headers.get("location", ""))
        check_url(url, f"redirect of the {what}")
        if origin(url) != origin(start):
            raise LoginUntrusted(f"The {what} is redirected to another origin")
    raise LoginUntrusted(f"The {what} is redirected more than {HOPS} times")
