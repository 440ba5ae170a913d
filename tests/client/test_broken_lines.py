"""Lines that are no JSON, looked over for what they would have answered."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dovetail.client.broken_lines import LONGEST, answered_in
from tests import pace


@pytest.mark.parametrize(
    ("line", "ids"),
    [
        (b'{"jsonrpc":"2.0","id":7,"result":{"x":NaN}}', [b"7"]),
        (b'{"result":{"x":NaN},"jsonrpc":"2.0","id":7}', [b"7"]),
        (b'{"jsonrpc":"2.0","id" : 7 , "error":{"code":Infinity}}', [b"7"]),
        (b'{"jsonrpc":"2.0","id":7,"result":{"s":"\\ud800"}}', [b"7"]),
        (b'{"jsonrpc":"2.0","id":7,"result":{}}{"jsonrpc":"2.0","id":8,"result":{}}', [b"7", b"8"]),
        (b'{"jsonrpc":"2.0","id":7,"result":{"rows":[{"id":1,"mean":NaN},{"id":2}]}}', [b"7"]),
        (b'{"jsonrpc":"2.0","id":7,"result":{"s":"\\"id\\":9,}"}}', [b"7"]),
        (b'{"jsonrpc":"2.0","method":"notifications/message","params":{"data":{"id":3,"x":NaN}}}', []),
        (b'{"level":"info","id":3,"x":NaN}', []),
        (b'{"jsonrpc":"2.0","id":3,"method":"roots/list","params":{"x":NaN}}', []),
        (b'{"jsonrpc":"2.0","id":"7","result":{"x":NaN}}', []),
        (b'{"jsonrpc":"2.0","id":7,"result":{"x":NaN}', []),
        (b'{"jsonrpc":"2.0","id":7,"result":{"x":"' + b"y" * LONGEST + b'"}}', []),
        (b'"jsonrpc" "id":7,', []),
        (b"}}}}{{{{", []),
        (b"", []),
    ],
)
def test_only_what_stands_outermost_is_an_answer(line: bytes, ids: list[bytes]) -> None:
    assert list(answered_in(line)) == ids


@pytest.mark.req("C-01")
@pytest.mark.parametrize("part", [b'\\"', b'"', b"\\", b'\\\\"', b"{", b'"\\', b'"a":'])
@pytest.mark.parametrize("last", [b"", b"\\", b'"'])
def test_a_line_is_looked_over_in_time_that_grows_as_it_does(part: bytes, last: bytes) -> None:
    line = b'{"jsonrpc":"2.0","id":7,"result":{"text":"'

    def looked_over() -> None:
        assert list(answered_in(line + part * ((LONGEST - 100) // len(part)) + last)) == []

    assert pace.milliseconds(looked_over, rounds=1) < 2_000


@given(st.binary(max_size=300))
def test_whatever_comes_is_looked_over(line: bytes) -> None:
    assert all(found.isdigit() for found in answered_in(line))


inner = st.recursive(
    st.none() | st.integers() | st.text(max_size=8),
    lambda more: st.lists(more, max_size=3) | st.dictionaries(st.sampled_from(["id", "result", "jsonrpc", "x"]), more),
    max_leaves=8,
)


@given(result=inner, number=st.integers(0, 10**12))
def test_of_an_answer_that_is_json_its_own_id_is_found_and_no_other(result: object, number: int) -> None:
    line = json.dumps({"result": result, "jsonrpc": "2.0", "id": number}).encode()
    assert list(answered_in(line)) == [str(number).encode()]
