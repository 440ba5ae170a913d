"""Docstrings: three styles, one reading; and no text takes more than its length."""

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dovetail.server.functions.docstrings import Docstring, parse_docstring
from tests import pace

GOOGLE = """Fetch an order.

    Looks in every shop,
    the closed ones too.

    Args:
        order_id: An id such as ORD-1042.
        depth (int, optional): How far
            to follow links: deep or not.
        *rest: More.

    Returns:
        The order,
        or nothing.

    Raises:
        KeyError: No such order.

    Example:
        fetch("ORD-1")
    """
NUMPY = """Fetch an order.

    Looks in every shop,
    the closed ones too.

    Parameters
    ----------
    order_id : str
        An id such as ORD-1042.
    depth : int, optional
        How far
        to follow links: deep or not.
    rest
        More.

    Returns
    -------
    Order
        The order,
        or nothing.

    Raises
    ------
    KeyError
        No such order.
    """
REST = """Fetch an order.

    Looks in every shop,
    the closed ones too.

    :param order_id: An id such as ORD-1042.
    :type order_id: str
    :param int depth: How far
        to follow links: deep or not.
    :param rest: More.
    :returns: The order,
        or nothing.
    :raises KeyError: No such order.
    """
PARAMETERS = {
    "order_id": "An id such as ORD-1042.",
    "depth": "How far to follow links: deep or not.",
    "rest": "More.",
}


@pytest.mark.parametrize("text", [GOOGLE, NUMPY, REST], ids=["google", "numpy", "rest"])
def test_each_style_gives_the_same_parameters(text: str) -> None:
    assert parse_docstring(text).parameters == PARAMETERS


@pytest.mark.parametrize("text", [NUMPY, REST], ids=["numpy", "rest"])
def test_summary_and_description_are_kept_without_the_sections(text: str) -> None:
    assert parse_docstring(text).text == "Fetch an order.\n\nLooks in every shop,\nthe closed ones too."


def test_what_is_no_section_of_ours_stays_in_the_text() -> None:
    assert parse_docstring(GOOGLE).text.endswith('Example:\n    fetch("ORD-1")')


@pytest.mark.parametrize(
    ("text", "returns"),
    [(GOOGLE, "The order, or nothing."), (NUMPY, "Order The order, or nothing."), (REST, "The order, or nothing.")],
)
def test_what_is_returned_is_one_line(text: str, returns: str) -> None:
    assert parse_docstring(text).returns == returns


@pytest.mark.parametrize("text", [None, "", "   \n  "])
def test_no_docstring_is_an_empty_one(text: str | None) -> None:
    assert parse_docstring(text) == Docstring()


@pytest.mark.parametrize(
    ("text", "parameters"),
    [
        ("S.\n\nArgs:\n  x: a\n  y: b", {"x": "a", "y": "b"}),
        ("S.\nArgs:\n    x: a\n\n    y: b", {"x": "a", "y": "b"}),
        ("S.\nArgs:\n    x: a\nAfter.", {"x": "a"}),
        ("S.\nArgs:\n    x (dict[str, (int)]): a", {"x": "a"}),
        ("S.\nArgs:\n    x (unclosed: a", {}),
        ("S.\nArgs:\n    no entry here\n    x: a\n      more: text", {"x": "a more: text"}),
        ("S.\nParameters\n----------\nx, y : int\n    both\n\nNotes\n-----\nx", {"x": "both", "y": "both"}),
        ("S.\nParameters\n----------\nx : int\n    one\nReturns:\n    it", {"x": "one"}),
        (":param x: a\n:param: nobody", {"x": "a"}),
        (":parameter x: a\n:arg y: b\n:keyword z: c", {"x": "a", "y": "b", "z": "c"}),
        ("S.\nAttributes:\n    x: a", {"x": "a"}),
        ("S.\nKeyword Args:\n    x: a", {"x": "a"}),
        ("Nothing: here", {}),
        ("Args", {}),
        ("Args\n--", {}),
    ],
)
def test_small_shapes(text: str, parameters: dict[str, str]) -> None:
    assert parse_docstring(text).parameters == parameters


def test_a_field_that_is_not_known_stays_in_the_text() -> None:
    assert parse_docstring(":note: keep me").text == ":note: keep me"


@given(st.text(alphabet=st.sampled_from("ab:(*)-\n \tArgs"), max_size=300))
def test_no_text_is_refused(text: str) -> None:
    parsed = parse_docstring(text)
    assert all(name and "\n" not in description for name, description in parsed.parameters.items())


@pytest.mark.parametrize(
    "unit",
    [
        "Args:\n",
        "Args:\n    x: y\n",
        ":param x: y\n",
        "x\n---\n",
        "    (((\n",
        "\n",
        "Args:\n    x (((((\n",
        "Returns\n---\n",
    ],
)
def test_long_texts_take_time_in_proportion(unit: str) -> None:
    def parsing(times: int) -> Callable[[], Docstring]:
        text = "S.\n\n" + unit * times
        return lambda: parse_docstring(text)

    assert pace.growth(parsing, 8_000, rounds=3) < 3
