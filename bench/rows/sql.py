"""The SQL server beside its namesake: 10,000 small queries on an SQLite file, one after another, over raw pipes.

The namesake is PyPI `mcp-server-sqlite`, which needs `mcp<2` and so an environment of its own: `DOVETAIL_NAMESAKES`,
`.venv-namesakes` when not given.
"""

import json
import os
import sqlite3
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path

from bench.rows import Plan
from bench.rows.stdio import Talk, talking
from bench.sides import ROOT, Unusable
from bench.table import Row, Target, interleave

NAMESAKES = Path(os.environ.get("DOVETAIL_NAMESAKES", ROOT / ".venv-namesakes"))
_QUERIES, _AIRPORTS, _WARM = 10_000, 20_000, 200
_REVISION = "2025-06-18"
"""The newest that both speak."""
_INITIALIZE = {
    "protocolVersion": _REVISION,
    "capabilities": {},
    "clientInfo": {"name": "bench", "version": "1"},
}


def queries(plan: Plan) -> Row:
    """The mean of a query that finds one row of 20,000 by its key, another one each time."""
    row = Row(
        "sql-queries",
        "sql: SQLite query, sequential",
        "µs",
        targets=[Target("of mcp-server-sqlite, at most 1/5", "namesake", most=1 / 5)],
        notes=["wall clock, over raw pipes; the same statements for both, with the value in the text"],
    )
    namesake = NAMESAKES / "bin" / "mcp-server-sqlite"
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / "airports.db"
        _fill(path)
        sides = {
            "dovetail": ([sys.executable, "-m", "dovetail", "serve", "sql", str(path)], "query", "sql"),
            "namesake": ([str(namesake), "--db-path", str(path)], "read_query", "query"),
        }
        if not namesake.exists():
            del sides["namesake"]
            row.notes.append("mcp-server-sqlite left out: not installed; set DOVETAIL_NAMESAKES")
        count = max(20, int(_QUERIES * plan.scale))
        runs: dict[str, Callable[[], float]] = {name: partial(_measured, *side, count) for name, side in sides.items()}
        interleave(row, runs, plan.rounds)
    return row


def _fill(path: Path) -> None:
    connection = sqlite3.connect(path)
    connection.execute("CREATE TABLE airports(id INTEGER PRIMARY KEY, name TEXT, latitude REAL)")
    rows = ((number, f"Airport {number}", number / 7) for number in range(_AIRPORTS))
    connection.executemany("INSERT INTO airports VALUES (?, ?, ?)", rows)
    connection.commit()
    connection.close()


def _measured(command: list[str], tool: str, argument: str, count: int) -> float:
    with talking(command) as talk:
        talk.ask(_line("initialize", 0, _INITIALIZE))
        os.write(talk.process.stdin.fileno(), b'{"jsonrpc":"2.0","method":"notifications/initialized"}\n')  # type: ignore[union-attr]
        _several(talk, tool, argument, range(_WARM))
        return _several(talk, tool, argument, range(_WARM, _WARM + count))


def _several(talk: Talk, tool: str, argument: str, numbers: range) -> float:
    """Microseconds a query; every answer is looked at, outside of the measured time."""
    spent = 0.0
    for number in numbers:
        sql = f"SELECT id, name FROM airports WHERE id = {number}"
        request = _line("tools/call", number + 1, {"name": tool, "arguments": {argument: sql}})
        started = time.perf_counter()
        answer = talk.ask(request)
        spent += time.perf_counter() - started
        if f"Airport {number}".encode() not in answer:
            raise Unusable(f"a wrong answer: {answer[:200]!r}")
    return spent / len(numbers) * 1e6


def _line(method: str, number: int, params: Mapping[str, object]) -> bytes:
    return json.dumps({"jsonrpc": "2.0", "id": number, "method": method, "params": params}).encode() + b"\n"
