"""Which scopes are asked for, first and later."""

import pytest

from dovetail.auth.scopes import Scopes, select, spelled, step_up, tidy, with_offline


@pytest.mark.req("A-30")
@pytest.mark.parametrize(
    ("challenged", "supported", "offered", "chosen"),
    [
        (("a",), ("b", "c"), None, ("a",)),
        (None, ("b", "c"), None, ("b", "c")),
        (None, None, None, None),
        (None, None, ("offline_access",), None),
        ((), ("b",), None, ("b",)),
        (None, (), None, None),
        (("a",), None, ("a", "offline_access"), ("a", "offline_access")),
        (("a",), None, ("a",), ("a",)),
        (("a", "offline_access"), None, ("a",), ("a",)),
        (None, ("a", "offline_access"), ("offline_access",), ("a", "offline_access")),
    ],
)
def test_the_challenge_counts_then_what_is_supported_then_nothing(
    challenged: Scopes | None, supported: Scopes | None, offered: Scopes | None, chosen: Scopes | None
) -> None:
    assert select(challenged, supported, offered) == chosen


@pytest.mark.req("A-30")
def test_stepping_up_is_a_union() -> None:
    assert step_up(("a", "b"), ("b", "c")) == ("a", "b", "c")
    assert step_up(None, ("c",)) == ("c",)


def test_what_is_no_scope_is_dropped() -> None:
    assert tidy(("a", "a", "", 'x"y', "b\nc", "ü", "x y", "\\", "x" * 300)) == ("a",)
    assert len(tidy(str(n) for n in range(1000))) == 100


def test_offline_access_follows_the_authorization_server() -> None:
    assert with_offline(("offline_access",), None) == ()
    assert with_offline((), ("offline_access",)) == ("offline_access",)


def test_no_scopes_are_no_parameter() -> None:
    assert spelled(None) == {}
    assert spelled(()) == {}
    assert spelled(("a", "b")) == {"scope": "a b"}
