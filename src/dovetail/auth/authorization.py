"""The authorization code flow's two ends in the browser: the URL it is sent to, and the URL it comes back with.

One `Authorization` is one attempt: it holds what the answer is checked against, and answers once. The order of the
checks: is this our redirect URI; `state`; `iss`; only then is an error read, or the code (spec, Authorization Response
Validation: "on mismatch the client MUST NOT act on or display `error`, `error_description`, or `error_uri`").
"""

import hmac
from typing import Final
from urllib.parse import parse_qs, parse_qsl, urlsplit

from dovetail.auth.keys import digest, encoded
from dovetail.auth.metadata import ServerMetadata
from dovetail.auth.replies import known_error
from dovetail.auth.scopes import Scopes, spelled
from dovetail.auth.steps import Means
from dovetail.auth.urls import check_url, with_query
from dovetail.errors import LoginRefused, LoginUnavailable, LoginUntrusted

SECONDS: Final = 600.0
"""How long an attempt may take."""
_LONGEST: Final = 16 * 1024
_MOST_PARAMETERS: Final = 50


class Authorization:
    """One attempt to have a user authorise us.

    Attributes:
        url: Where the browser is to be sent.
        verifier: What proves at the token endpoint that the one who redeems the code is the one who asked (PKCE).
        redirect_uri: Where the browser comes back to.

    Raises:
        LoginUntrusted: The authorization server does not support PKCE with S256 (A-22).
        LoginUnavailable: It has no authorization endpoint.
    """

    def __init__(
        self,
        server: ServerMetadata,
        *,
        client_id: str,
        redirect_uri: str,
        resource: str,
        scopes: Scopes | None,
        means: Means,
    ) -> None:
        if "S256" not in (server.code_challenge_methods_supported or ()):
            # "If `code_challenge_methods_supported` is absent, the authorization server does not support PKCE and MCP
            # clients MUST refuse to proceed" (spec, Authorization Code Protection).
            raise LoginUntrusted("The authorization server does not say that it supports PKCE with S256")
        if server.authorization_endpoint is None:
            raise LoginUnavailable("The authorization server has no authorization endpoint")
        check_url(server.authorization_endpoint, "authorization endpoint")
        self.verifier = encoded(means.random(32))
        self.redirect_uri = redirect_uri
        self._state = encoded(means.random(32))
        self._issuer = server.issuer
        self._iss_promised = bool(server.authorization_response_iss_parameter_supported)
        self._until = means.clock() + SECONDS
        self._answered = False
        request = {
            "response_type": "code",
            "client_id": client_id,
            "redirect_uri": redirect_uri,
            "code_challenge": digest(self.verifier.encode("ascii")),
            "code_challenge_method": "S256",
            "state": self._state,
            "resource": resource,
            **spelled(scopes),
        }
        if not request.keys().isdisjoint(parse_qs(urlsplit(server.authorization_endpoint).query, True)):
            # "Request and response parameters MUST NOT be included more than once" (RFC 6749, 3.1).
            raise LoginUntrusted("The authorization endpoint's URL has a parameter that is ours to say")
        self.url = with_query(server.authorization_endpoint, request)

    def __repr__(self) -> str:
        return f"<Authorization at {self._issuer}{', answered' if self._answered else ''}>"

    def code(self, callback: str, now: float) -> str:
        """Return the authorization code of an answer.

        Args:
            callback: The URL that the browser came back with.
            now: The time, in seconds since the epoch.

        Raises:
            LoginUntrusted: It is not the answer to this attempt: another state or issuer, too late, or once too often.
            LoginRefused: The authorization server says no, and it is it that says so.
        """
        if self._answered:
            raise LoginUntrusted("An answer to this login has been taken before")
        self._answered = True
        if now > self._until:
            raise LoginUntrusted("The answer to this login came too late")
        given = self._parameters(callback)
        if not hmac.compare_digest(given.get("state", "").encode("utf-8", "replace"), self._state.encode("ascii")):
            raise LoginUntrusted("The answer to this login has another state than was sent")
        self._check_issuer(given.get("iss"))
        if "error" in given:
            raise LoginRefused("The authorization server did not authorise this client", known_error(given["error"]))
        code = given.get("code", "")
        if not code:
            raise LoginUntrusted("The answer to this login holds no code")
        return code

    def _check_issuer(self, given: str | None) -> None:
        """Apply the table of "Authorization Response Validation", by simple string comparison."""
        if given is None:
            if self._iss_promised:
                raise LoginUntrusted("The answer to this login does not name its issuer, as the server said it would")
        elif given != self._issuer:
            raise LoginUntrusted("The answer to this login comes from another issuer than the one that was asked")

    def _parameters(self, callback: str) -> dict[str, str]:
        if len(callback) > _LONGEST:
            raise LoginUntrusted("The answer to this login is too long")
        base, _, _ = callback.partition("#")[0].partition("?")
        if base != self.redirect_uri.partition("?")[0]:
            raise LoginUntrusted("The answer to this login did not come to our redirect URI")
        try:
            pairs = parse_qsl(
                urlsplit(callback).query, keep_blank_values=True, errors="strict", max_num_fields=_MOST_PARAMETERS
            )
        except ValueError:
            raise LoginUntrusted("The answer to this login cannot be read") from None
        if len({name for name, _ in pairs}) != len(pairs):
            raise LoginUntrusted("The answer to this login says something twice")
        return dict(pairs)
