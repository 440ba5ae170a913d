"""The ledger: what happens at most once, whoever races for it and whoever dies meanwhile."""

import asyncio
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from dovetail.core import Fresh, Lost, Running, Settled, Stores
from dovetail.errors import Disconnected
from dovetail.store import MemoryStores, SqliteStores
from dovetail.store.sqlite_shelf import ALIVE
from tests.store.conftest import START, Clock
from tests.store.processes import Process

Start = Callable[..., Awaitable[Process]]


async def under_way(stores: Stores) -> None:
    """Return when the tasks made before have looked once: the stores work in order."""
    await asyncio.sleep(0)
    await stores.ledger.kept("nothing")
    await asyncio.sleep(0)


async def test_only_the_first_claim_is_fresh_and_later_ones_see_its_outcome(stores: Stores) -> None:
    assert await stores.ledger.claim("call", "pay", 60.0) == Fresh()
    assert await stores.ledger.claim("call", "pay", 60.0) == Running()
    assert await stores.ledger.claim("call", "mail", 60.0) == Fresh()
    assert await stores.ledger.claim("cal", "lpay", 60.0) == Fresh()
    await stores.ledger.settle("call", "pay", b"receipt")
    assert await stores.ledger.claim("call", "pay", 60.0) == Settled(b"receipt")
    assert await stores.ledger.wait("call", "pay") == Settled(b"receipt")


async def test_the_first_outcome_counts(stores: Stores) -> None:
    await stores.ledger.claim("call", "pay", 60.0)
    await stores.ledger.settle("call", "pay", b"first")
    await stores.ledger.settle("call", "pay", b"second")
    await stores.ledger.settle("call", "never", b"claimed")
    assert await stores.ledger.claim("call", "pay", 60.0) == Settled(b"first")
    assert await stores.ledger.claim("call", "never", 60.0) == Fresh()


async def test_an_empty_outcome_is_an_outcome(stores: Stores) -> None:
    await stores.ledger.claim("call", "pay", 60.0)
    await stores.ledger.settle("call", "pay", b"")
    assert await stores.ledger.claim("call", "pay", 60.0) == Settled(b"")


async def test_those_who_wait_get_the_outcome_as_soon_as_it_is_there(stores: Stores) -> None:
    await stores.ledger.claim("call", "pay", 60.0)
    waiting = [asyncio.create_task(stores.ledger.wait("call", "pay")) for _ in range(3)]
    waiting.append(asyncio.create_task(stores.ledger.wait("call", "mail")))
    assert await waiting.pop() == Lost()
    await under_way(stores)
    await stores.ledger.settle("call", "pay", b"receipt")
    assert await asyncio.gather(*waiting) == [Settled(b"receipt")] * 3


async def test_a_claim_that_expires_while_somebody_waits_is_lost_and_then_free(stores: Stores, clock: Clock) -> None:
    await stores.ledger.claim("call", "pay", 60.0)
    waiting = asyncio.create_task(stores.ledger.wait("call", "pay"))
    await under_way(stores)
    clock.forward(60.0)
    assert await waiting == Lost()
    assert await stores.ledger.claim("call", "pay", 60.0) == Fresh()


async def test_a_kept_value_is_there_until_its_time(stores: Stores, clock: Clock) -> None:
    assert await stores.ledger.kept("k") is None
    await stores.ledger.keep("k", b"one", 60.0)
    await stores.ledger.keep("k", b"two", 60.0)
    assert await stores.ledger.kept("k") == b"two"
    clock.forward(60.0)
    assert await stores.ledger.kept("k") is None


@pytest.mark.req("S-13")
async def test_a_nonce_burns_once(stores: Stores, clock: Clock) -> None:
    assert sorted(await asyncio.gather(*[stores.ledger.burn("n", 60.0) for _ in range(50)])) == [False] * 49 + [True]
    assert await stores.ledger.burn("m", 60.0)
    clock.forward(59.0)
    assert not await stores.ledger.burn("n", 60.0)


@pytest.mark.req("S-13")
async def test_a_full_or_closed_ledger_refuses_to_burn(clock: Clock, tmp_path: Path) -> None:
    memory = MemoryStores(clock, max_bytes=1_000)
    with pytest.raises(Disconnected):
        for number in range(10):
            await memory.ledger.burn(f"n{number}", 60.0)
    closed = SqliteStores(tmp_path, clock)
    with pytest.raises(Disconnected):
        await closed.ledger.burn("n", 60.0)
    await closed.open()
    assert await closed.ledger.burn("n", 60.0)
    await closed.aclose()
    with pytest.raises(Disconnected):
        await closed.ledger.burn("m", 60.0)


async def test_closing_makes_what_is_unsettled_lost(clock: Clock) -> None:
    stores = MemoryStores(clock)
    await stores.ledger.claim("call", "pay", 60.0)
    await stores.ledger.claim("call", "mail", 60.0)
    await stores.ledger.settle("call", "mail", b"sent")
    waiting = asyncio.create_task(stores.ledger.wait("call", "pay"))
    await under_way(stores)
    await stores.aclose()
    assert await waiting == Lost()
    assert await stores.ledger.claim("call", "mail", 60.0) == Settled(b"sent")


async def pair(directory: Path, mine: Callable[[], float], others: Callable[[], float]) -> list[SqliteStores]:
    """Two workers of one directory, each with a clock of its own: whose clock stands still shows no pulse."""
    workers = [SqliteStores(directory, mine), SqliteStores(directory, others)]
    for worker in workers:
        await worker.open()
    return workers


async def test_a_claim_whose_holder_has_a_pulse_is_running_and_without_one_is_lost_for_good(tmp_path: Path) -> None:
    ahead = Clock()
    holder, other = await pair(tmp_path, lambda: START, ahead)
    assert await holder.ledger.claim("call", "pay", 3600.0) == Fresh()
    ahead.forward(ALIVE - 0.1)
    assert await other.ledger.claim("call", "pay", 3600.0) == Running()
    ahead.forward(0.1)
    assert await other.ledger.claim("call", "pay", 3600.0) == Lost()
    await holder.ledger.settle("call", "pay", b"too late")
    ahead.now = START
    assert await other.ledger.claim("call", "pay", 3600.0) == Lost()
    assert await other.ledger.wait("call", "pay") == Lost()
    assert await holder.ledger.claim("call", "pay", 3600.0) == Lost()
    await holder.aclose()
    await other.aclose()


async def test_whoever_waits_for_a_holder_that_dies_hears_of_it(tmp_path: Path) -> None:
    ahead = Clock()
    holder, other = await pair(tmp_path, lambda: START, ahead)
    await holder.ledger.claim("call", "pay", 3600.0)
    waiting = asyncio.create_task(other.ledger.wait("call", "pay"))
    await under_way(other)
    ahead.forward(ALIVE)
    assert await waiting == Lost()
    await holder.aclose()
    await other.aclose()


async def test_a_settled_claim_stays_settled_whatever_becomes_of_its_holder(tmp_path: Path) -> None:
    ahead = Clock()
    holder, other = await pair(tmp_path, lambda: START, ahead)
    await holder.ledger.claim("call", "pay", 3600.0)
    await holder.ledger.settle("call", "pay", b"receipt")
    await holder.aclose()
    ahead.forward(100.0)
    assert await other.ledger.claim("call", "pay", 3600.0) == Settled(b"receipt")
    await other.aclose()


async def test_a_worker_that_leaves_with_a_claim_unsettled_leaves_it_lost(tmp_path: Path, clock: Clock) -> None:
    holder, other = await pair(tmp_path, clock, clock)
    await holder.ledger.claim("call", "pay", 3600.0)
    await holder.aclose()
    assert await other.ledger.claim("call", "pay", 3600.0) == Lost()
    await other.aclose()


async def test_a_claim_whose_caller_was_cancelled_before_it_was_told_is_free_again(
    tmp_path: Path, clock: Clock
) -> None:
    stores = SqliteStores(tmp_path, clock)
    await stores.open()
    claiming = asyncio.create_task(stores.ledger.claim("call", "pay", 60.0))
    await asyncio.sleep(0)
    claiming.cancel()
    with pytest.raises(asyncio.CancelledError):
        await claiming
    assert await stores.ledger.claim("call", "pay", 60.0) == Fresh()
    second = asyncio.create_task(stores.ledger.claim("call", "pay", 60.0))
    await asyncio.sleep(0)
    second.cancel()
    with pytest.raises(asyncio.CancelledError):
        await second
    assert await stores.ledger.claim("call", "pay", 60.0) == Running()  # the first one's claim stands
    await stores.aclose()


@pytest.mark.req("S-13")
@pytest.mark.timeout(60)
async def test_of_fifty_burns_in_each_of_two_processes_exactly_one_works(process: Start) -> None:
    nonces = [f"nonce {number}" for number in range(10)]
    workers = [await process("burn", *nonces) for _ in range(2)]
    for worker in workers:
        worker.tell()
    for _ in nonces:
        assert sum([await worker.hear() for worker in workers]) == 1
    for worker in workers:
        await worker.end()


@pytest.mark.timeout(60)
async def test_two_processes_that_race_do_each_thing_once_and_see_the_same_results(
    process: Start, tmp_path: Path
) -> None:
    effects = tmp_path / "effects"
    workers = [await process("once", str(effects), "40") for _ in range(2)]
    for worker in workers:
        worker.tell()
    one, two = [await worker.hear() for worker in workers]
    assert one == two
    assert Counter(effects.read_text().split()) == {f"n{number}": 1 for number in range(40)}
    for worker in workers:
        await worker.end()


@pytest.mark.timeout(60)
async def test_a_process_that_settles_wakes_those_that_wait_in_another(process: Start, tmp_path: Path) -> None:
    holder = await process("hold", "pay")
    assert await holder.hear() == "Fresh"
    stores = SqliteStores(tmp_path / "state", time.time)
    await stores.open()
    assert await stores.ledger.claim("call", "pay", 60.0) == Running()
    waiting = asyncio.create_task(stores.ledger.wait("call", "pay"))
    await under_way(stores)
    holder.tell("settle")
    assert await holder.hear() == "settled"
    assert await waiting == Settled(b"done")
    await stores.aclose()
    await holder.end()


@pytest.mark.timeout(60)
async def test_a_claim_of_a_killed_process_is_lost_ten_seconds_later(process: Start, tmp_path: Path) -> None:
    holder = await process("hold", "pay")
    assert await holder.hear() == "Fresh"
    ahead = 0.0
    stores = SqliteStores(tmp_path / "state", lambda: time.time() + ahead)
    await stores.open()
    assert await stores.ledger.claim("call", "pay", 60.0) == Running()
    await holder.kill()
    assert await stores.ledger.claim("call", "pay", 60.0) == Running()
    ahead = ALIVE
    assert await stores.ledger.claim("call", "pay", 60.0) == Lost()
    await stores.aclose()
    again = await process("hold", "pay")
    assert await again.hear() == "Lost"


async def test_claims_that_are_dropped_can_be_made_anew_and_no_others(stores: Stores) -> None:
    for name in ("pay", "mail", "log"):
        await stores.ledger.claim("call", name, 60.0)
    await stores.ledger.drop("call", ["pay", "mail", "never claimed"])
    await stores.ledger.settle("call", "pay", b"too late")
    assert await stores.ledger.claim("call", "pay", 60.0) == Fresh()
    assert await stores.ledger.claim("call", "log", 60.0) == Running()


async def test_a_claim_that_is_asked_for_again_is_kept_longer(stores: Stores, clock: Clock) -> None:
    await stores.ledger.claim("call", "pay", 60.0)
    await stores.ledger.settle("call", "pay", b"receipt")
    for _ in range(3):
        clock.now += 40.0
        assert await stores.ledger.claim("call", "pay", 60.0) == Settled(b"receipt")
    clock.now += 61.0
    assert await stores.ledger.claim("call", "pay", 60.0) == Fresh()
