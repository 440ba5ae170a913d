"""Which scopes a login asks for (spec, Scope Selection Strategy, Step-Up Authorization Flow, Refresh Tokens).

A scope list is a tuple in the order in which it was first seen, without repetition; None means that the parameter is
left out. What is no scope token of RFC 6749 (3.3), and everything beyond the first hundred, is dropped.
"""

import re
from collections.abc import Iterable
from typing import Final

OFFLINE: Final = "offline_access"
MOST: Final = 100
_TOKEN: Final = re.compile(r"[\x21\x23-\x5b\x5d-\x7e]{1,256}\Z")

Scopes = tuple[str, ...]


def tidy(scopes: Iterable[str]) -> Scopes:
    """Keep what is a scope, once each."""
    return tuple(dict.fromkeys(scope for scope in scopes if _TOKEN.match(scope)))[:MOST]


def select(challenged: Scopes | None, supported: Scopes | None, offered: Scopes | None) -> Scopes | None:
    """Choose the scopes of a first login.

    "1. Use `scope` parameter from the initial `WWW-Authenticate` header in the 401 response, if provided. 2. If `scope`
    is not available, use all scopes defined in `scopes_supported` from the Protected Resource Metadata document,
    omitting the `scope` parameter if `scopes_supported` is undefined."

    Args:
        challenged: Of the challenge.
        supported: Of the protected resource's metadata.
        offered: Of the authorization server's metadata: `offline_access` is asked for when, and only when, it is here.
    """
    chosen = challenged if challenged else supported
    return None if not chosen else with_offline(tidy(chosen), offered)


def with_offline(scopes: Scopes, offered: Scopes | None) -> Scopes:
    """Ask for `offline_access` exactly when the authorization server lists it."""
    plain = tuple(scope for scope in scopes if scope != OFFLINE)
    return (*plain, OFFLINE) if OFFLINE in (offered or ()) else plain


def step_up(requested: Scopes | None, challenged: Scopes) -> Scopes:
    """Widen what was asked for before by what a challenge asks for: their union."""
    return tidy((*(requested or ()), *challenged))


def spelled(scopes: Scopes | None) -> dict[str, str]:
    """Return the parameter `scope`, or nothing."""
    return {"scope": " ".join(scopes)} if scopes else {}
