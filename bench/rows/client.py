"""Our client beside others: one call after another over HTTP and over stdio, a large catalogue, and its import."""

import json
import subprocess
import sys
from collections.abc import Callable

from bench.rows import Plan, http, start
from bench.sides import ROOT, SIDES, Side, Unusable, environment, http_server
from bench.table import Row, Target, interleave

CLIENTS = ROOT / "bench" / "clients"
_CALLS = {"floor": 2_000, "dovetail": 2_000, "sdk": 500, "fastmcp": 500}
_TOOLS, _PAGE, _BYTES = 10_000, 500, 2_048


def sequential_http(plan: Plan) -> Row:
    """`call_tool` against our server, by each side's client; the floor is `aiohttp` posting the same bytes."""
    row = Row(
        "client-http",
        "client: HTTP tools/call, one after another",
        "µs",
        targets=[
            Target("of a bare aiohttp post, at most 1.5", "floor", most=1.5),
            Target("of the SDK, at most 1/3", "sdk", most=1 / 3),
        ],
        notes=["wall clock, by the client; the server is ours", http.RAISED],
    )
    with http_server(SIDES["dovetail"], "plain") as server:
        target = ["http", f"http://127.0.0.1:{server.port}/mcp"]
        return _measure(plan, row, lambda count: [*target, str(count)])


def sequential_stdio(plan: Plan) -> Row:
    """`call_tool` against the bare asyncio server; the floor is a bare asyncio program on the same pipes."""
    row = Row(
        "client-stdio",
        "client: stdio tools/call, one after another",
        "µs",
        targets=[Target("of a bare asyncio pipe client, at most 1.6", "floor", most=1.6)],
        notes=["wall clock, by the client; the server is the floor's"],
    )
    server = SIDES["floor"].command("stdio")
    return _measure(plan, row, lambda count: ["stdio", str(count), *server])


def _measure(plan: Plan, row: Row, arguments: Callable[[int], list[str]]) -> Row:
    runs: dict[str, Callable[[], float]] = {}
    for side in plan.those(row, "floor", "dovetail", "sdk", "fastmcp"):
        count = max(10, int(_CALLS[side.name] * plan.scale))

        def measured(side: Side = side, count: int = count) -> float:
            return _run(side, side.script.name, *arguments(count))["wall"]

        try:
            measured()
        except Unusable as reason:
            row.notes.append(f"{side.name} left out: {reason}")
        else:
            runs[side.name] = measured
    interleave(row, runs, plan.rounds)
    return row


def catalogue(plan: Plan) -> Row:
    """`list_tools` of 10,000 tools in pages of 500: the peak of what the client holds, by what it received."""
    row = Row(
        "client-catalogue",
        "client: list_tools of 10,000 tools, 20 MiB, peak over the start",
        "of the bytes",
        targets=[Target("at most 6 times the bytes", most=6)],
    )
    total = int(_TOOLS * plan.scale)
    server = [sys.executable, str(ROOT / "tests" / "client" / "catalogue_server.py"), str(total), str(_PAGE)]
    for side in plan.those(row, "dovetail"):

        def measured(side: Side = side) -> float:
            found = _run(side, "catalogue.py", *server, str(_BYTES))
            if found["tools"] != total:
                raise Unusable(f"{found['tools']} tools instead of {total}")
            return found["peak"] / found["bytes"]

        interleave(row, {side.name: measured}, min(3, plan.rounds))
    return row


def imports(plan: Plan) -> Row:
    """`from dovetail import Client` beside the three modules that it cannot do without."""
    return start.importing(plan, "client-import", "Client", "keyring")


def _run(side: Side, program: str, *arguments: str) -> dict[str, float]:
    command = [str(side.python), str(CLIENTS / program), *arguments]
    paths = {"PYTHONPATH": str(ROOT)} if side.name == "floor" else {}
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, env=environment() | paths, cwd=ROOT, check=False, timeout=120
        )
    except subprocess.TimeoutExpired:
        raise Unusable("no end within 120 s") from None
    if done.returncode:
        raise Unusable((done.stderr.splitlines() or ["no output"])[-1])
    found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return found
