"""The logins themselves, each one flow from a refusal to tokens, and the renewal of what a login gave.

    log_in          a user authorises us in the browser (OAuth 2.1 authorization code with PKCE)
    log_in_alone    we are somebody ourselves: client credentials, by secret or private key (RFC 6749, 4.4; RFC 7523)
    log_in_managed  the enterprise's identity provider decides (ID token -> ID-JAG -> token)
    log_in_workload the platform that we run on says who we are (RFC 7523, 2.1)

Each begins with discovery, because only the server knows which authorization server it trusts *now*: when that has
changed, nothing that belongs to the former one goes to the new (spec, Authorization Server Binding).
"""

from typing import Literal

import msgspec

from dovetail.auth.assertions import check_assertion, is_meant_for
from dovetail.auth.authorization import Authorization
from dovetail.auth.challenges import Demand
from dovetail.auth.clients import FORGOTTEN, Application, Client, bind, forget, identify
from dovetail.auth.discovery import (
    Found,
    choose_issuer,
    discover_legacy,
    discover_resource,
    discover_server,
)
from dovetail.auth.dpop import ProofKeys, Proofs
from dovetail.auth.grants import (
    ID_JAG,
    Asker,
    ask,
    assertion_grant,
    code_grant,
    credentials_grant,
    exchange_grant,
)
from dovetail.auth.keys import SigningKey
from dovetail.auth.metadata import ServerMetadata
from dovetail.auth.records import Tokens, client_key
from dovetail.auth.replies import Granted
from dovetail.auth.scopes import Scopes, select, step_up, with_offline
from dovetail.auth.steps import Flow, Means, Visit, save
from dovetail.auth.urls import canonical
from dovetail.errors import LoginRefused, LoginUnavailable, LoginUntrusted

Binding = Literal["auto", "always", "never"]


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """What stays the same over all logins to one server.

    Attributes:
        server: URL of the MCP server.
        means: The clock and randomness.
        keys: The keys that tokens are bound to.
        dpop: Bind tokens to a key: when both servers offer it, always, or never.
        scopes: Ask for these besides what the server names.
        legacy: Fall back to the discovery of 2025-03-26 when the server publishes nothing.
        foreign: A challenge may name metadata on another origin.
    """

    server: str
    means: Means
    keys: ProofKeys
    dpop: Binding = "auto"
    scopes: Scopes = ()
    legacy: bool = True
    foreign: bool = False


class Provider(msgspec.Struct, frozen=True, kw_only=True):
    """An enterprise's identity provider.

    Attributes:
        issuer: Its issuer identifier.
        client: Who we are to it.
        token_endpoint: Where it exchanges tokens; None to look it up by the issuer.
    """

    issuer: str
    client: Client
    token_endpoint: str | None = None


def find(plan: Plan, demand: Demand, known: tuple[str, ...] = ()) -> Flow[Found]:
    """Find the authorization server that a server trusts. Raises as discovery does."""
    resource = yield from discover_resource(plan.server, demand, foreign=plan.foreign)
    if resource is None:
        if not plan.legacy:
            raise LoginUnavailable("The server publishes no protected resource metadata")
        found = yield from discover_legacy(plan.server)
        return msgspec.structs.replace(found, resource=canonical(plan.server))
    issuer = choose_issuer(resource.authorization_servers, known)
    server = yield from discover_server(issuer)
    dpop = bool(resource.dpop_signing_alg_values_supported) or bool(resource.dpop_bound_access_tokens_required)
    return Found(server=server, resource=resource.resource, scopes=resource.scopes_supported, dpop=dpop)


def log_in(plan: Plan, app: Application, demand: Demand, previous: Tokens | None = None) -> Flow[Tokens]:
    """Have a user authorise us, in the browser.

    Args:
        plan: Where.
        app: Who we are.
        demand: What the server's answer demanded.
        previous: The tokens that did not suffice; what they were asked for is asked for again (step-up is a union).

    Raises:
        AuthRequired: Or what is below it.
    """
    known = tuple(c.issuer for c in app.registered if c.issuer) + ((previous.issuer,) if previous else ())
    found = yield from find(plan, demand, known)
    scopes = _scopes(plan, found, demand, previous)
    try:
        return (yield from _authorise(plan, app, demand, found, scopes))
    except LoginRefused as refusal:
        if refusal.error not in FORGOTTEN or app.registered or app.document:
            raise
    # The authorization server no longer knows the client that it registered: register again, once.
    yield from save(client_key(found.server.issuer), None)
    return (yield from _authorise(plan, app, demand, found, scopes))


def _authorise(plan: Plan, app: Application, demand: Demand, found: Found, scopes: Scopes | None) -> Flow[Tokens]:
    client = yield from identify(app, found.server, scopes, plan.means)
    authorization = Authorization(
        found.server,
        client_id=client.client_id,
        redirect_uri=app.redirect_uri,
        resource=found.resource,
        scopes=scopes,
        means=plan.means,
    )
    try:
        callback: str = yield Visit(authorization.url)
    except LoginUnavailable:
        # Nobody came back: an authorization server that forgot this client may have told the user, and nobody else.
        yield from forget(client.client_id, found.server.issuer)
        raise
    code = authorization.code(callback, plan.means.clock())
    asker = _asker(plan, found, demand, client, app.key)
    granted = yield from ask(asker, code_grant(authorization, code, found.resource))
    return _tokens(plan, found, asker, granted, scopes, refresh=True)


def log_in_alone(
    plan: Plan, client: Client, key: SigningKey | None, demand: Demand, previous: Tokens | None = None
) -> Flow[Tokens]:
    """Log in as ourselves. A refresh token is not kept: the credentials give the next token (RFC 6749, 4.4.3)."""
    found = yield from find(plan, demand, (client.issuer,) if client.issuer else ())
    client = yield from bind(client, found.server, plan.server)
    scopes = _scopes(plan, found, demand, previous)
    asker = _asker(plan, found, demand, client, key)
    granted = yield from ask(asker, credentials_grant(found.resource, scopes))
    return _tokens(plan, found, asker, granted, scopes)


def log_in_managed(
    plan: Plan,
    client: Client,
    key: SigningKey | None,
    provider: Provider,
    id_token: str,
    demand: Demand,
    previous: Tokens | None = None,
) -> Flow[Tokens]:
    """Log in with what the enterprise's identity provider says of the user; no browser is involved.

    The token endpoint of the second leg is the one of checked metadata, whatever else was configured (A-51).
    """
    found = yield from find(plan, demand, (client.issuer,) if client.issuer else ())
    client = yield from bind(client, found.server, plan.server)
    scopes = _scopes(plan, found, demand, previous)
    idp = yield from _provider(provider)
    grant = exchange_grant(id_token, found.server.issuer, found.resource, scopes)
    exchange = Asker(server=idp, client=provider.client, means=plan.means)
    exchanged = yield from ask(exchange, grant, "identity provider")
    if exchanged.issued != ID_JAG:
        raise LoginUntrusted("The identity provider gave something else than an identity assertion")
    check_assertion(
        exchanged.token,
        audience=found.server.issuer,
        resource=found.resource,
        client_id=client.client_id,
        now=plan.means.clock(),
        issuer=provider.issuer,
    )
    asker = _asker(plan, found, demand, client, key)
    granted = yield from ask(asker, assertion_grant(exchanged.token, found.resource, scopes))
    return _tokens(plan, found, asker, granted, scopes)


def log_in_workload(
    plan: Plan, assertion: str, client: Client | None, demand: Demand, previous: Tokens | None = None
) -> Flow[Tokens]:
    """Log in with a token of the platform. One request: what it is answered is what it is (A-52).

    Raises:
        LoginUntrusted: The token is not meant for the authorization server that the server trusts.
    """
    found = yield from find(plan, demand)
    server = found.server
    if not is_meant_for(assertion, issuer=server.issuer, token_endpoint=server.token_endpoint):
        raise LoginUntrusted("The workload's token is not meant for the server's authorization server: it is not shown")
    scopes = _scopes(plan, found, demand, previous)
    asker = _asker(plan, found, demand, client, None)
    granted = yield from ask(asker, assertion_grant(assertion, found.resource, scopes))
    return _tokens(plan, found, asker, granted, scopes)


def _scopes(plan: Plan, found: Found, demand: Demand, previous: Tokens | None) -> Scopes | None:
    offered = found.server.scopes_supported
    chosen = select(demand.scopes, found.scopes, offered)
    wanted = (*plan.scopes, *((previous.requested or ()) if previous is not None else ()))
    return with_offline(step_up(wanted, chosen or ()), offered) or None if wanted else chosen


def _asker(plan: Plan, found: Found, demand: Demand, client: Client | None, key: SigningKey | None) -> Asker:
    offered = "ES256" in (found.server.dpop_signing_alg_values_supported or ())
    bind = plan.dpop == "always" or (plan.dpop == "auto" and offered and (found.dpop or demand.dpop))
    proofs: Proofs | None = plan.keys.fresh() if bind else None
    return Asker(
        server=found.server, client=client, means=plan.means, key=key, proofs=proofs, must_bind=plan.dpop == "always"
    )


def _tokens(
    plan: Plan, found: Found, asker: Asker, granted: Granted, scopes: Scopes | None, *, refresh: bool = False
) -> Tokens:
    if granted.kind == "N_A":
        raise LoginUntrusted("The token response is of a token type that is not understood here")
    bound = asker.proofs if granted.kind == "DPoP" else None
    client, now = asker.client, plan.means.clock()
    return Tokens(
        server=plan.server,
        issuer=found.server.issuer,
        resource=found.resource,
        token_endpoint=found.server.token_endpoint,
        revocation_endpoint=found.server.revocation_endpoint,
        access_token=granted.token,
        scheme=granted.kind,
        scopes=granted.scopes if granted.scopes is not None else scopes,
        requested=scopes,
        expires_at=granted.ends(now),
        issued_at=now,
        refresh_token=granted.refresh_token if refresh else None,
        client_id=client.client_id if client else "",
        secret=client.secret if client and refresh else None,
        method=client.method if client else None,
        auth_methods=found.server.token_endpoint_auth_methods_supported,
        dpop=bound.key.scalar() if bound else None,
    )


def _provider(provider: Provider) -> Flow[ServerMetadata]:
    if provider.token_endpoint is None:
        return (yield from discover_server(provider.issuer))
    # Its metadata was not read: what the client can do decides how it proves itself.
    methods = ("client_secret_basic", "none") if provider.client.secret else ("none",)
    return ServerMetadata(
        issuer=provider.issuer,
        token_endpoint=provider.token_endpoint,
        token_endpoint_auth_methods_supported=methods,
    )
