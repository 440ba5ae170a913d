"""The Inspector's command line against the quickstart, over stdio and HTTP, on each era.

Its commands list, call, read and get, one a run. It has none for completion or cancelling, prints no progress and no
changes, and nobody sits there who could answer: it can neither be elicited from nor sampled, and is told so.
"""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.conformance.run import node, running
from tests.house import ROOT

pytestmark = pytest.mark.timeout(60)

INSPECTOR = ROOT / "tests/npm/node_modules/@modelcontextprotocol/inspector/clients/launcher/build/index.js"
SHOP = Path(__file__).parent / "shop.py"
TOOL_FAILED = 5
WAYS = [(transport, era) for transport in ("stdio", "http") for era in ("legacy", "modern")]
every_way = pytest.mark.parametrize(("transport", "era"), WAYS)


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    command = f"{Path(sys.executable).parent / 'dovetail'} run {SHOP} --transport http --port {{port}}"
    with running(command, tmp_path_factory.mktemp("inspector") / "server.log") as url:
        yield url


def run(transport: str, era: str, url: str, home: Path, *options: str) -> "subprocess.CompletedProcess[str]":
    """Return what the Inspector printed, and how it ended; it keeps what it keeps in `home`."""
    target = [url] if transport == "http" else [sys.executable, str(SHOP)]
    passed = ["-e", f"PYTHONPATH={os.environ['PYTHONPATH']}"] if "PYTHONPATH" in os.environ else []
    command = [node(), str(INSPECTOR), "--cli", *passed, "--protocol-era", era, "--format", "json", "--quiet"]
    environment = {**os.environ, "HOME": str(home)}
    return subprocess.run(
        [*command, *target, *options], capture_output=True, text=True, timeout=50, check=False, env=environment
    )


def inspect(transport: str, era: str, url: str, home: Path, *options: str) -> Any:
    """Return the result that the Inspector printed."""
    done = run(transport, era, url, home, *options)
    assert done.returncode == 0, done.stderr[-2000:]
    return json.loads(done.stdout)["result"]


@every_way
def test_tools_are_listed_and_called(transport: str, era: str, url: str, tmp_path: Path) -> None:
    listed = inspect(transport, era, url, tmp_path, "--method", "tools/list", "--strict")
    assert {"add", "echo", "order"} <= {tool["name"] for tool in listed["tools"]}
    call = ("--method", "tools/call", "--tool-name", "add", "--tool-args-json", '{"a": 2, "b": 3}')
    result = inspect(transport, era, url, tmp_path, *call)
    assert result["content"][0]["text"] == "5"
    assert result["structuredContent"] == {"legacy": {"value": 5}, "modern": 5}[era]


@every_way
def test_a_tool_that_fails_says_so(transport: str, era: str, url: str, tmp_path: Path) -> None:
    call = ("--method", "tools/call", "--tool-name", "divide", "--tool-args-json", '{"a": 1, "b": 0}')
    done = run(transport, era, url, tmp_path, *call)
    assert done.returncode == TOOL_FAILED, done.stderr[-2000:]
    result = json.loads(done.stdout)["result"]
    assert result["isError"] is True
    assert "Ask for another divisor" in result["content"][0]["text"]


@every_way
def test_a_tool_that_samples_is_told_that_the_command_line_has_no_model(
    transport: str, era: str, url: str, tmp_path: Path
) -> None:
    done = run(transport, era, url, tmp_path, "--method", "tools/call", "--tool-name", "praise")
    assert done.returncode == {"legacy": TOOL_FAILED, "modern": 1}[era], done.stderr[-2000:]
    assert "The client offers no sampling" in done.stdout + done.stderr


@every_way
def test_resources_and_prompts_are_read(transport: str, era: str, url: str, tmp_path: Path) -> None:
    read = inspect(transport, era, url, tmp_path, "--method", "resources/read", "--uri", "policy://refunds")
    assert read["contents"][0]["text"] == "Refunds are paid within 14 days."
    templates = inspect(transport, era, url, tmp_path, "--method", "resources/templates/list")
    assert [template["uriTemplate"] for template in templates["resourceTemplates"]] == ["policy://{topic}"]
    get = ("--method", "prompts/get", "--prompt-name", "triage", "--prompt-args", "ticket=Lost", "tone=brisk")
    prompt = inspect(transport, era, url, tmp_path, *get)
    assert prompt["messages"][0]["content"]["text"] == "Sort this ticket in a brisk tone: Lost"
