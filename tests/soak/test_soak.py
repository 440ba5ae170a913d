"""A server under mixed traffic keeps nothing of it: not of calls, errors, questions, streams or clients that left.

Two forms. The churn sends as much as fits into seconds and looks at every counter. The soak goes on for as long as R-39
says (a minute; half an hour with `DOVETAIL_LONG=1`), thirty requests a second, so that what timers do is done, too.
"""

import asyncio
import itertools
import os
import time
from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from pathlib import Path

import pytest

from tests.soak.traffic import Client, Kind, piped, web

LONG = bool(os.environ.get("DOVETAIL_LONG"))
MEBIBYTE = 1 << 20
WARM = 40
"""Rounds until every cache is full and every thread has started."""
LEVEL = 4 * MEBIBYTE
"""What the allocator may take for itself in a short form, in which every counter is exact."""
DEADLINES = "store.expiring.Expiring._deadlines"
WRITTEN = "store.sqlite_sessions.SqliteSessions._written"
Readings = dict[str, int]


async def rounds(kinds: Sequence[Kind], number: int) -> None:
    for _ in range(number):
        await asyncio.gather(*(kind() for kind in kinds))


async def level(client: Client) -> Readings:
    """Return the most that is held while nothing is under way."""
    await client.clear()
    readings = await client.gauge()
    for _ in range(3):
        more = await client.gauge()
        readings = {name: max(readings.get(name, 0), more.get(name, 0)) for name in readings | more}
    return readings


async def grown(client: Client, before: Readings) -> dict[str, tuple[int, int]]:
    """Return what is more than before, as soon as that is nothing; else what still is when patience ends."""
    await client.clear()
    until = time.monotonic() + 10
    while True:
        after = await client.gauge()
        # Deadlines of what is gone are dropped when they outnumber the rest (`Expiring`): at most 64 a table.
        # What was written of sessions that were left is forgotten with the next that is written: a second's worth.
        spare = {"rss": LEVEL, "cpu": after["cpu"], DEADLINES: 4 * 64, WRITTEN: 40}
        more = {
            name: (before.get(name, 0), value)
            for name, value in after.items()
            if value > before.get(name, 0) + spare.get(name, 0)
        }
        if not more or time.monotonic() > until:
            return more


async def churned(client: Client, kinds: Sequence[Kind], number: int) -> dict[str, tuple[int, int]]:
    await rounds(client.kinds, WARM)
    before = await level(client)
    await rounds(kinds, number)
    return await grown(client, before)


@pytest.mark.req("R-17")
@pytest.mark.timeout(3000 if LONG else 60)
async def test_opening_and_closing_streams_over_http_leaves_nothing_behind() -> None:
    async with web() as client:
        streams = [client.listens, client.leaves_listening, client.session_listens, client.old_stream]
        assert not await churned(client, streams, 25_000 if LONG else 100)


@pytest.mark.req("R-17")
@pytest.mark.timeout(3000 if LONG else 60)
async def test_opening_and_closing_streams_over_stdio_leaves_nothing_behind() -> None:
    async with piped() as client:
        assert not await churned(client, [client.listens], 100_000 if LONG else 500)


@pytest.mark.timeout(60)
async def test_calls_questions_and_clients_that_leave_leave_nothing_behind_over_http(tmp_path: Path) -> None:
    async with web(state=str(tmp_path)) as client:
        assert not await churned(client, client.kinds, 60)


@pytest.mark.timeout(60)
async def test_calls_questions_and_cancellations_leave_nothing_behind_over_stdio() -> None:
    async with piped() as client:
        assert not await churned(client, client.kinds, 100)


SECONDS = 1800.0 if LONG else 60.0
PER_SECOND = 30.0


async def paced(client: Client, until: float) -> None:
    """Send one kind after the other, so many a second, whether or not the last one is done."""
    async with asyncio.TaskGroup() as group:
        due = time.monotonic()
        for kind in itertools.cycle(client.kinds):
            group.create_task(_run(kind))
            due += 1 / PER_SECOND
            if due > until:
                return
            await asyncio.sleep(max(0.0, due - time.monotonic()))


async def _run(kind: Kind) -> None:
    await kind()


async def soaked(server: AbstractAsyncContextManager[Client], *, seconds: float) -> dict[str, tuple[int, int]]:
    async with server as client:
        await rounds(client.kinds, WARM)
        await paced(client, time.monotonic() + seconds / 6)
        before = await level(client)
        await paced(client, time.monotonic() + seconds * 5 / 6)
        return await grown(client, before)


@pytest.mark.req("R-39")
@pytest.mark.timeout(SECONDS + 120)
async def test_a_soak_leaves_memory_descriptors_threads_tasks_and_tables_level(tmp_path: Path) -> None:
    servers: list[AbstractAsyncContextManager[Client]] = [web(), web(state=str(tmp_path)), piped()]
    found = await asyncio.gather(*(soaked(server, seconds=SECONDS) for server in servers))
    assert found == [{}, {}, {}]
