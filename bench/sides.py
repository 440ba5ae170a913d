"""The sides of the comparison: how each is started, and how it is stopped."""

import contextlib
import http.client
import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from bench import calls

ROOT = Path(__file__).resolve().parent.parent
SERVERS = ROOT / "bench" / "servers"
PEERS = Path(os.environ.get("DOVETAIL_PEERS", ROOT / ".venv-peers"))
_OURS = Path(sys.executable)


class Side:
    """A server program and the interpreter that runs it."""

    def __init__(self, name: str, python: Path, script: str) -> None:
        self.name = name
        self.python = python
        self.script = SERVERS / script

    def command(self, *arguments: str) -> list[str]:
        return [str(self.python), str(self.script), *arguments]

    def missing(self) -> bool:
        return not self.python.exists()


SIDES = {
    side.name: side
    for side in (
        Side("floor", _OURS, "floor.py"),
        Side("dovetail", _OURS, "ours.py"),
        Side("sdk", PEERS / "bin" / "python", "sdk.py"),
        Side("fastmcp", PEERS / "bin" / "python", "fastmcp_side.py"),
    )
}
TITLES = {"floor": "floor", "dovetail": "Dovetail", "sdk": "official SDK 2.3", "fastmcp": "FastMCP 4.1"}


def environment() -> dict[str, str]:
    """This environment, but with compiled files kept and output buffered, as on any machine."""
    skipped = {"PYTHONDONTWRITEBYTECODE", "PYTHONUNBUFFERED", "PYTHONPATH", "PYTHONSTARTUP"}
    return {name: value for name, value in os.environ.items() if name not in skipped}


@contextlib.contextmanager
def running(command: list[str], *, piped: bool = False) -> Iterator["subprocess.Popen[bytes]"]:
    """A process for as long as the block lasts; its standard streams are pipes when asked for."""
    stream = subprocess.PIPE if piped else subprocess.DEVNULL
    with open(os.devnull, "wb") as null:
        errors = None if os.environ.get("BENCH_DEBUG") else null
        process = subprocess.Popen(
            command, stdin=stream, stdout=stream, stderr=errors, bufsize=0, env=environment(), cwd=ROOT
        )
    try:
        yield process
    finally:
        process.terminate()
        if process.stdin is not None and process.stdout is not None:
            process.stdin.close()
            process.stdout.close()
        try:
            process.wait(5)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


class Unusable(Exception):
    """A side did not start, or answered wrongly; the text says what happened."""


class HttpServer:
    """A running HTTP server: its process and port, and requests outside of any measurement."""

    def __init__(self, process: "subprocess.Popen[bytes]", port: int) -> None:
        self.process = process
        self.port = port

    def wait(self, seconds: float = 20.0) -> None:
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            if self.process.poll() is not None:
                raise Unusable(f"the server ended with status {self.process.returncode}")
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.port), 1):
                return
            time.sleep(0.02)
        raise Unusable("the server did not listen in time")

    def ask(self, message: dict[str, Any], revision: str, session: str = "", **more: str) -> tuple[Any, dict[str, str]]:
        """POST a message; return the JSON of the answer, or None, and the header fields."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        fields = calls.headers(revision, message, session, **more)
        connection.request("POST", "/mcp", json.dumps(message), fields)
        response = connection.getresponse()
        data = response.read()
        connection.close()
        if response.status not in (200, 202):
            raise Unusable(f"HTTP status {response.status}: {data[:200]!r}")
        if response.headers.get("content-type", "").startswith("text/event-stream"):
            data = data[data.index(b"data: ") + 6 :].split(b"\n")[0]
        found = {name.lower(): value for name, value in response.headers.items()}
        return json.loads(data) if data.strip() else None, found

    def open_session(self) -> str:
        """Shake hands as a client of the stateful era; return the session id."""
        _, fields = self.ask(calls.INITIALIZE, calls.STATEFUL)
        session = fields.get("mcp-session-id", "")
        if not session:
            raise Unusable("no session id")
        self.ask(calls.INITIALIZED, calls.STATEFUL, session)
        return session


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@contextlib.contextmanager
def http_server(side: Side, mode: str) -> Iterator[HttpServer]:
    """A side as an HTTP server, ready for requests."""
    port = free_port()
    with running(side.command("http", str(port), mode)) as process:
        server = HttpServer(process, port)
        server.wait()
        yield server
