"""Keys sign with asymmetric algorithms, and say nothing of themselves."""

import base64
import hashlib
import json

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)
from hypothesis import given
from hypothesis import strategies as st
from joserfc import jws
from joserfc.jwk import ECKey, RSAKey

from dovetail.auth import SigningKey
from dovetail.errors import DefinitionError
from tests.auth.play import Dice

P256 = ec.generate_private_key(ec.SECP256R1())
P384 = ec.generate_private_key(ec.SECP384R1())
RSA = rsa.generate_private_key(65537, 2048)
WEAK = rsa.generate_private_key(65537, 1024)
ED = ed25519.Ed25519PrivateKey.generate()


def pem(key: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey | ed25519.Ed25519PrivateKey) -> bytes:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


@pytest.mark.parametrize(
    ("key", "algorithm"),
    [
        pytest.param(key, name, id=name)  # one name in every process that collects
        for key, name in ((P256, "ES256"), (P384, "ES384"), (RSA, "RS256"), (RSA, "PS256"))
    ],
)
def test_what_a_key_signs_verifies_with_its_public_half(
    key: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey, algorithm: str
) -> None:
    signing = SigningKey.from_pem(pem(key), algorithm)
    token = signing.sign({"typ": "JWT"}, {"iss": "x", "n": 1})
    kind = RSAKey if algorithm in ("RS256", "PS256") else ECKey
    found = jws.deserialize_compact(token, kind.import_key(signing.public()), algorithms=[algorithm])
    assert json.loads(found.payload) == {"iss": "x", "n": 1}
    assert found.headers() == {"alg": algorithm, "typ": "JWT"}


@pytest.mark.parametrize(
    ("material", "algorithm"),
    [
        (pem(P256), "RS256"), (pem(P256), "ES384"), (pem(P384), "ES256"), (pem(RSA), "ES256"), (pem(WEAK), "RS256"),
        (pem(ED), "ES256"), (pem(P256), "none"), (pem(P256), "HS256"), (pem(P256), "EdDSA"),
        (b"SECRET", "ES256"), (b"", "RS256"),
        (P256.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo), "ES256"),
        (P256.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"x")), "ES256"),
    ],
)  # fmt: skip
def test_what_is_no_private_key_for_the_algorithm_is_refused_without_a_word_of_it(
    material: bytes, algorithm: str
) -> None:
    with pytest.raises(DefinitionError) as caught:
        SigningKey.from_pem(material, algorithm)
    assert "SECRET" not in str(caught.value)
    assert caught.value.__cause__ is None
    assert "BEGIN" not in str(caught.value)


def test_a_fresh_key_comes_from_the_randomness_that_is_given_and_can_be_kept() -> None:
    first, again, other = SigningKey.fresh(Dice()), SigningKey.fresh(Dice()), SigningKey.fresh(lambda n: b"\xff" * n)
    assert first.public() == again.public() != other.public()
    scalar = first.scalar()
    assert scalar is not None
    assert SigningKey.from_scalar(scalar).public() == first.public()


@given(st.binary(min_size=40, max_size=40))
def test_every_randomness_makes_a_key(data: bytes) -> None:
    key = SigningKey.fresh(lambda _: data)
    assert len(key.scalar() or b"") == 32


def test_no_key_shows_itself() -> None:
    key = SigningKey.fresh(Dice())
    assert repr(key) == "<SigningKey ES256>"
    assert "d" not in key.public()
    assert SigningKey.from_pem(pem(RSA), "RS256").public().keys() == {"e", "kty", "n"}


def test_a_thumbprint_is_that_of_rfc_7638() -> None:
    public = SigningKey.fresh(Dice()).public()
    text = f'{{"crv":"P-256","kty":"EC","x":"{public["x"]}","y":"{public["y"]}"}}'
    expected = base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).rstrip(b"=").decode()
    assert SigningKey.fresh(Dice()).thumbprint() == expected
