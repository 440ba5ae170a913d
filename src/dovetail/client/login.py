"""Credentials for requests to one server: what carries requests asks an `Authorizer` for them.

    StaticToken      a token that somebody gave us
    Login            one that logs in when it has to (`login_keeper`), by one of the grants in `login_grants`

Invariant: credentials go to the origin of the server that they are for, and nowhere else (A-33).
"""

import warnings
from collections.abc import Mapping
from typing import TYPE_CHECKING, Final, Protocol, runtime_checkable
from urllib.parse import urlsplit
from weakref import WeakSet

from dovetail.auth import is_loopback, origin
from dovetail.errors import AuthRequired

if TYPE_CHECKING:
    from dovetail.client.timer import Timers

OAUTH: Final = "oauth"


class Authorizer(Protocol):
    """Who makes the credentials of requests."""

    async def headers(self, method: str, url: str, body: bytes | None = None) -> Mapping[str, str]:
        """Return the header fields that authorise one request; a retry asks anew.

        Args:
            method: Of the request.
            url: Of the request.
            body: Of the request, so that a proof can be bound to it; None where there is none.

        Raises:
            AuthRequired: There are no credentials, and none can be had.
        """
        ...

    async def challenged(self, method: str, url: str, status: int, headers: Mapping[str, str]) -> bool:
        """Look at an answer of 401 or 403; tell whether to send the request again, with new headers.

        Args:
            method: Of the request.
            url: Of the request.
            status: Of the answer.
            headers: Of the answer, names in lower case.

        Raises:
            AuthRequired: There are no better credentials to be had.
        """
        ...


@runtime_checkable
class Attentive(Protocol):
    """An `Authorizer` that learns from answers that are no refusals, such as the next nonce of its proofs."""

    def answered(self, url: str, headers: Mapping[str, str]) -> None:
        """Look at the header fields of an answer, names in lower case."""
        ...


@runtime_checkable
class Visiting(Protocol):
    """An `Authorizer` whose user may have to do something: so long, nobody's time runs out.

    Attributes:
        waiting: The timers of those who wait.
    """

    waiting: "WeakSet[Timers]"


class StaticToken:
    """A token that somebody gave us. There is no other when it is refused.

    Args:
        token: The bearer token.
        server: URL of the server that it is for.
    """

    def __init__(self, token: str, server: str) -> None:
        if not token or not token.isascii() or not token.isprintable() or " " in token:
            raise AuthRequired("A bearer token is printable ASCII without spaces")
        parts = urlsplit(server)
        if parts.scheme == "http" and not is_loopback(parts.hostname or ""):
            # OAuth 2.1, 1.5: a bearer token is not to be transmitted in the clear.
            warnings.warn(f"A token goes to {parts.hostname} unencrypted: use https", RuntimeWarning, 2)
        self._headers = {"authorization": f"Bearer {token}"}
        self._origin = origin(server)
        self._server = server

    def __repr__(self) -> str:
        return f"<StaticToken for {self._origin[1]}>"

    async def headers(self, method: str, url: str, body: bytes | None = None) -> Mapping[str, str]:
        """Return the token, to its server."""
        if url != self._server:  # told apart in the time of a comparison: this is in front of every request
            refuse_other(self._origin, url)
        return self._headers

    async def challenged(self, method: str, url: str, status: int, headers: Mapping[str, str]) -> bool:
        """Say no."""
        return False


def authorizer_of(auth: str | Authorizer, server: str, timers: "Timers | None" = None) -> Authorizer:
    """Return what `Client(auth=...)` means: `"oauth"`, a bearer token, or somebody who makes the headers.

    Args:
        auth: What was given.
        server: URL of the server that it is for.
        timers: The client's: they stand while its user is in the browser.
    """
    if isinstance(auth, str) and auth.lower() != OAUTH:
        return StaticToken(auth, server)
    if isinstance(auth, str):
        from dovetail.client.login_grants import oauth_login

        auth = oauth_login(server)
    if timers is not None and isinstance(auth, Visiting):
        auth.waiting.add(timers)
    return auth


def refuse_other(ours: tuple[str, str, int], url: str) -> None:
    """Raise `AuthRequired` for a URL of another origin."""
    if origin(url) != ours:
        raise AuthRequired(f"These credentials are for {ours[1]}, and go to no other origin")
