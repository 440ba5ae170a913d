"""What a file is stored as, and that patches, the question and the commit agree on it.

What is expected is what `git add` and `git diff` of the git program make of the same.
"""

import pytest

from dovetail.servers.git.cleaning import Ends, Unsafe, check_safe, converts, has_crlf, line_ends, without_ident
from tests.servers.git.conftest import Maker, Open


def changed(patch: str) -> list[str]:
    return [line for line in patch.splitlines() if line[:1] in "-+" and line[:3] not in ("---", "+++")]


@pytest.mark.parametrize("attributes", ["*.bat text eol=crlf", "* text=auto eol=crlf", "* text=auto", "*.bat eol=crlf"])
async def test_one_edited_line_is_one_line_whatever_the_attributes_say_of_line_ends(
    maker: Maker, opened: Open, attributes: str
) -> None:
    maker.commit("Begin", {".gitattributes": attributes + "\n", "run.bat": "one\ntwo\nthree\n"})
    maker.write("run.bat", "one\r\nTWO\r\nthree\r\n")
    async with opened(maker.path, allow_commit=True, confirm="never") as client:
        for tool, arguments in (("git_diff_unstaged", {}), ("git_diff", {"target": "HEAD"})):
            assert changed((await client.call_tool(tool, arguments)).text) == ["-two", "+TWO"]
        await client.call_tool("git_commit", {"message": "Edit", "paths": ["run.bat"]})
        assert (await client.call_tool("git_status")).structured["clean"]
    assert maker.git[(maker.tip.tree / "run.bat").id].read_raw() == b"one\nTWO\nthree\n"


@pytest.mark.parametrize(
    ("attributes", "old", "new", "shown"),
    [
        ("* -text", "1\n", "1\r\n", ["-1", "+1\\x0d"]),
        ("* -text", "1\n", "1\r\n2\r\n", ["-1", "+1\\x0d", "+2\\x0d"]),
        ("", "1\r\n2\r\n", "1\r\n2\n", ["-2\\x0d", "+2"]),
        ("", "1\r\n2\r\n", "1\r\n3\r\n", ["-2", "+3"]),
    ],
)
async def test_line_ends_that_are_kept_are_shown_where_they_are_what_differs(
    maker: Maker, opened: Open, attributes: str, old: str, new: str, shown: list[str]
) -> None:
    maker.commit("Begin", {".gitattributes": attributes + "\n", "f": old})
    maker.git.config["core.autocrlf"] = "true"
    maker.write("f", new)
    async with opened(maker.path, allow_commit=True, confirm="never") as client:
        assert changed((await client.call_tool("git_diff_unstaged")).text) == shown
        await client.call_tool("git_commit", {"message": "Edit", "paths": ["f"]})
    assert maker.git[(maker.tip.tree / "f").id].read_raw() == new.encode()


async def test_a_file_in_the_place_of_a_link_is_stored_as_git_does(maker: Maker, opened: Open) -> None:
    (maker.path / "f").parent.mkdir(exist_ok=True)
    (maker.path / "f").symlink_to("elsewhere")
    maker.stage("f")
    maker.commit("Begin")
    maker.git.config["core.autocrlf"] = "true"
    (maker.path / "f").unlink()
    maker.write("f", "1\r\n")
    async with opened(maker.path, allow_commit=True, confirm="never") as client:
        assert not (await client.call_tool("git_commit", {"message": "File", "paths": ["f"]})).is_error
    assert maker.git[(maker.tip.tree / "f").id].read_raw() == b"1\n"


async def test_line_ends_that_would_not_come_back_are_not_committed_where_git_forbids_it(
    story: Maker, opened: Open
) -> None:
    story.git.config["core.autocrlf"] = "input"
    story.git.config["core.safecrlf"] = "true"
    story.write("README.md", "1\r\n")
    async with opened(story.path, allow_commit=True, confirm="never") as client:
        result = await client.call_tool("git_commit", {"message": "No", "paths": ["README.md"]})
        assert result.is_error and "core.safecrlf" in result.text
        assert "+1" in (await client.call_tool("git_diff_unstaged")).text


@pytest.mark.parametrize(
    ("text", "crlf", "eol", "auto", "expected"),
    [
        (False, None, "crlf", "true", Ends(False, "lf")),
        (None, False, None, "true", Ends(False, "lf")),
        (None, "input", None, "true", Ends(True, "lf")),
        (True, False, None, "true", Ends(True, "crlf")),
        (True, None, None, "input", Ends(True, "lf")),
        ("auto", None, "lf", "true", Ends("auto", "lf")),
        ("odd", None, None, "false", Ends(False, "lf")),
        (None, None, None, "input", Ends("auto", "lf")),
        (None, None, "lf", "false", Ends(True, "lf")),
    ],
)
def test_attributes_come_before_the_configuration(
    text: bool | str | None, crlf: bool | str | None, eol: str | None, auto: str, expected: Ends
) -> None:
    assert line_ends(text, crlf, eol, auto, "lf") == expected


def test_native_line_ends_are_those_that_the_configuration_names() -> None:
    assert line_ends("auto", None, None, "false", "crlf") == Ends("auto", "crlf")


@pytest.mark.parametrize("data", [b"a\r\nb\rc", b"a\0\r\n", b"\x01\r\n", b"a\n"])
def test_what_looks_binary_or_has_no_such_ends_is_not_converted_unasked(data: bytes) -> None:
    assert not converts(Ends("auto", "lf"), data) and not has_crlf(data)
    assert converts(Ends(True, "lf"), data) == (b"\r\n" in data)


def test_an_end_of_file_mark_makes_no_binary() -> None:
    assert has_crlf(b"a\r\n\x1a")


@pytest.mark.parametrize(
    ("ends", "data", "converted", "safe"),
    [
        (Ends(True, "lf"), b"a\r\n", True, False),
        (Ends(True, "crlf"), b"a\r\n", True, True),
        (Ends(True, "crlf"), b"a\n", False, False),
        (Ends("auto", "crlf"), b"a\r\nb\n", False, True),
        (Ends("auto", "lf"), b"\0\r\n", False, True),
        (Ends(False, "lf"), b"a\r\n", False, True),
    ],
)
def test_what_a_checkout_would_change_is_unsafe(ends: Ends, data: bytes, converted: bool, safe: bool) -> None:
    if safe:
        check_safe(ends, data, converted=converted)
        return
    with pytest.raises(Unsafe):
        check_safe(ends, data, converted=converted)


def test_what_a_checkout_put_into_an_ident_is_taken_out() -> None:
    assert without_ident(b"$Id: 1 $ $Id: a\nb$ $Id$") == b"$Id$ $Id: a\nb$ $Id$"
