"""Worker processes for tests: each opens the stores of one state directory, says `ready`, and obeys its standard input.

Run as `python -m tests.store.processes SCENARIO DIRECTORY [ARGUMENT ...]`; every line that is said is JSON.
"""

import asyncio
import contextlib
import json
import os
import resource
import sys
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from dovetail.core import Fresh, Running, Settled
from dovetail.errors import Disconnected, StoreUnusable
from dovetail.store import SqliteStores

ROOT = Path(__file__).parents[2]


class Process:
    """The test's end of a worker process."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        assert process.stdin is not None
        assert process.stdout is not None
        self._process = process
        self._stdin, self._stdout = process.stdin, process.stdout

    async def hear(self) -> Any:
        """The next thing that the process says."""
        line = await self._stdout.readline()
        assert line, "the process ended"
        return json.loads(line)

    def tell(self, text: str = "go") -> None:
        self._stdin.write(text.encode() + b"\n")

    async def kill(self) -> None:
        """SIGKILL: nothing in the process gets to run any more."""
        with contextlib.suppress(ProcessLookupError):
            self._process.kill()
        await self._process.communicate()

    async def end(self) -> None:
        """Let it close its stores and leave."""
        self._stdin.close()
        await self._process.wait()
        assert self._process.returncode == 0


async def start(scenario: str, directory: str, *arguments: str) -> Process:
    """Start a worker and wait until its stores are open."""
    command = [sys.executable, "-m", "tests.store.processes", scenario, directory, *arguments]
    pipe = asyncio.subprocess.PIPE
    process = Process(await asyncio.create_subprocess_exec(*command, stdin=pipe, stdout=pipe, cwd=ROOT))
    assert await process.hear() == "ready"
    return process


def say(what: object) -> None:
    os.write(1, json.dumps(what).encode() + b"\n")


async def told() -> str:
    """The next line from the test; "" when there will be none."""
    line: str = await asyncio.to_thread(sys.stdin.readline)
    return line.strip()


def note(path: str, line: str) -> None:
    with open(path, "a") as file:
        file.write(f"{line}\n")


async def burn(stores: SqliteStores, *nonces: str) -> None:
    """Burn every nonce 50 times at once; say how often it worked for each."""
    await told()
    for nonce in nonces:
        say(sum(await asyncio.gather(*[stores.ledger.burn(nonce, 60.0) for _ in range(50)])))


async def once(stores: SqliteStores, effects: str, count: str) -> None:
    """Do each of `count` side effects at most once, 5 tries each at a time; say the results that everybody saw."""

    async def attempt(name: str) -> str:
        claim = await stores.ledger.claim("call", name, 60.0)
        if isinstance(claim, Running):
            claim = await stores.ledger.wait("call", name)
        if isinstance(claim, Fresh):
            note(effects, name)
            await stores.ledger.settle("call", name, f"{name} by {os.getpid()}".encode())
            claim = await stores.ledger.claim("call", name, 60.0)
        assert isinstance(claim, Settled)
        return claim.value.decode()

    await told()
    say(await asyncio.gather(*[attempt(f"n{number}") for number in range(int(count)) for _ in range(5)]))


async def hold(stores: SqliteStores, name: str) -> None:
    """Claim, and never settle before being told to."""
    say(type(await stores.ledger.claim("call", name, 3600.0)).__name__)
    if await told() == "settle":
        await stores.ledger.settle("call", name, b"done")
        say("settled")


async def echo(stores: SqliteStores, sockets: str = "") -> None:
    """Answer every message of `ping` on `pong`."""
    messages: asyncio.Queue[bytes] = asyncio.Queue()
    stores.bus.subscribe("ping", messages.put_nowait)
    say("subscribed")

    async def answer() -> None:
        while True:
            await stores.bus.publish("pong", await messages.get())

    task = asyncio.create_task(answer())
    await told()
    task.cancel()


async def deliver(stores: SqliteStores, message: str) -> None:
    """Deliver what is due, mark it, append a message, say so, and wait to be killed before it is delivered."""
    due = await stores.events.after("session", "stream", await stores.events.marked("session", "stream") or 0)
    say([body.decode() for _, body in due])
    for sequence, _ in due:
        await stores.events.mark("session", "stream", sequence)
    say(await stores.events.append("session", "stream", message.encode()))
    await told()


async def pour(stores: SqliteStores, name: str) -> None:
    """Append without end, eight at a time, and say each number once it was acknowledged."""

    async def one(worker: int) -> None:
        number = 0
        while True:
            number += 1
            body = f"{name}/{worker}/{number}"
            say([await stores.events.append("session", "stream", body.encode()), body])

    await asyncio.gather(*map(one, range(8)))


async def fill(stores: SqliteStores) -> None:
    """Write until the files may not grow any more; say how that shows, and what works again when they may."""
    _, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (2_000_000, hard))
    written = 0
    try:
        while True:
            await stores.sessions.save(f"s{written}", bytes(100_000), 60.0)
            written += 1
    except Disconnected as error:
        say([type(error).__name__, str(error)])
    resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))
    await stores.sessions.save("after", b"works", 60.0)
    say([written == await stores.sessions.count() - 1, (await stores.sessions.load("after") or b"").decode()])


SCENARIOS: dict[str, Callable[..., Awaitable[None]]] = {
    function.__name__: function for function in (burn, once, hold, echo, deliver, pour, fill)
}


async def main(scenario: str, directory: str, *arguments: str) -> None:
    stores = SqliteStores(directory, time.time, sockets="poll" not in arguments)
    try:
        await stores.open()
    except StoreUnusable as error:
        say("ready")
        say(str(error))
        return
    say("ready")
    await SCENARIOS[scenario](stores, *arguments)
    await stores.aclose()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
