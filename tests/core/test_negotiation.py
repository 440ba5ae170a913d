"""The client's side of the opening: each row of the table, and what must never happen."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dovetail.core import Negotiation, Opening
from dovetail.errors import DovetailError, NoCommonRevision, PeerError, ProtocolViolation
from dovetail.revisions import NEWEST, NEWEST_STATEFUL, OLDEST, REVISIONS, revision_for
from dovetail.wire import DiscoverResult, Implementation, InitializeResult, ServerCapabilities

INFO = Implementation(name="s", version="1")


def discovered(*versions: str) -> DiscoverResult:
    return DiscoverResult(supported_versions=list(versions), capabilities=ServerCapabilities())


def initialized(version: str) -> InitializeResult:
    return InitializeResult(protocol_version=version, capabilities=ServerCapabilities(), server_info=INFO)


def unsupported(*versions: str) -> PeerError:
    return PeerError(-32022, "no", {"supported": list(versions), "requested": NEWEST.version})


def test_a_server_that_discovers_is_spoken_to_in_the_newest_revision_of_both() -> None:
    negotiation = Negotiation()
    assert (negotiation.step, negotiation.revision) == (Opening.PROBE, NEWEST)
    negotiation.discovered(discovered(OLDEST.version, NEWEST.version, "2099-01-01"))
    assert negotiation.step is Opening.SPOKEN
    assert negotiation.peer is not None
    assert negotiation.peer.revision is NEWEST


def test_a_version_that_is_corrected_is_tried_once_more_and_only_once() -> None:
    negotiation = Negotiation()
    negotiation.refused(unsupported(NEWEST.version))
    assert (negotiation.step, negotiation.revision) == (Opening.PROBE, NEWEST)
    said = f"The server refuses protocol revision '{NEWEST.version}', and says that it speaks '{NEWEST.version}'"
    with pytest.raises(NoCommonRevision, match=said):
        negotiation.refused(unsupported(NEWEST.version))


@pytest.mark.req("C-16")
@given(code=st.sampled_from([-32020, -32021, -32022]), data=st.none() | st.dictionaries(st.text(), st.text()))
def test_an_error_of_the_stateless_era_never_leads_to_initialize(code: int, data: object) -> None:
    negotiation = Negotiation()
    with pytest.raises((PeerError, NoCommonRevision)):
        negotiation.refused(PeerError(code, "no", data))
    assert negotiation.step is Opening.PROBE


@pytest.mark.req("C-16")
@pytest.mark.parametrize("asked", ["discovered", "refused"])
def test_a_list_of_stateful_revisions_alone_names_the_one_that_can_be_asked_for(asked: str) -> None:
    older, newest = OLDEST.version, NEWEST_STATEFUL.version
    for minimum, named in ((OLDEST, newest), (NEWEST_STATEFUL, newest), (NEWEST, "")):
        negotiation = Negotiation(minimum=minimum)
        with pytest.raises(NoCommonRevision) as caught:
            if asked == "refused":
                negotiation.refused(unsupported(older, newest, "2099-01-01"))
            else:
                negotiation.discovered(discovered(older, newest, "2099-01-01"))
        assert caught.value.stateful == named
        assert ("No protocol revision in common" in str(caught.value)) is (not named)
        assert negotiation.step is Opening.PROBE


@given(code=st.integers(-33000, -31000).filter(lambda code: code not in (-32020, -32021, -32022)))
def test_any_other_error_does(code: int) -> None:
    negotiation = Negotiation()
    negotiation.refused(PeerError(code, "no"))
    assert (negotiation.step, negotiation.revision) == (Opening.INITIALIZE, NEWEST_STATEFUL)


@given(version=st.sampled_from([revision.version for revision in REVISIONS]) | st.text(max_size=12))
def test_what_initialize_ends_in_is_a_stateful_revision_of_ours_or_an_error(version: str) -> None:
    negotiation = Negotiation(legacy=True)
    known = revision_for(version)
    if known is None or known.stateless:
        with pytest.raises(NoCommonRevision):
            negotiation.initialized(initialized(version))
    else:
        negotiation.initialized(initialized(version))
        assert negotiation.peer is not None
        assert negotiation.peer.revision is known


@pytest.mark.req("C-16")
@pytest.mark.parametrize("minimum", REVISIONS)
def test_nothing_below_the_minimum_is_spoken(minimum: object) -> None:
    for revision in REVISIONS:
        negotiation = Negotiation(minimum=minimum)  # type: ignore[arg-type]
        try:
            if revision.stateless:
                negotiation.discovered(discovered(revision.version))
            else:
                negotiation.silent()
                negotiation.initialized(initialized(revision.version))
        except NoCommonRevision:
            assert revision.index < minimum.index  # type: ignore[attr-defined]
        else:
            assert revision.index >= minimum.index  # type: ignore[attr-defined]


@pytest.mark.parametrize("fixed", REVISIONS)
def test_a_fixed_revision_is_the_only_one(fixed: object) -> None:
    for revision in REVISIONS:
        negotiation = Negotiation(fixed=fixed)  # type: ignore[arg-type]
        assert negotiation.revision is fixed
        try:
            if revision.stateless:
                negotiation.discovered(discovered(revision.version))
            else:
                negotiation.initialized(initialized(revision.version))
        except DovetailError:
            assert revision is not fixed
        else:
            assert revision is fixed


def test_a_stream_that_nobody_asked_for_is_a_violation() -> None:
    with pytest.raises(ProtocolViolation):
        Negotiation().streaming()
