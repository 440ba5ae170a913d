"""What every client program does: call `add` again and again, check each sum, and print how long one took.

PROGRAM http URL COUNT
PROGRAM stdio COUNT ARGUMENT ...        the server's argument vector
"""

import asyncio
import json
import sys
import time
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from typing import Any

Add = Callable[[int, int], Awaitable[Any]]
WARM = 200


async def timed(add: Add, count: int) -> dict[str, float]:
    """Microseconds a call, on the clock and of the processor, once all is warm."""
    await several(add, WARM)
    started, before = time.perf_counter(), time.process_time()
    await several(add, count)
    wall, cpu = time.perf_counter() - started, time.process_time() - before
    return {"wall": wall / count * 1e6, "cpu": cpu / count * 1e6}


async def several(add: Add, count: int) -> None:
    for number in range(count):
        found = await add(number, 1)
        if found != number + 1:
            raise SystemExit(f"a wrong answer to {number} + 1: {found!r}")


def main(opened: Callable[[Any], AbstractAsyncContextManager[Add]]) -> None:
    """Run what the command line asks for; `opened` takes a URL or an argument vector."""
    target: Any = sys.argv[2] if sys.argv[1] == "http" else sys.argv[3:]
    count = int(sys.argv[3] if sys.argv[1] == "http" else sys.argv[2])

    async def run() -> dict[str, float]:
        async with opened(target) as add:
            return await timed(add, count)

    sys.stdout.write(json.dumps(asyncio.run(run())) + "\n")
