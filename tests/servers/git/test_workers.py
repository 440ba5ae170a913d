"""Worker processes: ended with the call that is cancelled, replaced when they fall over, gone when the server is."""

import asyncio
import os
import signal
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

import dovetail
from dovetail import Client
from dovetail.errors import DefinitionError
from dovetail.servers import children
from dovetail.servers.git import Settings, make
from dovetail.servers.git.arguments import CommitArgs, LogArgs, SearchArgs
from dovetail.servers.git.types import Committed, LogPage, MatchList
from dovetail.servers.git.workers import Refusal, Workers
from tests.servers.git.conftest import Maker

BOMB = SearchArgs(pattern="^(a+)+$", regex=True)


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def watched(reading: Callable[..., Awaitable[int]], taken: asyncio.Event) -> Callable[..., Awaitable[int]]:
    """What reads lengths, telling when a process has said that it has its message."""

    async def read(*given: Any) -> int:
        length = await reading(*given)
        taken.set()
        return length

    return read


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


@pytest.mark.parametrize("known", [True, False])
async def test_an_idle_process_that_was_killed_is_replaced_before_anybody_notices(story: Maker, known: bool) -> None:
    workers = Workers(Settings(repository=str(story.path), processes=1))
    try:
        await workers.call("log", LogArgs(), LogPage)
        (first,) = workers._all
        first.process.send_signal(signal.SIGKILL)
        if known:
            await first.process.wait()
        assert (await workers.call("log", LogArgs(), LogPage)).commits
        assert first not in workers._all and len(workers._all) == 1
    finally:
        await workers.aclose()


async def test_a_process_that_is_killed_over_a_call_is_an_answer_and_is_replaced(
    story: Maker, monkeypatch: pytest.MonkeyPatch
) -> None:
    story.commit("Bait", {"bait": "a" * 64 + "!\n"})
    workers = Workers(Settings(repository=str(story.path), processes=1))
    try:
        await workers.call("log", LogArgs(), LogPage)
        (first,) = workers._all
        taken = asyncio.Event()
        monkeypatch.setattr(children, "_next", watched(children._next, taken))
        call = asyncio.ensure_future(workers.call("search", BOMB, MatchList))
        await taken.wait()
        first.process.send_signal(signal.SIGKILL)
        with pytest.raises(Refusal, match="came to an end") as told:
            await call
        assert "was stopped from outside" in str(told.value) and "damaged" not in str(told.value)
        assert (await workers.call("log", LogArgs(), LogPage)).commits
    finally:
        await workers.aclose()


async def test_processes_that_do_not_start_are_told_as_such(story: Maker, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dovetail.servers.git.workers._COMMAND", ("-c", ""))
    workers = Workers(Settings(repository=str(story.path), processes=1))
    try:
        with pytest.raises(Refusal, match="ended before it began"):
            await workers.call("log", LogArgs(), LogPage)
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


MANY = 20


def large(maker: Maker) -> CommitArgs:
    """Write what takes a second or two to commit."""
    names = tuple(f"large{number}" for number in range(MANY))
    for name in names:
        maker.write(name, os.urandom(4_000_000))
    return CommitArgs(message="Large", paths=names)


def left(maker: Maker) -> list[str]:
    return sorted(path.name for path in (maker.path / ".git").iterdir() if path.name.startswith("index"))


async def held(maker: Maker) -> None:
    """Wait until a commit has its copy of the index."""
    while len(left(maker)) < 3:
        await asyncio.sleep(0.001)


@pytest.mark.timeout(60)
async def test_a_commit_that_is_cut_short_leaves_the_index_free(story: Maker) -> None:
    asked = large(story)
    before = str(story.tip.id)
    workers = Workers(Settings(repository=str(story.path), allow_commit=True))
    call = asyncio.ensure_future(workers.finish("commit", asked, Committed))
    await held(story)
    (worker,) = workers._all
    worker.process.kill()
    with pytest.raises(Refusal, match="came to an end"):
        await call
    assert left(story) == ["index"]
    assert str(story.tip.id) == before
    await workers.aclose()


@pytest.mark.timeout(60)
async def test_a_commit_that_is_not_done_when_the_server_ends_leaves_the_index_free(
    story: Maker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dovetail.servers.git.workers._PARTING", 0.0)
    asked = large(story)
    workers = Workers(Settings(repository=str(story.path), allow_commit=True))
    call = asyncio.ensure_future(workers.finish("commit", asked, Committed))
    await held(story)
    await workers.aclose()
    with pytest.raises(asyncio.CancelledError):
        await call
    assert left(story) == ["index"]
    assert story.tip.message == "Say zero"


async def test_a_commit_under_way_is_done_to_its_end_though_nobody_waits_for_it(
    story: Maker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dovetail.servers.git.workers._PARTING", 9.0)
    story.write("new", "x" * 500_000)
    workers = Workers(Settings(repository=str(story.path), allow_commit=True))
    await workers.call("log", LogArgs(), LogPage)
    call = asyncio.ensure_future(workers.finish("commit", CommitArgs(message="New", paths=("new",)), Committed))
    await asyncio.sleep(0)
    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call
    await workers.aclose()
    assert story.tip.message == "New\n"
    assert left(story) == ["index"]


@pytest.mark.timeout(60)
async def test_a_commit_that_takes_too_long_says_so_and_leaves_the_index_free(story: Maker) -> None:
    asked = large(story)
    workers = Workers(Settings(repository=str(story.path), allow_commit=True, timeout=0.1))
    try:
        with pytest.raises(Refusal, match=r"longer than 0\.1 s and was stopped; nothing was committed\..*--timeout"):
            await workers.finish("commit", asked, Committed)
        assert left(story) == ["index"]
    finally:
        await workers.aclose()
    assert story.tip.message == "Say zero"


async def test_an_index_that_another_holds_is_said_within_a_short_time(story: Maker) -> None:
    story.write("new", "x")
    (story.path / ".git" / "index.lock").touch()
    workers = Workers(Settings(repository=str(story.path), allow_commit=True, timeout=1))
    try:
        with pytest.raises(Refusal, match="its index is locked, and nothing was committed"):
            await workers.finish("commit", CommitArgs(message="New", paths=("new",)), Committed)
    finally:
        await workers.aclose()
    assert left(story) == ["index", "index.lock"]


async def test_what_an_earlier_server_was_killed_over_is_let_go_of_at_the_start(story: Maker) -> None:
    (story.path / ".git" / "index.lock").write_bytes(b"dovetail 4194305\n")  # a number that no process has
    (story.path / ".git" / "index.dovetail.4194305").touch()
    readonly = Workers(Settings(repository=str(story.path)))
    await readonly.prepare()
    await readonly.aclose()
    assert len(left(story)) == 3
    workers = Workers(Settings(repository=str(story.path), allow_commit=True))
    await workers.prepare()
    await workers.aclose()
    assert left(story) == ["index"]


async def test_a_signal_to_the_group_of_a_server_that_commits_leaves_its_workers_whole(story: Maker) -> None:
    workers = Workers(Settings(repository=str(story.path), allow_commit=True))
    await workers.call("log", LogArgs(), LogPage)
    (worker,) = workers._all
    assert os.getsid(worker.process.pid) != os.getsid(0)
    await workers.aclose()
