"""Repair: JSON in strings, only where the schema wants JSON and no string; strictly, once, in linear time."""

import dataclasses
import json
from collections.abc import Callable
from datetime import date
from decimal import Decimal
from typing import Annotated, Any, Literal

import annotated_types as at
import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dovetail.errors import InvalidArguments
from dovetail.server.functions.repair import Repair
from dovetail.server.functions.schemas import schema_for
from dovetail.server.functions.signature import Signature
from dovetail.wire import Limits
from tests import pace
from tests.fuzz.fuzz_docstrings import fuzz as fuzz_docstrings
from tests.fuzz.fuzz_repair import fuzz as fuzz_repair

NEW_YEAR = date(2026, 1, 1)


@dataclasses.dataclass
class Item:
    name: str
    count: int = 0
    tags: list[str] | None = None


@dataclasses.dataclass
class Tree:
    value: int
    children: "list[Tree]" = dataclasses.field(default_factory=list)


def repaired(annotation: Any, value: Any, **options: Any) -> Any:
    """Return what a value becomes; the value itself when nothing could be repaired."""
    found = Repair(schema_for(annotation)).apply(msgspec.json.encode(value), **options)
    return value if found is None else msgspec.json.decode(found)


@pytest.mark.parametrize(
    ("annotation", "value", "result"),
    [
        (int, "5", 5),
        (int, " -5\n", -5),
        (int, "5.0", 5),
        (float, "1.5", 1.5),
        (float, "1", 1),
        (bool, "true", True),
        (list[int], "[1, 2]", [1, 2]),
        (list[int], ["1", 2], [1, 2]),
        (list[int], '["1", "2"]', [1, 2]),
        (dict[str, int], '{"a": 1}', {"a": 1}),
        (dict[str, int], {"a": "1"}, {"a": 1}),
        (Item, '{"name": "5", "count": "5"}', {"name": "5", "count": 5}),
        (list[Item], '[{"name": "a", "tags": "[\\"5\\"]"}]', [{"name": "a", "tags": ["5"]}]),
        (int | None, "5", 5),
        (int | None, "null", None),
        (Item | int, '{"name": "a"}', {"name": "a"}),
        (Item | Tree, {"value": "1"}, {"value": 1}),
        (tuple[int, str, float], ["1", "2", "3"], [1, "2", 3]),
        (Literal[1, 2], "2", 2),
        (Tree, {"value": "1", "children": '[{"value": "2"}]'}, {"value": 1, "children": [{"value": 2}]}),
        (Annotated[int, at.Ge(3)], "5", 5),
        (Any, {"a": "5"}, {"a": "5"}),
        (list, ["5"], ["5"]),
    ],
)
def test_json_in_a_string_is_taken_where_json_is_wanted(annotation: Any, value: Any, result: Any) -> None:
    assert repaired(annotation, value) == result


@pytest.mark.parametrize(
    ("annotation", "value"),
    [
        (str, "5"),
        (str | int, "5"),
        (int | str | None, "[1]"),
        (Any, "[1]"),
        (Literal["1", 2], "2"),
        (bytes, "12"),
        (Decimal, "5"),
        (None, "null"),
        (list[str], ["[1]"]),
        (dict[str, str], {"a": "{}"}),
        (Item, {"name": "[1]"}),
        (Item, {"name": "a", "unknown": "5"}),
    ],
)
def test_where_a_string_is_allowed_nothing_is_touched(annotation: Any, value: Any) -> None:
    assert repaired(annotation, value) == value
    assert Repair(schema_for(annotation)).apply(msgspec.json.encode(value)) is None


@pytest.mark.parametrize(
    ("annotation", "value"),
    [
        (int, ""),
        (int, "x"),
        (int, "5 6"),
        (int, "1.5"),
        (int, "true"),
        (int, "[5]"),
        (int, '"5"'),
        (int, "0x5"),
        (int, "05"),
        (int, "1e999"),
        (float, "NaN"),
        (float, "Infinity"),
        (bool, "True"),
        (bool, "1"),
        (list[int], "{}"),
        (list[int], "1, 2"),
        (dict[str, int], '{"a": 1, "a": 2}'),
        (dict[str, int], "[]"),
        (list[Any], "[" * 200 + "]" * 200),
        (list[int], "[1,]"),
        (int | None, "None"),
    ],
)
def test_what_is_not_the_json_that_is_wanted_stays_a_string(annotation: Any, value: Any) -> None:
    assert repaired(annotation, value) == value


@pytest.mark.req("S-09")
def test_what_stands_in_a_string_passes_the_strict_pass_of_a_message() -> None:
    limits = Limits(nodes=10)
    repair = Repair(schema_for(list[int]), limits)
    assert repair.apply(msgspec.json.encode(json.dumps([1] * 9))) == b"[1,1,1,1,1,1,1,1,1]"
    assert repair.apply(msgspec.json.encode(json.dumps([1] * 20))) is None


def take(ids: list[int], flag: bool = False) -> tuple[list[int], bool]:
    return ids, flag


def test_arguments_are_mended_only_after_the_strict_decoder_refused() -> None:
    signature = Signature.of(take)
    assert signature.decode(b'{"ids":"[1, 2]","flag":"true"}') == ([1, 2], True)
    with pytest.raises(InvalidArguments, match=r"\$\.flag: expected boolean, got string"):
        signature.decode(b'{"ids":"[1, 2]","flag":"maybe"}')


def test_the_option_turns_it_off_but_whole_floats_stay_integers() -> None:
    signature = Signature.of(take, repair=False)
    assert signature.decode(b'{"ids":[1.0]}') == ([1], False)
    with pytest.raises(InvalidArguments, match=r"\$\.ids: expected array of integer, got string"):
        signature.decode(b'{"ids":"[1]"}')


def test_texts_of_prompts_are_read_even_where_repair_is_off() -> None:
    assert Signature.of(take, repair=False).decode_texts({"ids": "[1]"}) == ([1], False)


@pytest.mark.parametrize("number", ["1.10", "0.1", "123456789012345678901234567890", "1e2", "-0.0", "5e-324"])
def test_numbers_beside_a_repair_are_not_rounded(number: str) -> None:
    repair = Repair(schema_for(Item | None))
    raw = b'{"name":"a","count":"1","other":' + number.encode() + b"}"
    mended = repair.apply(raw)
    assert mended is not None
    found = json.loads(mended, parse_float=Decimal, parse_int=Decimal)["other"]
    assert found == Decimal(number)


def test_strings_in_strings_are_mended_as_deep_as_a_message_may_be() -> None:
    value: Any = {"value": 0}
    for _ in range(8):
        value = {"value": "1", "children": json.dumps([value])}
    assert msgspec.convert(repaired(Tree, value), Tree).children[0].value == 1


@dataclasses.dataclass
class Deep:
    inner: "list[Deep]" = dataclasses.field(default_factory=list)


def test_nesting_by_strings_beyond_the_limit_is_left_alone() -> None:
    def wrapped(text: str) -> str:
        return '{"inner":[' * 60 + '{"inner":' + json.dumps(text) + "}" + "]}" * 60

    text = "[]"
    for _ in range(4):
        text = "[" + wrapped(text) + "]"
    mended = Repair(schema_for(Deep)).apply(msgspec.json.encode({"inner": text}))
    assert mended is not None
    with pytest.raises(msgspec.ValidationError):
        msgspec.json.decode(mended, type=Deep)


@pytest.mark.parametrize(
    ("items", "value"),
    [
        (8_000, lambda size: ["[" * 100 + "1" + "]" * 100] * size),
        (100_000, lambda size: ["[[[[[[[[[["] * size),
        (20_000, lambda size: ["1" * 100] * size),
        (50_000, lambda size: [json.dumps(json.dumps([1]))] * size),
        (90_000, lambda size: "[" + "1," * size + "1]"),
        (30_000, lambda size: [{"a": "5"}] * size),
    ],
    ids=["deep", "broken", "long", "twice", "wide", "objects"],
)
def test_hostile_strings_take_time_in_proportion(items: int, value: Callable[[int], Any]) -> None:
    repair = Repair(schema_for(list[list[int] | dict[str, int]]))

    def repairing(size: int) -> Callable[[], object]:
        raw = msgspec.json.encode(value(size))
        return lambda: repair.apply(raw)

    assert pace.growth(repairing, items, rounds=3) < 3


JSON = st.recursive(
    st.one_of(
        st.none(),
        st.booleans(),
        st.integers(-(10**20), 10**20),
        st.floats(allow_nan=False, allow_infinity=False),
        st.text(),
    ),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=3), inner, max_size=3)),
    max_leaves=10,
)


@settings(deadline=None)
@given(JSON)
def test_any_json_where_anything_may_stand_is_not_touched(value: Any) -> None:
    assert Repair(schema_for(dict[str, Any])).apply(msgspec.json.encode({"a": value})) is None


@settings(deadline=None)
@given(
    st.recursive(st.integers(-5, 5), lambda inner: st.lists(inner, max_size=3), max_leaves=6),
    st.data(),
)
def test_whatever_is_wrapped_in_strings_is_found_again(value: Any, data: st.DataObject) -> None:
    def wrapped(inner: Any) -> Any:
        made = [wrapped(item) for item in inner] if isinstance(inner, list) else inner
        return json.dumps(made) if data.draw(st.booleans()) else made

    # Lists of lists of integers, to any depth: a schema that no annotation can say.
    schema = {
        "$ref": "#/$defs/Nested",
        "$defs": {"Nested": {"anyOf": [{"type": "integer"}, {"type": "array", "items": {"$ref": "#/$defs/Nested"}}]}},
    }
    raw = msgspec.json.encode(wrapped(value))
    mended = Repair(schema).apply(raw)
    assert msgspec.json.decode(raw if mended is None else mended) == value


def in_arguments(value: Any) -> bytes:
    return msgspec.json.encode({"tree": value, "table": value})


@settings(deadline=None)
@given(st.one_of(st.binary(max_size=60), JSON.map(msgspec.json.encode), JSON.map(in_arguments)))
def test_the_fuzz_targets_hold(data: bytes) -> None:
    fuzz_repair(data)
    fuzz_docstrings(data)


@pytest.mark.parametrize("blank", ["", "  "])
def test_a_field_left_blank_is_one_that_was_not_given_where_no_blank_text_can_stand(blank: str) -> None:
    def take(
        needed: int | None, count: int | None = 1, note: str | None = None, fast: bool = True, day: date = NEW_YEAR
    ) -> None: ...

    signature = Signature.of(take)
    given = {"needed": blank, "count": blank, "note": blank, "fast": blank, "day": blank}
    assert signature.decode_texts(given) == (None, 1, blank, True, NEW_YEAR)
    with pytest.raises(InvalidArguments, match="count: expected integer or null"):
        signature.decode(msgspec.json.encode({"needed": 1, "count": blank}))


@pytest.mark.parametrize("blank", ["", "  "])
def test_a_field_left_blank_that_has_to_be_given_is_refused(blank: str) -> None:
    def take(needed: int, tone: Literal["dry", "warm"]) -> None: ...

    signature = Signature.of(take)
    with pytest.raises(InvalidArguments, match="needed: expected integer"):
        signature.decode_texts({"needed": blank, "tone": "dry"})
    with pytest.raises(InvalidArguments, match="tone: expected one of"):
        signature.decode_texts({"needed": "1", "tone": blank})


def test_a_field_left_blank_is_its_default_among_choices_that_have_no_blank() -> None:
    def take(
        tone: Literal["dry", "warm"] = "dry",
        mood: Literal["dry", "warm"] | None = "warm",
        gap: Literal["", "x"] | None = None,
    ) -> None: ...

    signature = Signature.of(take)
    assert signature.decode_texts({"tone": "", "mood": "", "gap": ""}) == ("dry", "warm", "")
    assert signature.decode_texts({"tone": "warm"}) == ("warm", "warm", None)
    with pytest.raises(InvalidArguments, match="tone"):
        signature.decode(b'{"tone": ""}')


def test_where_only_texts_can_be_given_one_may_be_any_value_of_an_enumeration() -> None:
    def take(size: Literal["x", 1, True] | None = None, note: Literal["1", 1] = 1, free: str | int = "") -> None: ...

    signature = Signature.of(take)
    assert signature.decode_texts({"size": "1", "note": "1", "free": "1"}) == (1, "1", "1")
    assert signature.decode_texts({"size": "x"}) == ("x", 1, "")
    with pytest.raises(InvalidArguments, match="size: expected one of"):
        signature.decode_texts({"size": "2"})
    with pytest.raises(InvalidArguments, match="size: expected one of"):
        signature.decode(b'{"size": "1"}')
