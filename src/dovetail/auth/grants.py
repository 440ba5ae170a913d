"""Token requests: what each grant sends, how the client proves itself, and the exchange itself.

Every request names the resource that its token is for, byte for byte as in discovery (A-24), and goes to the token
endpoint of checked metadata; a redirect is never followed (A-27). With DPoP a proof goes along; when the server answers
`use_dpop_nonce` with a nonce, the request is sent once more with it (RFC 9449, section 8), and never again.
"""

from collections.abc import Mapping
from typing import Final

import msgspec

from dovetail.auth.authorization import Authorization
from dovetail.auth.clients import Client, prove
from dovetail.auth.dpop import Proofs
from dovetail.auth.keys import SigningKey
from dovetail.auth.metadata import ServerMetadata
from dovetail.auth.replies import Granted, read_grant, registered_error
from dovetail.auth.scopes import Scopes, spelled
from dovetail.auth.steps import Flow, Means, Reply, Request, send
from dovetail.auth.urls import check_url, form
from dovetail.errors import LoginUntrusted

JWT_BEARER: Final = "urn:ietf:params:oauth:grant-type:jwt-bearer"
EXCHANGE: Final = "urn:ietf:params:oauth:grant-type:token-exchange"
IDENTITY: Final = "urn:ietf:params:oauth:token-type:id_token"
ID_JAG: Final = "urn:ietf:params:oauth:token-type:id-jag"


class Asker(msgspec.Struct, frozen=True, kw_only=True):
    """Who asks a token endpoint, and with what.

    Attributes:
        server: The authorization server.
        client: The client; None where the grant itself says who asks (workload identity).
        key: The private key that the client proves itself with.
        proofs: To bind the token to a key.
        must_bind: A token that is not bound to the key is refused.
    """

    server: ServerMetadata
    client: Client | None
    means: Means
    key: SigningKey | None = None
    proofs: Proofs | None = None
    must_bind: bool = False


def code_grant(authorization: Authorization, code: str, resource: str) -> dict[str, str]:
    """Redeem an authorization code (RFC 6749, 4.1.3; RFC 7636, 4.5; RFC 8707, 2.2)."""
    return {
        "grant_type": "authorization_code",
        "code": code,
        "redirect_uri": authorization.redirect_uri,
        "code_verifier": authorization.verifier,
        "resource": resource,
    }


def refresh_grant(refresh_token: str, resource: str) -> dict[str, str]:
    """Renew a token (RFC 6749, 6)."""
    return {"grant_type": "refresh_token", "refresh_token": refresh_token, "resource": resource}


def credentials_grant(resource: str, scopes: Scopes | None) -> dict[str, str]:
    """Ask for a token for ourselves (RFC 6749, 4.4)."""
    return {"grant_type": "client_credentials", "resource": resource, **spelled(scopes)}


def assertion_grant(assertion: str, resource: str, scopes: Scopes | None) -> dict[str, str]:
    """Ask for a token with somebody's statement (RFC 7523, 2.1)."""
    return {"grant_type": JWT_BEARER, "assertion": assertion, "resource": resource, **spelled(scopes)}


def exchange_grant(id_token: str, audience: str, resource: str, scopes: Scopes | None) -> dict[str, str]:
    """Exchange an ID token for an identity assertion grant (RFC 8693; enterprise-managed authorization, section 4)."""
    return {
        "grant_type": EXCHANGE,
        "requested_token_type": ID_JAG,
        "subject_token": id_token,
        "subject_token_type": IDENTITY,
        "audience": audience,
        "resource": resource,
        **spelled(scopes),
    }


def ask(asker: Asker, grant: Mapping[str, str], what: str = "authorization server") -> Flow[Granted]:
    """Make a token request and read its answer. Raises as `read_grant` does."""
    check_url(asker.server.token_endpoint, "token endpoint")
    reply = yield from _post(asker, grant)
    proofs = asker.proofs
    if proofs is not None:
        fresh = proofs.learn(asker.server.token_endpoint, reply.headers)
        if fresh and reply.status in (400, 401) and registered_error(reply.body) == "use_dpop_nonce":
            reply = yield from _post(asker, grant)
            proofs.learn(asker.server.token_endpoint, reply.headers)
    granted = read_grant(reply, what)
    if granted.kind == "DPoP" and proofs is None:
        raise LoginUntrusted("The token is bound to a key, and none was sent")
    if asker.must_bind and granted.kind != "DPoP":
        raise LoginUntrusted("The token is not bound to our key, as it was to be")
    return granted


def _post(asker: Asker, grant: Mapping[str, str]) -> Flow[Reply]:
    endpoint = asker.server.token_endpoint
    headers = {"accept": "application/json", "content-type": "application/x-www-form-urlencoded"}
    parameters = dict(grant)
    if asker.client is not None:
        proof_headers, proof_parameters = prove(asker.client, asker.server, asker.key, asker.means)
        headers.update(proof_headers)
        parameters.update(proof_parameters)
    if asker.proofs is not None:
        headers["dpop"] = asker.proofs.proof("POST", endpoint)
    return (yield from send(Request(method="POST", url=endpoint, headers=headers, body=form(parameters))))
