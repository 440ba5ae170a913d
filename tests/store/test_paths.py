"""A path that a peer names stays below its root: by its text, and while somebody swaps links under it."""

import os
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dovetail.errors import UnsafePath
from dovetail.store.paths import LONGEST, MOST_STEPS, open_beneath, safe_join

UNSAFE = [
    # steps up
    "..", "../x", "../../etc/passwd", "a/../../x", "a/..", "a/../b", "./..", "./../x", "a/./../../x", "a//../..",
    "../", "..//x", "...", "a/...", "....//x",
    # absolute
    "/", "/etc/passwd", "//etc/passwd", "/../x", "//server/share", "/data-x", "/./x",
    # Windows: separators, drives, streams, devices, trimmed names
    "..\\x", "..\\..\\x", "a\\..\\..\\x", "\\x", "\\\\server\\share", "\\\\?\\C:\\x", "a\\b", "C:", "C:x", "C:\\x",
    "C:/x", "c:..", "x:$DATA", "x::$DATA", "x:stream", "a/C:/x", ".. ", "..  /x", ".. /x", ". .", "a.", "a..", "a ",
    "a/b. /c", "con", "CON", "nul", "NUL.txt", "aux.tar.gz", "a/prn", "com1", "LPT9.log", "com\xb9", "CONIN$",
    "nul .txt",
    # still encoded, so that somebody might decode it once more
    "%2e%2e", "%2e%2e/x", "%2E%2E%2Fx", "..%2fx", "%2f", "a%2fb", "%5c", "..%5cx", "%252e%252e%252f", "%25", "%00",
    "x%00.txt", "%0a", "%3a", "%c0%ae%c0%ae", "%e0%80%ae", "a/%2e/x",
    # characters
    "\x00", "x\x00", "x\x00.txt", "a/\x00/b", "x\n", "x\r\n", "\x1b[2J", "x\x7f", "x\x85", "\u202etxt.exe",
    "\u200b..", "a\u2028b", "\ufeffx", "\ud800", "x\xa0",
    # what some systems fold into dots and slashes
    "\uff0e\uff0e", "\uff0e\uff0e\uff0fx", "..\u2215x", "\u2024\u2024", "\u2025", "a\u2044b", "\uff3cx", "C\uff1ax",
]  # fmt: skip

SAFE = {
    "x": "x",
    "x.txt": "x.txt",
    "a/b/c.txt": "a/b/c.txt",
    "./a": "a",
    "a/./b": "a/b",
    "a//b": "a/b",
    "a/b/": "a/b",
    "": "",
    ".": "",
    ".hidden": ".hidden",
    "..x": "..x",
    "x..y": "x..y",
    "..x/y": "..x/y",
    "a b": "a b",
    " a": " a",
    "100%": "100%",
    "50%off": "50%off",
    "%": "%",
    "%zz": "%zz",
    "%41": "%41",
    "~": "~",
    "~root": "~root",
    "$HOME": "$HOME",
    "é/世界": "é/世界",
    "console": "console",
    "com10": "com10",
    "a,b;c=d&e'f\"g": "a,b;c=d&e'f\"g",
    "-rf": "-rf",
    "*": "*",
}


@pytest.mark.req("S-19")
@pytest.mark.parametrize("path", UNSAFE)
def test_a_path_that_could_lead_out_is_refused_by_its_text(path: str, tmp_path: Path) -> None:
    for join in (safe_join, open_beneath):
        with pytest.raises(UnsafePath) as caught:
            join(tmp_path, path)
        assert caught.value.code == -32602
        assert str(tmp_path) not in caught.value.message
        assert caught.value.message.isascii()
        with pytest.raises(UnsafePath):
            join(tmp_path, "a", path)


@pytest.mark.req("S-19")
@pytest.mark.parametrize(("path", "expected"), SAFE.items())
def test_a_plain_path_is_joined(path: str, expected: str, tmp_path: Path) -> None:
    assert safe_join(tmp_path, path) == tmp_path / expected
    assert safe_join(tmp_path, "top", path) == tmp_path / "top" / expected


@pytest.mark.req("S-19")
def test_bounds_of_a_path_are_exact(tmp_path: Path) -> None:
    safe_join(tmp_path, "x" * LONGEST)
    safe_join(tmp_path, "/".join("x" * MOST_STEPS))
    for long in ("x" * (LONGEST + 1), "/".join("x" * (MOST_STEPS + 1))):
        with pytest.raises(UnsafePath):
            safe_join(tmp_path, long)


pieces = st.text(max_size=8) | st.sampled_from(["..", "/", "\\", "%2e", "a", ".", "C:"])


@pytest.mark.req("S-19")
@given(st.lists(pieces, max_size=5).map("".join))
def test_whatever_passes_stays_below_the_root(path: str) -> None:
    try:
        joined = safe_join("/data", path)
    except UnsafePath:
        return
    assert os.path.normpath(joined) == "/data" or os.path.normpath(joined).startswith("/data/")
    assert ".." not in joined.parts


@pytest.fixture
def house(tmp_path: Path) -> Path:
    """A root with files, beside a secret and a sibling whose name begins alike."""
    root = tmp_path / "data"
    (root / "docs" / "deep").mkdir(parents=True)
    (root / "docs" / "a.txt").write_text("fine")
    (root / "docs" / "deep" / "b.txt").write_text("fine")
    (tmp_path / "data-x").mkdir()
    for place in (tmp_path, tmp_path / "data-x"):
        (place / "a.txt").write_text("secret")
        (place / "b.txt").write_text("secret")
    return root


@pytest.mark.req("S-19")
def test_a_file_below_the_root_is_read(house: Path) -> None:
    for parts in (("docs/a.txt",), ("docs", "a.txt"), ("./docs//deep/b.txt",), ("docs", "deep", "b.txt")):
        with open_beneath(house, *parts) as file:
            assert file.read() == b"fine"


@pytest.mark.req("S-19")
def test_a_root_that_is_a_link_itself_is_the_authors_choice(house: Path) -> None:
    link = house.parent / "link"
    link.symlink_to(house)
    with open_beneath(link, "docs/a.txt") as file:
        assert file.read() == b"fine"


def links(house: Path) -> Iterator[str]:
    (house / "out").symlink_to(house.parent)
    yield "out/a.txt"
    (house / "sibling").symlink_to("../data-x")
    yield "sibling/a.txt"
    (house / "file").symlink_to("../a.txt")
    yield "file"
    (house / "absolute").symlink_to(house.parent / "a.txt")
    yield "absolute"
    (house / "inside").symlink_to("docs/a.txt")
    yield "inside"
    (house / "docs" / "deep" / "again").symlink_to("file")
    (house / "docs" / "deep" / "file").symlink_to("../../../a.txt")
    yield "docs/deep/again"
    (house / "loop").symlink_to("loop")
    yield "loop"
    yield "loop/x"
    (house / "self").symlink_to("/proc/self/cwd")
    yield "self/x"
    os.mkfifo(house / "fifo")
    yield "fifo"
    yield "docs"
    yield "docs/deep/."
    yield ""
    yield "docs/a.txt/x"


@pytest.mark.req("S-19")
def test_links_and_what_is_no_regular_file_are_refused(house: Path) -> None:
    for path in links(house):
        with pytest.raises((UnsafePath, IsADirectoryError)):
            open_beneath(house, path)


@pytest.mark.req("S-19")
def test_a_socket_is_refused(house: Path) -> None:
    listener = socket.socket(socket.AF_UNIX)
    before = Path.cwd()
    os.chdir(house)  # the name of a socket must be short
    try:
        listener.bind("s")
    finally:
        os.chdir(before)
    with pytest.raises(UnsafePath):
        open_beneath(house, "s")
    listener.close()


def test_a_file_that_is_not_there_is_not_found(house: Path) -> None:
    for path in ("no", "docs/no", "no/a.txt"):
        with pytest.raises(FileNotFoundError):
            open_beneath(house, path)


@pytest.mark.req("S-19")
@pytest.mark.timeout(60)
@pytest.mark.parametrize("swapped", ["docs", "docs/a.txt"])
def test_links_that_are_swapped_in_at_any_moment_never_lead_out(house: Path, swapped: str) -> None:
    place, aside, lure = house / swapped, house / "aside", house / "lure"
    lure.symlink_to(house.parent if swapped == "docs" else house.parent / "a.txt")
    stop = threading.Event()

    def swap() -> None:
        while not stop.is_set():
            os.rename(place, aside)
            os.rename(lure, place)
            os.rename(place, lure)
            os.rename(aside, place)

    thread = threading.Thread(target=swap)
    thread.start()
    outcomes = {"read": 0, "refused": 0, "missing": 0}
    descriptors = len(os.listdir("/proc/self/fd"))
    try:
        for _ in range(100_000):
            try:
                with open_beneath(house, "docs/a.txt") as file:
                    assert file.read() == b"fine"
                outcomes["read"] += 1
            except UnsafePath:
                outcomes["refused"] += 1
            except FileNotFoundError:
                outcomes["missing"] += 1
            if min(outcomes.values()) > 50:
                break
    finally:
        stop.set()
        thread.join()
    assert outcomes["read"] > 0
    assert outcomes["refused"] > 0
    assert len(os.listdir("/proc/self/fd")) == descriptors
