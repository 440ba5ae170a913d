"""Processes that work for a server: messages there and back, an end that is told, an environment that holds nothing."""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

import msgspec
import pytest

from dovetail.servers import children

ECHO = """
import time
import msgspec
from dovetail.servers.children import alarm, begin, orders, reply

class Said(msgspec.Struct):
    text: str

first = begin()
reply(Said(str(first is None)))
for message in orders():
    said = msgspec.msgpack.decode(message, type=Said)
    if said.text == "hang":
        alarm(0.05)
        time.sleep(60)
    reply(Said(said.text * 2))
"""


class Said(msgspec.Struct):
    text: str


@asynccontextmanager
async def echoing() -> AsyncGenerator[asyncio.subprocess.Process]:
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-P", "-c", ECHO, stdin=pipe, stdout=pipe, env=children.environment()
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.communicate()


async def asked(process: asyncio.subprocess.Process, text: str) -> str:
    data = await children.exchange(process, children.framed(Said(text)))
    return msgspec.msgpack.decode(data, type=Said).text


async def test_messages_of_any_length_go_there_and_back() -> None:
    async with echoing() as process:
        assert await asked(process, "setup") == "False"
        for text in ("", "é", "x" * 1_000_000):
            assert await asked(process, text) == text * 2


async def test_a_process_ends_when_its_input_does() -> None:
    async with echoing() as process:
        assert await asked(process, "setup") == "False"
        assert process.stdin is not None
        process.stdin.close()
        assert await process.wait() == 0


async def test_ctrl_c_of_the_terminal_does_not_end_it_and_its_alarm_does() -> None:
    async with echoing() as process:
        await asked(process, "setup")
        process.send_signal(signal.SIGINT)
        assert await asked(process, "a") == "aa"
        with pytest.raises(EOFError):
            await asked(process, "hang")
        assert await process.wait() == -signal.SIGALRM


@pytest.mark.parametrize("gone", [False, True])
@pytest.mark.parametrize("text", ["a", "x" * 1_000_000])
async def test_a_process_that_was_dead_before_it_had_the_message_is_told_from_one_that_died_over_it(
    gone: bool, text: str
) -> None:
    async with echoing() as process:
        await asked(process, "setup")
        process.kill()
        if gone:  # the loop knows, and has closed its pipes
            await process.wait()
        with pytest.raises(children.Untaken):
            await asked(process, text)
        with pytest.raises(children.Untaken):
            await asked(process, text)
    async with echoing() as process:
        await asked(process, "setup")
        with pytest.raises(EOFError) as told:
            await asked(process, "hang")
        assert type(told.value) is EOFError


def test_a_pipe_that_uvloop_has_closed_is_an_end_too() -> None:
    uvloop = pytest.importorskip("uvloop")

    async def ask_the_dead() -> None:
        async with echoing() as process:
            await asked(process, "setup")
            process.kill()
            await process.wait()
            with pytest.raises(children.Untaken):
                await asked(process, "a")

    uvloop.run(ask_the_dead())


async def test_an_end_within_an_answer_is_no_message_that_was_not_taken() -> None:
    pipe = asyncio.subprocess.PIPE
    program = "import sys; sys.stdin.buffer.read(1); sys.stdout.buffer.write(b'\\0\\0'); sys.stdout.flush()"
    process = await asyncio.create_subprocess_exec(sys.executable, "-c", program, stdin=pipe, stdout=pipe)
    with pytest.raises(EOFError, match="within a message"):
        await asked(process, "a")
    await process.wait()


async def test_a_length_that_no_message_has_is_an_end() -> None:
    pipe = asyncio.subprocess.PIPE
    program = "import sys; sys.stdout.buffer.write(b'\\xff' * 4); sys.stdout.flush(); sys.stdin.read()"
    process = await asyncio.create_subprocess_exec(sys.executable, "-c", program, stdin=pipe, stdout=pipe)
    with pytest.raises(EOFError, match="a message of 4294967295 bytes"):
        await asked(process, "a")
    process.kill()
    await process.communicate()


def test_the_environment_holds_what_loads_python_and_what_is_shown_to_it(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SECRET", "sk-canary-9f2c")
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(["relative", ""]))
    seen = children.environment({"HOME": "/home/ada"})
    assert "SECRET" not in seen
    assert seen["HOME"] == "/home/ada"
    assert seen["PYTHONPATH"].split(os.pathsep)[0] == str(tmp_path / "relative")
