"""Names are checked where they are registered."""

import re

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from dovetail.errors import InvalidName
from dovetail.wire import check_name, check_tool_name

LEGAL = re.compile(r"[A-Za-z0-9_.-]{1,128}\Z")


@given(st.text(st.sampled_from("aZ09_.-é \n٣"), max_size=130) | st.text(max_size=10))
@example("getUser")
@example("DATA_EXPORT_v2")
@example("admin.tools.list")
@example("x" * 128)
@example("x" * 129)
@example("")
@example("a\n")
def test_a_tool_name_is_legal_exactly_where_the_specification_says_so(name: str) -> None:
    if LEGAL.match(name):
        assert check_tool_name(name) == name
    else:
        with pytest.raises(InvalidName, match="1 to 128"):
            check_tool_name(name)


@pytest.mark.req("W-12")
def test_an_error_echoes_little_of_a_name_and_no_control_characters() -> None:
    with pytest.raises(InvalidName) as raised:
        check_tool_name("\x1b[31m\u202e" + "x" * 10_000)
    assert len(str(raised.value)) < 400
    assert str(raised.value).isprintable()


@pytest.mark.parametrize("name", ["p", "with space", "ünïcode", "a/b"])
def test_other_names_may_hold_anything(name: str) -> None:
    assert check_name(name) == name


@pytest.mark.parametrize("name", ["", " ", "\t\n"])
def test_other_names_must_not_be_empty(name: str) -> None:
    with pytest.raises(InvalidName, match="prompt name must not be empty"):
        check_name(name, "prompt name")
