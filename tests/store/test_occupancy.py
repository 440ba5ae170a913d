"""One process keeps its sessions in a state directory, or several that know of each other."""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from dovetail import Server
from dovetail.errors import StoreUnusable
from dovetail.store import SqliteStores, occupancy
from tests.server.peers import Conversation, Http, text_of

HOLDER = (
    "import asyncio, os, sys, time\n"
    "from dovetail.store import SqliteStores\n"
    "async def main():\n"
    "    await SqliteStores(sys.argv[1]).occupy(alone=True)\n"
    "    if not sys.argv[2]:\n"
    "        print(0, flush=True)\n"
    "    elif os.fork() == 0:\n"
    "        print(os.getpid(), flush=True)\n"
    "        os.close(1)\n"
    "        time.sleep(60)\n"
    "    await asyncio.Event().wait()\n"
    "asyncio.run(main())\n"
)
REFUSED = r"^Another server \(process \d+\) keeps its sessions .* name another directory; .* --workers N, .*worker=NAME"

pytestmark = pytest.mark.skipif(os.name == "nt", reason="no such locks")
Start = Callable[[], SqliteStores]


@pytest.fixture
async def start(tmp_path: Path) -> AsyncIterator[Start]:
    made: list[SqliteStores] = []

    def start() -> SqliteStores:
        made.append(SqliteStores(tmp_path / "state"))
        return made[-1]

    yield start
    for stores in made:
        await stores.aclose()


@pytest.mark.parametrize(("first", "second"), [(True, True), (True, False), (False, True)])
async def test_where_one_of_two_is_to_be_alone_the_second_is_refused_until_the_first_is_gone(
    start: Start, first: bool, second: bool
) -> None:
    one, two = start(), start()
    await one.occupy(alone=first)
    await one.occupy(alone=first)
    with pytest.raises(StoreUnusable, match=REFUSED) as refused:
        await two.occupy(alone=second)
    assert f"(process {os.getpid()})" in str(refused.value)
    await one.aclose()
    await two.occupy(alone=second)


async def test_workers_share_a_directory(start: Start) -> None:
    for _ in range(3):
        await start().occupy(alone=False)


async def waited_for(one: SqliteStores, two: SqliteStores) -> None:
    """Let one leave: the other waits until it has, and no longer."""
    one.leaving()
    waiting = asyncio.create_task(two.occupy(alone=True))
    for _ in range(10):
        await asyncio.sleep(0)
    assert not waiting.done()
    await one.aclose()
    await asyncio.wait_for(waiting, 5)


async def test_one_that_leaves_is_waited_for(start: Start) -> None:
    one, two = start(), start()
    await one.occupy(alone=True)
    await waited_for(one, two)
    third = start()
    with pytest.raises(StoreUnusable, match=REFUSED):
        await third.occupy(alone=True)


async def test_one_that_never_leaves_is_not_waited_for_for_ever(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    one, two = start(), start()
    await one.occupy(alone=True)
    one.leaving()
    monkeypatch.setattr(occupancy, "LEAVING_SECONDS", 0.0)
    with pytest.raises(StoreUnusable, match=REFUSED):
        await two.occupy(alone=True)


async def test_who_gives_up_waiting_leaves_no_lock_behind(start: Start) -> None:
    one, two = start(), start()
    await one.occupy(alone=True)
    one.leaving()
    waiting = asyncio.create_task(two.occupy(alone=True))
    await asyncio.sleep(0)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    await one.aclose()
    await start().occupy(alone=True)


@pytest.mark.parametrize("forks", [False, True])
async def test_a_process_that_is_killed_keeps_nobody_out_nor_does_a_child_that_it_forked(
    start: Start, tmp_path: Path, forks: bool
) -> None:
    stores = start()
    command = [sys.executable, "-c", HOLDER, str(tmp_path / "state"), "fork" if forks else ""]
    holder = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
    assert holder.stdout is not None
    child = int(await holder.stdout.readline())
    try:
        with pytest.raises(StoreUnusable, match=rf"\(process {holder.pid}\)"):
            await stores.occupy(alone=True)
        holder.kill()
        await holder.wait()
        await stores.occupy(alone=True)
    finally:
        if child:
            os.kill(child, signal.SIGKILL)


async def test_a_lock_that_is_no_file_of_ours_is_refused(start: Start, tmp_path: Path) -> None:
    (tmp_path / "state").mkdir(mode=0o700)
    (tmp_path / "other").write_text("precious")
    (tmp_path / "state" / occupancy.FILE).symlink_to(tmp_path / "other")
    with pytest.raises(StoreUnusable, match="is no file"):
        await start().occupy(alone=True)
    assert (tmp_path / "other").read_text() == "precious"


async def test_a_second_server_over_http_does_not_start_before_the_first_has_stopped(start: Start) -> None:
    first, second = (Server("orders", stores=start()).asgi() for _ in range(2))
    await first.start()
    with pytest.raises(StoreUnusable, match=REFUSED):
        await second.start()
    assert second.runtime is None
    first.drain()
    waiting = asyncio.create_task(second.start())
    await first.stop()
    await asyncio.wait_for(waiting, 5)
    assert (await Http(second).session())["mcp-session-id"]
    await second.stop()


async def test_a_server_that_cannot_start_gives_its_place_up(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    broken = start()

    async def fail() -> None:
        raise StoreUnusable("damaged")

    monkeypatch.setattr(broken, "open", fail)
    with pytest.raises(StoreUnusable, match="damaged"):
        await Server("orders", stores=broken).asgi().start()
    await start().occupy(alone=True)


async def test_a_server_without_http_shares_the_directory_of_one_that_serves(start: Start) -> None:
    app = Server("orders", stores=start()).asgi()
    await app.start()
    beside = Server("beside", stores=start())

    @beside.tool
    def ready() -> str:
        return "yes"

    client = Conversation(beside)
    await client.open()
    assert text_of(await client.call("tools/call", name="ready", arguments={})) == "yes"
    await client.close()
    await app.stop()


async def test_of_several_that_serve_one_that_leaves_makes_nobody_wait(start: Start) -> None:
    one, other, comes = start(), start(), start()
    await one.occupy(alone=False)
    await other.occupy(alone=False)
    one.leaving()
    with pytest.raises(StoreUnusable, match=REFUSED):
        await asyncio.wait_for(comes.occupy(alone=True), 5)
    await one.aclose()
    with pytest.raises(StoreUnusable, match=REFUSED):
        await asyncio.wait_for(comes.occupy(alone=True), 5)


async def test_several_that_all_leave_are_waited_for(start: Start) -> None:
    one, other, comes = start(), start(), start()
    for stores in (one, other):
        await stores.occupy(alone=False)
        stores.leaving()
    waiting = asyncio.create_task(comes.occupy(alone=True))
    await one.aclose()
    for _ in range(10):
        await asyncio.sleep(0)
    assert not waiting.done()
    await other.aclose()
    await asyncio.wait_for(waiting, 5)


@pytest.mark.parametrize("written", ["2147483647", "1 pid:[1]", "", "not a number"])
async def test_whatever_the_number_of_a_process_means_here_who_leaves_is_waited_for_and_who_stays_is_not(
    start: Start, tmp_path: Path, written: str
) -> None:
    one, two = start(), start()
    await one.occupy(alone=True)
    (tmp_path / "state" / occupancy.FILE).write_text(written)
    with pytest.raises(StoreUnusable, match="Another server keeps"):
        await two.occupy(alone=True)
    await waited_for(one, two)


async def test_of_many_that_come_while_one_leaves_one_gets_the_place_and_the_others_are_refused(start: Start) -> None:
    one, *others = (start() for _ in range(8))
    await one.occupy(alone=True)
    one.leaving()
    waiting = [asyncio.create_task(each.occupy(alone=True)) for each in others]
    await asyncio.sleep(0)
    await one.aclose()
    came = await asyncio.wait_for(asyncio.gather(*waiting, return_exceptions=True), 8)
    assert sorted(type(each).__name__ for each in came) == ["NoneType", *["StoreUnusable"] * 6]
