"""What is kept between logins, under which keys, and the port that keeps it.

    client:<issuer>                 a client that was registered dynamically
    bound:<client id>:<server URL>  the issuer that a registered client was first used with
    tokens:<profile>:<server URL>   the tokens for one server, with all that a refresh needs

Tokens hold their issuer and resource, and are refreshed nowhere else (A-26): a record is of no use to another
authorization server even when somebody could swap the metadata afterwards. Expiry is absolute.
"""

from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from typing import Final, Protocol

import msgspec

EARLY: Final = 30.0
"""Seconds before its end from which on a token is to be renewed; half its life where that is less."""


class Tokens(msgspec.Struct, frozen=True, kw_only=True):
    """What a login gave us, and what it takes to renew it.

    Attributes:
        server: URL of the MCP server that they are for.
        issuer: Who issued them.
        resource: What they were issued for.
        token_endpoint: Of the issuer's metadata, when it was checked.
        revocation_endpoint: Of the same metadata, if it has one.
        access_token: The token.
        scheme: `Bearer` or `DPoP`: the token's type, and how it is presented.
        scopes: What was granted, as far as is known; None when nobody said.
        requested: What was asked for.
        expires_at: In seconds since the epoch; None when nobody said.
        issued_at: When it came, likewise.
        refresh_token: To get the next, if there is one.
        client_id: Who they were issued to; `secret` and `method` as in `Client`.
        auth_methods: The token endpoint's, to prove ourselves when refreshing.
        dpop: The private key that they are bound to.
    """

    server: str
    issuer: str
    resource: str
    token_endpoint: str
    access_token: str
    scheme: str = "Bearer"
    revocation_endpoint: str | None = None
    scopes: tuple[str, ...] | None = None
    requested: tuple[str, ...] | None = None
    expires_at: float | None = None
    issued_at: float | None = None
    refresh_token: str | None = None
    client_id: str = ""
    secret: str | None = None
    method: str | None = None
    auth_methods: tuple[str, ...] | None = None
    dpop: bytes | None = None

    def __repr__(self) -> str:
        resource = self.resource.partition("?")[0]
        return f"<Tokens of {self.issuer} for {resource}, {self.scheme}, until {self.expires_at}>"

    def fresh(self, now: float) -> bool:
        """Tell whether the access token can still be used, and need not be renewed yet."""
        if self.expires_at is None:
            return True
        life = 2 * EARLY if self.issued_at is None else self.expires_at - self.issued_at
        return now < self.expires_at - min(EARLY, life / 2)

    def valid(self, now: float) -> bool:
        """Tell whether the access token can still be used, as far as is known."""
        return self.expires_at is None or now < self.expires_at


class TokenStore(Protocol):
    """Keeps secrets under names, for all processes of one user."""

    async def load(self, key: str) -> bytes | None:
        """Return a value, or None.

        Raises:
            StoreUnusable: It cannot be read, or others may have read it.
        """
        ...

    async def save(self, key: str, value: bytes | None) -> None:
        """Keep a value, or forget it (None). What was there is replaced at once or not at all."""
        ...

    async def keys(self) -> Sequence[str]:
        """Return all keys."""
        ...

    def alone(self, key: str) -> AbstractAsyncContextManager[None]:
        """Keep every other task and process out that asks with the same key."""
        ...


def client_key(issuer: str) -> str:
    """Return the key of a client that was registered with an issuer."""
    return f"client:{issuer}"


def bound_key(client_id: str, server: str) -> str:
    """Return the key of the issuer that a client was first used with, for a server."""
    return f"bound:{client_id}:{server}"


def is_binding(key: str) -> bool:
    """Tell whether a key is that of a client's issuer."""
    return key.startswith("bound:")


def tokens_key(server: str, profile: str = "") -> str:
    """Return the key of the tokens for a server; a profile tells several users of one store apart."""
    return f"tokens:{profile}:{server}"


def logging_in_key(server: str, profile: str = "") -> str:
    """Return the key under which nothing is kept: who logs in is alone with it while its user is in the browser."""
    return f"login:{profile}:{server}"


def decode_tokens(value: bytes) -> Tokens | None:
    """Read a record; None when it is damaged."""
    try:
        return msgspec.json.decode(value, type=Tokens)
    except (msgspec.DecodeError, ValueError):  # ValueError: what is not UTF-8
        return None


def read_tokens(value: bytes | None, server: str) -> Tokens | None:
    """Read a record; None when there is none, it is damaged, or it is for another server (A-33)."""
    tokens = None if value is None else decode_tokens(value)
    return tokens if tokens is not None and tokens.server == server else None


def write_tokens(tokens: Tokens) -> bytes:
    """Write a record."""
    return msgspec.json.encode(tokens)
