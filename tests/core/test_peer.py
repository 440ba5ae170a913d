"""Who asks and on whose behalf: facts that nobody can change once they are established."""

import pytest

from dovetail.core.peer import ANONYMOUS, Call, Peer, Principal
from dovetail.revisions import NEWEST
from dovetail.wire import ClientCapabilities, RequestParams

PEER = Peer(NEWEST, ClientCapabilities())
CALL = Call("ping", RequestParams(), PEER)


def test_without_an_authenticator_a_call_is_nobodys() -> None:
    assert CALL.principal is ANONYMOUS
    assert (ANONYMOUS.key, ANONYMOUS.scopes, dict(ANONYMOUS.claims)) == ("", frozenset(), {})


def test_what_is_not_known_of_a_call_is_left_open() -> None:
    assert (PEER.info, CALL.id, CALL.headers, CALL.log_level) == (None, b"", None, None)


@pytest.mark.req("S-17")
@pytest.mark.parametrize(
    ("fact", "field"),
    [(PEER, "revision"), (PEER, "capabilities"), (ANONYMOUS, "scopes"), (CALL, "principal"), (CALL, "peer")],
)
def test_a_fact_cannot_be_changed(fact: object, field: str) -> None:
    with pytest.raises(AttributeError):
        setattr(fact, field, None)


@pytest.mark.req("S-17")
def test_two_principals_share_no_claims() -> None:
    assert Principal("a").claims is not Principal("b").claims
