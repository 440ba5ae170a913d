"""JSON with comments: what is JSON stays so, byte for byte; the rest means what an editor takes it for."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dovetail.client import plain_json

NASTY = st.one_of(st.text(), st.sampled_from(["//", "/* x */", ",]", ",}", '"', "\\", '\\"//', "a,\n]", "*/"]))
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | NASTY,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(NASTY, inner, max_size=4),
    max_leaves=12,
)
BETWEEN = st.sampled_from(["", " ", "\n", '// a, ] " comment\n', '/* one, ] " */', "/**/", "/* // */\t", "//\r\n"])


def spoiled(value: Any, draw: Any) -> str:
    """Write a value with comments and trailing commas where they may stand."""

    def gap() -> str:
        return str(draw(BETWEEN))

    if isinstance(value, dict):
        inner = [f"{json.dumps(key)}{gap()}:{gap()}{spoiled(each, draw)}" for key, each in value.items()]
    elif isinstance(value, list):
        inner = [spoiled(each, draw) for each in value]
    else:
        return gap() + json.dumps(value, ensure_ascii=False) + gap()
    comma = "," if inner and draw(st.booleans()) else ""
    start, end = "{}" if isinstance(value, dict) else "[]"
    return f"{gap()}{start}{gap()}{f'{gap()},{gap()}'.join(inner)}{gap()}{comma}{gap()}{end}{gap()}"


@given(VALUES, st.sampled_from([None, 2]), st.booleans())
def test_what_is_json_stays_as_it_is(value: Any, indent: int | None, ascii_only: bool) -> None:
    text = json.dumps(value, indent=indent, ensure_ascii=ascii_only).encode("utf-8", "surrogatepass")
    assert plain_json(text) == text


@given(VALUES, st.data())
def test_comments_and_trailing_commas_mean_nothing(value: Any, data: st.DataObject) -> None:
    text = spoiled(value, data.draw).encode("utf-8", "surrogatepass")
    plain = plain_json(text)
    assert json.loads(plain.decode("utf-8", "surrogatepass")) == value
    assert len(plain) == len(text) and plain.count(b"\n") == text.count(b"\n")


@pytest.mark.parametrize(
    "text",
    [
        "[,]",
        "{,}",
        "[1,,]",
        '{"a":,}',
        '{"a" /* open',
        "[1] / 2",
        '"open',
        '["a", // "b"]',
        "# no",
        "[1,\v]",
        ",",
        "[1],",
    ],
)
def test_what_an_editor_takes_for_a_fault_stays_one(text: str) -> None:
    with pytest.raises(json.JSONDecodeError):
        json.loads(plain_json(text.encode()))


@pytest.mark.parametrize("piece", [b'"\\', b"/*", b",/*", b",/* */", b"//", b",", b", ", b'"\\"', b"/**/,"])
def test_a_long_fault_takes_no_longer_than_a_walk(piece: bytes) -> None:
    assert len(plain_json(piece * 100_000)) == len(piece) * 100_000
