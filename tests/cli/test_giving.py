"""Arguments as they are typed become what the tool's schema wants, or are refused in a line."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given as for_all
from hypothesis import strategies as st

from dovetail.cli.giving import given, types_of
from dovetail.cli.options import Usage

SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {
        "name": {"type": "string"},
        "count": {"type": "integer"},
        "price": {"type": "number"},
        "gift": {"type": "boolean"},
        "tags": {"type": "array", "items": {"type": "string"}},
        "numbers": {"type": "array", "items": {"type": "integer"}},
        "address": {"$ref": "#/$defs/Address"},
        "perhaps": {"anyOf": [{"type": "integer"}, {"type": "null"}]},
        "either": {"type": ["integer", "string"]},
        "size": {"enum": ["s", "l"]},
        "floor": {"enum": [1, 2]},
        "anything": {},
        "loop": {"$ref": "#/properties/loop"},
    },
    "$defs": {"Address": {"type": "object", "properties": {"city": {"type": "string"}}}},
}


@pytest.mark.parametrize(
    ("word", "value"),
    [
        ("name=5", "5"),
        ("name=a=b", "a=b"),
        ("name=", ""),
        ("name=https://x/?a=1", "https://x/?a=1"),
        ("count=5", 5),
        ("count=-5", -5),
        ("price=5", 5),
        ("price=0.5", 0.5),
        ("gift=true", True),
        ("tags=a", ["a"]),
        ('tags=["a", "b"]', ["a", "b"]),
        ("numbers=7", [7]),
        ('address={"city": "Rome"}', {"city": "Rome"}),
        ("perhaps=null", None),
        ("perhaps=3", 3),
        ("either=3", 3),
        ("either=three", "three"),
        ("size=s", "s"),
        ("floor=2", 2),
        ("anything=3", "3"),
        ("anything:=3", 3),
        ("loop=3", "3"),
        ("unknown=3", "3"),
        ('name:={"as": ["given"]}', {"as": ["given"]}),
    ],
)
def test_a_value_has_the_type_that_the_schema_has(word: str, value: Any) -> None:
    (found,) = given([word], SCHEMA).values()
    assert found == value
    assert type(found) is type(value)


@pytest.mark.parametrize(
    ("word", "said"),
    [
        ("count=many", "count: expected integer, not 'many'"),
        ("count=1.5", "count: expected integer, not '1.5'"),
        ("gift=1", "gift: expected boolean, not '1'"),
        ("perhaps=x", "perhaps: expected integer or null, not 'x'"),
        ("numbers=x", "numbers: expected integer, not 'x'"),
        ("name:=x", "name: not JSON"),
        ("nonsense", "'nonsense' is no argument: expected name=value, name:=JSON, a JSON object or @file"),
        ("=x", "is no argument"),
        ("{", "the argument: not JSON"),
        ("@nowhere.json", "cannot read 'nowhere.json': No such file or directory"),
    ],
)
def test_what_means_nothing_is_refused_by_name(word: str, said: str) -> None:
    with pytest.raises(Usage) as caught:
        given([word], SCHEMA)
    assert said in str(caught.value)


def test_a_closed_schema_knows_what_was_meant() -> None:
    closed = {**SCHEMA, "additionalProperties": False}
    with pytest.raises(Usage, match="there is no argument 'cuont'; did you mean count"):
        given(["cuont=1"], closed)


def test_objects_files_and_pairs_add_up_and_later_ones_win(tmp_path: Path) -> None:
    file = tmp_path / "arguments.json"
    file.write_text(json.dumps({"name": "tea", "count": 1}))
    assert given([f"@{file}", '{"gift": true}', "count=2"], SCHEMA) == {"name": "tea", "count": 2, "gift": True}
    assert given(["tags=a", "tags=b", 'tags=["c"]'], SCHEMA) == {"tags": ["a", "b", "c"]}
    file.write_text("[1]")
    with pytest.raises(Usage, match="expected a JSON object"):
        given([f"@{file}"], SCHEMA)


def test_without_a_schema_every_value_is_text() -> None:
    assert given(["a=1", "b=true"]) == {"a": "1", "b": "true"}


_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["type", "anyOf", "allOf", "enum", "$ref", "items", "properties"]), inner)
    ),
    max_leaves=12,
)


@for_all(
    schema=st.dictionaries(st.sampled_from(["properties", "$defs", "additionalProperties"]), _json), text=st.text()
)
def test_no_schema_of_a_stranger_makes_it_fail_otherwise(schema: dict[str, Any], text: str) -> None:
    try:
        given([f"type={text}", f"items={text}"], schema)
    except Usage:
        pass
    assert isinstance(types_of(schema.get("properties"), schema), frozenset)
