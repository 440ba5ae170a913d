"""Fuzz target: a WWW-Authenticate header of any bytes is read, in bounds, and reading is stable."""

from dovetail.auth import read_challenges, read_demand

SEEDS = [
    b'Bearer realm="x", resource_metadata="https://a/.well-known/x", scope="a b", error="insufficient_scope"',
    b'Basic realm="a, b=c", DPoP algs="ES256 RS256", error=use_dpop_nonce',
    b'Negotiate YWJj==, Bearer a="x\\"y"',
]


def fuzz(data: bytes) -> None:
    text = data.decode("latin-1")
    found = read_challenges(text)
    assert len(found) <= len(text)
    for challenge in found:
        assert challenge.scheme == challenge.scheme.lower()
        assert all(name and "\n" not in value for name, value in challenge.parameters.items())
    demand = read_demand({"www-authenticate": text})
    assert demand.scopes is None or all(scope and " " not in scope for scope in demand.scopes)
