"""What becomes of tokens after a login: renewed where they came from, given back there, and shown nowhere else.

    is_trusted    does the server still trust those who issued them?
    refresh       renews them
    revoke        gives them back

The record holds all that this takes, as it was checked at the login: nothing is looked up again, so that nobody who can
change what would be found gets a refresh token (A-26).
"""

import msgspec

from dovetail.auth.challenges import Demand
from dovetail.auth.clients import FORGOTTEN, Client, forget, prove
from dovetail.auth.discovery import discover_resource
from dovetail.auth.grants import Asker, ask, refresh_grant
from dovetail.auth.keys import SigningKey
from dovetail.auth.login import Plan
from dovetail.auth.metadata import ServerMetadata
from dovetail.auth.records import Tokens
from dovetail.auth.steps import Flow, Request, send
from dovetail.auth.urls import check_url, form, root_of
from dovetail.errors import LoginRefused, LoginUnavailable


def is_trusted(plan: Plan, tokens: Tokens, demand: Demand) -> Flow[bool]:
    """Tell whether the server still trusts the authorization server that tokens came from, for the same resource.

    Asked before a refresh token is used after a refusal: the server may have moved to another authorization server, and
    then a new login is what is wanted.
    """
    resource = yield from discover_resource(plan.server, demand, foreign=plan.foreign)
    if resource is None:
        base = root_of(plan.server)
        return plan.legacy and tokens.issuer in (base, base + "/")
    return tokens.issuer in resource.authorization_servers and tokens.resource == resource.resource


def refresh(plan: Plan, tokens: Tokens, key: SigningKey | None = None) -> Flow[Tokens]:
    """Renew tokens at the token endpoint that they came from.

    Raises:
        LoginRefused: The refresh token is over, or was used by somebody else.
        LoginUnavailable: There is no refresh token, or the authorization server fails.
    """
    if tokens.refresh_token is None:
        raise LoginUnavailable("There is no refresh token")
    server = _issuer_of(tokens)
    client = Client(client_id=tokens.client_id, issuer=tokens.issuer, secret=tokens.secret, method=tokens.method)
    proofs = plan.keys.of(tokens.dpop)
    asker = Asker(server=server, client=client, means=plan.means, key=key, proofs=proofs, must_bind=proofs is not None)
    try:
        granted = yield from ask(asker, refresh_grant(tokens.refresh_token, tokens.resource))
    except LoginRefused as refusal:
        if refusal.error in FORGOTTEN:
            yield from forget(tokens.client_id, tokens.issuer)
        raise
    now = plan.means.clock()
    return msgspec.structs.replace(
        tokens,
        access_token=granted.token,
        scheme=granted.kind,
        scopes=granted.scopes if granted.scopes is not None else tokens.scopes,
        expires_at=granted.ends(now),
        issued_at=now,
        refresh_token=granted.refresh_token or tokens.refresh_token,
    )


def revoke(plan: Plan, tokens: Tokens, key: SigningKey | None = None) -> Flow[bool]:
    """Tell the authorization server that tokens are not needed any more (RFC 7009); tell whether it heard.

    Nothing is raised for an answer of the server's: who logs out is logged out here, whatever it says. The refresh
    token is named where there is one, because the access tokens that came of it end with it.
    """
    if tokens.revocation_endpoint is None:
        return False
    check_url(tokens.revocation_endpoint, "revocation endpoint")
    server = _issuer_of(tokens)
    client = Client(client_id=tokens.client_id, issuer=tokens.issuer, secret=tokens.secret, method=tokens.method)
    headers, proof = prove(client, server, key, plan.means)
    kind = "access_token" if tokens.refresh_token is None else "refresh_token"
    parameters = {"token": tokens.refresh_token or tokens.access_token, "token_type_hint": kind, **proof}
    reply = yield from send(
        Request(
            method="POST",
            url=tokens.revocation_endpoint,
            headers={"content-type": "application/x-www-form-urlencoded", **headers},
            body=form(parameters),
        )
    )
    return reply.status == 200


def _issuer_of(tokens: Tokens) -> ServerMetadata:
    """Return what was kept of the metadata of those who issued tokens."""
    return ServerMetadata(
        issuer=tokens.issuer,
        token_endpoint=tokens.token_endpoint,
        token_endpoint_auth_methods_supported=tokens.auth_methods,
    )
