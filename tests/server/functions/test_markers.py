"""Markers: what they hold, and how suggestions are found."""

import enum
from collections.abc import AsyncIterator, Mapping
from functools import partial
from typing import Annotated, Any, Literal

import pytest

from dovetail.errors import DefinitionError
from dovetail.server.functions.markers import Ask, Complete, Depends, Header


def open_db() -> str:
    return "db"


@pytest.mark.parametrize("marker", [Depends(open_db), Ask("Which?"), Header("Region"), Complete(["a"])])
def test_markers_are_frozen_and_stand_in_any_annotation(marker: Any) -> None:
    assert hash(marker) == hash(marker)
    assert marker != type(marker)(*(getattr(marker, name) for name in marker.__struct_fields__))
    annotation: Any = Annotated[str, marker]
    assert (annotation | None) is not None
    with pytest.raises(AttributeError):
        setattr(marker, marker.__struct_fields__[0], None)


@pytest.mark.parametrize(("given", "named"), [(5, "int"), (None, "NoneType"), ("open_db", "str")])
def test_what_cannot_be_called_is_no_dependency(given: Any, named: str) -> None:
    with pytest.raises(DefinitionError, match=f"Depends: expected a function, got {named}"):
        Depends(given)


def test_a_question_has_a_key_only_when_it_was_given_one() -> None:
    assert Ask("Which?").key is None
    assert Ask("Which?", "branch").key == "branch"


def test_values_are_suggested_by_their_beginning_whatever_its_case() -> None:
    assert Complete(["Refund", "reset", "order", 12]).among("RE") == ["Refund", "reset"]
    assert Complete([1, 12, 2]).among("1") == ["1", "12"]


def both(typed: str, settled: Mapping[str, str]) -> list[str]:
    return [typed, *settled]


@pytest.mark.parametrize(
    "source",
    [both, lambda typed, settled: [typed, *settled], partial(both), lambda *given: [given[0], *given[1]]],
)
def test_a_function_of_two_gets_the_settled_arguments(source: Any) -> None:
    assert Complete(source).arguments("x", {"a": "1"}) == ("x", {"a": "1"})


@pytest.mark.parametrize("source", [lambda typed: [typed], partial(both, settled={}), partial(both, settled={})])
def test_a_function_of_one_gets_what_was_typed(source: Any) -> None:
    assert Complete(source).arguments("x", {"a": "1"}) == ("x",)


class Color(enum.Enum):
    RED = "red"
    ROSE = "rose"
    BLUE = "blue"


class Level(enum.IntEnum):
    LOW = 1
    HIGH = 12


def test_the_values_of_an_enum_or_a_literal_are_suggested_as_they_are_typed() -> None:
    assert Complete(Color).among("R") == ["red", "rose"]
    assert Complete(list(Color)).among("r") == ["red", "rose"]
    assert Complete(Level).among("1") == ["1", "12"]
    assert Complete(Literal["red", 12, Color.BLUE]).among("") == ["red", "12", "blue"]  # type: ignore[arg-type]
    assert Complete(Color).function is None
    assert Complete(both).function is both


async def stream(typed: str) -> AsyncIterator[str]:
    yield typed


@pytest.mark.parametrize(
    ("source", "said"),
    [
        (5, "got int"),
        (None, "got NoneType"),
        ("abc", "got str"),
        ((value for value in "abc"), "got generator"),
        (lambda: ["a"], "must be a function of what was typed"),
        (lambda typed, settled, more: ["a"], "must be a function of what was typed"),
        (lambda typed, *, more: ["a"], "must be a function of what was typed"),
        (stream, "stream is an async generator"),
    ],
)
def test_what_can_never_suggest_anything_is_refused_where_it_is_written(source: Any, said: str) -> None:
    with pytest.raises(DefinitionError, match=f"Complete: .*{said}"):
        Complete(source)
