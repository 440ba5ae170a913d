"""Starting: the time to the first answer, the memory after it, and what an import costs."""

import subprocess
import sys
import time
from collections.abc import Callable

from bench import calls
from bench.machine import memory_mib
from bench.rows import Plan
from bench.rows.stdio import talking, verify
from bench.sides import ROOT, SIDES, Unusable, environment
from bench.table import Row, Target, interleave

_ASK = calls.template(calls.call(calls.MODERN)) % (calls.FIRST, calls.FIRST) + b"\n"
_HEAVY = ("typer", "rich", "uvicorn", "aiohttp", "cryptography", "jsonschema_rs", "pydantic", "sqlite3", "ssl")


def file(plan: Plan) -> Row:
    """`python FILE` on every side."""
    row = Row(
        "start",
        "start to first answer over stdio, python FILE",
        "ms",
        targets=[Target("of the SDK, at most 0.35", "sdk", most=0.35)],
    )
    commands = {side.name: side.command() for side in plan.those(row, "floor", "dovetail", "sdk", "fastmcp")}
    return _measure(plan, row, commands, first_answer)


def command(plan: Plan) -> Row:
    """`dovetail run FILE`, and FastMCP's counterpart; of the SDK `python FILE`, as `mcp run` needs an extra."""
    row = Row(
        "start-command",
        "start to first answer over stdio, dovetail run FILE",
        "ms",
        targets=[Target("of the SDK, at most 0.35", "sdk", most=0.35)],
        notes=["the SDK: python FILE; FastMCP: fastmcp run FILE"],
    )
    commands = {}
    for side in plan.those(row, "dovetail", "sdk", "fastmcp"):
        commands[side.name] = side.command()
        if side.name == "dovetail":
            commands[side.name] = [str(side.python.with_name("dovetail")), "run", str(side.script)]
        elif side.name == "fastmcp":
            commands[side.name] = [
                *(str(side.python.with_name("fastmcp")), "run", str(side.script), "--no-banner", "--skip-env")
            ]
    return _measure(plan, row, commands, first_answer)


def memory(plan: Plan) -> Row:
    """What the process holds after its first answer."""
    row = Row(
        "memory",
        "memory after the first answer (resident)",
        "MiB",
        targets=[Target("of the SDK, at most 0.5", "sdk", most=0.5)],
    )
    commands = {side.name: side.command() for side in plan.those(row, "floor", "dovetail", "sdk", "fastmcp")}
    shares: dict[str, float] = {}

    def held(command: list[str]) -> float:
        with talking(command) as talk:
            verify([talk.ask(_ASK)], {calls.FIRST})
            resident, shares[command[1]] = memory_mib(talk.process.pid)
            return resident

    _measure(plan, row, commands, held)
    sides = {str(side.script): side.name for side in SIDES.values()}
    row.notes.append("proportional: " + ", ".join(f"{sides[name]} {share:.1f}" for name, share in shares.items()))
    return row


def first_answer(command: list[str]) -> float:
    """Milliseconds from the start of a process to the answer to a call that was written at once."""
    started = time.perf_counter()
    with talking(command) as talk:
        answer = talk.ask(_ASK)
        seconds = time.perf_counter() - started
        verify([answer], {calls.FIRST})
    return seconds * 1e3


def _measure(plan: Plan, row: Row, commands: dict[str, list[str]], measure: Callable[[list[str]], float]) -> Row:
    runs: dict[str, Callable[[], float]] = {}
    for name, command in commands.items():
        try:
            for _ in range(2):  # the first may have to compile
                measure(command)
        except (Unusable, OSError) as reason:
            row.notes.append(f"{name} left out: {reason}")
        else:
            runs[name] = lambda command=command: measure(command)  # type: ignore[misc]
    interleave(row, runs, plan.rounds)
    return row


_TIMED = "import time; t = time.process_time(); {}; print(time.process_time() - t)"
_LOADED = "import sys; from dovetail import {}; print(*[name for name in {!r} if name in sys.modules])"


def imports(plan: Plan) -> Row:
    """`from dovetail import Server` beside the three modules that it cannot do without."""
    return importing(plan, "import", "Server")


def importing(plan: Plan, key: str, name: str, *heavy: str) -> Row:
    """The import of one name; nothing heavy may come with it."""
    row = Row(
        key,
        f"from dovetail import {name}; floor: import asyncio, msgspec, inspect",
        "ms cpu",
        targets=[Target("of the floor, at most 1.4", "floor", most=1.4)],
        notes=["processor time of the import statement alone"],
    )
    statements = {"floor": "import asyncio, msgspec, inspect", "dovetail": f"from dovetail import {name}"}
    runs: dict[str, Callable[[], float]] = {}
    for side in (each for each in statements if each in plan.sides):
        code = _TIMED.format(statements[side])
        try:
            _python(code)
        except Unusable as reason:
            row.notes.append(f"{side} left out: {reason}")
        else:
            runs[side] = lambda code=code: float(_python(code)) * 1e3  # type: ignore[misc]
    interleave(row, runs, plan.rounds * 3)
    if "dovetail" in runs:
        those = (*_HEAVY, *heavy)
        loaded = _python(_LOADED.format(name, those))
        row.notes.append(f"loaded that should not be: {loaded}" if loaded else f"none of {', '.join(those)} is loaded")
    return row


def _python(code: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env=environment(), cwd=ROOT, check=False
    )
    if done.returncode:
        raise Unusable((done.stderr.splitlines() or ["no output"])[-1])
    return done.stdout.strip()
