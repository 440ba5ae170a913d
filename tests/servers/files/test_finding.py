"""Searching in contents, by ripgrep and by our own searcher: the same lines, bounded, and nothing of elsewhere."""

import asyncio
import os
import shutil
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from dovetail import ToolError
from dovetail.errors import UnsafePath
from dovetail.servers.files.beneath import Beneath
from dovetail.servers.files.confirming import Match
from dovetail.servers.files.finding import Search, Wish, ripgrep_command
from dovetail.servers.files.places import Roots
from dovetail.servers.files.server import find_ripgrep
from tests.servers.files.conftest import SECRET
from tests.servers.files.test_beneath import swapping

RG = find_ripgrep(None)
ENGINES = [pytest.param(RG, id="ripgrep"), pytest.param(None, id="own")]
pytestmark = pytest.mark.timeout(60)


@pytest.fixture
def tree(house: Path) -> Path:
    (house / "src").mkdir()
    (house / "src" / "one.py").write_text("import os\nneedle = 1\n# end\n")
    (house / "src" / "two.py").write_text("x\r\nNeedle (2)\r\n")
    (house / "src" / "three.txt").write_text("no final needle")
    (house / ".hidden.py").write_text("needle hidden\n")
    (house / "src" / "skipped.log").write_text("needle log\n")
    (house / ".gitignore").write_text("*.log\n")
    (house / "binary").write_bytes(b"needle\0needle\n")
    (house / "latin").write_bytes(b"needle f\xfcr\n")
    (house / "link").symlink_to("../a.txt")
    (house / "out").symlink_to("..")
    return house


async def look(house: Path, wish: Wish, engine: str | None, path: str = ".", seconds: float = 20) -> list[Match]:
    search = Search(Roots([Beneath(str(house))]).place(path), wish, engine, sys.executable, seconds)
    return await search.run()


def lines(found: list[Match]) -> set[tuple[str, int, str]]:
    return {(match.path, match.line, match.text) for match in found}


@pytest.mark.parametrize("engine", ENGINES)
async def test_lines_are_found_with_their_path_and_number(tree: Path, engine: str | None) -> None:
    found = lines(await look(tree, Wish(pattern="needle", globs=("src/**", "latin")), engine))
    assert found >= {
        ("latin", 1, "needle f\ufffdr"),
        ("src/one.py", 2, "needle = 1"),
        ("src/three.txt", 1, "no final needle"),
    }
    assert lines(await look(tree, Wish(pattern="NEEDLE", ignore_case=True, globs=("*.py",)), engine)) == {
        ("src/one.py", 2, "needle = 1"),
        ("src/two.py", 2, "Needle (2)"),
    }
    assert lines(await look(tree, Wish(pattern="Needle (2)"), engine)) == {("src/two.py", 2, "Needle (2)")}
    found = lines(await look(tree, Wish(pattern=r"^[nN]eedle \(?\d", regex=True), engine))
    assert found == {("src/two.py", 2, "Needle (2)")}
    assert await look(tree, Wish(pattern="nothing of the kind"), engine) == []


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize(
    ("pattern", "numbers"),
    [(";$", [1, 4]), ("^using", [1]), ("^}$", [3]), (r"A \{$", [2]), (r"^using.*;\s*$", [1]), ("^\ufeff", []),
     ("$", [1, 2, 3, 4]), (r";\r$", [1, 4]), ("^\\\\n;$", [4]), ("a..$", [])],
)  # fmt: skip
@pytest.mark.parametrize("where", [".", "win.cs"])
async def test_an_expression_is_matched_with_a_line_without_its_end_and_the_mark_before_it(
    house: Path, pattern: str, numbers: list[int], engine: str | None, where: str
) -> None:
    text = "using a;\r\nclass A {\r\n}\r\n\\n;\r\n"
    (house / "win.cs").write_bytes(b"\xef\xbb\xbf" + text.encode())
    found = await look(house, Wish(pattern=pattern, regex=True, context=3, globs=("*.cs",)), engine, where)
    lines = text.splitlines()
    assert [(match.line, match.text) for match in found] == [(number, lines[number - 1]) for number in numbers]
    assert all([*match.before, match.text, *match.after] == lines for match in found)


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize(
    ("pattern", "numbers"),
    [(r"log\([^\"]*", [1, 3]), (r"^\s*TODO", [9]), (r"'[^']*", [5, 6]), (r"^\s+\S", [2, 4]), (r"\(\s+\d", []),
     (r"(?s)say.*x", [5]), (r"^\s*$", [7, 8]), (r"\Alog", [1, 3]), (r"^$", [7, 8])],
)  # fmt: skip
async def test_no_expression_goes_on_into_the_next_line(
    house: Path, pattern: str, numbers: list[int], engine: str | None
) -> None:
    (house / "a.py").write_text("log(\n  1)\nlog(\n  2)\nsay 'x\nsay 'y'\n\n\nTODO\n")
    found = await look(house, Wish(pattern=pattern, regex=True, globs=("a.py",)), engine)
    assert [match.line for match in found] == numbers


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize(
    ("wish", "numbers"),
    [
        (Wish(pattern="école", ignore_case=True), [1]),
        (Wish(pattern="caf.$", regex=True), [2]),
        (Wish(pattern=r"M\w+ GmbH", regex=True), [3]),
        (Wish(pattern="[éè]$", regex=True), [2]),
        (Wish(pattern="caf[^éx]", regex=True), []),
        (Wish(pattern="^.{4}.?$", regex=True), [2, 1]),
        (Wish(pattern="ü"), [3, 4]),
        (Wish(pattern=r"Ü\b", regex=True, ignore_case=True), [4]),
    ],
)
async def test_a_letter_is_one_character_whatever_its_bytes(
    house: Path, wish: Wish, numbers: list[int], engine: str | None
) -> None:
    (house / "a.txt").write_bytes("École\ncafé\nMüller GmbH\n".encode() + b"f\xff\xc3\xbc\n")
    found = await look(house, wish, engine, "a.txt")
    assert [match.line for match in found] == sorted(numbers)


async def test_to_our_own_each_byte_that_is_no_character_is_one(house: Path) -> None:
    (house / "latin").write_bytes("café TODO\n".encode("latin-1"))
    (match,) = await look(house, Wish(pattern=r"^caf. TODO$", regex=True), None)
    assert match.text == "caf\ufffd TODO"


@pytest.mark.parametrize("engine", ENGINES)
async def test_a_file_with_nul_in_its_first_64_kib_is_binary(house: Path, engine: str | None) -> None:
    (house / "late").write_bytes(b"TODO early\n" + b"x" * 9000 + b"\0\nTODO late\n")
    assert await look(house, Wish(pattern="TODO"), engine) == []


@pytest.mark.parametrize("engine", ENGINES)
async def test_words_are_found_at_their_place_behind_a_mark(house: Path, engine: str | None) -> None:
    (house / "bom.txt").write_bytes(b"\xef\xbb\xbfneedle\r\n\r\nneedle\r\n")
    found = await look(house, Wish(pattern="needle", context=1), engine, "bom.txt")
    assert [(match.line, match.text, match.before, match.after) for match in found] == [
        (1, "needle", [], [""]), (3, "needle", [""], []),
    ]  # fmt: skip


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize(
    "wish", [Wish(pattern="a\nb"), Wish(pattern="a\nb", regex=True), Wish(pattern=r"a\nb", regex=True)]
)
async def test_a_pattern_of_two_lines_is_refused_and_says_what_to_give(
    tree: Path, wish: Wish, engine: str | None
) -> None:
    with pytest.raises(ToolError, match="give one line"):
        await look(tree, wish, engine)


@pytest.mark.parametrize("engine", ENGINES)
async def test_one_file_is_searched_too(tree: Path, engine: str | None) -> None:
    assert lines(await look(tree, Wish(pattern="needle"), engine, "src/one.py")) == {("src/one.py", 2, "needle = 1")}
    assert lines(await look(tree, Wish(pattern="needle"), engine, f"{tree}/src/one.py")) == {
        (f"{tree}/src/one.py", 2, "needle = 1")
    }


@pytest.mark.parametrize("engine", ENGINES)
async def test_hidden_and_excluded_files_are_left_out(tree: Path, engine: str | None) -> None:
    names = {path for path, _, _ in lines(await look(tree, Wish(pattern="needle"), engine))}
    assert not names & {".hidden.py", "binary", "link", "out/a.txt"}
    every = {path for path, _, _ in lines(await look(tree, Wish(pattern="needle", all_files=True), engine))}
    assert {".hidden.py", "src/skipped.log"} <= every
    some = await look(tree, Wish(pattern="needle", exclude=("src",)), engine)
    assert {path for path, _, _ in lines(some)} == {"latin"}


@pytest.mark.skipif(RG is None, reason="ripgrep is not installed")
async def test_ignored_files_are_left_out_by_ripgrep(tree: Path) -> None:
    assert "src/skipped.log" not in {match.path for match in await look(tree, Wish(pattern="needle"), RG)}


@pytest.mark.parametrize("engine", ENGINES)
async def test_lines_around_a_match_and_long_lines_are_shown_in_part(tree: Path, engine: str | None) -> None:
    (found,) = await look(tree, Wish(pattern="needle", context=1, globs=("one.py",)), engine)
    assert (found.before, found.after) == (["import os"], ["# end"])
    (tree / "long").write_text("x" * 20_000 + "here" + "y" * 20_000 + "\nnext\n")
    (long,) = await look(tree, Wish(pattern="here", context=1), engine)
    assert "here" in long.text
    assert long.after in (["next"], [])
    assert long.text.startswith("...x")
    assert len(long.text) < 600


@pytest.mark.parametrize("engine", ENGINES)
async def test_more_than_wanted_is_cut_and_said(tree: Path, engine: str | None) -> None:
    (tree / "many").write_text("needle\n" * 50)
    search = Search(Roots([Beneath(str(tree))]).place("."), Wish(pattern="needle", most=10), engine, sys.executable, 20)
    assert len(await search.run()) == 10
    assert "Cut at 10 lines" in search.note
    search = Search(
        Roots([Beneath(str(tree))]).place("many"), Wish(pattern="needle", most=50), engine, sys.executable, 20
    )
    assert len(await search.run()) == 50
    assert search.note == ""


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("regex", [False, True])
async def test_files_of_utf_16_are_not_searched_and_hide_no_others(
    house: Path, engine: str | None, regex: bool
) -> None:
    for name in ("a.reg", "c.reg"):
        (house / name).write_text("TODO there\n" * 40_000, encoding="utf-16")
    (house / "b.txt").write_text("TODO here\n")
    for most in (1, 3, 1000):
        wish = Wish(pattern="TODO", regex=regex, most=most)
        search = Search(Roots([Beneath(str(house))]).place("."), wish, engine, sys.executable, 20)
        assert lines(await search.run()) == {("b.txt", 1, "TODO here")}
        assert search.note == ""


async def test_what_does_not_stand_there_uses_up_no_limit(tree: Path, tmp_path: Path) -> None:
    """As where a program reads other bytes than are there."""
    said = '{"type":"match","data":{"path":{"text":"%s"},"lines":{"text":"%s"},"line_number":1,"absolute_offset":0}}'
    wrong, right = said % ("docs/a.txt", "x" * 5000), said % ("docs/a.txt", "fine")
    (tmp_path / "told").write_text(f"{wrong}\n" * 4000 + f"{right}\n")
    liar = tmp_path / "liar"
    liar.write_text(f"#!/bin/sh\nexec cat {tmp_path / 'told'}\n")
    liar.chmod(stat.S_IRWXU)
    search = Search(Roots([Beneath(str(tree))]).place("."), Wish(pattern="x", most=1), str(liar), sys.executable, 20)
    assert lines(await search.run()) == {("docs/a.txt", 1, "fine")}
    assert search.note == ""


@pytest.mark.parametrize("engine", ENGINES)
async def test_an_answer_is_bounded_however_much_is_shown_around(tree: Path, engine: str | None) -> None:
    (tree / "many").write_text(f"needle {'x' * 400}\n" * 1000)
    wish = Wish(pattern="needle", most=1000, context=20)
    search = Search(Roots([Beneath(str(tree))]).place("many"), wish, engine, sys.executable, 20)
    found = await search.run()
    assert 50 < len(found) < 500
    assert "less context" in search.note


@pytest.mark.skipif(RG is None, reason="ripgrep is not installed")
async def test_a_match_in_a_line_without_end_is_said_to_be_left_out(tree: Path) -> None:
    (tree / "long").write_text("x" * 3_000_000 + "needle\n")
    search = Search(Roots([Beneath(str(tree))]).place("long"), Wish(pattern="needle"), RG, sys.executable, 20)
    assert await search.run() == []
    assert "left out" in search.note


async def test_without_the_program_that_was_there_our_own_searches(tree: Path) -> None:
    for program in (str(tree / "nope"), str(tree / "latin")):
        search = Search(Roots([Beneath(str(tree))]).place("src"), Wish(pattern="needle"), program, sys.executable, 20)
        assert "src/one.py" in {match.path for match in await search.run()}
        assert search.ripgrep is None


@pytest.mark.parametrize("engine", ENGINES)
async def test_a_pattern_that_is_none_says_why(tree: Path, engine: str | None) -> None:
    with pytest.raises(ToolError, match=r"not understood.*(unclosed|unterminated)"):
        await look(tree, Wish(pattern="needle (", regex=True), engine)
    for pattern in ("", "a\0b", "x" * 1025):
        with pytest.raises(ToolError, match="1 to 1024"):
            await look(tree, Wish(pattern=pattern), engine)


async def test_a_regular_expression_that_goes_on_for_ever_is_stopped(tree: Path) -> None:
    (tree / "slow").write_text("a" * 40 + "b\n")
    place = Roots([Beneath(str(tree))]).place("slow")
    search = Search(place, Wish(pattern="(a+)+$", regex=True), None, sys.executable, 0.5)
    assert await search.run() == []
    assert "stopped after 0.5 s" in search.note


async def test_a_search_that_is_cancelled_leaves_no_process(tree: Path) -> None:
    (tree / "slow").write_text("a" * 40 + "b\n")
    before = children()
    task = asyncio.ensure_future(look(tree, Wish(pattern="(a+)+$", regex=True), None, "slow"))
    while not children() - before:
        await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert not children() - before


def children() -> set[str]:
    found = set()
    for task in os.listdir("/proc/self/task"):
        try:
            found |= set(Path(f"/proc/self/task/{task}/children").read_text().split())
        except FileNotFoundError:
            continue
    return found


@pytest.mark.skipif(RG is None, reason="ripgrep is not installed")
@pytest.mark.parametrize("text", ["--pre=id", "-f/etc/passwd", "--", "-", "--hostname-bin=id", "@", "!x"])
async def test_nothing_of_a_wish_is_an_option(tree: Path, text: str) -> None:
    assert await look(tree, Wish(pattern=text), RG) == []
    try:
        found = await look(tree, Wish(pattern="needle", globs=(text,), exclude=(text,)), RG)
    except ToolError as refused:
        assert "exclude" in str(refused)
        return
    assert found == []
    command = ripgrep_command("rg", Wish(pattern=text, globs=(text,)), one_file=False)
    assert command[command.index("--") :] == ["--", text, "./"]


@pytest.mark.skipif(RG is None, reason="ripgrep is not installed")
async def test_what_the_user_configured_for_ripgrep_means_nothing(tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config = tree.parent / "ripgreprc"
    config.write_text("--follow\n--hidden\n--pre=/bin/false\n")
    monkeypatch.setenv("RIPGREP_CONFIG_PATH", str(config))
    (tree.parent / ".ignore").write_text("*\n")  # above the root: not ours to know
    found = {match.path for match in await look(tree, Wish(pattern="needle"), RG)}
    assert "src/one.py" in found
    assert ".hidden.py" not in found


@pytest.mark.req("S-19")
@pytest.mark.parametrize("engine", ENGINES)
async def test_a_search_never_shows_what_a_link_leads_to(tree: Path, engine: str | None) -> None:
    assert await look(tree, Wish(pattern=SECRET, all_files=True), engine) == []
    for path in ("link", "out", "out/a.txt"):
        with pytest.raises((UnsafePath, OSError)):
            await look(tree, Wish(pattern=SECRET), engine, path)


@pytest.mark.req("S-19")
async def test_a_program_that_reads_elsewhere_is_not_believed(tree: Path, tmp_path: Path) -> None:
    """As ripgrep would be whose directory was swapped for a link at the worst moment."""
    liar = tmp_path / "liar"
    secret = '{"type":"match","data":{"path":{"text":"%s"},"lines":{"text":"%s"},"line_number":1,"absolute_offset":0}}'
    told = "\n".join(
        secret % (path, SECRET)
        for path in ("./docs/a.txt", "out/a.txt", "link", "../a.txt", f"{tmp_path}/a.txt", "./nothing", "docs")
    )
    true = secret % ("./docs/a.txt", "fine")
    (tmp_path / "told").write_text(f"{told}\n{true}\n")
    liar.write_text(f"#!/bin/sh\nexec cat {tmp_path / 'told'}\n")
    liar.chmod(stat.S_IRWXU)
    found = await look(tree, Wish(pattern="x"), str(liar))
    assert lines(found) == {("docs/a.txt", 1, "fine")}


@pytest.mark.req("S-19")
@pytest.mark.parametrize("engine", ENGINES)
async def test_searching_while_links_are_swapped_in_never_leads_out(house: Path, engine: str | None) -> None:
    (house / "docs" / "b.txt").write_text("fine")
    with swapping(house / "docs", house.parent / "data-x"):
        for _ in range(40):
            found = await look(house, Wish(pattern="(fine|secret)", regex=True), engine)
            assert {match.text for match in found} <= {"fine"}


@pytest.mark.skipif(RG is None, reason="ripgrep is not installed")
def test_both_find_what_grep_finds(tree: Path) -> None:
    if shutil.which("grep") is None:
        pytest.skip("there is no grep")
    wish = Wish(pattern="needle", globs=("*.py", "*.txt"))
    done = subprocess.run(
        ["grep", "-rn", "--include=*.py", "--include=*.txt", "--exclude=.*", "needle", "."],
        cwd=tree, capture_output=True, text=True, check=True,
    )  # fmt: skip
    expected = {tuple(line.removeprefix("./").split(":", 2)) for line in done.stdout.splitlines()}
    for engine in (RG, None):
        found = {(match.path, str(match.line), match.text) for match in asyncio.run(look(tree, wish, engine))}
        assert found == expected
