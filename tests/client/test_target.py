"""What a client can be pointed at: every spelling, and a clear word for what is none."""

import os
import sys
from pathlib import Path
from typing import Any

import pytest

from dovetail import Client, Server
from dovetail.client.target import Address, Neighbour, Program, target_of
from dovetail.errors import DefinitionError
from dovetail.net import memory_pair


@pytest.fixture(autouse=True)
def _files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("server.py", "server.js", "SERVER.MJS"):
        (tmp_path / name).write_text("")


@pytest.mark.parametrize(
    ("given", "target"),
    [
        ("https://example.com/mcp", Address("https://example.com/mcp")),
        ("http://127.0.0.1:8000/mcp", Address("http://127.0.0.1:8000/mcp")),
        ("server.py", Program((sys.executable, "server.py"))),
        (Path("server.py"), Program((sys.executable, "server.py"))),
        ("server.js", Program(("node", "server.js"))),
        ("SERVER.MJS", Program(("node", "SERVER.MJS"))),
        (["npx", "-y", "x"], Program(("npx", "-y", "x"))),
        (("npx", Path("x")), Program(("npx", "x"))),
        ({"command": "npx", "args": ["x"]}, Program(("npx", "x"))),
        ({"command": ["npx", "x"]}, Program(("npx", "x"))),
        ({"command": "npx", "env": {"A": 1}, "cwd": "/tmp"}, Program(("npx",), {"A": "1"}, "/tmp")),
        ({"command": "npx", "workingDirectory": "/tmp"}, Program(("npx",), {}, "/tmp")),
        ({"url": "https://x/mcp"}, Address("https://x/mcp")),
        ({"type": "streamable-http", "url": "https://x/mcp"}, Address("https://x/mcp")),
        ({"httpUrl": "https://x/mcp"}, Address("https://x/mcp")),
        ({"serverUrl": "https://x/sse", "type": "sse"}, Address("https://x/sse", sse=True)),
        ({"url": "https://x/sse", "transport": "SSE"}, Address("https://x/sse", sse=True)),
        ({"url": "https://x/mcp", "headers": {"K": "v"}}, Address("https://x/mcp", {"K": "v"})),
        ({"mcpServers": {"one": {"command": "npx"}}}, Program(("npx",))),
        ({"servers": {"one": {"url": "https://x"}}}, Address("https://x")),
        ({"servers": {"one": {"url": "https://x"}}, "inputs": []}, Address("https://x")),
        ({"one": {"url": "https://x"}}, Address("https://x")),
        ({"url": {"command": "npx"}, "command": "x"}, Program(("x",))),
        ("HTTP://x/mcp", Address("http://x/mcp")),
        ({"url": "Https://X/mcp"}, Address("https://X/mcp")),
        ({"type": "stdio", "command": "npx", "url": "https://x"}, Program(("npx",))),
        ({"command": "npx", "args": ["--port", 8000]}, Program(("npx", "--port", "8000"))),
        ({"command": "npx", "environment": {"A": "1"}}, Program(("npx",), {"A": "1"})),
        ({"command": "npx", "description": "set ${NEVER_DEFINED}"}, Program(("npx",))),
        ({"url": "https://x/mcp", "requestInit": {"headers": {"K": "v"}}}, Address("https://x/mcp", {"K": "v"})),
        ({"url": "https://x/a", "transport": {"type": "sse"}}, Address("https://x/a", sse=True)),
        ({"url": "https://x/a", "transportType": "sse"}, Address("https://x/a", sse=True)),
        ({"url": "https://x/sse"}, Address("https://x/sse", sse=True)),
        ({"url": "https://x/sse", "type": "http"}, Address("https://x/sse")),
        (
            {"servers": {"a": {"command": "x", "args": ["${input:n}"]}}, "inputs": [{"id": "n", "default": "7"}]},
            Program(("x", "7")),
        ),
    ],
)
def test_every_spelling_means_what_it_says(given: Any, target: Any) -> None:
    assert target_of(given) == target
    assert target_of(target) == target


def test_servers_and_channels_are_reached_in_memory() -> None:
    app, channel = Server("shop"), memory_pair()[0]
    assert target_of(app) == Neighbour(app)
    assert str(target_of(app)) == "shop"
    assert target_of(channel) == Neighbour(channel)


def test_of_several_servers_the_one_that_is_switched_on_is_meant() -> None:
    off = {"command": "x", "disabled": True}
    assert target_of({"mcpServers": {"a": off, "b": {"command": "y"}}}) == Program(("y",), {}, None)
    assert target_of({"mcpServers": {"a": off}}) == Program(("x",), {}, None)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ("ftp://x/y", "ftp: is no scheme of MCP; expected http or https"),
        ("nothing.py", "There is no file 'nothing.py'"),
        ("127.0.0.1:8000/mcp", "put http:// or https:// before it"),
        ("localhost:8000", "put http:// or https:// before it"),
        ("example.com/mcp", "put http:// or https:// before it"),
        ("[::1]:8000/mcp", "put http:// or https:// before it"),
        ("./bin/server", "give a program as a list"),
        ({"url": "x:8000/mcp"}, "put http:// or https:// before it"),
        ({"type": "stdio", "url": "https://x"}, "of type `stdio` needs `command`"),
        ({"a": {"url": "https://x"}, "b": {"command": "x"}}, "a client is for one server, and here are 2"),
        ("http://[::1", "The URL cannot be read"),
        ({"url": "http://x:99999/mcp"}, "The URL cannot be read"),
        ("npx -y x", "give a program as a list: ['npx', '-y', 'x']"),
        ("npx 'x", "give a program as a list"),
        ("", "is no URL"),
        ([], "not list"),
        ([1], "not list"),
        (None, "not NoneType"),
        (7, "not int"),
        ({}, "A manifest entry needs `command` (with `args`), or `url`"),
        ({"command": 7}, "A manifest entry needs `command`"),
        ({"command": "x", "args": "y z"}, "A manifest entry needs `command`"),
        ({"command": "x", "args": [None]}, "A manifest entry needs `command`"),
        ({"command": "x", "args": ["${input:key}"]}, "or in the manifest: write the value in its place"),
        ({"command": "x", "env": ["A"]}, "env: expected an object of texts"),
        ({"url": "https://x", "headers": {"K": None}}, "headers: expected an object of texts"),
        ({"url": "ftp://x"}, "ftp: is no scheme of MCP"),
        ({"mcpServers": {"a": {}, "b": {}}}, "a client is for one server, and here are 2"),
        ({"mcpServers": {"a": 7}}, "A manifest entry is an object with `command` or `url`, not int"),
    ],
)
def test_what_means_nothing_is_refused_before_anything_is_sent(given: Any, said: str) -> None:
    with pytest.raises(DefinitionError) as caught:
        Client(given)
    assert said in str(caught.value)


def test_neither_a_query_nor_arguments_are_in_what_is_shown() -> None:
    assert str(target_of("https://x/mcp?key=s3cret")) == "https://x/mcp"
    assert str(target_of("https://x/mcp#s3cret")) == "https://x/mcp"
    assert str(target_of("https://me:s3cret@x/mcp")) == "https://x/mcp"
    assert "s3cret" not in str(target_of(["tool", "run", "--token", "s3cret"]))
    assert "s3cret" not in repr(Client("https://x/mcp?key=s3cret"))


def test_variables_of_a_manifest_entry_are_replaced(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TOKEN", "t")
    monkeypatch.setenv("EMPTY", "")
    monkeypatch.delenv("UNDEFINED", raising=False)
    entry = {
        "command": "${RUNNER:-npx}",
        "args": ["-y", "${env:TOKEN}", "x${EMPTY}y", "${EMPTY:-z}", "$TOKEN"],
        "env": {"KEY": "Bearer ${TOKEN}"},
    }
    program = target_of(entry, None, None)
    assert isinstance(program, Program)
    assert program.argv == ("npx", "-y", "t", "xy", "z", "$TOKEN")
    assert program.env == {"KEY": "Bearer t"}
    address = target_of({"url": "https://${HOST:-example.com}/mcp", "headers": {"X-Key": "${TOKEN}"}}, None, None)
    assert isinstance(address, Address)
    assert (address.url, address.headers) == ("https://example.com/mcp", {"X-Key": "t"})
    for text in ("${UNDEFINED}", "${env:UNDEFINED}", "${input:UNDEFINED}"):
        with pytest.raises(DefinitionError, match="UNDEFINED"):
            target_of({"command": "x", "args": [text]}, None, None)


def test_an_option_that_there_is_not_is_refused() -> None:
    with pytest.raises(DefinitionError, match="Client: there is no option 'timout'; did you mean 'timeout'"):
        Client("https://example.com/mcp", timout=3)  # type: ignore[call-arg]


def test_an_input_that_somebody_is_asked_for_can_be_given_and_stays_with_us() -> None:
    folder = {"command": "x", "args": ["${workspaceFolder}"]}
    assert target_of(folder) == Program(("x", os.getcwd()))
    entry = {"command": "x", "args": ["${input:key}"]}
    assert target_of(entry, {"input:key": "7", "A": "1"}) == Program(("x", "7"), {"A": "1"})
