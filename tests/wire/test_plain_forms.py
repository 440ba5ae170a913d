"""Plain forms: what derives from Python's own types is written as they are, and what has no form is refused."""

import collections
import datetime
import json
import types
from decimal import Decimal
from typing import Any

import pytest

from dovetail.revisions import NEWEST
from dovetail.wire import CallToolResult, TextContent, as_json, encode_result


class Text(str):
    def __str__(self) -> str:
        return "what it says of itself"


class Whole(int): ...


class Share(float): ...


class Bytes(bytes): ...


class Amount(Decimal): ...


class Moment(datetime.datetime): ...


class Day(datetime.date): ...


class Scalar:
    """As NumPy's: neither a number of Python's, nor derived from one."""

    def __init__(self, value: Any) -> None:
        self.value = value

    def tolist(self) -> Any:
        return self.value


Scalar.__module__ = "numpy"


class LongDouble(Scalar):
    def tolist(self) -> Any:
        return self


LongDouble.__module__ = "numpy"


@pytest.mark.parametrize(
    ("value", "written"),
    [
        (Text("a"), "a"),
        (Whole(10**20), 10**20),
        (Share(0.1), 0.1),
        (Bytes(b"a"), "YQ=="),
        (Amount("1.10"), "1.10"),
        (Moment(2026, 7, 28, 1, tzinfo=datetime.UTC), "2026-07-28T01:00:00Z"),
        (Day(2026, 7, 28), "2026-07-28"),
        ({Text("a"): 1, Whole(2): 3}, {"a": 1, "2": 3}),
        (Scalar(3), 3),
        ([Scalar(True), Scalar([1.5, 2.5])], [True, [1.5, 2.5]]),
        (collections.deque([1, Text("b")]), [1, "b"]),
        (types.MappingProxyType({"a": Share(1)}), {"a": 1.0}),
        (collections.ChainMap({"a": 1}, {"b": 2}), {"a": 1, "b": 2}),
        ({"a": 1}.keys(), ["a"]),
        ({"a": 1}.values(), [1]),
        (collections.UserString("abc"), "abc"),
        (range(2), [0, 1]),
    ],
)
def test_a_value_is_written_as_what_it_is(value: Any, written: Any) -> None:
    assert json.loads(as_json(value)) == written


@pytest.mark.parametrize("value", [object(), 1j, {True: 1}, {(1, 2): 1}, LongDouble(1), iter([1])])
def test_what_has_no_form_is_refused(value: Any) -> None:
    with pytest.raises(TypeError):
        as_json(value)


def test_a_message_may_hold_such_text() -> None:
    sent = json.loads(encode_result(CallToolResult(content=[TextContent(text=Text("a"))]), NEWEST))
    assert sent["content"] == [{"type": "text", "text": "a"}]
