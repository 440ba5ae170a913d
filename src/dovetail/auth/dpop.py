"""Proofs of possession: a token that is stolen is of no use without the key that each request is signed with.

RFC 9449, as the MCP extension profiles it: a proof names the method, the URL without query and fragment, the time, the
token's hash, and for a request to an MCP server the digest of its body, because all its requests have one URL and one
method. A server may hand out a nonce that the next proof to its origin must hold (sections 8 and 9).

Invariant: no two proofs share a `jti`, and none outlives its request: each is made when it is sent.
"""

from base64 import b64encode
from collections.abc import Mapping
from hashlib import sha256
from typing import Any, Final

from dovetail.auth.keys import SigningKey, digest, encoded
from dovetail.auth.steps import Means
from dovetail.auth.urls import origin

MOST_NONCES: Final = 64
LONGEST_NONCE: Final = 512

Origin = tuple[str, str, int]


class Proofs:
    """The proofs of one key, and the nonces that servers have handed out for it, by origin."""

    def __init__(self, key: SigningKey, means: Means) -> None:
        self.key = key
        self._means = means
        self._nonces: dict[Origin, str] = {}

    def __repr__(self) -> str:
        return f"<Proofs {self.key.algorithm}, {len(self._nonces)} nonces>"

    def proof(self, method: str, url: str, *, token: str | None = None, body: bytes | None = None) -> str:
        """Return the value of the header `DPoP` for one request.

        Args:
            method: Its method.
            url: Its URL.
            token: The access token that goes with it; None at a token endpoint.
            body: The body of a request to an MCP server, for the claim `content_digest`.
        """
        claims: dict[str, Any] = {
            "jti": encoded(self._means.random(16)),
            "htm": method,
            "htu": url.partition("#")[0].partition("?")[0],
            "iat": int(self._means.clock()),
        }
        if token is not None:
            claims["ath"] = digest(token.encode("ascii"))
        if body is not None:
            claims["content_digest"] = f"sha-256=:{b64encode(sha256(body).digest()).decode('ascii')}:"
        nonce = self._nonces.get(origin(url))
        if nonce is not None:
            claims["nonce"] = nonce
        return self.key.sign({"typ": "dpop+jwt", "jwk": self.key.public()}, claims)

    def nonce(self, url: str) -> str | None:
        """Return the nonce that the next proof to a URL's origin will hold."""
        return self._nonces.get(origin(url))

    def learn(self, url: str, headers: Mapping[str, str]) -> bool:
        """Keep the nonce that an answer brought; tell whether it is a new one for this origin."""
        nonce = headers.get("dpop-nonce", "")
        # NQCHAR of RFC 6749, as RFC 9449 (8.1) has it: nothing that could end a JSON string or a header.
        if not 0 < len(nonce) <= LONGEST_NONCE or not all("\x21" <= c <= "\x7e" and c not in '"\\' for c in nonce):
            return False
        where = origin(url)
        if self._nonces.get(where) == nonce:
            return False
        self._nonces.pop(where, None)
        while len(self._nonces) >= MOST_NONCES:
            del self._nonces[next(iter(self._nonces))]
        self._nonces[where] = nonce
        return True


class ProofKeys:
    """The proofs of every key in use, so that what one request learned of a nonce serves the next."""

    def __init__(self, means: Means) -> None:
        self._means = means
        self._known: dict[bytes, Proofs] = {}

    def __repr__(self) -> str:
        return f"<ProofKeys {len(self._known)} keys>"

    def fresh(self) -> Proofs:
        """Return the proofs of a new key."""
        proofs = Proofs(SigningKey.fresh(self._means.random), self._means)
        self._known[proofs.key.scalar() or b""] = proofs
        return proofs

    def of(self, scalar: bytes | None) -> Proofs | None:
        """Return the proofs of a key that was kept with its tokens; None for tokens without one."""
        if scalar is None:
            return None
        if scalar not in self._known:
            self._known[scalar] = Proofs(SigningKey.from_scalar(scalar), self._means)
        return self._known[scalar]
