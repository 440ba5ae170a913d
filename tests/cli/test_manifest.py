"""A manifest of servers for one process: every spelling, and every mistake in one line."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dovetail.cli.loading import NotLoaded
from dovetail.cli.manifest import Entry, read_manifest
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
    assert read_manifest(path()) == [
        Entry("shop", ["run", "shop.py"], []),
        Entry("sums", ["serve", "calculator"], []),
    ]


def test_two_servers_of_one_name_are_refused_in_yaml_too() -> None:
    one = "  a: {command: dovetail, args: [serve, calculator]}\n"
    with pytest.raises(DefinitionError, match="duplicate key"):
        read_manifest(written(f"mcpServers:\n{one}{one}", "servers.yaml"))


def test_calls_to_try_are_read_in_their_order() -> None:
    entry = {**SHOP, "try": {"add": {"a": 1}, "list": {}}}
    assert read_manifest(written({"shop": entry}))[0].calls == [("add", {"a": 1}), ("list", {})]


@pytest.mark.parametrize(
    ("whole", "says"),
    [
        ({}, "names no server"),
        ([], "expected an object of servers"),
        ("{", "servers.json cannot be read"),
        ({"a": 7}, "a: expected an object with `command` and `args`"),
        ({"a": {"url": "https://x"}}, "a: expected `command` and `args` as texts"),
        ({"a": {"command": "npx", "args": ["-y", "x"]}}, "`dovetail serve NAME` or `dovetail run FILE`, not 'npx'"),
        ({"a": {"command": "dovetail", "args": ["list"]}}, "`dovetail serve NAME` or `dovetail run FILE`"),
        ({"a": {"command": "dovetail"}}, "`dovetail serve NAME` or `dovetail run FILE`"),
        ('{"a": {"command": "dovetail"}, "a": {"command": "dovetail"}}', "duplicate key"),
        (SHOP, "expected servers by their names"),
        ({".well-known": SHOP}, "give the server another name"),
        ({"a": {"command": []}}, "a: expected `command` and `args` as texts"),
        ({"a": {**SHOP, "env": {"A": "1"}}}, "a: `env` is for a process of its own"),
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
    (entry,) = read_manifest(written({"a": {"command": "dovetail", "args": args, "try": {tool: {}}}}))
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
    (entry,) = read_manifest(written({"a": {**SHOP, "try": {"late": {}}}}))
    assert entry.load().name == "shop"


def test_a_file_that_fails_is_told_of() -> None:
    Path("wrong.py").write_text("1 / 0\n")
    with pytest.raises(NotLoaded):
        Entry("a", ["run", "wrong.py"], []).load()


def test_a_file_that_is_no_manifest_is_not_read_whole() -> None:
    with pytest.raises(DefinitionError, match="that is no manifest"):
        read_manifest(written("x" * (1 << 20) + "x"))
    with pytest.raises(DefinitionError, match="No such file"):
        read_manifest("nothing.json")
    with pytest.raises(DefinitionError, match="a manifest is"):
        read_manifest(written("x", "servers.txt"))


json_values: Any = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.text() | st.sampled_from(["a", "command", "args", "try", "env", "mcpServers"]), inner, max_size=4
        )
    ),
)


@given(json_values)
@settings(max_examples=100)
def test_whatever_stands_in_it_is_read_or_refused_in_words(whole: Any) -> None:
    try:
        entries = read_manifest(written(whole))
    except DefinitionError as error:
        assert str(error)
    else:
        assert all(entry.words[0] in ("serve", "run") for entry in entries)
