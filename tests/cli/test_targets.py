"""What stands for a server on a command line: every spelling, and every mistake in one line."""

import json
import sys
from pathlib import Path
from typing import Any

import pytest

from dovetail.cli.options import Usage
from dovetail.cli.targets import pairs, targeted, url_of, variables
from dovetail.client.target import Program, target_of

ORDERS = {"command": "npx", "args": ["-y", "orders"], "env": {"A": "1"}}
BILLING = {"type": "http", "url": "https://billing.example/mcp", "headers": {"X-Key": "k"}}


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "server.py").write_text("")
    (tmp_path / "one.json").write_text(json.dumps({"mcpServers": {"orders": ORDERS}}))
    (tmp_path / "two.json").write_text(json.dumps({"servers": {"orders": ORDERS, "billing": BILLING}}))
    (tmp_path / "settings.json").write_text(json.dumps({"theme": "x", "mcp": {"servers": {"orders": ORDERS}}}))
    (tmp_path / "bare.json").write_text(json.dumps({"orders": ORDERS, "version": 1}))
    (tmp_path / "entry.json").write_text(json.dumps(BILLING))
    (tmp_path / "config.toml").write_text('[mcp_servers.orders]\ncommand = "npx"\nargs = ["-y", "orders"]\n')
    (tmp_path / "wrong.json").write_text("{")
    (tmp_path / "other.json").write_text('{"name": "x"}')
    twins = [{"name": "a", **ORDERS}, {"name": "a", **BILLING}]
    (tmp_path / "twins.json").write_text(json.dumps({"mcpServers": twins}))
    off = {**BILLING, "disabled": "true"}
    (tmp_path / "off.json").write_text(json.dumps({"mcpServers": {"billing": off, "orders": ORDERS}}))
    (tmp_path / "wide.json").write_text("\ufeff" + json.dumps({"mcpServers": {"orders": ORDERS}}), "utf-16-le")
    (tmp_path / "wide.toml").write_text('\ufeff[mcp_servers.orders]\ncommand = "npx"\n', "utf-16-be")
    (tmp_path / "latin.json").write_bytes(b'{"mcpServers": {"\xfc": {}}}')
    same = f'"orders": {json.dumps(ORDERS)}'
    (tmp_path / "same.json").write_text(f'{{"mcpServers": {{{same}, {same}}}}} // as VS Code keeps it')
    (tmp_path / "unmarked.json").write_text(json.dumps({"mcpServers": {"orders": ORDERS}}), "utf-16-le")
    (tmp_path / "alloff.json").write_text(json.dumps({"mcpServers": {"a": off, "b": off}}))
    (tmp_path / "mixed.json").write_text(f'{{"theme": 1, "theme": 2, "mcpServers": {{{same}}}}}')
    (tmp_path / "list.json").write_text(json.dumps({"mcpServers": [ORDERS, "https://example.com/mcp"]}))


@pytest.mark.parametrize(
    ("word", "target"),
    [
        ("https://example.com/mcp", "https://example.com/mcp"),
        ("server.py", "server.py"),
        ("server.py:app", [sys.executable, "-m", "dovetail.cli", "run", "server.py:app"]),
        ("one.json", ORDERS),
        ("one.json:orders", ORDERS),
        ("two.json:billing", BILLING),
        ("settings.json", ORDERS),
        ("bare.json", ORDERS),
        ("entry.json", BILLING),
        ("off.json", ORDERS),
        ("off.json:billing", {**BILLING, "disabled": "true"}),
        ("wide.json", ORDERS),
        ("wide.toml", {"command": "npx"}),
        ("mixed.json", ORDERS),
        ("alloff.json:a", {**BILLING, "disabled": "true"}),
        ("config.toml:orders", {"command": "npx", "args": ["-y", "orders"]}),
        (json.dumps(BILLING), BILLING),
    ],
)
def test_a_word_is_a_target(word: str, target: Any) -> None:
    assert targeted([word, "rest"], []) == (target, ["rest"])


def test_a_program_takes_the_place_of_the_target() -> None:
    assert targeted(["add", "a=1"], ["npx", "-y", "--flag"]) == (["npx", "-y", "--flag"], ["add", "a=1"])


@pytest.mark.parametrize(
    ("word", "said"),
    [
        ("nothing.py", "there is no file 'nothing.py'"),
        ("orders", "'orders' is no URL, no .py or .js file and no manifest; a program goes last: -- orders"),
        ("two.json", "two.json has several servers: orders, billing; choose one with two.json:NAME"),
        ("two.json:oders", "two.json has no server 'oders'; did you mean orders?"),
        ("one.json:x", "one.json has no server 'x'; there are: orders"),
        ("wrong.json", "wrong.json is not JSON"),
        ("other.json", "other.json is no manifest"),
        ("twins.json:a", "twins.json: two servers of the manifest have the name 'a': rename one of them"),
        ("same.json", "same.json says 'orders' twice, a duplicate key: rename or remove one"),
        ("unmarked.json", "unmarked.json is neither UTF-8 nor UTF-16 with its mark: save it as UTF-8"),
        (
            "alloff.json",
            "alloff.json names no server that is switched on; choose one all the same with",
        ),
        ("latin.json", "latin.json is neither UTF-8 nor UTF-16 with its mark: save it as UTF-8"),
        ("list.json:2", "list.json: '2' is no entry: expected an object with `command` or `url`"),
        ("{", "the entry is not JSON"),
        ('{"a": 1}', "the entry is no manifest"),
    ],
)
def test_what_is_no_target_is_said_in_a_line(word: str, said: str) -> None:
    with pytest.raises(Usage) as caught:
        targeted([word], [])
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


def test_without_a_word_it_asks_which() -> None:
    with pytest.raises(Usage, match="which server"):
        targeted([], [])


def test_a_url_is_known_in_each_spelling() -> None:
    assert url_of("https://x/mcp") == "https://x/mcp"
    assert url_of(BILLING) == BILLING["url"]
    assert url_of({"serverUrl": "https://x"}) == "https://x"
    assert [url_of(each) for each in ("server.py", ["npx"], ORDERS)] == [None, None, None]


def test_header_fields_and_variables_are_pairs() -> None:
    assert pairs(["X-Key: a:b", "Y=1"]) == {"X-Key": "a:b", "Y": "1"}
    assert variables(["A=1=2", "HOME"], {"HOME": "/home/me"}) == {"A": "1=2", "HOME": "/home/me"}
    for wrong in (["X"], [":x"]):
        with pytest.raises(Usage):
            pairs(wrong)
    with pytest.raises(Usage, match="no variable 'NONE' here"):
        variables(["NONE"], {})


def test_variables_of_the_command_line_come_before_those_of_an_entry() -> None:
    target = target_of(ORDERS, {"A": "2", "B": "3"})
    assert isinstance(target, Program)
    assert target.env == {"A": "2", "B": "3"}
