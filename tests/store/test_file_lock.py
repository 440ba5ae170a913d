"""A lock that processes share is let go whatever becomes of its holder."""

import asyncio
import sys
from pathlib import Path

import pytest

from dovetail.errors import StoreUnusable
from dovetail.store.file_lock import FileLock

HOLDER = """
import fcntl, sys
file = open(sys.argv[1], "w")
fcntl.flock(file, fcntl.LOCK_EX)
print(1, flush=True)
sys.stdin.read()
"""


async def test_a_lock_that_another_process_holds_is_waited_for_until_it_dies(tmp_path: Path) -> None:
    path = tmp_path / "l"
    pipe = asyncio.subprocess.PIPE
    command = [sys.executable, "-c", HOLDER, str(path)]
    holder = await asyncio.create_subprocess_exec(*command, stdin=pipe, stdout=pipe)
    assert holder.stdout is not None
    await holder.stdout.readline()
    taken = asyncio.Event()

    async def take() -> None:
        async with FileLock(path):
            taken.set()

    waiting = asyncio.create_task(take())
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(asyncio.shield(taken.wait()), 0.05)
    holder.kill()
    await holder.communicate()
    await waiting
    assert taken.is_set()


async def test_a_wait_can_be_cancelled_and_takes_nothing(tmp_path: Path) -> None:
    lock = FileLock(tmp_path / "l")
    async with lock:
        assert repr(lock) == "<FileLock held>"
        waiting = asyncio.create_task(FileLock(tmp_path / "l").__aenter__())
        await asyncio.sleep(0)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
    assert repr(lock) == "<FileLock free>"
    async with FileLock(tmp_path / "l"):
        pass


async def test_where_no_lock_can_be_made_it_is_said(tmp_path: Path) -> None:
    with pytest.raises(StoreUnusable):
        await FileLock(tmp_path / "missing" / "l").__aenter__()
