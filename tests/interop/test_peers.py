"""Other people's clients talk to the quickstart, over stdio and HTTP, on each era they speak, and see what they should.

A tool more, which samples, stands beside it in `shop.py`. Each client runs as a process of its own, in its own
environment, and prints what it saw; here it is judged.
"""

import importlib.util
import json
import os
import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from tests.conformance.run import node, running
from tests.house import ROOT

pytestmark = pytest.mark.timeout(120)

SHOP = Path(__file__).parent / "shop.py"
PYTHON_PEER = [str(ROOT / ".venv-peers" / "bin" / "python"), str(Path(__file__).parent / "python_peer.py")]
TYPESCRIPT_PEER = [node(), str(ROOT / "tests" / "npm" / "typescript_peer.mjs")]
PEERS = {
    "official-python": [*PYTHON_PEER, "sdk"],
    "fastmcp": [*PYTHON_PEER, "fastmcp"],
    "typescript-client": [*TYPESCRIPT_PEER, "client"],
    "typescript-sdk": [*TYPESCRIPT_PEER, "sdk"],
}
WAYS = [
    (peer, transport, era)
    for peer in PEERS
    for transport in ("stdio", "http")
    for era in ("legacy", "modern")
    if (peer, era) != ("typescript-sdk", "modern")  # 1.x ends with 2025-11-25
]
SEEN: dict[str, Any] = {
    # Before 2026-07-28 structured content is an object, so a bare number is wrapped.
    "call": {"legacy": [{"value": 5}, "5"], "modern": [5, "5"]},
    "error": [True, "Nothing can be divided by zero. Ask for another divisor."],
    "resource": "Monday to Friday, 9 to 17",
    "template": ["policy://{topic}", "Refunds are paid within 14 days."],
    "prompt": "Sort this ticket in a brisk tone: Where is it?",
    "completion": [["brisk"], ["refunds", "returns"]],
    "progress": [[1, 3, "Counted to 1"], [2, 3, "Counted to 2"], [3, 3, "Counted to 3"]],
    "cancellation": ["1", "0"],
    "notice": ["ToolsListChanged", True],
    "elicitation": [["How many of tea?"], "Ordered 2 x tea, as a gift."],
    "sampling": [[["A poem, please.", 100, "Be brief."]], "assistant: Roses are red."],
}
REVISIONS = {"legacy": "2025-11-25", "modern": "2026-07-28"}


def ask(peer: str, era: str, target: list[str]) -> dict[str, Any]:
    done = subprocess.run([*PEERS[peer], era, *target], capture_output=True, text=True, timeout=100, check=False)
    lines = done.stdout.splitlines() or ["{}"]
    saw: dict[str, Any] = json.loads(lines[-1])
    return {**saw, "exit": done.returncode, "stderr": done.stderr[-3000:]}


@cache
def seen(peer: str, transport: str, era: str, folder: Path) -> dict[str, Any]:
    if transport == "stdio":
        return ask(peer, era, [sys.executable, str(SHOP)])
    command = f"{Path(sys.executable).parent / 'dovetail'} run {SHOP} --transport http --port {{port}}"
    with running(command, folder / "server.log") as url:
        return ask(peer, era, [url])


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return Path(tmp_path_factory.mktemp("interop"))


@pytest.mark.parametrize(("peer", "transport", "era"), WAYS)
def test_a_client_speaks_the_revision_that_its_era_ends_with(peer: str, transport: str, era: str, folder: Path) -> None:
    saw = seen(peer, transport, era, folder)
    assert saw["exit"] == 0, saw["stderr"]
    assert saw["revision"] == REVISIONS[era]
    assert {"add", "echo", "count", "order", "praise"} <= set(saw["tools"])


@pytest.mark.parametrize("what", SEEN)
@pytest.mark.parametrize(("peer", "transport", "era"), WAYS)
def test_a_client_sees_what_it_should(peer: str, transport: str, era: str, what: str, folder: Path) -> None:
    saw = seen(peer, transport, era, folder)
    expected = SEEN[what][era] if isinstance(SEEN[what], dict) else SEEN[what]
    if what == "progress" and peer.startswith("typescript"):
        # Read together with the result, a step comes too late: these clients have forgotten whom to tell by then.
        assert saw.get(what), saw["stderr"]
        expected = expected[: len(saw[what])]
    assert saw.get(what) == expected, saw["stderr"]


def test_the_peers_do_not_see_our_library() -> None:
    """A client that imported ours by accident would prove nothing."""
    probe = "import importlib.util as u, sys; sys.exit(u.find_spec('dovetail') is not None)"
    assert subprocess.run([PYTHON_PEER[0], "-c", probe], cwd=os.sep, check=False).returncode == 0
    assert importlib.util.find_spec("mcp") is None
