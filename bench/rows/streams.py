"""Ten thousand idle listen streams: what each one costs, and how long until all have heard of a change."""

import contextlib
import resource
import threading
import time
from collections.abc import Callable, Iterator

from bench import calls
from bench.driver import Driver, generator
from bench.machine import memory_mib
from bench.rows import Plan
from bench.sides import HttpServer, Side, Unusable, http_server
from bench.table import Row, Target, interleave

_STREAMS = 10_000
_GROW = calls.modern("tools/call", {"name": "grow", "arguments": {}})


def idle(plan: Plan) -> list[Row]:
    """Memory of the server for each stream, once a side; the broadcast in every round."""
    count = _count(plan)
    memory = Row(
        "listen",
        f"{count:,} idle listen streams, each",
        "KiB",
        targets=[Target("at most 24 KiB", most=24)],
        notes=[
            "resident memory of the server (not the kernel's), measured once",
            "100 client addresses, so that no limit on one's streams is raised",
        ],
    )
    broadcast = Row(
        "broadcast", f"a tool is added: all {count:,} heard of it", "ms", targets=[Target("at most 1 s", most=1000)]
    )
    if count < _STREAMS and plan.scale == 1.0:
        memory.notes.append(f"only {count:,}, as this system allows no more open files")
    with contextlib.ExitStack() as stack:
        runs: dict[str, Callable[[], float]] = {}
        for side in plan.those(memory, "floor", "dovetail"):
            try:
                server, driver = stack.enter_context(_ready(side))
                memory.rounds[side.name] = [_opened(server, driver, count)]
                _heard(server, driver)
            except Unusable as reason:
                memory.notes.append(f"{side.name} left out: {reason}")
            else:
                runs[side.name] = lambda server=server, driver=driver: _heard(server, driver)  # type: ignore[misc]
        interleave(broadcast, runs, plan.rounds)
    return [memory, broadcast]


def _count(plan: Plan) -> int:
    """As many as planned, or as this system's limit on open files allows."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))  # the server and the generator inherit it
    return min(int(_STREAMS * plan.scale), hard - 200)


@contextlib.contextmanager
def _ready(side: Side) -> Iterator[tuple[HttpServer, Driver]]:
    with http_server(side, "listen") as server, generator("bench.load_streams") as driver:
        server.ask(_GROW, calls.MODERN)  # whatever is made on the first use is made now
        driver.do("open", port=server.port, count=100)
        driver.do("close")
        yield server, driver


def _opened(server: HttpServer, driver: Driver, count: int) -> float:
    before, _ = memory_mib(server.process.pid)
    driver.do("open", port=server.port, count=count)
    after, _ = memory_mib(server.process.pid)
    return (after - before) * 1024 / count


def _heard(server: HttpServer, driver: Driver) -> float:
    """Milliseconds from the request that adds a tool until the last stream was told."""
    began: list[float] = []

    def grow() -> None:
        began.append(time.monotonic())
        server.ask(_GROW, calls.MODERN)

    asking = threading.Timer(0.2, grow)  # by then the generator waits
    asking.start()
    at = driver.do("run")["at"]
    asking.join()
    return float(at - began[0]) * 1e3
