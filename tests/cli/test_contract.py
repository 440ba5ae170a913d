"""`dovetail contract`: the golden file is stable and whole, and a difference is found, told and judged."""

import json
import os
import pty
import subprocess
from pathlib import Path
from typing import Any

import pytest

from dovetail.cli.differences import Difference, differences, schema
from dovetail.cli.offered import offered
from dovetail.server import Server
from tests.cli.programs import DOVETAIL, dovetail, environment

pytestmark = pytest.mark.timeout(60)
Json = dict[str, Any]

SHOP = '''
from typing import Literal

from dovetail import Server

print("a file that prints")
app = Server("shop", version="1.0.0", instructions="Sell.")


@app.tool
def price(sku: str, size: Literal["s", "l"] = "s") -> int:
    """What it costs.

    Args:
        sku: Its number.
    """
    return 1


@app.tool(scopes={"shop:write"})
def buy(sku: str, amount: int) -> str:
    """Buy it."""
    return "bought"


@app.resource("shop://hours", mime_type="text/plain")
def hours() -> str:
    """When it is open."""
    return "9"


@app.resource("shop://{topic}")
def page(topic: str) -> str:
    """A page."""
    return topic


@app.prompt
def sell(sku: str) -> str:
    """Sell it."""
    return sku
'''


def put(folder: Path, *changes: tuple[str, str]) -> None:
    text = SHOP
    for old, new in changes:
        assert old in text
        text = text.replace(old, new)
    (folder / "shop.py").write_text(text)


def test_the_first_time_it_is_written_and_told(tmp_path: Path) -> None:
    put(tmp_path)
    done = dovetail("contract", "shop.py", cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "a file that prints\n")
    assert done.stdout.splitlines() == [
        "Wrote shop.contract.json: 2 tools, 1 resource, 1 template, 1 prompt",
        "  tool      buy             Buy it.",
        "  tool      price           What it costs.",
        "  resource  shop://hours    When it is open.",
        "  template  shop://{topic}  A page.",
        "  prompt    sell            Sell it.",
    ]
    text = (tmp_path / "shop.contract.json").read_text()
    found = json.loads(text)
    assert text == json.dumps(found, indent=2, sort_keys=True, ensure_ascii=False) + "\n"
    assert found["server"] == {"name": "shop", "version": "1.0.0"}
    assert (found["instructions"], found["dovetailContract"]) == ("Sell.", 1)
    assert found["tools"][1]["inputSchema"]["properties"]["sku"] == {"type": "string", "description": "Its number."}
    assert set(found["capabilities"]) == {"tools", "resources", "prompts", "logging"}


def test_what_has_not_changed_is_left_alone_and_passes(tmp_path: Path) -> None:
    put(tmp_path)
    dovetail("contract", "shop.py", cwd=tmp_path)
    golden = tmp_path / "shop.contract.json"
    before = (golden.read_bytes(), golden.stat().st_mtime_ns, golden.stat().st_ino)
    # Neither the order of definitions nor that of required parameters is part of what is offered.
    put(tmp_path, ("sku: str, amount: int", "amount: int, sku: str"))
    for line in ("contract shop.py", "contract shop.py --check"):
        done = dovetail(*line.split(), cwd=tmp_path)
        assert done.returncode == 0
        assert done.stdout == ("shop.contract.json is what shop.py offers: 2 tools, 1 resource, 1 template, 1 prompt\n")
    assert before == (golden.read_bytes(), golden.stat().st_mtime_ns, golden.stat().st_ino)


CHANGES = (
    ("def buy", "def order"),
    ('Literal["s", "l"] = "s"', 'Literal["s", "m", "l"]'),
    ("What it costs.", "Its price."),
    ('version="1.0.0"', 'version="1.1.0"'),
    ("def sell(sku: str)", 'def sell(sku: str, tone: str = "calm")'),
)


def test_a_difference_is_told_with_what_breaks_first_and_is_status_1(tmp_path: Path) -> None:
    put(tmp_path)
    dovetail("contract", "shop.py", cwd=tmp_path)
    before = (tmp_path / "shop.contract.json").read_bytes()
    put(tmp_path, *CHANGES)
    done = dovetail("contract", "shop.py", "--check", cwd=tmp_path)
    assert done.returncode == 1
    assert done.stdout.splitlines() == [
        "shop.py differs from shop.contract.json: 3 breaking, 5 compatible",
        "  breaking    tool buy is gone",
        "  breaking    tool price argument size is required now",
        '  breaking    tool price argument size: default is gone; it was "s"',
        '  compatible  server version is "1.1.0", was "1.0.0"',
        "  compatible  tool order is new",
        '  compatible  tool price description is "Its price.", was "What it costs."',
        '  compatible  tool price argument size: enum is ["s","m","l"], was ["s","l"]',
        "  compatible  prompt sell argument tone is new and optional",
        "To accept this: dovetail contract shop.py",
    ]
    assert (tmp_path / "shop.contract.json").read_bytes() == before
    accepted = dovetail("contract", "shop.py", cwd=tmp_path)
    assert accepted.returncode == 0
    assert accepted.stdout.splitlines()[0] == "Wrote shop.contract.json: 3 breaking, 5 compatible"
    assert dovetail("contract", "shop.py", "--check", cwd=tmp_path).returncode == 0


def test_a_program_reads_the_verdict(tmp_path: Path) -> None:
    put(tmp_path)
    first = json.loads(dovetail("contract", "shop.py", "--json", cwd=tmp_path).stdout)
    assert first == {
        "contract": "shop.contract.json",
        "matches": False,
        "breaking": False,
        "written": True,
        "differences": [],
        "offers": {"tools": 2, "resources": 1, "resourceTemplates": 1, "prompts": 1},
    }
    put(tmp_path, ("def buy", "def order"))
    done = dovetail("contract", "shop.py", "--check", "--json", cwd=tmp_path)
    verdict = json.loads(done.stdout)
    assert done.returncode == 1
    assert (verdict["matches"], verdict["breaking"], verdict["written"]) == (False, True, False)
    assert verdict["differences"][0] == {
        "kind": "tool", "name": "buy", "change": "removed", "breaking": True, "what": "is gone",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (None, "there is no shop.contract.json: dovetail contract shop.py writes it"),
        ("<<<<<<< ours", "shop.contract.json is not JSON: restore it, or remove it and write it anew"),
        ("[]", "shop.contract.json is not a contract that this version reads: remove it and write it anew"),
        ('{"dovetailContract": 9}', "shop.contract.json is not a contract that this version reads"),
        (b"\xff", "shop.contract.json is not JSON"),
    ],
)
def test_a_golden_file_that_is_not_one_is_one_line(text: str | bytes | None, says: str, tmp_path: Path) -> None:
    put(tmp_path, ('print("a file that prints")', ""))
    if text is not None:
        (tmp_path / "shop.contract.json").write_bytes(text if isinstance(text, bytes) else text.encode())
    done = dovetail("contract", "shop.py", "--check", cwd=tmp_path)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith(f"dovetail contract: {says}") and done.stderr.count("\n") == 1


def test_a_golden_file_that_says_the_same_in_another_form_is_written_anew(tmp_path: Path) -> None:
    put(tmp_path)
    dovetail("contract", "shop.py", cwd=tmp_path)
    golden = tmp_path / "shop.contract.json"
    whole = json.loads(golden.read_text())
    golden.write_text(json.dumps({**whole, "tools": whole["tools"][::-1]}))
    done = dovetail("contract", "shop.py", "--check", cwd=tmp_path)
    assert (done.returncode, done.stdout.splitlines()[0]) == (1, "shop.py differs from shop.contract.json in form")
    dovetail("contract", "shop.py", cwd=tmp_path)
    assert json.loads(golden.read_text()) == whole


def test_the_golden_file_is_where_it_is_wanted_and_may_be_nowhere(tmp_path: Path) -> None:
    put(tmp_path, ('print("a file that prints")', ""))
    assert dovetail("contract", "shop.py:app", cwd=tmp_path).stdout.startswith("Wrote shop.app.contract.json")
    (tmp_path / "golden").mkdir()
    done = dovetail("contract", "shop.py", "--snapshot", "golden/it.json", cwd=tmp_path)
    assert done.stdout.startswith("Wrote golden/it.json")
    assert [p.name for p in (tmp_path / "golden").iterdir()] == ["it.json"]
    failed = dovetail("contract", "shop.py", "--snapshot", "no/it.json", cwd=tmp_path)
    assert (failed.returncode, failed.stderr) == (
        1,
        "dovetail contract: cannot write no/it.json: No such file or directory\n",
    )


def test_a_server_that_does_not_start_says_why(tmp_path: Path) -> None:
    (tmp_path / "it.py").write_text(
        "from dovetail import Server\n\n\nasync def life(app):\n    raise OSError('no database')\n    yield\n\n\n"
        "app = Server('it', lifespan=life)\n"
    )
    done = dovetail("contract", "it.py", cwd=tmp_path)
    assert done.returncode == 1
    assert "OSError: no database" in done.stderr
    assert done.stderr.endswith("dovetail contract: the server 'it' does not start\n")
    assert done.stderr.count("  File ") == 1


def test_all_pages_are_asked_for_and_what_needs_a_scope_is_in_it() -> None:
    server = Server("many", page_size=2)
    for number in range(7):
        server.add_tool(lambda: None, name=f"tool{number}", scopes={f"scope{number}"})
    found = offered(server)
    assert [tool["name"] for tool in found["tools"]] == [f"tool{number}" for number in range(7)]
    assert found["prompts"] == found["resources"] == found["resourceTemplates"] == []


def on_a_terminal(line: str, folder: Path, columns: int, **more: str) -> str:
    """Run a command on a terminal of so many columns; return what it shows."""
    main, side = pty.openpty()
    with subprocess.Popen(
        [*DOVETAIL, *line.split()],
        cwd=folder,
        env=environment(TERM="xterm-256color", COLUMNS=str(columns), **more),
        stdin=side,
        stdout=side,
        stderr=subprocess.DEVNULL,
    ) as process:
        os.close(side)
        shown = b""
        while True:
            try:
                data = os.read(main, 65536)
            except OSError:  # a terminal that nobody holds any more
                break
            if not data:
                break
            shown += data
        process.wait(30)
    os.close(main)
    return shown.decode()


def test_a_narrow_terminal_cuts_descriptions_and_colours_are_for_terminals_that_want_them(tmp_path: Path) -> None:
    put(tmp_path, ("Buy it.", "Buy it, " + "again and " * 12 + "again."))
    shown = on_a_terminal("contract shop.py", tmp_path, 40, NO_COLOR="1").splitlines()
    buy = next(line for line in shown if "tool" in line and "buy" in line)
    assert "…" in buy and "again." not in buy
    (tmp_path / "shop.contract.json").unlink()
    assert "again and again." in dovetail("contract", "shop.py", cwd=tmp_path, COLUMNS="40").stdout
    put(tmp_path, ("def buy", "def order"))
    assert "\x1b[1;31mbreaking" in on_a_terminal("contract shop.py --check", tmp_path, 80)
    assert "31m" not in on_a_terminal("contract shop.py --check", tmp_path, 80, NO_COLOR="1")
    assert "\x1b" not in dovetail("contract", "shop.py", "--check", cwd=tmp_path).stdout


# What breaks.


def both(old: Json, new: Json) -> tuple[bool, bool]:
    """Tell whether a changed schema of arguments breaks, and whether the same change in results does."""
    return (
        any(breaking for breaking, _ in schema(old, new, "x", taken=True)),
        any(breaking for breaking, _ in schema(old, new, "x", taken=False)),
    )


@pytest.mark.parametrize(
    ("old", "new", "taken", "given"),
    [
        ({"type": "integer"}, {"type": "number"}, False, True),
        ({"type": "number"}, {"type": "integer"}, True, False),
        ({"type": "string"}, {"type": ["null", "string"]}, False, True),
        ({"type": "string"}, {"type": "integer"}, True, True),
        ({"enum": ["a"]}, {"enum": ["a", "b"]}, False, True),
        ({"enum": ["a", "b"]}, {"enum": ["a"]}, True, False),
        ({}, {"enum": ["a"]}, True, False),
        ({"minimum": 1}, {"minimum": 2}, True, False),
        ({"minimum": 1}, {}, False, True),
        ({"maxLength": 5}, {"maxLength": 9}, False, True),
        ({"maxLength": 5}, {"maxLength": 3}, True, False),
        ({}, {"pattern": "^a"}, True, False),
        ({"pattern": "^a"}, {"pattern": "^b"}, True, True),
        ({"title": "a"}, {"title": "b"}, False, False),
        ({"default": 1}, {"default": 2}, True, False),
        ({"anyOf": [{"type": "string"}]}, {"anyOf": [{"type": "string"}, {"type": "null"}]}, False, True),
        ({"items": {"type": "string"}}, {"items": {"type": "integer"}}, True, True),
        ({"items": {"type": "string"}}, {"items": False}, True, True),
        ({"properties": {}}, {"properties": {"a": {}}}, False, False),
        ({"properties": {}}, {"properties": {"a": {}}, "required": ["a"]}, True, False),
        ({"properties": {"a": {}}}, {"properties": {}}, True, True),
        ({"properties": {"a": {}}}, {"properties": {"a": {}}, "required": ["a"]}, True, False),
        ({"properties": {"a": {}}, "required": ["a"]}, {"properties": {"a": {}}}, False, True),
        ({"additionalProperties": False}, {}, False, True),
        ({"additionalProperties": True}, {"additionalProperties": False}, True, False),
        ({"$defs": {"A": {"type": "string"}}}, {"$defs": {"A": {"type": "integer"}}}, True, True),
        ({"something": 1}, {"something": 2}, True, True),
        ({"type": "string"}, {"type": "string"}, False, False),
    ],
)
def test_arguments_may_become_wider_and_results_narrower(old: Json, new: Json, taken: bool, given: bool) -> None:
    assert both(old, new) == (taken, given)


def test_a_capability_that_goes_breaks_and_texts_do_not() -> None:
    before = {"server": {"name": "a"}, "capabilities": {"tools": {}}, "instructions": "x" * 100, "revision": "1"}
    after = {"server": {"name": "b"}, "capabilities": {"prompts": {}}, "revision": "2"}
    found = differences(before, after)
    assert [(each.name, each.change, each.breaking) for each in found] == [
        ("name", "changed", True),
        ("capability tools", "removed", True),
        ("capability prompts", "added", False),
        ("instructions", "removed", False),
        ("revision", "changed", False),
    ]
    assert len(found[3].what) < 90


def test_prompts_and_schemas_of_results_are_compared() -> None:
    def picture(prompt: Json, tool: Json) -> Json:
        return {"prompts": [{"name": "p", **prompt}], "tools": [{"name": "t", **tool}]}

    found = differences(
        picture({"arguments": [{"name": "a"}, {"name": "b"}, {"name": "c", "description": "x"}]}, {"outputSchema": {}}),
        picture({"arguments": [{"name": "b", "required": True}, {"name": "c"}, {"name": "d", "required": True}]}, {}),
    )
    assert {(each.what, each.breaking) for each in found} == {
        ("results have no schema any more", True),
        ("argument a is gone", True),
        ("argument b is required now", True),
        ("argument c is described differently", False),
        ("argument d is new and required", True),
    }
    assert differences(picture({}, {}), picture({}, {"outputSchema": {}})) == [
        Difference("tool", "t", "changed", False, "results have a schema now")
    ]


@pytest.mark.parametrize(
    ("before", "after", "breaking"),
    [
        ({"annotations": {"readOnlyHint": True}}, {"annotations": {"destructiveHint": True}}, True),
        ({"annotations": {"readOnlyHint": True}}, {}, True),
        ({"annotations": {"readOnlyHint": True}}, {"annotations": {"destructiveHint": False}}, True),
        ({"annotations": {"openWorldHint": False}}, {"annotations": {"openWorldHint": True}}, True),
        ({"annotations": {"destructiveHint": False}}, {"annotations": {"readOnlyHint": True}}, False),
        ({"annotations": {"title": "a"}}, {"annotations": {"title": "b"}}, False),
        ({"inputSchema": {"default": 1}}, {"inputSchema": {"default": 2}}, True),
        ({"inputSchema": {"default": 1}}, {"inputSchema": {}}, True),
        ({"inputSchema": {}}, {"inputSchema": {"default": 1}}, False),
        ({"outputSchema": {"default": 1}}, {"outputSchema": {"default": 2}}, False),
        ({}, {"scopes": ["a"]}, True),
        ({"scopes": ["a"]}, {"scopes": ["b"]}, True),
        ({"scopes": ["a", "b"]}, {"scopes": ["a"]}, False),
    ],
)
def test_what_hosts_approve_by_defaults_and_scopes_are_judged(before: Json, after: Json, breaking: bool) -> None:
    found = differences({"tools": [{"name": "t", **before}]}, {"tools": [{"name": "t", **after}]})
    assert [(each.name, each.breaking) for each in found] == [("t", breaking)]


def test_the_picture_says_which_scopes_an_entry_needs() -> None:
    app, inner = Server("outer"), Server("inner")
    inner.add_tool(lambda: "x", name="tool", scopes={"b", "a"})
    inner.add_resource("data://one", lambda: "x", scopes={"r"})
    inner.add_resource("data://{name}/x", lambda name: name, scopes={"t"})
    inner.add_prompt(lambda: "x", name="ask", scopes={"p"})
    app.mount(inner, prefix="in")
    app.add_tool(lambda: "x", name="open")
    picture = offered(app)
    kinds = ("tools", "resources", "resourceTemplates", "prompts")
    scopes = [entry.get("scopes") for kind in kinds for entry in picture[kind]]
    assert scopes == [["a", "b"], None, ["r"], ["t"], ["p"]]
