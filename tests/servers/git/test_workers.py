"""Worker processes: ended with the call that is cancelled, replaced when they fall over, gone when the server is."""

import asyncio
import os
import signal
import sys
from pathlib import Path

import pytest

import dovetail
from dovetail import Client
from dovetail.errors import DefinitionError
from dovetail.servers.git import Settings, make
from dovetail.servers.git.arguments import LogArgs, SearchArgs
from dovetail.servers.git.types import LogPage, MatchList
from dovetail.servers.git.workers import Refusal, Workers
from tests.servers.git.conftest import Maker

BOMB = SearchArgs(pattern="^(a+)+$", regex=True)


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


async def test_a_call_that_is_cancelled_ends_its_process_and_the_next_one_has_another(story: Maker) -> None:
    story.commit("Bait", {"bait": "a" * 64 + "!\n"})
    workers = Workers(Settings(repository=str(story.path), processes=1))
    try:
        await workers.call("log", LogArgs(), LogPage)
        (first,) = workers._all
        call = asyncio.ensure_future(workers.call("search", BOMB, MatchList))
        await asyncio.sleep(0)
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call
        await first.process.wait()
        assert len((await workers.call("log", LogArgs(), LogPage)).commits) == 5
        assert first not in workers._all
    finally:
        await workers.aclose()


async def test_a_process_that_is_killed_is_an_answer_and_is_replaced(story: Maker) -> None:
    workers = Workers(Settings(repository=str(story.path), processes=1))
    try:
        await workers.call("log", LogArgs(), LogPage)
        (first,) = workers._all
        first.process.send_signal(signal.SIGKILL)
        await first.process.wait()
        with pytest.raises(Refusal, match="came to an end"):
            await workers.call("log", LogArgs(), LogPage)
        assert (await workers.call("log", LogArgs(), LogPage)).commits
    finally:
        await workers.aclose()


@pytest.mark.timeout(30)
async def test_a_process_ends_itself_when_the_time_of_its_call_is_over(story: Maker) -> None:
    story.commit("Bait", {"bait": "a" * 64 + "!\n"})
    workers = Workers(Settings(repository=str(story.path), processes=1, timeout=0.3))
    try:
        await workers.call("log", LogArgs(), LogPage)
        (first,) = workers._all
        with pytest.raises(Refusal, match=r"took longer.*regular expression"):
            await workers.call("search", BOMB, MatchList)
        assert first.process.returncode == -signal.SIGALRM
    finally:
        await workers.aclose()


async def test_calls_at_a_time_have_as_many_processes_as_are_allowed(story: Maker) -> None:
    workers = Workers(Settings(repository=str(story.path), processes=2))
    try:
        await asyncio.gather(*(workers.call("log", LogArgs(), LogPage) for _ in range(6)))
        assert len(workers._all) == 2
    finally:
        await workers.aclose()
    assert not workers._all


async def test_no_process_outlives_the_server(story: Maker) -> None:
    server = make(Settings(repository=str(story.path)))
    async with Client(server) as client:
        await client.call_tool("git_log")
        (runtime,) = server.running
        processes = [worker.process for worker in runtime.lifespans[server].workers._all]
        assert processes
        assert all(alive(process.pid) for process in processes)
    for process in processes:
        await process.wait()


@pytest.mark.timeout(30)
async def test_it_is_served_from_the_command_line_over_stdio(story: Maker) -> None:
    source = Path(dovetail.__file__).parent.parent
    entry = {
        "command": sys.executable,
        "args": ["-m", "dovetail", "serve", "git", str(story.path), "--allow-commit"],
        "env": {"PYTHONPATH": str(source)},
    }
    async with Client(entry) as client:
        assert "git_commit" in [tool.name for tool in await client.list_tools()]
        assert (await client.call_tool("git_log")).structured["commits"][0]["message"] == "Say zero"
        assert (await client.read_resource("git://HEAD/src/main.py")).contents[0].text == "print(1)\nprint(2)\n"


async def test_modules_beside_the_repository_are_not_imported(story: Maker) -> None:
    """The folder that a client starts the server in may be the hostile repository itself."""
    for name in ("msgspec.py", "pygit2.py", "asyncio.py"):
        story.write(name, "raise SystemExit('imported')\n")
    (story.path / "dovetail").mkdir()
    story.write("dovetail/__init__.py", "raise SystemExit('imported')\n")
    before = os.getcwd()
    os.chdir(story.path)
    try:
        async with Client(make(Settings(repository="."))) as client:
            assert not (await client.call_tool("git_log")).is_error
    finally:
        os.chdir(before)


@pytest.mark.parametrize(
    ("repository", "said"),
    [
        ("nowhere", "expected a folder that exists"),
        ("README.md", "expected a folder"),
        ("src", "nothing is looked for"),
    ],
)
def test_a_repository_that_is_none_is_a_mistake_that_names_the_setting(
    story: Maker, repository: str, said: str
) -> None:
    with pytest.raises(DefinitionError, match=f"^git: repository: .*{said}"):
        make(Settings(repository=str(story.path / repository)))


async def test_a_tilde_is_the_home_folder(story: Maker, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(story.path.parent))
    async with Client(make(Settings(repository=f"~/{story.path.name}", also=("~",)))) as client:
        assert not (await client.call_tool("git_log")).is_error
