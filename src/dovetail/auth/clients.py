"""Who we are to an authorization server: which client identifier, from where, and how it proves itself.

Order (spec, Client Registration): registered before; a client ID metadata document, where the authorization server
takes one; dynamic registration; whoever can enter credentials.

Invariants: credentials belong to the issuer that gave them, and are shown to no other (A-26); a client identifier that
is a URL of ours is portable. A secret is in no repr.
"""

from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import urlsplit

import msgspec

from dovetail.auth.keys import SigningKey, encoded
from dovetail.auth.metadata import ServerMetadata, read_document, read_object
from dovetail.auth.records import bound_key, client_key
from dovetail.auth.replies import registered_error
from dovetail.auth.scopes import Scopes, spelled
from dovetail.auth.steps import Flow, Means, Prompt, Request, load, save, send
from dovetail.auth.urls import basic, is_loopback
from dovetail.errors import DefinitionError, LoginRefused, LoginUnavailable, LoginUntrusted

ASSERTION_SECONDS: Final = 120
ASSERTION_TYPE: Final = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
FORGOTTEN: Final = frozenset({"invalid_client", "unauthorized_client"})
"""What an authorization server says that no longer knows a client."""
_SECRET_METHODS: Final = ("client_secret_basic", "client_secret_post")


class Client(msgspec.Struct, frozen=True, kw_only=True):
    """A client as one authorization server knows it.

    Attributes:
        client_id: Its identifier.
        issuer: Who gave it; None for one that any authorization server can look up.
        secret: Its secret, if it has one.
        method: How it proves itself at the token endpoint; None to choose from what the server supports.
        redirect_uri: What it was registered with.
        expires_at: When its secret ends, in seconds since the epoch; None for never.
    """

    client_id: str
    issuer: str | None = None
    secret: str | None = None
    method: str | None = None
    redirect_uri: str | None = None
    expires_at: float | None = None

    def __repr__(self) -> str:
        return f"<Client {self.client_id[:64]!r} of {self.issuer}>"


class Application(msgspec.Struct, frozen=True, kw_only=True):
    """What a login says about the program that logs in.

    Attributes:
        name: For people.
        registered: Clients that were registered before, each with its issuer; an issuer of None is bound to the first
            authorization server that it is used with.
        document: URL of our client ID metadata document.
        key: The private key that the registered client, or the document, proves itself with.
        redirect_uri: Where the browser comes back to.
        server: The MCP server, where a client of no known issuer is bound to its authorization server.
        kind: `native` or `web`; None to tell by the redirect URI.
        uri: The program's page, for people.
    """

    name: str = "Dovetail"
    registered: tuple[Client, ...] = ()
    document: str | None = None
    key: SigningKey | None = None
    redirect_uri: str = "http://127.0.0.1/callback"
    server: str = ""
    kind: str | None = None
    uri: str | None = None

    def application_type(self) -> str:
        """Return `native` or `web` (OpenID Connect Dynamic Client Registration 1.0, section 2)."""
        parts = urlsplit(self.redirect_uri)
        local = parts.scheme not in ("http", "https") or is_loopback(parts.hostname or "")
        return self.kind or ("native" if local else "web")


class _Registration(msgspec.Struct, frozen=True):
    client_id: str
    client_secret: str | None = None
    client_secret_expires_at: float | None = None
    token_endpoint_auth_method: str | None = None


def check_document_url(url: str) -> None:
    """Refuse a client ID metadata document's URL that is not https with a path (spec, Implementation Requirements).

    Raises:
        DefinitionError: It is none.
    """
    parts = urlsplit(url)
    plain = parts.scheme == "https" and parts.hostname and not parts.fragment and "@" not in parts.netloc
    if not plain or parts.path in ("", "/"):
        raise DefinitionError("A client ID metadata document has an https URL with a path")


def identify(app: Application, server: ServerMetadata, scopes: Scopes | None, means: Means) -> Flow[Client]:
    """Return the client to log in as.

    Raises:
        LoginUntrusted: The registered clients belong to other authorization servers.
        LoginRefused: The authorization server registers none.
        LoginUnavailable: None of the four ways is open.
    """
    if app.registered:
        return (yield from _registered(app, server))
    if app.document is not None and server.client_id_metadata_document_supported:
        check_document_url(app.document)
        return Client(client_id=app.document)
    if server.registration_endpoint is not None:
        known = yield from _remembered(app, server, means)
        if known is not None:
            return known
        return (yield from register(app, server, server.registration_endpoint, scopes))
    entered: Client | None = yield Prompt(server.issuer)
    if entered is None:
        raise LoginUnavailable(
            f"{server.issuer} registers no clients by itself: register one there, and give its client_id"
        )
    return msgspec.structs.replace(entered, issuer=server.issuer)


def _registered(app: Application, server: ServerMetadata) -> Flow[Client]:
    for client in app.registered:
        if client.issuer == server.issuer:
            return client
    for client in app.registered:
        if client.issuer is None and (yield from _binds(client, server, app.server)):
            return msgspec.structs.replace(client, issuer=server.issuer)
    raise LoginUntrusted(
        "The client was registered with another authorization server than the one that the server names now: "
        "its credentials are not shown to this one"
    )


def bind(client: Client, server: ServerMetadata, resource: str) -> Flow[Client]:
    """Return a client that belongs to an authorization server; one of no known issuer does to the first that it meets.

    Raises:
        LoginUntrusted: It belongs to another: its credentials are not shown to this one.
    """
    known = client.issuer is not None
    if not (client.issuer == server.issuer if known else (yield from _binds(client, server, resource))):
        raise LoginUntrusted(
            "The server trusts another authorization server than the one that these credentials belong to: "
            "they are not shown to it. If they do belong to it, say so by the client's `issuer`"
        )
    return msgspec.structs.replace(client, issuer=server.issuer)


def _binds(client: Client, server: ServerMetadata, resource: str) -> Flow[bool]:
    """Tell whether a client of no known issuer belongs to an authorization server, which the first one is told."""
    where = bound_key(client.client_id, resource)
    bound = yield from load(where)
    if bound is None:
        yield from save(where, server.issuer.encode())
    return bound in (None, server.issuer.encode())


def forget(client_id: str, issuer: str) -> Flow[None]:
    """Forget a client that was registered with an issuer, so that the next login registers another."""
    known = yield from _stored(issuer)
    if known is not None and known.client_id == client_id:
        yield from save(client_key(issuer), None)


def _stored(issuer: str) -> Flow[Client | None]:
    stored = yield from load(client_key(issuer))
    try:
        return None if stored is None else msgspec.json.decode(stored, type=Client)
    except (msgspec.DecodeError, ValueError):
        return None


def _remembered(app: Application, server: ServerMetadata, means: Means) -> Flow[Client | None]:
    known = yield from _stored(server.issuer)
    if known is None:
        return None
    fresh = known.expires_at is None or known.expires_at > means.clock() + 60
    return known if fresh and known.issuer == server.issuer and known.redirect_uri == app.redirect_uri else None


def register(app: Application, server: ServerMetadata, endpoint: str, scopes: Scopes | None) -> Flow[Client]:
    """Register with an authorization server (RFC 7591), and remember what it gave us."""
    supported = server.token_endpoint_auth_methods_supported or ("client_secret_basic",)
    method = next((m for m in ("none", *_SECRET_METHODS) if m in supported), "none")
    asked: dict[str, Any] = {
        "client_name": app.name,
        "redirect_uris": [app.redirect_uri],
        "grant_types": ["authorization_code", "refresh_token"],
        "response_types": ["code"],
        "token_endpoint_auth_method": method,
        "application_type": app.application_type(),
        **({"client_uri": app.uri} if app.uri else {}),
        **spelled(scopes),
    }
    headers = {"accept": "application/json", "content-type": "application/json"}
    reply = yield from send(Request(method="POST", url=endpoint, headers=headers, body=msgspec.json.encode(asked)))
    if reply.status not in (200, 201):
        raise LoginRefused(
            f"The authorization server did not register this client (HTTP status {reply.status}, application_type "
            f"{asked['application_type']}, redirect URI {app.redirect_uri})",
            registered_error(reply.body),
        )
    document = read_object(reply.body)
    if document is None:
        raise LoginUntrusted("The answer to the registration is not what its RFC says")
    given = read_document(document, _Registration, "answer to the registration")
    client = Client(
        client_id=given.client_id,
        issuer=server.issuer,
        secret=given.client_secret,
        method=given.token_endpoint_auth_method,
        redirect_uri=app.redirect_uri,
        expires_at=given.client_secret_expires_at or None,
    )
    yield from save(client_key(server.issuer), msgspec.json.encode(client))
    return client


def authentication(client: Client, server: ServerMetadata, key: SigningKey | None) -> str:
    """Choose how a client proves itself at a token endpoint.

    The client's own method counts if the server supports it; else the strongest of what both can.

    Raises:
        LoginUnavailable: There is none.
    """
    supported = server.token_endpoint_auth_methods_supported or ("client_secret_basic",)
    able = {
        "private_key_jwt": key is not None,
        "client_secret_basic": client.secret is not None,
        "client_secret_post": client.secret is not None,
        "none": True,
    }
    if client.method in able and able[client.method] and (client.method in supported or client.method == "none"):
        return client.method
    if server.token_endpoint_auth_methods_supported is None and key is not None:
        return "private_key_jwt"
    if client.secret is None and key is None:
        return "none"
    chosen = next((method for method, can in able.items() if can and method in supported), None)
    if chosen is None:
        raise LoginUnavailable("The authorization server supports no way in which this client could prove itself")
    return chosen


def prove(
    client: Client, server: ServerMetadata, key: SigningKey | None, means: Means, *, audience: str | None = None
) -> tuple[Mapping[str, str], Mapping[str, str]]:
    """Return the headers and the form parameters with which a client proves itself (RFC 6749, 2.3; RFC 7523, 2.2)."""
    match authentication(client, server, key):
        case "client_secret_basic":
            return {"authorization": basic(client.client_id, client.secret or "")}, {}
        case "client_secret_post":
            return {}, {"client_id": client.client_id, "client_secret": client.secret or ""}
        case "private_key_jwt":
            assert key is not None
            return {}, {
                "client_assertion_type": ASSERTION_TYPE,
                "client_assertion": assertion(key, client.client_id, audience or server.issuer, means),
            }
        case _:
            return {}, {"client_id": client.client_id}


def assertion(key: SigningKey, client_id: str, audience: str, means: Means) -> str:
    """Return a client's assertion about itself, for one use within two minutes (RFC 7523, section 3)."""
    now = int(means.clock())
    claims = {
        "iss": client_id,
        "sub": client_id,
        "aud": audience,
        "iat": now,
        "exp": now + ASSERTION_SECONDS,
        "jti": encoded(means.random(16)),
    }
    return key.sign({"typ": "JWT"}, claims)
