"""`tools/list` of a thousand tools over HTTP, by two viewers, while tools are added."""

import contextlib
from collections.abc import Callable, Iterator

from bench import calls
from bench.driver import generator
from bench.machine import cpu_seconds
from bench.rows import Plan
from bench.sides import Side, Unusable, http_server
from bench.table import Row, Target, interleave

_EVERY = 100
_LISTS = {"floor": 400, "dovetail": 400, "sdk": 100, "fastmcp": 100}


def thousand(plan: Plan) -> Row:
    """Processor time of the server for each list, what the additions cost included."""
    row = Row(
        "list",
        "HTTP tools/list of 1,000 tools, two viewers, one added every 100 lists",
        "µs cpu",
        targets=[Target("of the SDK, at most 1/100", "sdk", most=1 / 100)],
        notes=[
            "every list after an addition is read by both viewers and verified",
            "Dovetail's viewers see different tools (scopes), the others' the same",
            "raised: calls of one principal 200/s -> 10^9/s",
        ],
    )
    with contextlib.ExitStack() as stack:
        runs: dict[str, Callable[[], float]] = {}
        for side in plan.those(row, "floor", "dovetail", "sdk", "fastmcp"):
            try:
                runs[side.name] = stack.enter_context(_ready(side, plan))
            except Unusable as reason:
                row.notes.append(f"{side.name} left out: {reason}")
        interleave(row, runs, plan.rounds)
    return row


@contextlib.contextmanager
def _ready(side: Side, plan: Plan) -> Iterator[Callable[[], float]]:
    total = _LISTS[side.name] if plan.scale == 1.0 else 20
    with http_server(side, "list") as server, generator() as driver:
        lists = [_template(server.port, calls.modern("tools/list", {}), viewer) for viewer in ("admin", "guest")]
        grow = _template(server.port, calls.modern("tools/call", {"name": "grow", "arguments": {}}), "admin")

        def measured() -> float:
            driver.do("open_viewers", port=server.port, lists=lists, grow=grow)
            before = cpu_seconds(server.process.pid)
            done = driver.do("run", total=total, every=min(_EVERY, total))
            used = cpu_seconds(server.process.pid) - before
            driver.do("close")
            return float(used / done["count"] * 1e6)

        measured()
        yield measured


def _template(port: int, message: dict[str, object], viewer: str) -> str:
    body = calls.template(message, argument=False)
    fields = calls.headers(calls.MODERN, message, X_Viewer=viewer)
    return (calls.post(port, fields, len(body % calls.FIRST)) + body).decode("latin-1")
