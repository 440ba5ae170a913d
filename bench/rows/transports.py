"""Our own transports beside each other: a hundred calls, one after another, by the barest of clients."""

import asyncio
import importlib.util
import json
import socket
import time
from collections.abc import Callable
from typing import Any

from bench import calls
from bench.load import Connection, complete
from bench.rows import Plan, http
from bench.rows.stdio import talking, verify
from bench.sides import SIDES, HttpServer, Unusable, http_server
from bench.table import Row

CALLS = 100
_LEGACY = "2024-11-05"


def compared(plan: Plan) -> list[Row]:
    """One row a transport, in milliseconds for all hundred calls."""
    side = SIDES["dovetail"]
    if side.name not in plan.sides:
        return []
    app = _program().app
    runs: dict[str, Callable[[], float]] = {"in-memory": lambda: asyncio.run(_in_memory(app))}
    rows: list[Row] = []
    with talking(side.command()) as talk, http_server(side, "plain") as server:
        http.verify(server, "add", calls.MODERN)
        modern = _kept_alive(server, calls.MODERN, "")
        session = _kept_alive(server, calls.STATEFUL, server.open_session())
        legacy = _Sse(server.port)
        runs["stdio"] = lambda: talk.sequential(CALLS) * CALLS / 1e3
        runs["HTTP, 2026-07-28"] = lambda: _exchange(modern)
        runs["HTTP, a session of 2025-11-25"] = lambda: _exchange(session)
        runs["HTTP with SSE, 2024-11-05"] = legacy.run
        for name, run in runs.items():
            row = Row(f"transport-{name}", name, f"ms for {CALLS}", notes=[http.RAISED] if "HTTP" in name else [])
            run()
            rows.append(row)
        for _ in range(plan.rounds):
            for row, run in zip(rows, runs.values(), strict=True):
                row.rounds.setdefault("dovetail", []).append(run())
    return rows


def _program() -> Any:
    """Our side's program as a module, for the calls that never leave the process."""
    spec = importlib.util.spec_from_file_location("bench_ours", SIDES["dovetail"].script)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


async def _in_memory(app: Any) -> float:
    channel = app.connect()
    template = calls.template(calls.call(calls.MODERN))
    answers = []
    channel.send(template % (0, 0))  # opens the conversation
    await channel.receive()
    started = time.perf_counter()
    for number in range(calls.FIRST, calls.FIRST + CALLS):
        channel.send(template % (number, number))
        answers.append(await channel.receive())
    seconds = time.perf_counter() - started
    await channel.aclose()
    verify(answers, set(range(calls.FIRST, calls.FIRST + CALLS)))
    return seconds * 1e3


def _kept_alive(server: HttpServer, revision: str, session: str) -> Connection:
    return Connection(server.port, http.template(server.port, "add", revision, session).encode("latin-1"))


def _exchange(connection: Connection) -> float:
    started = time.perf_counter()
    for number in range(calls.FIRST, calls.FIRST + CALLS):
        connection.socket.sendall(connection.template % (number, number))
        data = connection.socket.recv(65_536)
        while not complete(data):
            data += connection.socket.recv(65_536)
        if data[9:12] != b"200" or b"%d" % (number + 1) not in data:
            raise Unusable(f"not the answer to {number}: {data[:300]!r}")
    return (time.perf_counter() - started) * 1e3


class _Sse:
    """A client of the oldest transport: one connection for the stream of events, one for what it posts."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.events = socket.create_connection(("127.0.0.1", port), 10)
        self.events.sendall(b"GET /sse HTTP/1.1\r\nHost: 127.0.0.1:%d\r\nAccept: text/event-stream\r\n\r\n" % port)
        self.path = self.heard(b"/messages").partition(b"data: ")[2].split()[0].decode()
        self.posts = socket.create_connection(("127.0.0.1", port), 10)
        hello = {**calls.INITIALIZE, "params": {**calls.INITIALIZE["params"], "protocolVersion": _LEGACY}}
        self.post(json.dumps(hello).encode())
        self.heard(b'"serverInfo"')
        self.post(json.dumps(calls.INITIALIZED).encode())
        self.template = calls.template(calls.call(calls.STATEFUL))

    def heard(self, text: bytes) -> bytes:
        """Read events up to the end of the one that holds this."""
        data = b""
        while text not in data or not data.endswith((b"\n\n", b"\n\n\r\n")):
            more = self.events.recv(65_536)
            if not more:
                raise Unusable(f"the stream of events ended: {data[:300]!r}")
            data += more
        return data

    def post(self, body: bytes) -> None:
        fields = {"Content-Type": "application/json"}
        self.posts.sendall(calls.post(self.port, fields, len(body), self.path) + body)
        data = self.posts.recv(65_536)
        while not complete(data):
            data += self.posts.recv(65_536)
        if data[9:12] not in (b"202", b"200"):
            raise Unusable(f"not accepted: {data[:300]!r}")

    def run(self) -> float:
        started = time.perf_counter()
        for number in range(calls.FIRST, calls.FIRST + CALLS):
            self.post(self.template % (number, number))
            self.heard(b"%d" % (number + 1))
        return (time.perf_counter() - started) * 1e3
