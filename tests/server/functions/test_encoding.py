"""Values to JSON: what JSON has no words for is refused by its place."""

import dataclasses
import json
import math
from collections import deque
from decimal import Decimal
from pathlib import PurePosixPath
from typing import Any

import msgspec
import pydantic
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dovetail.errors import InvalidOutput
from dovetail.server.functions.encoding import encoded

SECRET = "sk-canary-9f2c"


class Model(pydantic.BaseModel):
    share: Any = 0.5


class Struct(msgspec.Struct):
    share: Any


@dataclasses.dataclass
class Plain:
    share: Any


@pytest.mark.parametrize(
    ("value", "data"),
    [
        (None, b"null"),
        ({"a": None}, b'{"a":null}'),
        ("NaN null Infinity", b'"NaN null Infinity"'),
        (Model(), b'{"share":0.5}'),
        (PurePosixPath("a/b"), b'"a/b"'),
        (Decimal("1.10"), b'"1.10"'),
    ],
)
def test_what_json_has_words_for_is_written(value: Any, data: bytes) -> None:
    assert encoded(value) == data


@pytest.mark.req("S-10")
@pytest.mark.parametrize("bad", [math.nan, math.inf, Decimal("NaN"), Decimal("sNaN"), Decimal("-Infinity")])
@pytest.mark.parametrize(
    ("inside", "path"),
    [
        (lambda bad: bad, "$"),
        (lambda bad: [1, bad], "$[1]"),
        (lambda bad: {SECRET: bad}, "$[...]"),
        (Struct, "$.share"),
        (Plain, "$.share"),
    ],
)
def test_a_number_that_is_none_is_refused_by_its_place(bad: Any, inside: Any, path: str) -> None:
    with pytest.raises(InvalidOutput) as refused:
        encoded(inside(bad))
    assert refused.value.path == path
    assert SECRET not in str(refused.value)


class Scalar:
    """As NumPy's, of which not all are floats."""

    def tolist(self) -> float:
        return math.nan


Scalar.__module__ = "numpy"


class Share(float): ...


@pytest.mark.req("S-10")
@pytest.mark.parametrize("bad", [Scalar(), Share(math.nan), deque([math.nan]), {1: math.inf}.values()])
def test_a_number_that_is_none_is_refused_of_every_kind(bad: Any) -> None:
    with pytest.raises(InvalidOutput, match="expected a finite number"):
        encoded({"a": b"null", "b": [bad]})


SELF: list[Any] = []
SELF.append(SELF)


@pytest.mark.parametrize(
    ("value", "path", "said"),
    [
        (object(), "$", "what JSON has words for, got object"),
        ({SECRET: [1, 1j]}, "$[...][1]", "what JSON has words for, got complex"),
        (Struct([None, Plain(object())]), "$.share[1].share", "what JSON has words for, got object"),
        (Model(share=object()), "$.share", "what JSON has words for, got object"),
        (deque([1, 1j]), "$[1]", "what JSON has words for, got complex"),
        ([{"a": "\ud800"}], "$[0][...]", "text without lone surrogates"),
        ([{(1, 2): 1, "a": 2}], "$[0]", "names that are text (without lone surrogates) or numbers, got tuple"),
        (SELF, "$", "what ends somewhere: this nests too deep, or in itself"),
    ],
)
def test_what_json_has_no_words_for_is_named_by_its_kind_and_place(value: Any, path: str, said: str) -> None:
    with pytest.raises(InvalidOutput) as refused:
        encoded(value)
    assert refused.value.path == path
    assert refused.value.expected == f"expected {said}"
    assert SECRET not in str(refused.value)


BROKEN = [b'{"a":', b'1},"isError":true,"q":{"a":1', b"", b'"\xff"', b"{}\n{}", b"NaN", b"[" * 100_000]


@pytest.mark.parametrize("raw", BROKEN)
@pytest.mark.parametrize("inside", [lambda raw: raw, lambda raw: {"in": raw}, lambda raw: [1, {"a": raw}], Struct])
def test_raw_that_is_not_one_json_value_is_refused_at_any_depth(raw: bytes, inside: Any) -> None:
    with pytest.raises(InvalidOutput, match="expected one JSON value in UTF-8 wherever Raw stands"):
        encoded(inside(msgspec.Raw(raw)))


@given(st.binary(max_size=40))
def test_what_is_written_is_one_json_value_whatever_bytes_stand_in_it(raw: bytes) -> None:
    try:
        data = encoded({"in": msgspec.Raw(raw)})
    except InvalidOutput:
        return
    assert isinstance(json.loads(data), dict)
