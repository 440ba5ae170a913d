"""The git server beside its namesake: the log of ten thousand commits, by a server just begun and by one that runs."""

import contextlib
import json
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

from bench import calls
from bench.rows import Plan
from bench.rows.stdio import Talk, talking
from bench.sides import ROOT, Unusable
from bench.table import Row, Target, interleave, number

_COMMITS = 10_000
_AGAIN = 5
NAMESAKES = Path(os.environ.get("DOVETAIL_NAMESAKES", ROOT / ".venv-namesakes"))
_NAMESAKE = "mcp-server-git"


def first_log(plan: Plan) -> list[Row]:
    """`git_log` of all commits, once in a fresh server and then again, over bare pipes."""
    rows = [
        Row(
            "git-log-first",
            "git: log of 10,000 commits, the first call of a server",
            "ms",
            targets=[Target(f"of {_NAMESAKE}, at most 1/5", "namesake", most=1 / 5)],
            notes=["wall clock of the call after git_status; packed repository; every commit of every answer checked"],
        ),
        Row(
            "git-log",
            "git: log of 10,000 commits, later calls",
            "ms",
            targets=[Target(f"of {_NAMESAKE}, at most 1/5", "namesake", most=1 / 5)],
            notes=[
                f"the mean of {_AGAIN} calls of one server, which remembers commits; the namesake starts git each time"
            ],
        ),
    ]
    count = max(50, int(_COMMITS * plan.scale))
    with tempfile.TemporaryDirectory(prefix="bench-git-") as folder:
        subjects = _repository(Path(folder) / "repo", count)
        sides = _sides(str(Path(folder) / "repo"), rows)
        for command, arguments in sides.values():  # one round that counts for nothing: what is read is in memory then
            _measured(command, {**arguments, "max_count": count}, subjects)
        _interleaved(rows, sides, subjects, count, plan.rounds)
    for row in rows:
        if (found := row.median("namesake")) is not None:
            row.notes.append(f"{_NAMESAKE}: {number(found)} {row.unit}")
    return rows


def _interleaved(
    rows: list[Row], sides: dict[str, tuple[list[str], dict[str, Any]]], subjects: list[str], count: int, rounds: int
) -> None:
    """Both figures come of one server a round: the first call, and those after it."""
    later: dict[str, list[float]] = {}

    def run(name: str) -> float:
        command, arguments = sides[name]
        first, again = _measured(command, {**arguments, "max_count": count}, subjects)
        later.setdefault(name, []).append(again)
        return first

    runs: dict[str, Callable[[], float]] = {name: partial(run, name) for name in sides}
    interleave(rows[0], runs, rounds)
    rows[1].rounds = later


def _sides(repository: str, rows: list[Row]) -> dict[str, tuple[list[str], dict[str, Any]]]:
    ours = [sys.executable, "-m", "dovetail", "serve", "git", repository]
    sides: dict[str, tuple[list[str], dict[str, Any]]] = {"dovetail": (ours, {})}
    program = NAMESAKES / "bin" / _NAMESAKE
    missing = None if program.exists() else f"{_NAMESAKE} is not installed in {NAMESAKES.name}"
    if missing is None and shutil.which("git") is None:
        missing = f"{_NAMESAKE} needs the git program, and there is none"
    if missing is not None:
        for row in rows:
            row.notes.append(missing)
    else:
        sides["namesake"] = ([str(program), "--repository", repository], {"repo_path": repository})
    return sides


def _repository(path: Path, count: int) -> list[str]:
    """Make a repository with so many commits, packed as a clone is; return their first lines, newest first."""
    import pygit2

    repository = pygit2.init_repository(str(path), initial_head="main")
    parents: list[pygit2.Oid] = []
    for at in range(count):
        builder = repository.TreeBuilder()
        builder.insert(f"file-{at % 10}.txt", repository.create_blob(b"line %d\n" % at), 0o100644)
        by = pygit2.Signature("Ann Author", "ann@example.com", 1_700_000_000 + 60 * at, 60)
        message = f"Change number {at}\n\nFor the reason of number {at}.\n"
        parents = [repository.create_commit("refs/heads/main", by, by, message, builder.write(), parents)]
    repository.pack()
    for folder in (path / ".git" / "objects").iterdir():
        if len(folder.name) == 2:
            shutil.rmtree(folder)
    return [f"Change number {at}" for at in reversed(range(count))]


@contextlib.contextmanager
def _opened(command: list[str]) -> Iterator[Talk]:
    with talking(command) as talk:
        if b'"result"' not in talk.ask(json.dumps({**calls.INITIALIZE, "id": 1}).encode() + b"\n"):
            raise Unusable("initialize was refused")
        assert talk.process.stdin is not None
        talk.process.stdin.write(json.dumps(calls.INITIALIZED).encode() + b"\n")
        yield talk


def _measured(command: list[str], arguments: dict[str, Any], subjects: list[str]) -> tuple[float, float]:
    """Return milliseconds of the first log of a server, and the mean of those that follow."""
    with _opened(command) as talk:
        status = {name: value for name, value in arguments.items() if name == "repo_path"}
        _call(talk, 2, "git_status", status)
        first, later = 0.0, []
        for at in range(_AGAIN + 1):
            seconds, result = _call(talk, 3 + at, "git_log", arguments)
            _check(result, subjects)
            if at:
                later.append(seconds)
            else:
                first = seconds
    return first * 1e3, sum(later) / len(later) * 1e3


def _call(talk: Talk, identifier: int, tool: str, arguments: dict[str, Any]) -> tuple[float, dict[str, Any]]:
    message = {**calls.stateful("tools/call", {"name": tool, "arguments": arguments}), "id": identifier}
    request = json.dumps(message).encode() + b"\n"
    started = time.perf_counter()
    answer = talk.ask(request)
    seconds = time.perf_counter() - started
    found = json.loads(answer)
    if found.get("id") != identifier or found.get("result", {}).get("isError"):
        raise Unusable(f"no result: {answer[:200]!r}")
    return seconds, found["result"]


def _check(result: dict[str, Any], subjects: list[str]) -> None:
    """Both sides tell of all commits: id, author, date and message."""
    text = result["content"][0]["text"]
    if "structuredContent" in result:
        commits = result["structuredContent"]["commits"]
        found = [one["message"].partition("\n")[0] for one in commits]
        whole = all(one["commit"] and one["author"] and one["date"] for one in commits)
    else:
        found = [line.removeprefix("Message: ") for line in text.split("\n") if line.startswith("Message: ")]
        whole = text.count("Commit: ") == text.count("Author: ") == text.count("Date: ") == len(subjects)
    if found != subjects or not whole:
        raise Unusable(f"{len(found)} commits of {len(subjects)}, or not all of them")
