"""The identity assertion grant (ID-JAG) as the client sees it: is this the one that we asked for?

The same is asked of any assertion that is shown to an authorization server: is it meant for this one?

The authorization server that it is for verifies the signature; a client has no business with the identity provider's
keys, having fetched the assertion from the provider itself. What a client can see is checked before it is sent on, so
that an assertion for somebody else goes nowhere (enterprise-managed authorization, 4.3 and 7.6).
"""

import re
from base64 import urlsafe_b64decode
from typing import Any, Final

import msgspec

from dovetail.auth.metadata import read_object
from dovetail.errors import LoginUntrusted

TYPE: Final = "oauth-id-jag+jwt"
LEEWAY: Final = 60.0
_PART: Final = re.compile(r"[A-Za-z0-9_-]+\Z")


class _Header(msgspec.Struct, frozen=True):
    typ: str
    alg: str


class _Audience(msgspec.Struct, frozen=True):
    aud: str | list[str]


class _Claims(msgspec.Struct, frozen=True):
    iss: str
    aud: str | list[str]
    client_id: str
    exp: float
    jti: str
    sub: str = ""
    resource: str | list[str] | None = None
    nbf: float | None = None


def check_assertion(
    assertion: str, *, audience: str, resource: str, client_id: str, now: float, issuer: str | None = None
) -> str:
    """Check an identity assertion grant against what was asked for; return its `jti`.

    Args:
        assertion: What the identity provider gave us.
        audience: Issuer of the authorization server that it is for.
        resource: The MCP server that it is for.
        client_id: Who we are to that authorization server.
        now: The time, in seconds since the epoch.
        issuer: The identity provider, when it is known.

    Raises:
        LoginUntrusted: It is of another type, for somebody or something else, or over.
    """
    parts = assertion.split(".")
    if len(parts) != 3:
        raise LoginUntrusted("The identity assertion is not a signed token")
    header, claims = _read(parts[0], _Header), _read(parts[1], _Claims)
    if header.typ.lower().removeprefix("application/") != TYPE or header.alg.lower() == "none":
        raise LoginUntrusted("The identity assertion is a token of another type")
    wrong = next(
        (
            name
            for name, right in (
                ("iss", issuer is None or claims.iss == issuer),
                ("aud", claims.aud in (audience, [audience])),
                ("client_id", claims.client_id == client_id),
                ("resource", claims.resource is None or claims.resource in (resource, [resource])),
                ("jti", bool(claims.jti)),
                ("exp", claims.exp > now - LEEWAY),
                ("nbf", claims.nbf is None or claims.nbf <= now + LEEWAY),
            )
            if not right
        ),
        None,
    )
    if wrong is not None:
        raise LoginUntrusted(f"The identity assertion is not what was asked for: {wrong}")
    return str(claims.jti)


def is_meant_for(assertion: str, *, issuer: str, token_endpoint: str) -> bool:
    """Tell whether a signed token names an authorization server as its audience.

    A server says which authorization server it trusts; shown to any other, a token could be used again where it is
    meant to be shown (RFC 7523, section 3: the audience is the issuer, or the token endpoint).
    """
    parts = assertion.split(".")
    if len(parts) != 3:
        return False
    try:
        named = _read(parts[1], _Audience).aud
    except LoginUntrusted:
        return False
    audiences = {named} if isinstance(named, str) else set(named)
    return bool(audiences & {issuer, issuer.rstrip("/"), issuer.rstrip("/") + "/", token_endpoint})


def _read(part: str, kind: type[Any]) -> Any:
    body: bytes | None = None
    if len(part) <= 64 * 1024 and _PART.match(part):
        try:
            body = read_object(urlsafe_b64decode(part + "=" * (-len(part) % 4)))
        except ValueError:
            body = None
    if body is None:
        raise LoginUntrusted("The identity assertion cannot be read")
    try:
        return msgspec.json.decode(body, type=kind)
    except msgspec.DecodeError:
        raise LoginUntrusted("The identity assertion lacks a claim, or has one of another type") from None
