"""The reference server's lines: what is read, what is written, what is refused."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dovetail.servers.memory.lines import EntityLine, RelationLine, Unreadable, entity_line, read, relation_line

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=30)
UNKNOWN = st.dictionaries(
    TEXT.filter(lambda key: key not in {"type", "name", "entityType", "observations", "from", "to", "relationType"}),
    st.none() | st.booleans() | st.integers(-(2**40), 2**40) | TEXT | st.lists(TEXT, max_size=2),
    max_size=3,
)


@given(TEXT, TEXT, st.lists(TEXT, max_size=4), UNKNOWN)
def test_an_entity_comes_back_as_it_was_with_fields_that_nobody_knows(
    name: str, kind: str, facts: list[str], unknown: dict[str, Any]
) -> None:
    item = {"type": "entity", "name": name, "entityType": kind, "observations": facts, **unknown}
    (line,) = read(json.dumps(item))
    assert isinstance(line, EntityLine)
    assert json.loads(entity_line(line.name, line.type, line.observations, line.extra)) == item


@given(TEXT, TEXT, TEXT, UNKNOWN)
def test_a_relation_comes_back_as_it_was(source: str, target: str, kind: str, unknown: dict[str, Any]) -> None:
    item = {"type": "relation", "from": source, "to": target, "relationType": kind, **unknown}
    (line,) = read(json.dumps(item))
    assert isinstance(line, RelationLine)
    assert json.loads(relation_line(line.source, line.target, line.type, line.extra)) == item


@given(st.text(max_size=200) | st.binary(max_size=200).map(lambda data: data.decode("latin-1")))
def test_anything_else_is_refused_and_nothing_worse(text: str) -> None:
    try:
        list(read(text))
    except Unreadable as error:
        assert str(error).startswith("Line ")


@pytest.mark.parametrize(
    "line",
    [
        "{",
        "[]",
        '"entity"',
        '{"type":"entity"}',
        '{"type":"entity","name":1,"entityType":"x","observations":[]}',
        '{"type":"entity","name":"a","entityType":"x","observations":["b",2]}',
        '{"type":"relation","from":"a","to":"b"}',
        '{"type":"note","name":"a"}',
        "[" * 100_000,
    ],
)
def test_a_line_that_is_neither_is_refused_by_its_number(line: str) -> None:
    with pytest.raises(Unreadable, match=r"^Line 3"):
        list(read(f'{{"type":"entity","name":"a","entityType":"x","observations":[]}}\n\n{line}'))


def test_empty_lines_carriage_returns_and_a_byte_order_mark_are_no_trouble() -> None:
    line = '{"type":"entity","name":"a\u2028b","entityType":"x","observations":[]}'
    assert [item.number for item in read(f"\ufeff\r\n{line}\r\n\n")] == [2]


ODD = st.text(st.sampled_from("\ufffdd83e0f \ud83d\udc00\U0001f600") | st.characters(), max_size=12)


@given(ODD, ODD)
def test_halves_of_surrogate_pairs_come_back_and_two_texts_stay_two(one: str, other: str) -> None:
    one, other = (json.loads(json.dumps(text)) for text in (one, other))  # two halves that fit are a whole one
    found = []
    for text in (one, other):
        written = json.dumps({"type": "entity", "name": text, "entityType": "x", "observations": [text], "more": text})
        (line,) = read(written)
        assert isinstance(line, EntityLine)
        line.name.encode(), line.extra.encode()  # fits into a database
        exported = entity_line(line.name, line.type, line.observations, line.extra)
        assert json.loads(exported) == json.loads(written)
        found.append(line.name)
    assert (found[0] == found[1]) == (one == other)


def test_half_a_surrogate_pair_is_shown_as_the_replacement_character_and_its_digits_and_written_as_it_stood() -> None:
    text = (
        '{"type":"entity","name":"a\\ud800b","entityType":"\U0001f600","observations":["\\udc00"],"more":{"\\udead":1}}'
    )
    (line,) = read(text)
    assert isinstance(line, EntityLine)
    assert (line.name, line.type, line.observations) == ("a\ufffdd800b", "\U0001f600", ("\ufffddc00",))
    assert entity_line(line.name, line.type, line.observations, line.extra) == text
