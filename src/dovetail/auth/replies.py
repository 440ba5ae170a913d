"""Reading a token endpoint's answers (RFC 6749, 5.1 and 5.2; RFC 8693, 2.2).

Invariant: of an answer that is an error, only a registered error code goes on; a peer's own words, which may repeat
what we sent, go nowhere. Of one that is not, the token is checked for what a header may hold before anything uses it.
"""

import re
from typing import Final

import msgspec

from dovetail.auth.metadata import read_document, read_object
from dovetail.auth.scopes import Scopes, tidy
from dovetail.auth.steps import Reply
from dovetail.errors import LoginRefused, LoginUnavailable, LoginUntrusted

UNREGISTERED: Final = "unregistered_error"
LONGEST_TOKEN: Final = 32 * 1024
_MOST_SECONDS: Final = 10 * 366 * 86_400
_VISIBLE: Final = re.compile(r"[\x21-\x7e]+\Z")
_ERRORS: Final = frozenset(
    "invalid_request invalid_client invalid_grant unauthorized_client unsupported_grant_type invalid_scope "
    "access_denied unsupported_response_type server_error temporarily_unavailable invalid_target invalid_redirect_uri "
    "invalid_client_metadata invalid_software_statement unapproved_software_statement invalid_dpop_proof "
    "use_dpop_nonce interaction_required login_required consent_required account_selection_required "
    "insufficient_user_authentication invalid_token insufficient_scope".split()
)


class Granted(msgspec.Struct, frozen=True, kw_only=True):
    """What a token endpoint gave.

    Attributes:
        token: The access token, or what was asked for instead (RFC 8693).
        kind: Its type: `Bearer`, `DPoP`, or `N_A` for what is no access token.
        issued: `issued_token_type` of a token exchange, or None.
        seconds: How long it lasts; None when nobody said.
        refresh_token: To get the next, if there is one.
        scopes: What was granted; None when it is what was asked for.
    """

    token: str
    kind: str
    issued: str | None = None
    seconds: float | None = None
    refresh_token: str | None = None
    scopes: Scopes | None = None

    def __repr__(self) -> str:
        return f"<Granted {self.kind}>"

    def ends(self, now: float) -> float | None:
        """Return when it ends; None when nobody said."""
        return None if self.seconds is None else now + self.seconds


class _Body(msgspec.Struct, frozen=True):
    access_token: str
    token_type: str | None = None
    issued_token_type: str | None = None
    expires_in: float | str | None = None
    refresh_token: str | None = None
    scope: str | None = None


class _Failure(msgspec.Struct, frozen=True):
    error: str = ""


def known_error(code: str) -> str:
    """Return a registered error code of OAuth, or one word for all others."""
    return code if code in _ERRORS else UNREGISTERED


def registered_error(body: bytes) -> str:
    """Read the error code of an answer."""
    document = read_object(body)
    if document is None:
        return UNREGISTERED
    try:
        return known_error(msgspec.json.decode(document, type=_Failure).error)
    except msgspec.DecodeError:
        return UNREGISTERED


def read_grant(reply: Reply, what: str = "authorization server") -> Granted:
    """Read the answer to a token request.

    Raises:
        LoginRefused: It is an error; `error` says which.
        LoginUnavailable: The server fails (5xx), or is redirected: a request with secrets is sent nowhere else (A-27).
        LoginUntrusted: It is no token response, or holds a token that no header could carry.
    """
    if 300 <= reply.status < 400:
        raise LoginUnavailable(f"The token endpoint of the {what} redirects, and is not followed")
    if reply.status >= 500 or reply.status == 429:
        raise LoginUnavailable(f"The token endpoint of the {what} fails: HTTP status {reply.status}")
    if reply.status != 200:
        raise LoginRefused(f"The {what} gave no token", registered_error(reply.body))
    document = read_object(reply.body)
    if document is None:
        raise LoginUntrusted(f"The token endpoint of the {what} does not answer with JSON")
    if registered_error(document) != UNREGISTERED:
        raise LoginRefused(f"The {what} gave no token", registered_error(document))
    given = read_document(document, _Body, "token response")
    for secret in (given.access_token, given.refresh_token or None):
        if secret is not None and (len(secret) > LONGEST_TOKEN or not _VISIBLE.match(secret)):
            raise LoginUntrusted("The token response holds a token of characters that no token has")
    return Granted(
        token=given.access_token,
        kind=_kind(given.token_type or "Bearer"),
        issued=given.issued_token_type,
        seconds=_seconds(given.expires_in),
        refresh_token=given.refresh_token or None,
        scopes=None if given.scope is None else tidy(given.scope.split()),
    )


def _kind(given: str) -> str:
    kind = {"bearer": "Bearer", "dpop": "DPoP", "n_a": "N_A"}.get(given.lower())
    if kind is None:
        raise LoginUntrusted("The token response is of a token type that is not understood here")
    return kind


def _seconds(given: float | str | None) -> float | None:
    """Return a lifetime; some servers write it as a text. What is no number of seconds counts as over at once."""
    if isinstance(given, str):
        given = float(given) if given.isascii() and given.isdigit() and len(given) < 12 else 0.0
    return None if given is None else min(max(float(given), 0.0), _MOST_SECONDS)
