"""A server serves whatever became of its standard streams; what it opens is never taken for one of them."""

import json
import os
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.cli.programs import DOVETAIL, environment
from tests.server.peers import meta

PROGRAM = """
import contextlib, os, sys
from dovetail import Server

@contextlib.asynccontextmanager
async def lives(app):
    yield
    print("ended", flush=True)

app = Server("quiet", lifespan=lives)

@app.tool
def complain() -> str:
    os.write(2, b"NOISE")
    return os.readlink("/proc/self/fd/2")

if __name__ == "__main__":
    app.run("http", port=0, on_ready=lambda url: print(url, flush=True))
"""
CALL = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": "complain", "_meta": meta()}}

pytestmark = [pytest.mark.skipif(sys.platform != "linux", reason="/proc and /dev/full"), pytest.mark.timeout(60)]


@contextmanager
def started(command: list[str], stderr: str, cwd: Path) -> Iterator["subprocess.Popen[bytes]"]:
    """Start a program whose standard error is closed, a pipe that nobody reads, or a file."""
    read, write = os.pipe()
    os.close(read)
    target = {"closed": "2>&-", "broken": ""}.get(stderr, f"2>{stderr}")
    process = subprocess.Popen(
        ["sh", "-c", f'exec "$@" {target}', "sh", *command],
        cwd=cwd,
        env=environment(),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=write,
    )
    os.close(write)
    try:
        yield process
    finally:
        process.kill()
        process.wait()
        for pipe in (process.stdin, process.stdout):
            if pipe is not None:
                pipe.close()


@pytest.mark.parametrize("stderr", ["closed", "broken", "/dev/full"])
def test_a_server_over_http_serves_though_nobody_can_be_told_that_it_does(stderr: str, tmp_path: Path) -> None:
    (tmp_path / "quiet.py").write_text(PROGRAM)
    with started([sys.executable, "quiet.py"], stderr, tmp_path) as process:
        assert process.stdout is not None
        url = process.stdout.readline().decode().strip()
        with urllib.request.urlopen(url.replace("/mcp", "/healthz")) as answer:
            assert answer.status == 200
        process.send_signal(signal.SIGTERM)
        assert process.stdout.read() == b"ended\n"


@pytest.mark.parametrize("options", [["run", "quiet.py"], ["dev", "quiet.py", "--transport=stdio"]])
def test_without_a_standard_error_nothing_else_takes_its_number(options: list[str], tmp_path: Path) -> None:
    (tmp_path / "quiet.py").write_text(PROGRAM)
    with started([*DOVETAIL, *options], "closed", tmp_path) as process:
        assert process.stdin is not None and process.stdout is not None
        process.stdin.write(json.dumps(CALL).encode() + b"\n")
        process.stdin.flush()
        answer = json.loads(process.stdout.readline())
        assert answer["result"]["content"][0]["text"] == "/dev/null"
        process.stdin.close()
        assert process.wait(20) == 0


@pytest.mark.parametrize("stderr", ["closed", "broken", "/dev/full"])
def test_a_failure_that_cannot_be_told_has_its_own_status(stderr: str, tmp_path: Path) -> None:
    with started([*DOVETAIL, "run", "nothing.py"], stderr, tmp_path) as process:
        assert process.wait(20) == 1
