"""A manifest of servers for one process: every spelling, and every mistake in one line."""

import asyncio
import json
import os
import re
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pygit2
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dovetail import Client
from dovetail.cli.loading import NotLoaded
from dovetail.cli.manifest import Entry, read_manifest
from dovetail.cli.reading import MOST_BYTES
from dovetail.cli.serving_many import serve_manifest
from dovetail.errors import DefinitionError

SHOP = {"command": "dovetail", "args": ["run", "shop.py"]}
SUMS = {"command": "/usr/local/bin/dovetail", "args": ["serve", "calculator"]}


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "shop.py").write_text("from dovetail import Server\napp = Server('shop')\n")


def written(whole: Any, name: str = "servers.json") -> str:
    Path(name).write_text(whole if isinstance(whole, str) else json.dumps(whole))
    return name


@pytest.mark.parametrize(
    "path",
    [
        lambda: written({"mcpServers": {"shop": SHOP, "sums": SUMS}}),
        lambda: written({"servers": {"shop": {"type": "stdio", **SHOP}, "sums": SUMS}, "inputs": []}),
        lambda: written({"shop": SHOP, "sums": {"command": ["dovetail", "serve"], "args": ["calculator"]}}),
        lambda: written({"shop": SHOP, "sums": {"command": "python3", "args": ["-m", "dovetail", *SUMS["args"]]}}),
        lambda: written(
            '\ufeff// VS Code, with "quotes"\n{ /* of\n all */ "servers": {\n'
            '  "shop": {"command": "dovetail", "args": ["run", "shop.py",], /* , */ }, // ours\n'
            '  "sums": {"command": "/opt/a//b/*/dovetail", "args": ["serve", "calculator"],},},}\n'
        ),
        lambda: written(
            '[mcpServers.shop]\ncommand = "dovetail"\nargs = ["run", "shop.py"]\n'
            '[mcpServers.sums]\ncommand = "dovetail"\nargs = ["serve", "calculator"]\n',
            "servers.toml",
        ),
        lambda: written(
            "mcpServers:\n  shop: {command: dovetail, args: [run, shop.py]}\n"
            "  sums: {command: dovetail, args: [serve, calculator]}\n",
            "servers.yaml",
        ),
    ],
)
def test_every_spelling_means_the_same(path: Any) -> None:
    assert [(entry.name, entry.words, entry.calls) for entry in read_manifest(path()).entries] == [
        ("shop", ["run", "shop.py"], []),
        ("sums", ["serve", "calculator"], []),
    ]


ONE = "{command: dovetail, args: [serve, calculator]}"
ITEM = "  - {name: a, command: dovetail, args: [serve, calculator]}\n"


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (f"mcpServers:\n  a: {ONE}\n  a: {ONE}\n", "duplicate key"),
        (f"mcpServers:\n  1: {ONE}\n  '1': {ONE}\n", "duplicate key"),
        (f"mcpServers:\n{ITEM}{ITEM}", "two servers of the manifest have the name 'a'"),
        (f"mcpServers:\n{ITEM}  - b\n", "2: expected an object with `command` and `args`"),
        (f"mcpServers:\n  [a, b]: {ONE}\n", "expected texts as names"),
        ("mcpServers: &all\n  a: {command: dovetail, args: *all}\n", "recursive"),
        ("- a\n", "expected an object of servers"),
        ("", "expected an object of servers"),
    ],
)
def test_nothing_that_stands_in_yaml_goes_without_a_word(text: str, says: str) -> None:
    with pytest.raises(DefinitionError, match=re.escape(says)):
        read_manifest(written(text, "servers.yaml"))


def test_names_in_yaml_are_texts_also_where_yaml_would_have_them_mean_the_same() -> None:
    manifest = read_manifest(written(f"mcpServers:\n  on: &x {ONE}\n  yes: *x\n  2026: {{<<: *x}}\n", "servers.yaml"))
    assert [entry.name for entry in manifest.entries] == ["on", "yes", "2026"]


def test_the_spelling_of_zed_is_served_too() -> None:
    entry = {"command": {"path": "dovetail", "args": ["serve", "calculator"], "env": {}}}
    assert read_manifest(written({"context_servers": {"a": entry}})).entries[0].words == ["serve", "calculator"]


@pytest.mark.parametrize("switch", [{"disabled": True}, {"enabled": False}, {"disabled": "true"}, {"enabled": "False"}])
def test_a_server_that_is_switched_off_is_left_out_and_named(switch: dict[str, Any]) -> None:
    off = {"command": "npx", "env": {"A": "1"}, **switch}
    manifest = read_manifest(written({"servers": {"shop": SHOP, "other": off, "sums": {**SUMS, "enabled": True}}}))
    assert [entry.name for entry in manifest.entries] == ["shop", "sums"]
    assert manifest.off == ["other"]
    with pytest.raises(DefinitionError, match="names no server that is switched on"):
        read_manifest(written({"servers": {"other": off}}))


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
@pytest.mark.parametrize("name", ["servers.json", "servers.toml", "servers.yaml"])
def test_a_manifest_may_begin_with_a_mark_and_be_utf_16(encoding: str, name: str) -> None:
    text = '[servers.sums]\ncommand = "dovetail"\nargs = ["serve", "calculator"]'
    path = Path(written(text if name.endswith("toml") else json.dumps({"servers": {"sums": SUMS}}), name))
    path.write_text(path.read_text("utf-8"), encoding)
    assert read_manifest(str(path)).entries[0].words == ["serve", "calculator"]
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(DefinitionError, match=f"{name} is neither UTF-8 nor UTF-16 with its mark: save it as UTF-8"):
        read_manifest(str(path))


def test_servers_are_served_when_nobody_reads_what_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[asyncio.Task[None]] = []

    async def started(on_ready: Callable[[str], None]) -> None:
        on_ready("http://127.0.0.1:1")
        told.extend(task for task in asyncio.all_tasks() if task is not asyncio.current_task())
        await asyncio.gather(*told)

    reader, writer = os.pipe()
    os.close(reader)
    whole = {"servers": {"sums": SUMS}}
    with open(writer, "w", encoding="utf-8") as gone:  # leaves well, as what is buffered is dropped
        monkeypatch.setattr("sys.stdout", gone)
        monkeypatch.setattr("dovetail.server.run_together", lambda servers, on_ready: asyncio.run(started(on_ready)))
        assert serve_manifest({"manifest": written(whole), "transport": "http"}) == 0
    assert len(told) == 1


def test_what_is_served_and_what_is_left_out_is_told_at_the_start(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def served(servers: dict[str, Any], *, on_ready: Callable[[str], None]) -> None:
        async def run() -> None:
            on_ready("http://here:1/")
            await asyncio.gather(*asyncio.all_tasks() - {asyncio.current_task()})

        assert list(servers) == ["notes"]
        asyncio.run(run())

    monkeypatch.setattr("dovetail.server.run_together", served)
    Path("more").mkdir()
    here = {"command": "dovetail", "args": ["serve", "notes", "${/}${PLACE}"], "cwd": "more"}
    monkeypatch.setenv("PLACE", str(Path.cwd()))
    whole = {"notes": here, "off": {**SUMS, "disabled": True}}
    assert serve_manifest({"manifest": written(whole), "transport": "http"}) == 0
    told = capsys.readouterr().out
    assert "dovetail serve notes '${/}${PLACE}' (in more)\n" in told
    assert "  off    is switched off in the manifest: left out\n" in told


def test_variables_are_filled_in_and_what_is_shown_is_as_it_was_written(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SECRET", "s3cret")
    args = ["serve", "sql", "postgres://me:${SECRET}@here/${input:db}"]
    whole = {"servers": {"a": {"command": "dovetail", "args": args}}, "inputs": [{"id": "db", "default": "shop"}]}
    (entry,) = read_manifest(written(whole)).entries
    assert entry.words == ["serve", "sql", "postgres://me:s3cret@here/shop"]
    assert entry.written == tuple(args)


WITH_PATHS: list[tuple[list[str], str, dict[str, Any]]] = [
    (["files", "."], "read_text_file", {"path": "a.md"}),
    (["git", "."], "git_status", {}),
    (["notes", ".", "--import-folder", "more"], "read_note", {"name": "a"}),
    (["memory", "made.db"], "search_nodes", {"query": "x"}),
    (["sql", "there.db"], "query", {"sql": "SELECT a FROM t"}),
]


@pytest.fixture
def elsewhere() -> None:
    place = Path("elsewhere")
    (place / "more").mkdir(parents=True)
    (place / "a.md").write_text("here\n")
    pygit2.init_repository(place)
    with closing(sqlite3.connect(place / "there.db")) as base:
        base.execute("CREATE TABLE t (a)")


@pytest.mark.usefixtures("elsewhere")
@pytest.mark.parametrize(
    ("words", "tool", "arguments"), WITH_PATHS, ids=lambda each: each[0] if type(each) is list else ""
)
async def test_relative_paths_mean_the_working_directory_of_the_entry(
    words: list[str], tool: str, arguments: dict[str, Any]
) -> None:
    entry = {"command": "dovetail", "args": ["serve", *words], "cwd": "elsewhere"}
    server = read_manifest(written({"a": entry})).entries[0].load()
    assert sorted(os.listdir()) == ["elsewhere", "servers.json", "shop.py"]
    async with Client(server) as client:  # what it opens now, it opens from where we are
        assert not (await client.call_tool(tool, arguments)).is_error
    assert sorted(os.listdir()) == ["elsewhere", "servers.json", "shop.py"]
    assert ("made.db" in os.listdir("elsewhere")) == (words[0] == "memory")


@pytest.mark.usefixtures("elsewhere")
async def test_the_cache_of_fetch_is_where_its_entry_says() -> None:
    entry = {"command": "dovetail", "args": ["serve", "fetch", "--cache", "c.db"], "workingDirectory": "elsewhere"}
    async with Client(read_manifest(written({"a": entry})).entries[0].load()):
        assert "c.db" in os.listdir("elsewhere")


def test_a_file_of_ones_own_runs_in_no_other_directory_than_ours() -> None:
    Path("elsewhere").mkdir()
    assert read_manifest(written({"a": {**SHOP, "cwd": "."}})).entries[0].load().name == "shop"
    for cwd, says in (("elsewhere", "is for a process of its own"), ("nowhere", "expected a directory that is there")):
        (entry,) = read_manifest(written({"a": {**SHOP, "cwd": cwd}})).entries
        with pytest.raises(DefinitionError, match=f"a: `cwd`.*{says}"):
            entry.load()


def test_calls_to_try_are_read_in_their_order() -> None:
    entry = {**SHOP, "try": {"add": {"a": 1}, "list": {}}}
    assert read_manifest(written({"shop": entry})).entries[0].calls == [("add", {"a": 1}), ("list", {})]


@pytest.mark.parametrize(
    ("whole", "says"),
    [
        ({}, "names no server"),
        ([], "expected an object of servers"),
        ("{", "servers.json cannot be read"),
        ({"a": 7}, "a: expected an object with `command` and `args`"),
        ({"a": {"url": "https://x"}}, "a: a server elsewhere is not served here: expected `command` and `args`"),
        ({"a": {"command": "npx", "args": ["-y", "x"]}}, "`dovetail serve NAME` or `dovetail run FILE`, not 'npx'"),
        ({"a": {"command": "dovetail", "args": ["list"]}}, "`dovetail serve NAME` or `dovetail run FILE`"),
        ({"a": {"command": "dovetail"}}, "`dovetail serve NAME` or `dovetail run FILE`"),
        ('{"a": {"command": "dovetail"}, "a": {"command": "dovetail"}}', "duplicate key"),
        (SHOP, "expected servers by their names"),
        ({".well-known": SHOP}, "give the server another name"),
        ({"a": {"command": []}}, "a: A manifest entry needs `command` (with `args`)"),
        ({"a": {**SHOP, "cwd": 5}}, "a: cwd: expected the path of a directory"),
        ({"a": {**SHOP, "args": ["serve", "files", "${NEVER_DEFINED}"]}}, "a: NEVER_DEFINED: a manifest entry uses"),
        ({"mcpServers": [{"name": "a", **SHOP}, {"name": "a", **SUMS}]}, "have the name 'a'"),
        ({"a": {**SHOP, "env": {"A": "${input:key}"}}}, "a: `env` is for a process of its own"),
        ({"a": {**SHOP, "environment": {"A": "1"}}}, "a: `environment` is for a process of its own"),
        ({"a": {**SHOP, "envFile": "nothing.env"}}, "a: `envFile` is for a process of its own"),
        ({"a": {"command": {"path": "dovetail", "args": ["run"], "env": {"A": "1"}}}}, "a: `env` is for a process"),
        ({"a": {**SHOP, "try": ["add"]}}, "a: `try` is an object"),
    ],
)
def test_what_one_process_cannot_serve_is_explained(whole: Any, says: str) -> None:
    with pytest.raises(DefinitionError) as refused:
        read_manifest(written(whole))
    assert says in str(refused.value)


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["serve", "fils"], "a: There is no server 'fils'; did you mean files?"),
        (["serve", "calculator", "--port", "1"], "a: --port is for all servers: say it once"),
        (["serve", "calculator", "x"], "a: unexpected 'x': this server takes options only"),
        (["serve", "git"], "a: which REPOSITORY?"),
        (["run", "a.py", "--state", "x"], "a: expected run FILE[:object], and no options"),
    ],
)
def test_a_server_that_cannot_be_made_is_named(words: list[str], says: str) -> None:
    with pytest.raises(DefinitionError) as refused:
        Entry("a", words, []).load()
    assert says.lower() in str(refused.value).lower()


@pytest.mark.parametrize(
    ("args", "tool", "says"),
    [
        (
            ["serve", "calculator"],
            "calculat",
            "a: `try` names a tool 'calculat', which this server does not have; did you",
        ),
        (["run", "shop.py"], "buy", "a: `try` names a tool 'buy', which this server does not have; there are: none"),
    ],
)
def test_a_tool_to_try_that_is_not_there_is_a_fault_of_the_manifest(args: list[str], tool: str, says: str) -> None:
    (entry,) = read_manifest(written({"a": {"command": "dovetail", "args": args, "try": {tool: {}}}})).entries
    with pytest.raises(DefinitionError) as caught:
        entry.load()
    assert str(caught.value).startswith(says)


def test_a_tool_that_a_server_adds_when_it_starts_may_be_tried() -> None:
    Path("shop.py").write_text(
        "from dovetail import Server\n"
        "async def lifespan(server):\n"
        "    server.add_tool(lambda: 1, name='late')\n"
        "    yield\n"
        "app = Server('shop', lifespan=lifespan)\n"
    )
    (entry,) = read_manifest(written({"a": {**SHOP, "try": {"late": {}}}})).entries
    assert entry.load().name == "shop"


def test_a_file_that_fails_is_told_of() -> None:
    Path("wrong.py").write_text("1 / 0\n")
    with pytest.raises(NotLoaded):
        Entry("a", ["run", "wrong.py"], []).load()


def test_a_file_that_is_no_manifest_is_not_read_whole() -> None:
    for name, most in (("servers.json", MOST_BYTES), ("servers.yaml", 1 << 20)):
        Path(name).write_bytes(b" " * (most + 1))
        with pytest.raises(DefinitionError, match="MiB: that is no manifest"):
            read_manifest(name)
    with pytest.raises(DefinitionError, match="No such file"):
        read_manifest("nothing.json")
    with pytest.raises(DefinitionError, match="a manifest is"):
        read_manifest(written("x", "servers.txt"))


@pytest.mark.parametrize(
    "beside",
    [
        '"theme": "a", "theme": "b"',
        '"projects": {"p": {"k": 1, "k": 2}}',
        '"history": ["\\ud83d", 1e999]',
        f'"items": [{"0, " * 300_000}0]',
    ],
)
def test_what_a_client_keeps_beside_its_servers_is_its_own_business(beside: str) -> None:
    found = read_manifest(written(f'{{{beside}, "mcpServers": {{"shop": {json.dumps(SHOP)}}}}}'))
    assert [entry.name for entry in found.entries] == ["shop"]


@pytest.mark.parametrize(
    ("whole", "twin"),
    [
        ('{"mcpServers": {"a": ONE, "a": ONE}}', "a"),
        ('{"mcp": {"servers": {"a": ONE, "a": ONE}}}', "a"),
        ('{"mcpServers": {"a": ONE}, "mcpServers": {"b": ONE}}', "mcpServers"),
        ('{"mcp": {"servers": {"a": ONE}}, "mcp": {"servers": {"b": ONE}}}', "mcp"),
        ('{"mcpServers": {"a": {"command": "dovetail", "args": ["serve", "git"], "args": []}}}', "args"),
        ('{"mcpServers": [{"name": "a", "command": "dovetail", "x": [{"y": 1, "y": 2}]}]}', "y"),
        ('{"command": "dovetail", "command": "npx"}', "command"),
    ],
)
def test_two_things_that_are_said_of_servers_under_one_name_are_refused(whole: str, twin: str) -> None:
    with pytest.raises(DefinitionError, match=f"servers.json says '{twin}' twice, a duplicate key"):
        read_manifest(written(whole.replace("ONE", json.dumps(SHOP))))


@pytest.mark.parametrize("text", ['{"a": NaN}', '{"a": ' + "[" * 100_000, "9" * 5_000, '{"command": "\\ud83d"}'])
def test_what_is_no_json_is_said_to_be_none(text: str) -> None:
    with pytest.raises(DefinitionError, match="cannot be read: "):
        read_manifest(written(text))


KEYS = ["a", "command", "args", "try", "env", "cwd", "disabled", "mcpServers"]
json_values: Any = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.text() | st.sampled_from(["a", "command", "args", "try", "env", "cwd", "disabled", "mcpServers"]),
            inner,
            max_size=4,
        )
    ),
)


@given(json_values)
@settings(max_examples=100)
def test_whatever_stands_in_it_is_read_or_refused_in_words(whole: Any) -> None:
    try:
        entries = read_manifest(written(whole)).entries
    except DefinitionError as error:
        assert str(error)
    else:
        assert all(entry.words[0] in ("serve", "run") for entry in entries)
