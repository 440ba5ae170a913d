"""Manifests: where the servers stand, and what an entry means, in each spelling."""

import os
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dovetail.client.manifest import Entry, read_entry, servers_in
from dovetail.errors import DefinitionError

SHOP: dict[str, Any] = {"command": "npx", "args": ["-y", "shop"]}
URL = {"url": "https://x/mcp"}


@pytest.mark.parametrize(
    ("document", "names"),
    [
        ({"mcpServers": {"a": SHOP, "b": URL}}, ["a", "b"]),
        ({"servers": {"a": SHOP}, "inputs": []}, ["a"]),
        ({"mcp_servers": {"a": SHOP}}, ["a"]),
        ({"context_servers": {"a": SHOP}, "theme": "x"}, ["a"]),
        ({"mcp": {"servers": {"a": SHOP}}, "theme": {"x": 1}}, ["a"]),
        ({"mcp": {"a": {"type": "local", "command": ["x"]}}}, ["a"]),
        ({"mcpServers": [{"name": "a", **SHOP}, {"name": "b", **URL}]}, ["a", "b"]),
        ({"mcpServers": [SHOP, "no entry", {"name": "b", **URL}]}, ["1", "2", "b"]),
        ({"a": SHOP, "b": {"args": []}, "version": 1}, ["a", "b"]),
        ({"mcpServers": {"a": SHOP}, "servers": {"b": URL}}, ["a", "b"]),
        ({"mcpServers": {"a": SHOP}, "context_servers": {"a": SHOP}}, ["a"]),
        (SHOP, [""]),
        ({"mcpServers": {}}, []),
    ],
)
def test_the_servers_are_found_wherever_people_put_them(document: Any, names: list[str]) -> None:
    assert list(servers_in(document) or {}) == names


def test_two_of_a_list_with_one_name_are_refused_and_none_is_lost() -> None:
    with pytest.raises(DefinitionError, match="two servers of the manifest have the name 'a'"):
        servers_in({"mcpServers": [{"name": "a", **SHOP}, {"name": "a", **URL}]})
    with pytest.raises(DefinitionError, match="two servers of the manifest have the name 'a'"):
        servers_in({"mcpServers": {"a": SHOP}, "servers": {"a": URL}})


@pytest.mark.parametrize("document", [{}, {"name": "x"}, {"a": {"b": 1}}, [], 7, None, {"mcp": {}}])
def test_what_names_no_server_is_no_manifest(document: Any) -> None:
    assert servers_in(document) is None


@pytest.mark.parametrize(
    ("given", "entry"),
    [
        ({"command": {"path": "x", "args": ["a"], "env": {"A": "1"}}}, Entry(argv=("x", "a"), env={"A": "1"})),
        ({"command": {"path": "x", "args": None}}, Entry(argv=("x",))),
        ({"type": "local", "command": ["x", "a"]}, Entry(argv=("x", "a"))),
        ({"type": "remote", **URL}, Entry(url="https://x/mcp")),
        (
            {**URL, "http_headers": {"A": "1"}, "headers": {"B": "2"}},
            Entry(url=URL["url"], headers={"A": "1", "B": "2"}),
        ),
        ({**URL, "bearer_token_env_var": "TOKEN"}, Entry(url=URL["url"], headers={"Authorization": "Bearer t"})),
        ({**URL, "env_http_headers": {"X-Key": "TOKEN"}}, Entry(url=URL["url"], headers={"X-Key": "t"})),
        ({**URL, "headers": {"A": "{env:TOKEN}"}}, Entry(url=URL["url"], headers={"A": "t"})),
        ({**URL, "headers": {"A": "${{ secrets.TOKEN }}"}}, Entry(url=URL["url"], headers={"A": "t"})),
        ({**URL, "requestOptions": {"headers": {"A": "1"}}}, Entry(url=URL["url"], headers={"A": "1"})),
        ({**URL, "apiKey": "k"}, Entry(url=URL["url"], headers={"Authorization": "Bearer k"})),
        ({"command": "x", "env_vars": ["TOKEN", "NEVER_DEFINED"]}, Entry(argv=("x",))),
        ({"command": "${userHome}/x"}, Entry(argv=(f"{Path.home()}/x",))),
        ({"command": "x", "args": ["a${/}b${pathSeparator}c"]}, Entry(argv=("x", f"a{os.sep}b{os.sep}c"))),
        ({"command": "x", "args": ["${workspaceFolderBasename}"]}, Entry(argv=("x", os.path.basename(os.getcwd())))),
        (
            {
                "mcp": {
                    "servers": {"a": {"command": "x", "args": ["${input:n}"]}},
                    "inputs": [{"id": "n", "default": 7}],
                }
            },
            Entry(argv=("x", "7")),
        ),
    ],
)
def test_an_entry_means_the_same_in_each_spelling(given: Any, entry: Entry) -> None:
    assert read_entry(given, {"TOKEN": "t"}) == (
        entry if entry.url else Entry(argv=entry.argv, env={**entry.env, "TOKEN": "t"}, cwd=entry.cwd)
    )


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"command": ""}, "needs `command`"),
        ({"command": []}, "needs `command`"),
        ({"command": {"args": ["x"]}}, "needs `command`"),
        ({"command": "x", "cwd": 5}, "cwd: expected the path of a directory, not int"),
        ({"command": "x", "cwd": ""}, "cwd: expected the path of a directory"),
        ({"type": "ws", "url": "wss://x"}, "type: 'ws' is no transport of MCP; expected stdio, http or sse"),
        ({"command": "x", "env_vars": "A"}, "env_vars: expected a list of names"),
        ({"command": "x", "envFile": 5}, "envFile: expected the path of a file, not int"),
        ({"command": "x", "envFile": "nothing.env"}, "envFile: cannot read 'nothing.env': No such file"),
        ({"command": "x", "envFile": "\0"}, "envFile: cannot read"),
        ({**URL, "bearer_token_env_var": "NEVER_DEFINED"}, "NEVER_DEFINED: a manifest entry uses this variable"),
    ],
)
def test_what_an_entry_cannot_mean_is_named(given: Any, said: str) -> None:
    with pytest.raises(DefinitionError) as refused:
        read_entry(given, {})
    assert said in str(refused.value)


def test_variables_come_from_a_file_too_and_those_of_the_entry_come_first(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text(
        "\ufeff# keys\nA=1\nexport B = two words # a comment\nC='x # y' # z\nD=\"\"\nno line\nE=a#b\nA1.x=\n",
        encoding="utf-8",
    )
    entry = read_entry({"command": "x", "envFile": str(tmp_path / ".env"), "env": {"A": "9"}}, {"E": "given"})
    assert entry.env == {"A": "9", "B": "two words", "C": "x # y", "D": "", "E": "given", "A1.x": ""}


KEYS = ["command", "args", "env", "url", "type", "headers", "mcp", "mcpServers", "inputs"]
values: Any = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text() | st.sampled_from(KEYS), inner, max_size=4),
)


@given(st.dictionaries(st.sampled_from(["command", "url", "mcp", "servers", "args", "env", "cwd", "a"]), values))
def test_whatever_stands_in_a_manifest_is_read_or_refused_in_words(document: Any) -> None:
    try:
        entry = read_entry(document, {})
    except DefinitionError as error:
        assert str(error)
    else:
        assert not (entry.argv and entry.url)
