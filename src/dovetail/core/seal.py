"""The seal of a request's state: what a stateless server hands to a client and can trust when it comes back (S-12).

"servers MUST treat requestState as an attacker-controlled input. If requestState influences authorization, resource
access, or business logic, servers MUST protect its integrity (e.g. HMAC or AEAD) and MUST reject state that fails
verification" (2026-07-28, Multi Round-Trip Requests, Server Requirements 4).

    state   = base64url(header | nonce | sealed), unpadded
    header  = version (1 byte) | key id (4 bytes)
    sealed  = AES-256-GCM(key, nonce, expiry (8 bytes, milliseconds) | payload, associated data = header | binding)

The key that encrypts, and the id that finds it, are derived from a key of the ring by HKDF-Expand (RFC 5869), so a
ring may serve other purposes too. The binding is not in the state: it is rebuilt from the request that brings the
state back, so a state fits one principal, one server, one definition and one request. A state seals less than it
proves: it can come back more than once until it expires, and whoever needs single use burns a nonce of the payload in
the `Ledger`.

Invariants: every way to be refused looks the same to the peer. What is accepted has one spelling. The clock and
randomness are passed in; the cipher is loaded when first used. Nonces are random: rotate a key before it has sealed
2**32 states.
"""

import hmac
import struct
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import msgspec

from dovetail.errors import LimitExceeded, StateRefused
from dovetail.wire import DEFAULT_LIMITS

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

LONGEST = 3600.0
"""Seconds that a state may be valid at most (asking, The seal: an hour when a URL visit is asked)."""

_LEEWAY = 60.0
"""Seconds that the clocks of two workers may differ."""

_VERSION = b"\x01"
_HEADER = 5
_NONCE = 12
_TAG = 16
_EXPIRY = struct.Struct(">Q")
_LABEL = b"dovetail request state 1 "


class Binding(msgspec.Struct, frozen=True, kw_only=True):
    """What a state belongs to. It opens for exactly the same binding.

    Attributes:
        principal: Who: issuer, client and subject, or what stands for them without authentication.
        audience: Which server: its name or canonical URL.
        definition: Digest of the tool's, prompt's or resource's definition; "" where there is none.
        method: The request's method.
        request: Digest of the canonical JSON (RFC 8785) of its name and arguments.
    """

    principal: str
    audience: str
    definition: str
    method: str
    request: str

    def canonical(self) -> bytes:
        """Return bytes that no other binding has: each part with its length before it."""
        # Principals come from tokens: a lone surrogate must neither raise nor meet another string.
        parts = [part.encode("utf-8", "surrogatepass") for part in msgspec.structs.astuple(self)]
        return b"".join(len(part).to_bytes(4, "big") + part for part in parts)


def seal_state(
    payload: bytes,
    binding: Binding,
    ring: Sequence[bytes],
    *,
    expires: float,
    random: Callable[[int], bytes],
    limit: int = DEFAULT_LIMITS.request_state,
) -> str:
    """Seal a payload with the first key of a ring.

    Args:
        payload: What the server wants to know again.
        binding: What the state belongs to.
        ring: Keys of 32 bytes.
        expires: When it stops being valid, in seconds since the epoch.
        random: Returns that many random bytes from a cryptographic source.
        limit: The most characters that the state may have.

    Raises:
        LimitExceeded: The state would be longer than `limit`; it is not issued.
    """
    cipher, header = _cipher(ring[0]), _VERSION + _key_id(ring[0])
    nonce = random(_NONCE)
    content = _EXPIRY.pack(max(int(expires * 1000), 0)) + payload
    size = _spelled(_HEADER + _NONCE + len(content) + _TAG)
    if size > limit:
        raise LimitExceeded(f"requestState would have {size} characters; the limit is {limit}", limit="request_state")
    sealed = cipher.encrypt(nonce, content, header + binding.canonical())
    return _encode(header + nonce + sealed)


def open_state(
    state: str,
    binding: Binding,
    ring: Sequence[bytes],
    *,
    now: float,
    longest: float = LONGEST,
    limit: int = DEFAULT_LIMITS.request_state,
) -> bytes:
    """Return the payload of a state that was sealed for this binding and has not expired.

    Args:
        state: What the client sent.
        binding: What it has to belong to.
        ring: Keys of 32 bytes; any of them opens.
        now: The time, in seconds since the epoch.
        longest: Seconds that any state is valid at most: one that claims more was sealed by a clock that has since been
            set back, and would outlive its time (R-34).
        limit: The most characters that a state may have.

    Raises:
        StateRefused: Anything is wrong with it; `reason` says what, for the log only.
    """
    raw = _decode(state, limit)
    header, nonce, sealed = raw[:_HEADER], raw[_HEADER : _HEADER + _NONCE], raw[_HEADER + _NONCE :]
    if len(sealed) < _EXPIRY.size + _TAG:
        raise StateRefused("too short")
    if header[:1] != _VERSION:
        raise StateRefused("of another version")
    content = _decrypt(ring, header, nonce, sealed, binding)
    left = _EXPIRY.unpack_from(content)[0] / 1000 - now
    if left <= 0:
        raise StateRefused("expired")
    if left > longest + _LEEWAY:
        raise StateRefused("valid for longer than any state is")
    return content[_EXPIRY.size :]


def _decrypt(ring: Sequence[bytes], header: bytes, nonce: bytes, sealed: bytes, binding: Binding) -> bytes:
    from cryptography.exceptions import InvalidTag

    bound = header + binding.canonical()
    candidates = [key for key in ring if hmac.compare_digest(_key_id(key), header[1:])]
    for key in candidates:
        try:
            return bytes(_cipher(key).decrypt(nonce, sealed, bound))
        except InvalidTag:
            continue
    raise StateRefused("does not authenticate" if candidates else "sealed with a key that is not in the ring")


def _cipher(key: bytes) -> "AESGCM":
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

    return AESGCM(_derive(key, b"key"))


def _key_id(key: bytes) -> bytes:
    return _derive(key, b"id")[: _HEADER - 1]


def _derive(key: bytes, purpose: bytes) -> bytes:
    # HKDF-Expand for one block: the keys of a ring are uniformly random, so there is nothing to extract (RFC 5869,
    # 3.3).
    return hmac.digest(key, _LABEL + purpose + b"\x01", "sha256")


def _encode(raw: bytes) -> str:
    return urlsafe_b64encode(raw).rstrip(b"=").decode("ascii")


def _decode(state: str, limit: int) -> bytes:
    if len(state) > limit:
        raise StateRefused("over the limit")
    try:
        raw = urlsafe_b64decode(state.encode("ascii") + b"=" * (-len(state) % 4))
    except ValueError:
        raise StateRefused("not base64url") from None
    # The decoder skips foreign characters and ignores stray bits; only the spelling that we write is accepted.
    if _encode(raw) != state:
        raise StateRefused("not canonical base64url")
    return raw


def _spelled(size: int) -> int:
    return (size * 4 + 2) // 3
