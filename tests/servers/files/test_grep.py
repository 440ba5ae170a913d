"""Our own searcher against the plainest one that there is, Python's `re` on each line by itself; and ripgrep."""

import asyncio
import contextlib
import io
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dovetail.servers.files import grep
from dovetail.servers.files.beneath import Beneath
from dovetail.servers.files.finding import Search, Wish, own_command
from dovetail.servers.files.hits import Hit, Splitter
from dovetail.servers.files.places import Roots
from dovetail.servers.files.server import find_ripgrep

RG = find_ripgrep(None)
pytestmark = pytest.mark.timeout(120)

pieces = st.sampled_from(
    ["a", "B", "b", " ", "\t", "(", "é", "É", "ü", "x1", "\u2028", "\x0c", "\r\n", "\n", "\n\n", "a\n", " \n"]
)
texts = st.builds(
    lambda mark, parts, end: (mark + "".join(parts) + end).encode(),
    st.sampled_from(["", "\ufeff"]), st.lists(pieces, max_size=30), st.sampled_from(["", "\n", "\r\n"]),
)  # fmt: skip
stray = st.builds(
    lambda parts: b"".join(parts),
    st.lists(
        st.sampled_from([b"a", b"b\n", b"\xff", b"\xc3", b"\xc3\xa9", b"\xe2\x80", b"\n", b"\r\n", b" "]), max_size=20
    ),
)
atoms = st.sampled_from(["a", "b", "é", ".", r"\s", r"\S", r"\w", r"\W", r"\d", "[^a]", "[^b1]", "[é-ü]", r"\(", " "])
counted = st.builds(lambda atom, count: atom + count, atoms, st.sampled_from(["", "", "*", "+", "?", "{2}"]))
expressions = st.builds(
    lambda head, parts, tail: head + "".join(parts) + tail,
    st.sampled_from(["", "^", r"\b", "(?i)", "(?s)"]), st.lists(counted, min_size=1, max_size=4),
    st.sampled_from(["", "$", r"\b", "|^$", "|é$"]),
)  # fmt: skip
words = st.text(st.sampled_from("abB( éÉ1"), min_size=1, max_size=3)


def own(data: bytes, pattern: str, *, regex: bool, ignore_case: bool, most: int = 1000) -> list[Hit]:
    task = {"pattern": pattern, "regex": regex, "crlf": regex, "ignore_case": ignore_case, "most": most}
    compiled = re.compile(pattern if regex else re.escape(pattern), re.IGNORECASE if ignore_case else 0)
    said = io.StringIO()
    with tempfile.TemporaryFile() as file, contextlib.redirect_stdout(said):
        file.write(data)
        file.seek(0)
        grep.search(compiled, file.fileno(), "name", task)
    return Splitter().feed(said.getvalue().encode())


def plain(data: bytes, pattern: str, *, regex: bool, ignore_case: bool) -> list[Hit]:
    data = data.removeprefix(b"\xef\xbb\xbf") if regex else data
    found, offset = [], 0
    for number, line in enumerate(re.findall(rb"[^\n]*\n|[^\n]+", data), 1):
        text = line.removesuffix(b"\n")
        if regex and line.endswith(b"\r\n"):
            text = text[:-1]
        match = re.search(
            pattern if regex else re.escape(pattern),
            text.decode("utf-8", "surrogateescape"),
            re.I if ignore_case else 0,
        )
        if match is not None:
            at = len(match.string[: match.start()].encode("utf-8", "surrogateescape"))
            found.append(Hit(b"name", line, number, offset, at))
        offset += len(line)
    return found


@pytest.mark.parametrize("block", [1, 7, grep.BLOCK])
@given(texts | stray, st.tuples(st.just(True), expressions) | st.tuples(st.just(False), words), st.booleans())
def test_each_line_fits_as_it_does_by_itself(
    block: int, data: bytes, looked_for: tuple[bool, str], ignore_case: bool
) -> None:
    regex, pattern = looked_for
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(grep, "BLOCK", block)
        found = own(data, pattern, regex=regex, ignore_case=ignore_case)
    assert found == plain(data, pattern, regex=regex, ignore_case=ignore_case)


@pytest.mark.skipif(RG is None, reason="ripgrep is not installed")
@settings(max_examples=40, deadline=None)
@given(texts, st.tuples(st.just(True), expressions) | st.tuples(st.just(False), words), st.booleans())
def test_ripgrep_and_our_own_find_the_same_lines_of_text(
    data: bytes, looked_for: tuple[bool, str], ignore_case: bool
) -> None:
    regex, pattern = looked_for
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "text").write_bytes(data)
        place = Roots([Beneath(os.path.realpath(folder))]).place(".")
        wish = Wish(pattern=pattern, regex=regex, ignore_case=ignore_case)
        by = [asyncio.run(Search(place, wish, engine, sys.executable, 20).run()) for engine in (RG, None)]
    assert by[0] == by[1]


def test_as_many_lines_are_said_as_are_wanted() -> None:
    assert [hit.number for hit in own(b"a\nb\na\na\n", "a", regex=False, ignore_case=False, most=2)] == [1, 3]


def test_of_a_long_line_what_follows_the_match_is_said_in_part() -> None:
    (hit,) = own(b"x" * 50_000 + b"here" + b"y" * 50_000 + b"\n", "here", regex=False, ignore_case=False)
    assert hit.at == 50_000
    assert len(hit.line) == 50_000 + grep.LINE


def test_what_is_found_is_said_before_the_next_file_takes_all_the_time_that_there_is(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("aab\n")
    (tmp_path / "b").write_text("a" * 60 + "c\n")
    directory = os.open(tmp_path, os.O_RDONLY)
    try:
        command = own_command(sys.executable, Wish(pattern="(a+)+b", regex=True), directory)
        with subprocess.Popen(command, pass_fds=(directory,), stdout=subprocess.PIPE) as process:
            assert process.stdout is not None
            try:
                assert [hit.line for hit in Splitter().feed(process.stdout.readline())] == [b"aab\n"]
            finally:
                process.kill()
    finally:
        os.close(directory)
