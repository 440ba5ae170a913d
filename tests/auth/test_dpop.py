"""Proofs of possession hold what RFC 9449 wants, never repeat, and take up nonces."""

import base64
import hashlib
import json
from typing import Any

import pytest
from joserfc import jws
from joserfc.jwk import ECKey

from dovetail.auth import ProofKeys, Proofs, SigningKey
from dovetail.auth.dpop import MOST_NONCES
from tests.auth.play import Clock, Dice, means

URL = "https://mcp.example.com/mcp"


def claims(proof: str) -> dict[str, Any]:
    header = json.loads(base64.urlsafe_b64decode(proof.partition(".")[0] + "=="))
    found = jws.deserialize_compact(proof, ECKey.import_key(header["jwk"]), algorithms=["ES256"])
    assert header.keys() == {"typ", "alg", "jwk"}
    assert (header["typ"], header["alg"]) == ("dpop+jwt", "ES256")
    assert "d" not in header["jwk"]
    return dict(json.loads(found.payload))


def proofs() -> Proofs:
    return Proofs(SigningKey.fresh(Dice()), means())


@pytest.mark.req("A-10")
def test_a_proof_names_method_url_and_time_and_for_a_token_its_hash_and_the_bodys() -> None:
    made = proofs()
    plain = claims(made.proof("POST", f"{URL}?a=1#f"))
    assert (plain["htm"], plain["htu"], plain["iat"]) == ("POST", URL, int(Clock().at))
    assert plain.keys() == {"jti", "htm", "htu", "iat"}
    full = claims(made.proof("POST", URL, token="t0k", body=b"{}"))
    assert full["ath"] == base64.urlsafe_b64encode(hashlib.sha256(b"t0k").digest()).rstrip(b"=").decode()
    assert full["content_digest"] == f"sha-256=:{base64.b64encode(hashlib.sha256(b'{}').digest()).decode()}:"


@pytest.mark.req("A-10")
def test_no_two_proofs_share_an_identifier() -> None:
    made = proofs()
    assert len({claims(made.proof("POST", URL))["jti"] for _ in range(50)}) == 50


@pytest.mark.req("A-10")
def test_a_nonce_is_used_at_the_origin_that_gave_it() -> None:
    made = proofs()
    assert made.learn("https://auth.example.com/token", {"dpop-nonce": "n1"})
    assert not made.learn("https://auth.example.com/token", {"dpop-nonce": "n1"})
    assert "nonce" not in claims(made.proof("POST", URL))
    assert claims(made.proof("POST", "https://auth.example.com/other"))["nonce"] == "n1"
    assert made.learn("https://auth.example.com/token", {"dpop-nonce": "n2"})
    assert claims(made.proof("POST", "https://auth.example.com/token"))["nonce"] == "n2"


@pytest.mark.parametrize("nonce", ["", "a b", 'a"', "a\\", "ü", "x" * 513, "a\r\nb"])
def test_a_nonce_of_characters_that_no_nonce_has_is_not_taken(nonce: str) -> None:
    assert not proofs().learn(URL, {"dpop-nonce": nonce})
    assert not proofs().learn(URL, {})


def test_nonces_are_bounded() -> None:
    made = proofs()
    for number in range(MOST_NONCES + 10):
        made.learn(f"https://h{number}.example/", {"dpop-nonce": "n"})
    assert repr(made) == f"<Proofs ES256, {MOST_NONCES} nonces>"
    assert made.nonce("https://h0.example/") is None
    assert made.nonce(f"https://h{MOST_NONCES + 9}.example/") == "n"


def test_the_proofs_of_a_key_are_found_again_with_what_they_learned() -> None:
    keys = ProofKeys(means())
    fresh = keys.fresh()
    fresh.learn(URL, {"dpop-nonce": "n"})
    scalar = fresh.key.scalar()
    assert keys.of(scalar) is fresh
    assert keys.of(None) is None
    other = ProofKeys(means()).of(scalar)
    assert other is not None
    assert other.key.public() == fresh.key.public()
    assert repr(keys) == "<ProofKeys 1 keys>"
