"""The servers that we ship as a new user meets them: our command line, the Inspector's, and the official client.

Each is started by the command that its page shows, on real files, databases and repositories.
"""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.conformance.run import node
from tests.house import ROOT
from tests.interop.test_inspector import INSPECTOR

pytestmark = pytest.mark.timeout(120)

DOVETAIL = [sys.executable, "-m", "dovetail"]
PEER = [str(ROOT / ".venv-peers" / "bin" / "python"), str(Path(__file__).parent / "shipped_peer.py")]
Json = dict[str, Any]


def folder(home: Path) -> list[str]:
    (home / "papers").mkdir()
    (home / "papers" / "tea.md").write_text("# Tea\n\nGreen tea is brewed at 70 degrees.\n")
    return [str(home / "papers")]


def database(home: Path) -> list[str]:
    import sqlite3

    with sqlite3.connect(home / "shop.db") as connection:
        connection.execute("CREATE TABLE teas (name TEXT, degrees INTEGER)")
        connection.execute("INSERT INTO teas VALUES ('green', 70), ('black', 100)")
    connection.close()
    return [str(home / "shop.db")]


def repository(home: Path) -> list[str]:
    import pygit2

    made = pygit2.init_repository(str(home / "work"))
    (home / "work" / "tea.md").write_text("Green tea.\n")
    made.index.add("tea.md")
    made.index.write()
    who = pygit2.Signature("Ann", "ann@example.com", 1_700_000_000, 0)
    made.create_commit("HEAD", who, who, "Brew green tea", made.index.write_tree(), [])
    return [str(home / "work")]


class Case:
    """One server, and what to do with it."""

    def __init__(self, *, start: Callable[[Path], list[str]], tool: str, says: str, **more: Any) -> None:
        self.start, self.tool, self.says = start, tool, says
        self.arguments: Json = more.pop("arguments", {})
        self.wanted: Json = {"tool": tool, "arguments": self.arguments, "values": {}, **more}


CASES = {
    "files": Case(
        start=folder,
        tool="search_text",
        arguments={"pattern": "70 degrees"},
        says="tea.md",
    ),
    "sql": Case(
        start=database,
        tool="query",
        arguments={"sql": "SELECT name FROM teas WHERE degrees = ?", "params": [70]},
        says="green",
    ),
    "git": Case(start=repository, tool="git_log", says="Brew green tea"),
    "memory": Case(
        start=lambda home: [str(home / "graph.db")],
        tool="create_entities",
        arguments={"entities": [{"name": "Ann", "entityType": "person", "observations": ["likes tea"]}]},
        says="Ann",
        uri="memory://graph",
        prompt="recall",
        values={"subject": "Ann"},
    ),
    "calculator": Case(start=lambda home: [], tool="calculate", arguments={"expression": "1/3 + 1/6"}, says="1/2"),
}
each = pytest.mark.parametrize("name", CASES)


@pytest.fixture
def command(name: str, tmp_path: Path) -> list[str]:
    return [*DOVETAIL, "serve", name, *CASES[name].start(tmp_path)]


def ran(words: list[str], home: Path) -> str:
    environment = {**os.environ, "HOME": str(home), "XDG_DATA_HOME": str(home)}
    done = subprocess.run(words, capture_output=True, text=True, timeout=100, check=False, env=environment)
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout


@each
def test_our_own_command_line_lists_and_calls_it(name: str, command: list[str], tmp_path: Path) -> None:
    case = CASES[name]
    shown = ran([*DOVETAIL, "list", "--", *command], tmp_path)
    assert case.tool in shown
    arguments = json.dumps(case.arguments)
    assert case.says in ran([*DOVETAIL, "call", case.tool, arguments, "--", *command], tmp_path)


@each
@pytest.mark.parametrize("era", ["legacy", "modern"])
def test_the_inspector_lists_and_calls_it(name: str, era: str, command: list[str], tmp_path: Path) -> None:
    case = CASES[name]
    passed = ["-e", f"PYTHONPATH={os.environ['PYTHONPATH']}"] if "PYTHONPATH" in os.environ else []
    inspector = [node(), str(INSPECTOR), "--cli", *passed, "--protocol-era", era, "--format", "json", "--quiet"]
    listed = json.loads(ran([*inspector, *command, "--method", "tools/list", "--strict"], tmp_path))["result"]
    assert case.tool in {tool["name"] for tool in listed["tools"]}
    call = ["--method", "tools/call", "--tool-name", case.tool, "--tool-args-json", json.dumps(case.arguments)]
    result = json.loads(ran([*inspector, *command, *call], tmp_path))["result"]
    assert not result.get("isError")
    assert case.says in json.dumps(result, ensure_ascii=False)


@each
@pytest.mark.parametrize("era", ["legacy", "modern"])
def test_the_official_client_lists_calls_reads_and_prompts(
    name: str, era: str, command: list[str], tmp_path: Path
) -> None:
    case = CASES[name]
    saw: Json = json.loads(ran([*PEER, era, json.dumps(case.wanted), *command], tmp_path).splitlines()[-1])
    assert all(saw["tools"].values())
    assert saw["call"][0] is False
    assert case.says in saw["call"][1]
    if "uri" in case.wanted:
        assert saw["resource"]
    if "prompt" in case.wanted:
        assert saw["prompt"] >= 1
