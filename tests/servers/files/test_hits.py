"""What a searching program says is cut into hits, however it arrives, and never without bound."""

import json

from hypothesis import given
from hypothesis import strategies as st

from dovetail.servers.files.hits import LONGEST_LINE, Hit, Splitter


def said(path: str, text: str, number: int = 1, offset: int = 0) -> bytes:
    data = {
        "path": {"text": path},
        "lines": {"text": text},
        "line_number": number,
        "absolute_offset": offset,
        "submatches": [{"match": {"text": "x"}, "start": 2, "end": 3}],
    }
    return json.dumps({"type": "match", "data": data}, separators=(",", ":")).encode() + b"\n"


OUTPUT = (
    b'{"type":"begin","data":{"path":{"text":"a"}}}\n'
    + said("./a", "one\n", 3, 17)
    + b'{"type":"match","data":{"path":{"bytes":"4oKs"},"lines":{"bytes":"/w=="},"absolute_offset":1}}\n'
    + b'{"type":"match","data":{"path":{"bytes":"%"},"lines":{"text":"x"},"absolute_offset":1}}\n'
    + b'{"type":"match","data":7}\n{"type":"match",\xff\nno json\n\n'
    + said("b", "two")
    + b'{"type":"end"}\n{"type":"match","data'
)
HITS = [
    Hit(b"./a", b"one\n", 3, 17, 2),
    Hit("€".encode(), b"\xff", 0, 1, 0),
    Hit(b"b", b"two", 1, 0, 2),
]


def test_hits_are_found_however_the_output_is_split() -> None:
    for at in range(len(OUTPUT) + 1):
        splitter = Splitter()
        assert splitter.feed(OUTPUT[:at]) + splitter.feed(OUTPUT[at:]) == HITS
    splitter = Splitter()
    assert [hit for at in range(len(OUTPUT)) for hit in splitter.feed(OUTPUT[at : at + 1])] == HITS
    assert splitter.any and not splitter.left_out


def test_an_endless_line_is_left_out_and_what_follows_is_not() -> None:
    splitter = Splitter()
    for _ in range(40):
        assert splitter.feed(b'{"type":"match"' + b"x" * (LONGEST_LINE // 16)) == []
    assert splitter.feed(b"\n" + said("b", "two")) == HITS[2:]
    assert splitter.left_out


@given(st.lists(st.binary(max_size=60)))
def test_any_output_is_taken(pieces: list[bytes]) -> None:
    splitter = Splitter()
    hits = [hit for piece in pieces for hit in splitter.feed(piece)]
    assert splitter.any == bool(hits)
