"""Child processes that ignore, fork, flood, break off and crash: the end is seen and explained, and nothing is left."""

import asyncio
import contextlib
import gc
import json
import logging
import os
import stat
import sys
import warnings
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from dovetail.core import Oversize
from dovetail.errors import DefinitionError, Disconnected, Unsent
from dovetail.net import ChildChannel, ChildExit, spawn
from dovetail.net.child_program import child_environment, child_program
from dovetail.wire import Limits
from tests.net.both_loops import both_loops

PROGRAM = str(Path(__file__).with_name("child_of_tests.py"))
CANARY = "CANARY-c4n4ry"


def program(*arguments: str) -> list[str]:
    return [sys.executable, "-IS", PROGRAM, *arguments]


@contextlib.asynccontextmanager
async def child(*arguments: str, **options: Any) -> AsyncIterator[ChildChannel]:
    before = descriptors()
    channel = await spawn(program(*arguments), **{"grace_seconds": 5.0, **options})
    try:
        yield channel
    finally:
        await channel.aclose()
        assert channel.exit is not None
        assert not is_alive(channel.pid)
        assert descriptors() == before


def descriptors() -> set[str]:
    return set(os.listdir("/proc/self/fd"))


def is_alive(pid: int) -> bool:
    """Whether there is such a process, and it is more than a zombie that its reaper has not come to."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


async def ended(pid: int) -> None:
    """Wait until a process that is not our child has ended."""
    with contextlib.suppress(ProcessLookupError):
        fd = os.pidfd_open(pid)
        over = asyncio.Event()
        loop = asyncio.get_running_loop()
        loop.add_reader(fd, over.set)
        await over.wait()
        loop.remove_reader(fd)
        os.close(fd)
    assert not is_alive(pid)


async def lines_of(channel: ChildChannel) -> list[bytes | Oversize]:
    lines: list[bytes | Oversize] = []
    while (line := await channel.receive()) is not None:
        lines.append(line)
    return lines


# A conversation.


@both_loops
async def test_a_child_is_talked_to_line_by_line_and_ends_when_its_input_does() -> None:
    async with child("echo") as channel:
        for n in range(100):
            channel.send(b"%d" % n)
        assert [await channel.receive() for _ in range(100)] == [b"%d" % n for n in range(100)]
        assert repr(channel).endswith(f"process {channel.pid}>")
    assert channel.exit == ChildExit(0, None)
    assert "ended: exit code 0" in repr(channel)
    assert await channel.exited() == ChildExit(0, None)
    assert await channel.receive() is None
    with pytest.raises(Disconnected):
        channel.send(b"late")


@both_loops
async def test_megabytes_go_there_and_come_back() -> None:
    line = b"x" * 5_000_000
    async with child("echo") as channel:
        channel.send(line)
        assert await channel.receive() == line


@both_loops
async def test_a_line_over_the_limit_is_reported_in_its_place() -> None:
    async with child("says", "ok\n" + "x" * 11 + "\nok\n", "exit0", limits=Limits(line=10)) as channel:
        assert await lines_of(channel) == [b"ok", Oversize(11), b"ok"]


@both_loops
async def test_descriptors_of_ours_are_not_inherited() -> None:
    async with child("echo"), child("descriptors") as channel:
        line = await channel.receive()
        assert isinstance(line, bytes)
        assert json.loads(line)[:3] == [0, 1, 2] and len(json.loads(line)) == 4  # the last is what listed them


# How it ends by itself.


@pytest.mark.req("C-02", "R-02")
@pytest.mark.parametrize(
    ("then", "end"),
    [
        ("exit0", ChildExit(0, None)),
        ("exit42", ChildExit(42, None)),
        ("SIGKILL", ChildExit(None, 9)),
        ("SIGTERM", ChildExit(None, 15)),
        ("segfault", ChildExit(None, 11)),
    ],
)
@both_loops
async def test_a_child_that_ends_in_any_way_is_noticed_and_half_a_line_is_dropped(then: str, end: ChildExit) -> None:
    async with child("says", "whole\nhalf", then) as channel:
        async with asyncio.timeout(1 + 4):  # R-01 asks for a second after the end; starting Python comes before that
            assert await lines_of(channel) == [b"whole"]
            assert await channel.exited() == end
        assert channel.exit == end


@pytest.mark.req("C-02", "R-02")
@both_loops
async def test_a_child_without_memory_ends_with_its_last_words() -> None:
    async with child("says", "", "memory") as channel:
        assert await lines_of(channel) == []
        end = await channel.exited()
        assert end.code == 1
        assert end.stderr[-1] == "MemoryError"


@pytest.mark.req("C-02")
@both_loops
async def test_the_last_lines_are_told_without_secrets_and_within_bounds() -> None:
    lines = [f"line {n}\n" for n in range(50)]
    lines += [
        f"GITHUB_TOKEN={CANARY}\n",
        f"key was {CANARY}-given\n",
        "a\x1b[31mred\x07\n",
        "\u00e9\n",
        "l" * 9000 + "\n",
    ]
    async with child("complains", *lines, "no end", env={"ANY_NAME": f"{CANARY}-given", "SHORT": "line"}) as channel:
        end = await channel.exited()
    assert end.code == 1
    assert len(end.stderr) == 20
    assert end.stderr[-1] == "no end"
    assert end.stderr[-2] == "l" * 500
    assert end.stderr[-4:-2] == ("a\ufffd[31mred\ufffd", "\u00e9")
    assert end.stderr[-6:-4] == ("GITHUB_TOKEN=[redacted]", "key was [redacted]")
    assert end.stderr[0].startswith("line ")
    assert CANARY not in str(end) + repr(channel)


@pytest.mark.req("R-01", "C-02")
@pytest.mark.timeout(60)
@both_loops
async def test_a_child_that_is_killed_at_any_byte_of_its_answer_leaves_nothing_behind() -> None:
    answer = '{"jsonrpc":"2.0","id":1,"result":{}}\n'
    for place in range(len(answer) + 1):
        async with child("killed_within", answer, str(place)) as channel:
            channel.send(b"go")
            whole = [answer[:-1].encode()] if place == len(answer) else []
            assert await lines_of(channel) == whole
            async with asyncio.timeout(1):
                assert await channel.exited() == ChildExit(None, 9)


@pytest.mark.req("R-01")
@both_loops
async def test_what_was_answered_before_the_end_is_received_though_nobody_reads_us_any_more() -> None:
    async with child("closes", "stdin", grace_seconds=0.05) as channel:
        assert await channel.receive() == b"answered"
        assert await channel.receive() == b"closed"
    async with child("says", "one\ntwo\n", "exit0") as channel:
        await channel.exited()
        with contextlib.suppress(Disconnected):
            for _ in range(3):
                channel.send(b"x" * 100_000)
        assert await lines_of(channel) == [b"one", b"two"]


@both_loops
async def test_a_child_that_closes_its_output_and_goes_on_is_an_end_of_the_channel_only() -> None:
    async with child("closes", "stdout") as channel:
        assert await channel.receive() is None
        assert "ended: " not in repr(channel)
    assert channel.exit == ChildExit(5, None)


# How it is ended.


@pytest.mark.req("C-03", "R-03")
@both_loops
async def test_a_child_that_ignores_the_end_of_its_input_is_terminated_and_then_killed() -> None:
    async with child("polite", grace_seconds=0.05) as channel:
        assert await channel.receive() == b"ready"
    assert channel.exit == ChildExit(7, None)
    async with child("deaf", grace_seconds=0.05) as channel:
        assert await channel.receive() == b"ready"
        await asyncio.gather(channel.aclose(), channel.aclose())
    assert channel.exit == ChildExit(None, 9)


@pytest.mark.req("C-03", "R-03")
@pytest.mark.parametrize("end", ["exit", "kill", "close"])
@both_loops
async def test_what_a_child_started_does_not_outlive_it(end: str) -> None:
    async with child("family", end, "together", grace_seconds=0.05) as channel:
        line = await channel.receive()
        assert isinstance(line, bytes)
        family = json.loads(line)
        assert all(map(is_alive, family))
        if end != "close":
            channel.send(b"go")
            async with asyncio.timeout(1):
                assert await channel.receive() is None  # though a grandchild held the pipe
                await channel.exited()
    for pid in family:
        await ended(pid)


@pytest.mark.req("R-02")
@both_loops
async def test_a_grandchild_that_left_the_group_does_not_keep_the_channel_open() -> None:
    async with child("family", "exit", "detached") as channel:
        line = await channel.receive()
        assert isinstance(line, bytes)
        channel.send(b"go")
        async with asyncio.timeout(1):
            assert await channel.receive() is None
            assert await channel.exited() == ChildExit(3, None)
    for pid in json.loads(line):
        os.kill(pid, 9)
        await ended(pid)


@pytest.mark.req("C-03", "R-11")
@pytest.mark.timeout(60)
@both_loops
async def test_a_flood_on_standard_error_stops_no_answer_and_is_not_kept() -> None:
    heard = 0

    def hear(line: bytes) -> None:
        nonlocal heard
        heard += len(line) + 1

    async with child("flood", "20000000", on_stderr=hear) as channel:
        for n in range(200):
            channel.send(b"%d" % n)
            assert await channel.receive() == b"%d" % n
    assert channel.exit is not None
    assert heard == 20_000_008
    assert channel.exit.stderr[-1] == "flooded"
    assert sum(map(len, channel.exit.stderr)) <= 20 * 500


@pytest.mark.req("C-03", "R-11")
@both_loops
async def test_a_flood_without_a_line_end_is_named_and_not_held() -> None:
    heard: list[bytes] = []
    async with child("flood_first", "5000000", on_stderr=heard.append) as channel:
        assert await channel.receive() == b"before"
        assert await channel.receive() == b"after"
    assert heard == [b"[a line of 5000000 bytes]"]


@pytest.mark.req("C-03")
@both_loops
async def test_a_child_that_says_goodbye_at_length_can_finish() -> None:
    async with child("talkative") as channel:
        pass
    assert channel.exit == ChildExit(0, None, ("said all",))


@both_loops
async def test_a_listener_that_fails_is_not_called_again_and_harms_nobody(caplog: pytest.LogCaptureFixture) -> None:
    def fail(line: bytes) -> None:
        raise ValueError

    with caplog.at_level(logging.ERROR):
        async with child("complains", "a\n", "b\n", on_stderr=fail) as channel:
            assert (await channel.exited()).stderr == ("a", "b")
    assert len(caplog.records) == 1


@pytest.mark.req("C-03")
@pytest.mark.parametrize("moment", ["at once", "while it waits", "while it closes"])
@both_loops
async def test_a_parent_that_is_cancelled_leaves_no_process(moment: str) -> None:
    channels: list[ChildChannel] = []
    ready = asyncio.Event()

    async def parent() -> None:
        async with child("deaf", grace_seconds=30.0) as channel:
            channels.append(channel)
            ready.set()
            if moment == "at once":
                await asyncio.Event().wait()
            await channel.receive()
            ready.set()
            if moment != "while it closes":
                await channel.receive()

    running = asyncio.create_task(parent())
    while not channels:
        await ready.wait()
    ready.clear()
    if moment != "at once":
        await ready.wait()
        await asyncio.sleep(0)
    if moment != "while it closes":
        running.cancel()
        for _ in range(3):
            await asyncio.sleep(0)
    running.cancel()  # the second hits the closing
    with pytest.raises(asyncio.CancelledError):
        await running
    assert channels[0].exit == ChildExit(None, 9)
    assert not is_alive(channels[0].pid)


@pytest.mark.req("C-03")
def test_a_loop_that_ends_under_a_child_leaves_no_process() -> None:
    channels: list[ChildChannel] = []

    async def main() -> None:
        async def keep() -> None:
            async with child("deaf", grace_seconds=0.05) as channel:
                channels.append(channel)
                await channel.receive()
                ready.set()
                await channel.receive()

        ready = asyncio.Event()
        task = asyncio.create_task(keep())
        await ready.wait()
        assert not task.done()

    asyncio.run(main())  # cancels what is left, once
    assert channels[0].exit is not None


@pytest.mark.req("C-03")
def test_a_channel_that_was_forgotten_is_killed_with_a_warning() -> None:
    pids: list[int] = []

    async def main() -> None:
        channel = await spawn(program("deaf"))
        await channel.receive()
        pids.append(channel.pid)

    before = descriptors()
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        asyncio.run(main())
        gc.collect()
    assert any("was never closed" in str(warning.message) for warning in caught)
    assert {warning.category for warning in caught} == {ResourceWarning}
    assert not is_alive(pids[0])
    assert descriptors() == before


@both_loops
async def test_the_end_is_seen_without_pidfd_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(os, "pidfd_open")
    async with child("says", "", "SIGKILL") as channel:
        assert await channel.receive() is None
        assert await channel.exited() == ChildExit(None, 9)
    async with child("deaf", grace_seconds=0.05) as channel:
        assert await channel.receive() == b"ready"
    assert channel.exit == ChildExit(None, 9)


@pytest.mark.timeout(60)
@both_loops
async def test_a_hundred_children_leave_no_descriptor_and_no_zombie() -> None:
    before = descriptors()
    for _ in range(10):
        channels = await asyncio.gather(*(spawn(["cat"]) for _ in range(10)))
        for channel in channels:
            channel.send(b"x")
        assert [await channel.receive() for channel in channels] == [b"x"] * 10
        await asyncio.gather(*(channel.aclose() for channel in channels))
        assert not any(is_alive(channel.pid) for channel in channels)
        assert not any(str(channel.pid) in os.listdir("/proc") for channel in channels)
    assert descriptors() == before


# What is started.


@pytest.mark.req("C-04")
@pytest.mark.parametrize(
    "argv",
    ["python server.py", b"python", [], [""], ["python", 3], ["python", b"x"], [None], ["a\0b"], ["python", "a\0b"]],
)
@both_loops
async def test_what_is_no_argument_vector_is_refused(argv: Any) -> None:
    with pytest.raises(DefinitionError):
        await spawn(argv)


@pytest.mark.req("C-04")
@both_loops
async def test_no_shell_sees_an_argument(tmp_path: Path) -> None:
    evil = [
        f"; touch {tmp_path}/a",
        f"$(touch {tmp_path}/b)",
        f"`touch {tmp_path}/c`",
        "| cat",
        "&&",
        "*",
        "a b",
        '"',
        "",
    ]
    async with child("environment", *evil) as channel:
        line = await channel.receive()
        assert isinstance(line, bytes)
        assert json.loads(line)["argv"] == evil
    assert not os.listdir(tmp_path)


@pytest.mark.req("C-04")
@both_loops
async def test_a_child_inherits_what_is_harmless_and_gets_what_is_given(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [
        "AWS_SECRET_ACCESS_KEY",
        "GITHUB_TOKEN",
        "HTTP_PROXY",
        "PYTHONPATH",
        "LD_PRELOAD_X",
        "LANGUAGES",
        "lc_x",
    ]:
        monkeypatch.setenv(name, CANARY)
    monkeypatch.setenv("LC_TIME", "C")
    monkeypatch.setenv("LC_ALL", "() { :; }; echo " + CANARY)
    async with child("environment", env={"GIVEN": "1", "TERM": "mine"}) as channel:
        line = await channel.receive()
    assert isinstance(line, bytes)
    seen = json.loads(line)
    assert CANARY not in json.dumps(seen["env"])
    assert (seen["env"]["GIVEN"], seen["env"]["TERM"], seen["env"]["LC_TIME"]) == ("1", "mine", "C")
    assert seen["env"]["PATH"] == os.environ["PATH"]
    assert seen["session"] == channel.pid


@pytest.mark.req("C-04")
@pytest.mark.parametrize("given", [{"": "x"}, {"a=b": "x"}, {"a\0": "x"}, {"a": CANARY + "\0"}])
def test_a_variable_that_no_environment_holds_is_refused_and_not_repeated(given: dict[str, str]) -> None:
    with pytest.raises(DefinitionError) as caught:
        child_environment(given, {})
    assert CANARY not in str(caught.value)


def evil(folder: Path, name: str = "python") -> Path:
    """A program that anybody could have put there."""
    path = folder / name
    path.write_text("#!/bin/sh\necho EVIL\n")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return path


@pytest.mark.req("C-04")
@pytest.mark.parametrize("search", ["", ".", "::", ".:{real}", ":{real}", "relative:{real}", "{real}"])
@both_loops
async def test_a_program_of_the_working_directory_is_never_taken_for_one_of_path(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, search: str
) -> None:
    evil(tmp_path)
    (tmp_path / "relative").mkdir()
    evil(tmp_path / "relative")
    real = tmp_path / "bin"
    real.mkdir()
    (real / "python").symlink_to(sys.executable)
    monkeypatch.chdir(tmp_path)
    env = {"PATH": search.format(real=real)}
    if "{real}" not in search:
        with pytest.raises(DefinitionError, match="in the 0 directories of PATH"):
            await spawn(["python", "-c", ""], env=env, cwd=tmp_path)
    else:
        async with contextlib.aclosing(
            await spawn(["python", "-IS", PROGRAM, "echo"], env=env, cwd=tmp_path)
        ) as channel:
            channel.send(b"good")
            assert await channel.receive() == b"good"


@pytest.mark.req("C-04")
@both_loops
async def test_a_program_with_a_directory_in_its_name_is_that_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = evil(tmp_path, "mine")
    other = tmp_path / "other"
    other.mkdir()
    monkeypatch.chdir(tmp_path)
    every: list[str | Path] = [str(path), "./mine", path]
    for given in every:
        async with contextlib.aclosing(await spawn([given], cwd=other)) as channel:
            assert await lines_of(channel) == [b"EVIL"]


@pytest.mark.parametrize("given", ["/nowhere/program", "no-such-program", "/etc", "/etc/passwd", "/etc/passwd/x"])
@both_loops
async def test_a_program_that_is_not_there_or_cannot_be_run_is_a_clear_error(given: str) -> None:
    with pytest.raises(DefinitionError, match=r"There is no program"):
        await spawn([given])


@both_loops
async def test_a_program_of_a_wrong_format_or_without_its_interpreter_is_a_clear_error(tmp_path: Path) -> None:
    for text in ["#!/nowhere/interpreter\n", "\x7fELF garbage"]:
        path = evil(tmp_path, "broken")
        path.write_text(text)
        with pytest.raises(DefinitionError, match="cannot be run"):
            await spawn([path])
    with pytest.raises(DefinitionError, match="no directory"):
        await spawn([sys.executable], cwd=tmp_path / "missing")


@both_loops
async def test_a_working_directory_is_where_the_child_starts(tmp_path: Path) -> None:
    async with child("environment", cwd=tmp_path) as channel:
        line = await channel.receive()
        assert isinstance(line, bytes)
        assert json.loads(line)["cwd"] == str(tmp_path)


@both_loops
async def test_without_descriptors_a_child_is_unsent(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail() -> tuple[int, int]:
        if made:
            raise OSError(24, "Too many open files")
        made.append(pipe())
        return made[0]

    pipe, made = os.pipe, list[tuple[int, int]]()
    with monkeypatch.context() as patch, pytest.raises(Unsent, match="Too many open files"):
        patch.setattr(os, "pipe", fail)
        await spawn([sys.executable])


def test_a_program_is_told_apart_from_its_name() -> None:
    made = child_program(["sh", "-c", "x"], {"PATH": "/bin:/usr/bin"}, ours={"HOME": "/h", "SECRET": "s"})
    assert made.path in ("/bin/sh", "/usr/bin/sh")
    assert made.argv == ("sh", "-c", "x")
    assert made.env == {"PATH": "/bin:/usr/bin", "HOME": "/h"}


def test_an_end_is_told_in_words() -> None:
    assert [str(ChildExit(3, None)), str(ChildExit(None, 9)), str(ChildExit(None, 63))] == [
        "exit code 3",
        "signal SIGKILL",
        "signal 63",
    ]
