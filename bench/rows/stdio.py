"""Tools called over stdio: the round trip of one after another, and how many a second when nobody waits."""

import contextlib
import json
import os
import statistics
import subprocess
import threading
import time
from collections.abc import Callable, Iterator

from bench import calls
from bench.rows import Plan
from bench.sides import Side, Unusable, running
from bench.table import Row, Target, interleave

_SEQUENTIAL = 1_000
_PIPELINED = {"floor": 50_000, "dovetail": 50_000, "sdk": 1_500, "fastmcp": 1_000}
_TEMPLATE = calls.template(calls.call(calls.MODERN)) + b"\n"


def latency(plan: Plan) -> Row:
    """The median round trip, one call at a time."""
    row = Row(
        "stdio",
        "stdio tools/call, sequential",
        "µs",
        targets=[Target("of the floor, at most 1.4", "floor", most=1.4)],
    )
    return _measure(plan, row, lambda talk, side: talk.sequential(int(_SEQUENTIAL * plan.scale)))


def throughput(plan: Plan) -> Row:
    """Calls a second when all are written without waiting for answers."""
    row = Row(
        "stdio-pipelined",
        "stdio tools/call, pipelined",
        "calls/s",
        targets=[Target("of the SDK, at least 40 times", "sdk", least=40)],
    )
    return _measure(plan, row, lambda talk, side: talk.pipelined(int(_PIPELINED[side.name] * plan.scale)))


def _measure(plan: Plan, row: Row, measure: "Callable[[Talk, Side], float]") -> Row:
    runs: dict[str, Callable[[], float]] = {}
    for side in plan.those(row, "floor", "dovetail", "sdk", "fastmcp"):

        def measured(side: Side = side) -> float:
            # A process of its own for each round: where the kernel happens to put one would mark all of them.
            with talking(side.command()) as talk:
                talk.sequential(200)
                return measure(talk, side)

        try:
            measured()
        except Unusable as reason:
            row.notes.append(f"{side.name} left out: {reason}")
        else:
            runs[side.name] = measured
    interleave(row, runs, plan.rounds)
    return row


class Talk:
    """A client of a stdio server, on its bare descriptors."""

    def __init__(self, process: "subprocess.Popen[bytes]") -> None:
        assert process.stdin is not None and process.stdout is not None
        self.process = process
        self._write = process.stdin.fileno()
        self._read = process.stdout.fileno()
        self._number = calls.FIRST

    def ask(self, message: bytes) -> bytes:
        """Send one line; return the next."""
        try:
            os.write(self._write, message)
        except OSError:
            raise Unusable("the server ended") from None
        answer = b""
        while not answer.endswith(b"\n"):
            more = os.read(self._read, 65_536)
            if not more:
                raise Unusable("the server ended")
            answer += more
        return answer

    def sequential(self, count: int) -> float:
        """The median round trip in microseconds; each answer is verified outside of the measured time."""
        times = []
        for _ in range(count):
            self._number += 1
            request = _TEMPLATE % (self._number, self._number)
            started = time.perf_counter()
            answer = self.ask(request)
            times.append(time.perf_counter() - started)
            verify([answer], {self._number})
        return statistics.median(times) * 1e6

    def pipelined(self, count: int) -> float:
        """Calls a second, from the first byte written to the last one read; verified afterwards."""
        numbers = range(self._number + 1, self._number + 1 + count)
        self._number += count
        request = memoryview(b"".join(_TEMPLATE % (number, number) for number in numbers))
        writer = threading.Thread(target=self._write_all, args=(request,))
        chunks: list[bytes] = []
        lines = 0
        started = time.perf_counter()
        writer.start()
        while lines < count:
            chunk = os.read(self._read, 262_144)
            if not chunk:
                raise Unusable("the server ended")
            lines += chunk.count(b"\n")
            chunks.append(chunk)
        seconds = time.perf_counter() - started
        writer.join()
        verify(b"".join(chunks).splitlines(), set(numbers))
        return count / seconds

    def _write_all(self, data: memoryview) -> None:
        while data:
            data = data[os.write(self._write, data[:262_144]) :]


def verify(answers: list[bytes], numbers: set[int]) -> None:
    """Raise unless these are the right answers to these ids, each exactly once."""
    for line in answers:
        answer = json.loads(line)
        try:
            number = answer["id"]
            numbers.remove(number)
            calls.check_sum(answer, number, number + 1)
        except (KeyError, ValueError) as error:
            raise Unusable(f"{error}: {line[:200]!r}") from None
    if numbers:
        raise Unusable(f"{len(numbers)} calls were not answered")


@contextlib.contextmanager
def talking(command: list[str]) -> Iterator[Talk]:
    """A stdio server and a client of it."""
    with running(command, piped=True) as process:
        yield Talk(process)
