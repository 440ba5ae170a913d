"""Both adapters behind one fixture, and a clock that moves when it is told to."""

from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from dovetail.core import Stores
from dovetail.store import MemoryStores, SqliteStores
from tests.store.processes import Process, start

START = 1_000_000.0


class Clock:
    def __init__(self) -> None:
        self.now = START

    def __call__(self) -> float:
        return self.now

    def forward(self, seconds: float) -> None:
        self.now += seconds


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture(params=["memory", "sqlite"])
async def stores(request: pytest.FixtureRequest, tmp_path: Path, clock: Clock) -> AsyncIterator[Stores]:
    """Whatever a port promises holds for each adapter; streams hold four messages and are kept for 100 s."""
    adapter: Stores
    if request.param == "memory":
        adapter = MemoryStores(clock, idle=100.0)
    else:
        adapter = SqliteStores(tmp_path / "state", clock, idle=100.0)
    await adapter.open()
    yield adapter
    await adapter.aclose()


@pytest.fixture
async def process(tmp_path: Path) -> AsyncIterator[Callable[..., "object"]]:
    """Start a worker process on the state directory `tmp_path / "state"`; all are killed in the end."""
    started: list[Process] = []

    async def begin(scenario: str, *arguments: str) -> Process:
        started.append(await start(scenario, str(tmp_path / "state"), *arguments))
        return started[-1]

    yield begin
    for one in started:
        await one.kill()
