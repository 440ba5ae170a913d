"""Tools called over HTTP: processor time of the server for each request."""

import statistics
from collections.abc import Callable

from bench import calls
from bench.driver import Driver, generator
from bench.machine import cpu_seconds
from bench.rows import Plan
from bench.sides import HttpServer, Side, Unusable, http_server
from bench.table import Row, Target, interleave

CONNECTIONS = 16
_SECONDS = 1.0
_WARM = 0.3
_MARGIN = 1.5  # the generator must be able to do this many times the floor's rate
RAISED = "raised: calls of one principal 200/s -> 10^9/s"


def modern(plan: Plan) -> Row:
    """The stateless revision."""
    row = Row(
        "http",
        "HTTP tools/call, 2026-07-28",
        "µs cpu",
        targets=[
            Target("of the floor, at most 1.5 (aim 1.3)", "floor", most=1.5),
            Target("of the SDK, at most 1/6 (aim 1/9)", "sdk", most=1 / 6),
        ],
        notes=[RAISED],
    )
    return _measure(plan, row, "add", "plain", calls.MODERN)


def modern_await(plan: Plan) -> Row:
    """The same with a handler that awaits once; so does the floor's."""
    row = Row("http-await", "the same, the handler awaits once", "µs cpu", notes=["the floor awaits once, too", RAISED])
    return _measure(plan, row, "add_later", "plain", calls.MODERN)


def sessions(plan: Plan) -> Row:
    """Sixteen sessions of the last stateful revision."""
    row = Row(
        "http-sessions",
        "HTTP tools/call, 16 sessions of 2025-11-25",
        "µs cpu",
        targets=[
            Target("of the floor, at most 1.8", "floor", most=1.8),
            Target("of the SDK, at most 1/5", "sdk", most=1 / 5),
        ],
        notes=[RAISED],
    )
    return _measure(plan, row, "add", "sessions", calls.STATEFUL)


def _measure(plan: Plan, row: Row, tool: str, mode: str, revision: str) -> Row:
    capacity: list[float] = []
    runs: dict[str, Callable[[], float]] = {}
    for side in plan.those(row, "floor", "dovetail", "sdk", "fastmcp"):

        def measured(side: Side = side) -> float:
            return _fresh(side, plan, tool, mode, revision, capacity)

        try:
            measured()
        except Unusable as reason:
            row.notes.append(f"{side.name} left out: {reason}")
        else:
            runs[side.name] = measured
    capacity.clear()
    interleave(row, runs, plan.rounds)
    floor = row.median("floor")
    if floor and capacity:
        able = statistics.median(capacity) * floor / 1e6
        row.notes.append(f"the generator could do {able:.1f} times the floor's rate")
        if able < _MARGIN:
            row.void = f"the load generator reaches only {able:.2f} times the floor's rate"
    return row


def _fresh(side: Side, plan: Plan, tool: str, mode: str, revision: str, capacity: list[float]) -> float:
    """One round on a server of its own: verified, warmed up, measured."""
    if side.name == "floor":
        mode = "await" if tool == "add_later" else "plain"
    with http_server(side, mode) as server, generator() as driver:
        verify(server, tool, revision)
        sessions = [server.open_session() if revision == calls.STATEFUL else "" for _ in range(CONNECTIONS)]
        templates = [template(server.port, tool, revision, session) for session in sessions]
        _round(server, driver, templates, _WARM * plan.scale, [])
        return _round(server, driver, templates, _SECONDS * plan.scale, capacity if side.name == "floor" else [])


def _round(server: HttpServer, driver: Driver, templates: list[str], seconds: float, capacity: list[float]) -> float:
    driver.do("open", port=server.port, templates=templates)
    before = cpu_seconds(server.process.pid)
    done = driver.do("run", seconds=seconds)
    used = cpu_seconds(server.process.pid) - before
    driver.do("close")
    capacity.append(done["count"] / done["cpu"])
    return float(used / done["count"] * 1e6)


def verify(server: HttpServer, tool: str, revision: str) -> None:
    """Raise `Unusable` unless the side answers calls of the tool correctly."""
    session = server.open_session() if revision == calls.STATEFUL else ""
    for a in (2, 40_000):
        answer, _ = server.ask(calls.call(revision, tool, a), revision, session)
        try:
            calls.check_sum(answer, 0, a + 1, revision)
        except ValueError as error:
            raise Unusable(str(error)) from None


def template(port: int, tool: str, revision: str, session: str) -> str:
    """A whole request, to be completed by `% (id, a)`; as text, for JSON."""
    message = calls.call(revision, tool)
    body = calls.template(message)
    length = len(body % (calls.FIRST, calls.FIRST))
    return (calls.post(port, calls.headers(revision, message, session), length) + body).decode("latin-1")
