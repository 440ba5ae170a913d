"""The files server beside its namesake, reading; and beside bare ripgrep, searching."""

import contextlib
import fcntl
import json
import os
import random
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections import deque
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

from bench import calls
from bench.rows import Plan
from bench.rows.stdio import Talk, talking
from bench.sides import ROOT, Unusable, environment
from bench.table import Row, Target, interleave, number

_FILES, _LARGEST = 10_000, 64 * 1024
_TREE_FILES, _TREE_BYTES = 5_000, 100_000_000
_NEEDLE, _EVERY = "heliotrope_needle", 100
_NPM = ROOT / "tests" / "npm" / "node_modules" / "@modelcontextprotocol" / "server-filesystem" / "dist" / "index.js"
_BARE = ROOT / "bench" / "servers" / "bare_files.py"
_SEED = 20_260_728
_PIPE = 1 << 20
_BUFFER = memoryview(bytearray(4 * _PIPE))


def reading(plan: Plan) -> Row:
    """`read_text_file` of 10,000 files of 1 byte to 64 KiB, one after another, over bare pipes."""
    row = Row(
        "files-read",
        "files: reading 10,000 files of up to 64 KiB, sequential",
        "µs",
        targets=[Target("of npm server-filesystem, at most 1/3", "npm", most=1 / 3)],
        notes=[
            "wall clock of all calls, divided by their number: stretches of some 90 calls without a pause, and after "
            "each every answer is verified, untimed; sizes evenly spread, every tenth file with letters beyond ASCII",
            "the bare loop reads a line, reads the file that it names, and writes it back: no server",
        ],
    )
    with tempfile.TemporaryDirectory(prefix="bench-files-") as folder:
        paths = _small_files(Path(folder), max(20, int(_FILES * plan.scale)))
        sides = {"floor": [sys.executable, str(_BARE)], "dovetail": _ours(folder), **_npm(folder, row)}
        used: dict[str, list[float]] = {name: [] for name in sides}
        runs: dict[str, Callable[[], float]] = {
            name: partial(_read_all, command, paths, used[name]) for name, command in sides.items()
        }
        interleave(row, runs, min(3, plan.rounds))
    times = ", ".join(f"{name} {number(statistics.median(found))} µs" for name, found in used.items())
    row.notes.append(f"processor time of the server for each call: {times}")
    return row


def searching(plan: Plan) -> Row:
    """`search_text` over a tree of 100 MB, by a fixed text that stands in every hundredth file."""
    row = Row(
        "files-search",
        "files: searching 100 MB by content",
        "ms",
        targets=[Target("of bare ripgrep on the same arguments, at most 1.5", "rg", most=1.5)],
        notes=["wall clock; the tree is in the page cache"],
    )
    ripgrep = shutil.which("rg") or shutil.which("rg", path=str(Path(sys.executable).parent))
    if ripgrep is None:
        row.void = "ripgrep is not installed"
        return row
    count = max(10, int(_TREE_FILES * plan.scale))
    with tempfile.TemporaryDirectory(prefix="bench-files-") as folder, contextlib.ExitStack() as stack:
        _tree(Path(folder), count, max(1, count // _EVERY))
        expected = max(1, count // _EVERY)
        own = stack.enter_context(_talking(_ours(folder, "--ripgrep", "none")))
        ours = stack.enter_context(_talking(_ours(folder, "--ripgrep", ripgrep)))
        runs: dict[str, Callable[[], float]] = {
            "rg": partial(_bare, ripgrep, folder, expected),
            "dovetail": partial(_search, ours, expected, "ripgrep"),
            "own": partial(_search, own, expected, "own"),
        }
        for run in runs.values():
            run()
        interleave(row, runs, plan.rounds)
    return row


def _ours(folder: str, *options: str) -> list[str]:
    return [sys.executable, "-m", "dovetail", "serve", "files", folder, *options]


def _npm(folder: str, row: Row) -> dict[str, list[str]]:
    node = shutil.which("node", path=str(Path(sys.executable).parent)) or shutil.which("node")
    if node is None or not _NPM.exists():
        row.notes.append("npm server-filesystem is not installed")
        return {}
    return {"npm": [node, str(_NPM), folder]}


@contextlib.contextmanager
def _talking(command: list[str]) -> Iterator[Talk]:
    """A server with which hands were shaken."""
    with talking(command) as talk:
        for pipe in _pipes(talk):
            fcntl.fcntl(pipe, fcntl.F_SETPIPE_SZ, _PIPE)
        if b'"result"' not in talk.ask(json.dumps({**calls.INITIALIZE, "id": 1}).encode() + b"\n"):
            raise Unusable("initialize was refused")
        with contextlib.suppress(OSError):
            talk.process.stdin.write(json.dumps(calls.INITIALIZED).encode() + b"\n")  # type: ignore[union-attr]
        yield talk


def _call(talk: Talk, identifier: int, tool: str, arguments: dict[str, Any]) -> tuple[float, dict[str, Any]]:
    request = _request(identifier, tool, arguments)
    started = time.perf_counter()
    size = _ask(talk, request)
    seconds = time.perf_counter() - started
    answer = bytes(_BUFFER[:size])
    found = json.loads(answer)
    while "id" not in found or "method" in found:  # a notice, or a question that nobody has to answer
        found = json.loads(talk.ask(b""))
    if found["id"] != identifier or "result" not in found:
        raise Unusable(f"no result: {answer[:200]!r}")
    return seconds, found["result"]


def _request(identifier: int, tool: str, arguments: dict[str, Any]) -> bytes:
    message = calls.stateful("tools/call", {"name": tool, "arguments": arguments})
    return json.dumps({**message, "id": identifier}).encode() + b"\n"


def _pipes(talk: Talk) -> tuple[int, int]:
    """What is written to, and what is read from."""
    process = talk.process
    assert process.stdin is not None and process.stdout is not None
    return process.stdin.fileno(), process.stdout.fileno()


def _ask(talk: Talk, request: bytes, begin: int = 0) -> int:
    """Send one line and take the next, at the least cost: both sides pay for what the client does itself.

    The answer lies in the buffer from `begin` on; returns its end.
    """
    write, read = _pipes(talk)
    os.write(write, request)
    end = begin
    while end == begin or _BUFFER[end - 1] != 10:
        more = os.readv(read, [_BUFFER[end:]])
        if not more:
            raise Unusable("the server ended")
        end += more
    return end


def _read_all(command: list[str], paths: dict[str, str], used: list[float]) -> float:
    waiting = deque(
        (at, path, _request(at, "read_text_file", {"path": path})) for at, path in enumerate(paths, calls.FIRST)
    )
    with _talking(command) as talk:
        for at, path in enumerate(list(paths)[:50]):
            _call(talk, 10 + at, "read_text_file", {"path": path})
        seconds, before = 0.0, _processor(talk.process.pid)
        while waiting:
            seconds += _stretch(talk, waiting, paths)
        used.append((_processor(talk.process.pid) - before) / len(paths) / 1e3)
    return seconds / len(paths) * 1e6


def _stretch(talk: Talk, waiting: "deque[tuple[int, str, bytes]]", paths: dict[str, str]) -> float:
    """Read files one after another until the buffer is full of answers; then look at each of them."""
    end, answers = 0, list[tuple[int, str, int, int]]()
    started = time.perf_counter()
    while waiting and end < len(_BUFFER) - _PIPE:
        identifier, path, request = waiting.popleft()
        begin, end = end, _ask(talk, request, end)
        answers.append((identifier, path, begin, end))
    seconds = time.perf_counter() - started
    for identifier, path, begin, end in answers:
        found = json.loads(bytes(_BUFFER[begin:end]))
        if found.get("id") != identifier or found["result"]["content"][0]["text"] != paths[path]:
            raise Unusable(f"another text than that of {path}")
    return seconds


def _processor(process: int) -> int:
    """Nanoseconds of processor time that a process, and those that it started, have used."""
    total = 0
    for task in Path(f"/proc/{process}/task").iterdir():
        total += int((task / "schedstat").read_text().split()[0])
        total += sum(_processor(int(child)) for child in (task / "children").read_text().split())
    return total


def _search(talk: Talk, expected: int, engine: str) -> float:
    arguments = {"pattern": _NEEDLE, "limit": 1000}
    seconds, result = _call(talk, 7, "search_text", arguments)
    found = result["structuredContent"]
    if len(found["matches"]) != expected or found["engine"] != engine:
        raise Unusable(f"{len(found['matches'])} lines by {found['engine']}")
    return seconds * 1e3


def _bare(program: str, folder: str, expected: int) -> float:
    """Ripgrep, as the server calls it."""
    from dovetail.servers.files.finding import Wish, ripgrep_command

    command = ripgrep_command(program, Wish(pattern=_NEEDLE, most=1000), one_file=False)
    started = time.perf_counter()
    done = subprocess.run(command, cwd=folder, env=environment(), capture_output=True, check=True)
    seconds = time.perf_counter() - started
    if done.stdout.count(b'{"type":"match"') != expected:
        raise Unusable("bare ripgrep found something else")
    return seconds * 1e3


def _lines(random_: random.Random, size: int) -> str:
    """Text as it stands in programs and pages: words, quotes, some letters beyond ASCII; exactly so many bytes."""
    words = ["def", "return", '"text"', "value", "=", "self.name", "für", "(x, y):", "\\n", "import", "0x1f", "the"]
    lines, held = [], 0
    while held < size:
        line = " " * random_.choice((0, 4, 8)) + " ".join(random_.choices(words, k=random_.randint(3, 14)))
        lines.append(line)
        held += len(line.encode()) + 1
    return ("\n".join(lines) + "\n").encode()[:size].decode("utf-8", "ignore")


def _small_files(folder: Path, count: int) -> dict[str, str]:
    random_ = random.Random(_SEED)
    paths: dict[str, str] = {}
    text = _lines(random_, 4 * _LARGEST)
    for at in range(count):
        path = folder / f"d{at % 100:02}" / f"file{at:05}.txt"
        path.parent.mkdir(exist_ok=True)
        start = random_.randrange(3 * _LARGEST // 2)
        part = text[start : start + random_.randint(1, _LARGEST)].encode()[:_LARGEST].decode("utf-8", "ignore")
        part = part if at % 10 == 0 else part.replace("ü", "u")
        path.write_bytes(part.encode())
        paths[str(path)] = part
    return paths


def _tree(folder: Path, count: int, needles: int) -> None:
    random_ = random.Random(_SEED)
    size = _TREE_BYTES // _TREE_FILES
    text = _lines(random_, 8 * size)
    for at in range(count):
        path = folder / f"package{at % 50:02}" / f"module{at % 7}" / f"file{at:05}.py"
        path.parent.mkdir(parents=True, exist_ok=True)
        start = random_.randrange(6 * size)
        part = text[start : start + size]
        if at < needles:
            part = part[: size // 2] + f"\n# {_NEEDLE}\n" + part[size // 2 :]
        path.write_text(part, encoding="utf-8")
