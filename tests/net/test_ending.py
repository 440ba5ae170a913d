"""What a server's tasks may do at its end, and what they may not."""

import asyncio
import signal
import subprocess
import sys
from collections.abc import AsyncGenerator, Callable

import pytest

from dovetail.net import run_to_end
from dovetail.net.serving import loop_factory

LOOPS = pytest.mark.parametrize("factory", [loop_factory("asyncio"), loop_factory("uvloop")], ids=["asyncio", "uvloop"])
Factory = Callable[[], asyncio.AbstractEventLoop]


async def stubborn() -> None:
    while True:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            pass


class Tidy:
    """Cleans up in as many steps as it takes."""

    def __init__(self) -> None:
        self.done = False

    async def run(self) -> None:
        try:
            await asyncio.Event().wait()
        finally:
            for _ in range(100):
                await asyncio.sleep(0)
            self.done = True


@LOOPS
@pytest.mark.req("R-05")
def test_a_task_that_swallows_its_cancellation_is_left_behind_and_the_others_finish(
    factory: Factory, caplog: pytest.LogCaptureFixture
) -> None:
    tidy, started = Tidy(), list[asyncio.Task[None]]()

    async def main() -> None:
        started.extend(asyncio.get_running_loop().create_task(work) for work in (stubborn(), tidy.run()))
        await asyncio.sleep(0)

    run_to_end(main(), factory, patience=0.2)
    assert tidy.done and not started[0].done()
    assert [record.getMessage() for record in caplog.records] == [
        "Tasks that have not ended 0.2 s after they were cancelled, and are left behind: 1"
    ]


@LOOPS
def test_a_loop_whose_tasks_end_is_not_waited_for_any_longer(
    factory: Factory, caplog: pytest.LogCaptureFixture
) -> None:
    tidy, closed, tasks = Tidy(), list[str](), list[asyncio.Task[None]]()

    async def numbers() -> AsyncGenerator[int, None]:
        try:
            yield 1
            yield 2
        finally:
            await asyncio.sleep(0)
            closed.append("generator")

    generator = numbers()

    async def main() -> None:
        tasks.append(asyncio.get_running_loop().create_task(tidy.run()))
        await anext(generator)
        await asyncio.to_thread(closed.append, "thread")

    run_to_end(main(), factory, patience=1e6)
    assert (tidy.done, closed, caplog.records) == (True, ["thread", "generator"], [])


@LOOPS
def test_a_generator_that_does_not_let_itself_be_closed_is_left_behind(factory: Factory) -> None:
    async def endless() -> AsyncGenerator[int, None]:
        try:
            yield 1
        finally:
            await stubborn()

    generator = endless()

    async def main() -> None:
        await anext(generator)

    run_to_end(main(), factory, patience=0.1)


@LOOPS
@pytest.mark.req("R-05")
@pytest.mark.parametrize("ends", ["returns", "raises"])
def test_a_thread_of_the_loop_that_does_not_end_is_left_behind_and_the_process_ends(
    factory: Factory, ends: str, request: pytest.FixtureRequest
) -> None:
    script = f"""
import asyncio, sys, threading
from dovetail.net import run_to_end
from dovetail.net.serving import loop_factory

async def main():
    began = asyncio.Event()
    def hang():
        loop.call_soon_threadsafe(began.set)
        threading.Event().wait()
    loop = asyncio.get_running_loop()
    hanging = asyncio.create_task(asyncio.to_thread(hang))
    await began.wait()
    assert await asyncio.to_thread(int, "7") == 7
    if {ends == "raises"}:
        raise LookupError("main")

run_to_end(main(), loop_factory({request.node.callspec.id.split("-")[-1]!r}), patience=0.2)
print("cleaned up")
sys.exit(5)
"""
    told = subprocess.run([sys.executable, "-c", script], capture_output=True, check=False, text=True, timeout=9)
    assert "Threads that have not ended 0.2 s after the server, and are left behind: 1" in told.stderr
    if ends == "raises":
        assert (told.returncode, told.stdout) == (1, "") and "LookupError: main" in told.stderr
    else:
        assert (told.returncode, told.stdout) == (5, "cleaned up\n")


@LOOPS
def test_what_a_task_fails_with_at_the_end_is_told_and_what_main_fails_with_is_raised(
    factory: Factory, caplog: pytest.LogCaptureFixture
) -> None:
    tasks = list[asyncio.Task[None]]()

    async def fails() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            raise OSError("torn")

    async def main() -> None:
        tasks.append(asyncio.get_running_loop().create_task(fails()))
        await asyncio.sleep(0)
        raise LookupError("main")

    with pytest.raises(LookupError, match="main"):
        run_to_end(main(), factory)
    assert "A task failed while the server ended" in caplog.text and "torn" in caplog.text


@LOOPS
def test_ctrl_c_lets_main_clean_up(factory: Factory) -> None:
    cleaned = list[str]()

    async def main() -> None:
        try:
            asyncio.get_running_loop().call_soon(signal.raise_signal, signal.SIGINT)
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0)
            cleaned.append("main")

    with pytest.raises(KeyboardInterrupt):
        run_to_end(main(), factory)
    assert cleaned == ["main"]
