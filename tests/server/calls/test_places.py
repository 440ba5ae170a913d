"""Places in the pool: bounded, shared out, and never lost."""

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dovetail.server.calls.places import Places


def begun(places: Places, owner: str, count: int = 1) -> list["asyncio.Task[None]"]:
    return [asyncio.get_running_loop().create_task(places.take(owner)) for _ in range(count)]


async def settle() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


def taken(tasks: list["asyncio.Task[None]"]) -> int:
    return sum(task.done() and not task.cancelled() for task in tasks)


@pytest.mark.parametrize(("size", "most"), [(32, 28), (8, 7), (2, 1), (1, 1)])
async def test_no_caller_of_a_network_holds_all_places(size: int, most: int) -> None:
    places = Places(size)
    greedy = begun(places, "a", 2 * size)
    await settle()
    assert taken(greedy) == most
    others = begun(places, "b", size)
    await settle()
    assert taken(others) == size - most
    for task in greedy + others:
        task.cancel()


async def test_who_is_alone_with_the_server_may_hold_all() -> None:
    places = Places(4)
    tasks = begun(places, "", 5)
    await settle()
    assert taken(tasks) == 4
    places.leave("")
    await settle()
    assert taken(tasks) == 5


async def test_callers_that_wait_take_turns_however_many_calls_each_makes() -> None:
    places = Places(1)
    await places.take("first")
    order: list[str] = []

    async def work(owner: str) -> None:
        await places.take(owner)
        order.append(owner)
        places.leave(owner)

    async with asyncio.TaskGroup() as group:
        for owner in ("a", "a", "a", "a", "b", "c"):
            group.create_task(work(owner))
            await settle()
        places.leave("first")
    assert order == ["a", "b", "c", "a", "a", "a"]


@given(
    st.lists(st.tuples(st.sampled_from(["", "a", "b", "c"]), st.sampled_from(["take", "leave", "cancel"]))),
    st.integers(1, 9),
)
def test_whatever_happens_places_are_neither_lost_nor_made(steps: list[tuple[str, str]], size: int) -> None:
    async def run() -> None:
        places = Places(size)
        tasks: dict[str, list[asyncio.Task[None]]] = {}
        for owner, step in steps:
            mine = tasks.setdefault(owner, [])
            if step == "take":
                mine += begun(places, owner)
            elif mine and step == "cancel":
                mine.pop().cancel() if not mine[-1].done() else None
            elif (held := next((task for task in mine if task.done()), None)) is not None:
                mine.remove(held)
                places.leave(owner)
            if len(steps) % 2:
                await settle()
        await settle()
        inside = sum(taken(mine) for mine in tasks.values())
        waiting = sum(len(mine) for mine in tasks.values()) - inside
        assert repr(places) == f"<Places {inside}/{size}, {waiting} wait>"
        assert inside <= size
        for owner, mine in tasks.items():
            for task in mine:
                if task.done():
                    places.leave(owner)
                else:
                    task.cancel()
            await settle()
        await asyncio.gather(*(task for mine in tasks.values() for task in mine), return_exceptions=True)

    asyncio.run(run())
