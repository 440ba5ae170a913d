"""Parts of a file: whatever is asked for is what a simple reading of the whole would give, within the bound."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dovetail import ToolError
from dovetail.servers.files.reading import BLOCK, Lines, as_text, last_lines, lines_between, read_bytes, whole

texts = st.lists(st.text(st.characters(exclude_characters="\ufeff", exclude_categories=["Cs"]), max_size=12)).map(
    "\n".join
)


class Opened:
    def __init__(self, path: Path, data: bytes) -> None:
        path.write_bytes(data)
        self.fd = os.open(path, os.O_RDONLY)
        self.size = len(data)


@pytest.fixture
def opened(tmp_path: Path) -> Iterator["list[Opened]"]:
    files: list[Opened] = []
    yield files
    for file in files:
        os.close(file.fd)


def made(tmp_path: Path, files: "list[Opened]", data: bytes) -> Opened:
    files.append(Opened(tmp_path / f"f{len(files)}", data))
    return files[-1]


def split(text: str) -> list[str]:
    lines = [line + "\n" for line in text.split("\n")]
    lines[-1] = lines[-1][:-1]
    return lines if lines[-1] else lines[:-1]


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(texts, st.integers(1, 15), st.integers(0, 15), st.integers(1, 15))
def test_ranges_heads_and_tails_are_those_of_the_lines(
    tmp_path: Path, text: str, first: int, more: int, count: int
) -> None:
    file = Opened(tmp_path / "f", text.encode())
    try:
        lines = split(text)
        assert whole(file.fd, file.size, 10_000) == Lines(text)
        assert last_lines(file.fd, file.size, count, 10_000) == Lines("".join(lines[-count:]))
        found = lines_between(file.fd, first, first + more, 10_000)
        assert found.text == "".join(lines[first - 1 : first + more])
        if first > max(1, len(lines)):
            assert "fewer than" in found.note
    finally:
        os.close(file.fd)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(texts, st.integers(8, 60))
def test_what_is_cut_goes_on_where_the_note_says(tmp_path: Path, text: str, most: int) -> None:
    file = Opened(tmp_path / "f", text.encode())
    try:
        read, line = "", 1
        while True:
            found = lines_between(file.fd, line, None, most)
            assert len(found.text.encode()) <= most
            read += found.text
            if "first_line=" not in found.note:
                break
            line = int(found.note.rpartition("first_line=")[2].split()[0])
        if found.note and "fewer" not in found.note:
            offset = int(found.note.rpartition("offset=")[2].rstrip("."))
            assert text.encode()[:offset].decode() == read
        else:
            assert read == text
    finally:
        os.close(file.fd)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(texts, st.integers(1, 20), st.integers(8, 60))
def test_a_tail_within_the_bound_is_the_end_of_the_file(tmp_path: Path, text: str, count: int, most: int) -> None:
    file = Opened(tmp_path / "f", text.encode())
    try:
        found = last_lines(file.fd, file.size, count, most)
    except ToolError as refused:
        assert "longer than the limit" in str(refused)
        return
    finally:
        os.close(file.fd)
    assert text.endswith(found.text)
    assert len(found.text.encode()) <= most
    wanted = "".join(split(text)[-count:])
    assert found.text == wanted or (found.note and wanted.endswith(found.text))


def test_files_larger_than_a_block_are_read_at_both_ends(tmp_path: Path, opened: "list[Opened]") -> None:
    lines = [f"line {number} {'x' * 40}\n" for number in range(1, 9001)]
    file = made(tmp_path, opened, "".join(lines).encode())
    assert file.size > 4 * BLOCK
    assert last_lines(file.fd, file.size, 5000, 1 << 20).text == "".join(lines[-5000:])
    assert lines_between(file.fd, 7000, 7001, 1 << 20).text == "".join(lines[6999:7001])
    assert whole(file.fd, file.size, 1000).note.startswith("Cut after line ")


def test_a_file_that_grew_meanwhile_is_cut_too(tmp_path: Path, opened: "list[Opened]") -> None:
    file = made(tmp_path, opened, b"a\n" * 100)
    assert whole(file.fd, 10, 50) == whole(file.fd, file.size, 50)


def test_a_byte_order_mark_is_no_text_and_other_encodings_are_refused() -> None:
    assert as_text(b"\xef\xbb\xbfx") == "x"
    with pytest.raises(ToolError, match="read_binary_file"):
        as_text("x".encode("utf-16"))


def test_bytes_are_read_to_the_end_and_no_further(tmp_path: Path, opened: "list[Opened]") -> None:
    file = made(tmp_path, opened, bytes(range(100)))
    assert read_bytes(file.fd, 95, 10) == bytes(range(95, 100))
    assert read_bytes(file.fd, 10, 3) == bytes(range(10, 13))
    assert read_bytes(file.fd, 100, 3) == b""
