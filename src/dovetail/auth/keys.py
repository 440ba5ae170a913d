"""Signing keys and compact JSON Web Signatures, asymmetric algorithms only (RFC 7515; RFC 8725, section 3.1).

The library that signs is loaded when a key is first used. A key's repr, and every error here, says nothing of it.
"""

from base64 import urlsafe_b64encode
from collections.abc import Callable, Mapping
from hashlib import sha256
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, Final

import msgspec

from dovetail.errors import DefinitionError

if TYPE_CHECKING:
    from joserfc.jwk import ECKey, RSAKey

ALGORITHMS: Final = ("ES256", "ES384", "RS256", "PS256")
_CURVES: Final = {"ES256": "secp256r1", "ES384": "secp384r1"}
_WEAKEST_RSA: Final = 2048
_ORDER: Final = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
"""Of P-256: a private key is a number below it, and not zero (FIPS 186-5)."""


class SigningKey:
    """A private key and the one algorithm that it signs with."""

    def __init__(self, key: "ECKey | RSAKey", algorithm: str, scalar: bytes | None = None) -> None:
        self._key = key
        self._scalar = scalar
        self.algorithm = algorithm

    def __repr__(self) -> str:
        return f"<SigningKey {self.algorithm}>"

    @classmethod
    def from_pem(cls, pem: str | bytes, algorithm: str = "ES256") -> "SigningKey":
        """Read an unencrypted private key in PEM.

        Raises:
            DefinitionError: It is none, or does not fit the algorithm, or the algorithm is not one of `ALGORITHMS`.
        """
        _loadable()
        from cryptography.exceptions import UnsupportedAlgorithm
        from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
        from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
        from cryptography.hazmat.primitives.serialization import load_pem_private_key
        from joserfc.jwk import ECKey, RSAKey

        if algorithm not in ALGORITHMS:
            raise DefinitionError(f"A key signs with one of {', '.join(ALGORITHMS)}")
        try:
            private = load_pem_private_key(pem.encode() if isinstance(pem, str) else pem, None)
        except (ValueError, TypeError, UnsupportedAlgorithm):
            private = None
        if algorithm in _CURVES and isinstance(private, EllipticCurvePrivateKey):
            if private.curve.name == _CURVES[algorithm]:
                return cls(ECKey.import_key(private), algorithm)
        elif algorithm not in _CURVES and isinstance(private, RSAPrivateKey):
            if private.key_size >= _WEAKEST_RSA:
                return cls(RSAKey.import_key(private), algorithm)
        raise DefinitionError(f"This is no unencrypted private key in PEM for {algorithm}")

    @classmethod
    def fresh(cls, random: Callable[[int], bytes]) -> "SigningKey":
        """Make a new key for ES256."""
        # 64 bits more than the order has: the remainder's bias is negligible (FIPS 186-5, A.2.1).
        number = int.from_bytes(random(40), "big") % (_ORDER - 1) + 1
        return cls.from_scalar(number.to_bytes(32, "big"))

    @classmethod
    def from_scalar(cls, scalar: bytes) -> "SigningKey":
        """Read what `scalar` returned.

        Raises:
            ValueError: It is no private key of P-256.
        """
        _loadable()
        from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, derive_private_key
        from joserfc.jwk import ECKey

        private = derive_private_key(int.from_bytes(scalar, "big"), SECP256R1())
        return cls(ECKey.import_key(private), "ES256", scalar)

    def scalar(self) -> bytes | None:
        """Return the private number of a key that was made here, for the token store; None for another."""
        return self._scalar

    def public(self) -> dict[str, Any]:
        """Return the public key as a JWK with its required members only (RFC 7517)."""
        whole = self._key.as_dict(private=False)
        return {name: whole[name] for name in ("crv", "e", "kty", "n", "x", "y") if name in whole}

    def thumbprint(self) -> str:
        """Return the key's SHA-256 thumbprint in base64url (RFC 7638)."""
        return digest(msgspec.json.encode(self.public(), order="sorted"))

    def sign(self, header: Mapping[str, Any], claims: Mapping[str, Any]) -> str:
        """Return a compact JSON Web Signature over claims; `alg` is the key's."""
        from joserfc import jws

        return jws.serialize_compact(
            {"alg": self.algorithm, **header}, msgspec.json.encode(claims), self._key, algorithms=[self.algorithm]
        )


def _loadable() -> None:
    """Say what to install when the library that signs is missing."""
    if find_spec("joserfc") is None:
        raise DefinitionError("Logging in with a key needs an extra: pip install 'dovetail-mcp[auth]'")


def digest(data: bytes) -> str:
    """Return the SHA-256 of bytes in unpadded base64url."""
    return encoded(sha256(data).digest())


def encoded(data: bytes) -> str:
    """Return bytes in unpadded base64url."""
    return urlsafe_b64encode(data).rstrip(b"=").decode("ascii")
