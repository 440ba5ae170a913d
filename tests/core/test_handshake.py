"""The handshake of the stateful revisions: what may come when, and which revision it ends in."""

import pytest

from dovetail.core.handshake import Handshake, Lifecycle, negotiate
from dovetail.core.peer import Peer
from dovetail.errors import InvalidRequest
from dovetail.revisions import NEWEST_STATEFUL, REVISIONS, Revision
from dovetail.wire import ClientCapabilities, Implementation, InitializeRequestParams

STATEFUL = [revision for revision in REVISIONS if not revision.stateless]


def hello(version: str) -> InitializeRequestParams:
    client = Implementation(name="n", version="1")
    return InitializeRequestParams(protocol_version=version, capabilities=ClientCapabilities(), client_info=client)


@pytest.mark.parametrize("revision", STATEFUL, ids=lambda revision: revision.version)
def test_a_revision_with_a_handshake_is_granted_as_asked(revision: Revision) -> None:
    assert negotiate(revision.version) is revision


@pytest.mark.parametrize("version", ["", "1.0", "2099-12-31", *[r.version for r in REVISIONS if r.stateless]])
def test_any_other_version_is_answered_with_the_newest_that_has_a_handshake(version: str) -> None:
    assert negotiate(version) is NEWEST_STATEFUL


def test_before_initialize_only_it_and_ping_are_admitted() -> None:
    handshake = Handshake()
    handshake.admit("ping")
    handshake.admit("initialize")
    for method in ("tools/list", "tools/call", "server/discover", "logging/setLevel"):
        with pytest.raises(InvalidRequest):
            handshake.admit(method)
    assert handshake.state is Lifecycle.NEW


def test_requests_are_admitted_from_initialize_on_and_a_second_initialize_never() -> None:
    handshake = Handshake()
    peer = handshake.initialize(hello(NEWEST_STATEFUL.version))
    assert peer.revision is NEWEST_STATEFUL
    assert peer.info is not None
    for state in (Lifecycle.INITIALIZING, Lifecycle.READY):
        assert handshake.state is state
        handshake.admit("tools/list")
        with pytest.raises(InvalidRequest):
            handshake.admit("initialize")
        handshake.initialized()


def test_a_stray_or_repeated_initialized_means_nothing() -> None:
    handshake = Handshake()
    seen = []
    for step in (handshake.initialized, lambda: handshake.initialize(hello(NEWEST_STATEFUL.version))):
        step()
        seen.append(handshake.state)
    for _ in range(2):
        handshake.initialized()
        seen.append(handshake.state)
    assert seen == [Lifecycle.NEW, Lifecycle.INITIALIZING, Lifecycle.READY, Lifecycle.READY]


def test_a_session_that_was_stored_goes_on_where_it_was() -> None:
    handshake = Handshake(Peer(STATEFUL[0], ClientCapabilities()))
    assert handshake.state is Lifecycle.READY
    assert STATEFUL[0].version in repr(handshake)
    handshake.admit("tools/list")
    with pytest.raises(InvalidRequest):
        handshake.admit("initialize")
