"""The `WWW-Authenticate` header: what a server wants of whom it turned away (RFC 9110, 11.6.1; RFC 6750, 3).

The grammar is ambiguous to a parser in a hurry: challenges and their parameters are both separated by commas, and a
scheme may carry a token instead of parameters. One pass, left to right, linear; what cannot be read ends the reading,
and what was read until then counts. Of a repeated parameter the first counts.
"""

import re
from collections.abc import Mapping
from typing import Final

import msgspec

LONGEST: Final = 8192
"""Characters that are read of a header."""

_TOKEN: Final = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
_TOKEN68: Final = re.compile(r"[A-Za-z0-9\-._~+/]+=*(?=[ \t]*(?:,|\Z))")
_EQUALS: Final = re.compile(r"[ \t]*=[ \t]*")
_QUOTED: Final = re.compile(r'"((?:[^"\\\x00-\x08\x0a-\x1f\x7f]|\\[\t\x20-\x7e])*)"')
_COMMAS: Final = re.compile(r"[ \t]*,[ \t,]*|[ \t]*\Z")
_ESCAPE: Final = re.compile(r"\\(.)")


class Challenge(msgspec.Struct, frozen=True):
    """One challenge: its scheme in lower case, its parameters with names in lower case."""

    scheme: str
    parameters: Mapping[str, str]


class Demand(msgspec.Struct, frozen=True, kw_only=True):
    """What all the challenges of one answer say to a client of OAuth.

    Attributes:
        metadata: URL of the protected resource's metadata, or None.
        scopes: What the request needs, or None when it is not said.
        error: `invalid_token`, `insufficient_scope`, `use_dpop_nonce`, ..., or "".
        dpop: A challenge of the DPoP scheme is among them.
    """

    metadata: str | None = None
    scopes: tuple[str, ...] | None = None
    error: str = ""
    dpop: bool = False


def read_challenges(value: str) -> tuple[Challenge, ...]:
    """Read a header's value; several header lines are joined by commas before.

    Returns:
        The challenges in their order; fewer than were meant when the header is malformed.
    """
    text = value[:LONGEST]
    found: list[tuple[str, dict[str, str]]] = []
    at = _skip_commas(text, 0)
    while at < len(text):
        name = _TOKEN.match(text, at)
        if name is None:
            break
        at = name.end()
        equals = _EQUALS.match(text, at)
        if equals is not None and found:
            at = _parameter(text, name.group().lower(), equals.end(), found[-1][1])
        elif at == len(text) or text[at] in " \t,":
            found.append((name.group().lower(), {}))
            at = _after_scheme(text, at)
        else:
            break
        if at < 0:
            break
    return tuple(Challenge(scheme, parameters) for scheme, parameters in found)


def _skip_commas(text: str, at: int) -> int:
    while at < len(text) and text[at] in ", \t":
        at += 1
    return at


def _after_scheme(text: str, at: int) -> int:
    """Return where the first parameter, or the next challenge, begins; a token68 is skipped."""
    start = at
    while at < len(text) and text[at] in " \t":
        at += 1
    token = _TOKEN68.match(text, at) if at > start else None
    if token is not None:
        at = token.end()
    return _skip_commas(text, at)


def _parameter(text: str, name: str, at: int, into: dict[str, str]) -> int:
    """Read a value; return where the next thing begins, or -1 when this one cannot be read."""
    quoted = _QUOTED.match(text, at)
    plain = None if quoted else _TOKEN.match(text, at)
    if quoted is not None:
        value, at = _ESCAPE.sub(r"\1", quoted[1]), quoted.end()
    elif plain is not None:
        value, at = plain.group(), plain.end()
    else:
        return -1
    into.setdefault(name, value)
    ended = _COMMAS.match(text, at)
    return -1 if ended is None else ended.end()


def read_demand(headers: Mapping[str, str]) -> Demand:
    """Read what an answer of 401 or 403 demands, out of its Bearer and DPoP challenges.

    Args:
        headers: The answer's headers, names in lower case.
    """
    ours = [c for c in read_challenges(headers.get("www-authenticate", "")) if c.scheme in ("bearer", "dpop")]

    def first(name: str) -> str | None:
        return next((c.parameters[name] for c in ours if name in c.parameters), None)

    scope = first("scope")
    return Demand(
        metadata=first("resource_metadata"),
        scopes=None if scope is None else tuple(scope.split()),
        error=first("error") or "",
        dpop=any(c.scheme == "dpop" for c in ours),
    )
