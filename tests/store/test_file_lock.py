"""A lock that processes share is let go whatever becomes of its holder."""

import asyncio
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
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

FORKING = """
import asyncio, os, sys
from pathlib import Path
from dovetail.store.file_lock import FileLock, blocking

def fork():
    if os.fork() == 0:
        sys.stdin.read()
        os._exit(0)

async def polled(path):
    async with FileLock(path):
        fork()

def blocked(path):
    with blocking(path):
        fork()

path = Path(sys.argv[1])
asyncio.run(polled(path)) if sys.argv[2] == "polled" else blocked(path)
print(1, flush=True)
sys.stdin.read()
"""
LEAVING = """
import asyncio, os, sys
from pathlib import Path
from dovetail.store.file_lock import FileLock

async def main():
    async with FileLock(Path(sys.argv[1])) as lock:
        if (child := os.fork()) == 0:
            await lock.__aexit__(None, None, None)
            os._exit(0)
        os.waitpid(child, 0)
        print(1, flush=True)
        sys.stdin.read()

asyncio.run(main())
"""


@asynccontextmanager
async def running(*command: str) -> AsyncIterator[None]:
    """Run a program from its first line on; it and its children end when their input does."""
    pipe = asyncio.subprocess.PIPE
    program = await asyncio.create_subprocess_exec(sys.executable, "-c", *command, stdin=pipe, stdout=pipe)
    assert program.stdin is not None and program.stdout is not None
    await program.stdout.readline()
    try:
        yield
    finally:
        program.stdin.close()
        await program.wait()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork")
@pytest.mark.parametrize("way", ["polled", "blocked"])
async def test_a_child_that_was_forked_meanwhile_keeps_no_lock(tmp_path: Path, way: str) -> None:
    async with running(FORKING, str(tmp_path / "l"), way), asyncio.timeout(5), FileLock(tmp_path / "l"):
        pass


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork")
async def test_a_forked_child_takes_no_lock_from_its_parent(tmp_path: Path) -> None:
    async with running(LEAVING, str(tmp_path / "l")):
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(FileLock(tmp_path / "l").__aenter__(), 0.05)


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
