"""The protocol stream of a stdio server carries protocol, whatever user code, C code and child processes do (W-09)."""

import asyncio
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import pytest

from dovetail.core import Oversize
from dovetail.errors import DefinitionError, Disconnected
from dovetail.net import open_stdio
from dovetail.net.descriptor import Descriptor, OwnDescriptor, SharedDescriptor, SocketDescriptor, descriptor
from dovetail.net.line_channel import LineChannel
from dovetail.wire import Limits

PROGRAM = str(Path(__file__).with_name("stdio_program.py"))
LOOPS = pytest.mark.parametrize("loop", ["asyncio", "uvloop"])
LIMIT = 1024 * 1024  # the program's `Limits.line`


def start(*options: str, **streams: int | IO[bytes]) -> "subprocess.Popen[bytes]":
    chosen: dict[str, int | IO[bytes]] = {
        "stdin": subprocess.PIPE,
        "stdout": subprocess.PIPE,
        "stderr": subprocess.PIPE,
    }
    chosen |= streams
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}
    return subprocess.Popen([sys.executable, PROGRAM, *options], env=environment, **chosen)  # type: ignore[call-overload,no-any-return]


def talk(said: bytes, *options: str) -> tuple[list[bytes], bytes]:
    """Run the program on this input; return its answers and its stderr."""
    with start(*options) as process:
        out, err = process.communicate(said)
    assert process.returncode == 0, err
    return out.splitlines(), err


@contextmanager
def talking(*options: str) -> Iterator["subprocess.Popen[bytes]"]:
    with start(*options) as process:
        try:
            yield process
        finally:
            process.kill()


def ask(process: "subprocess.Popen[bytes]", line: bytes) -> bytes:
    assert process.stdin is not None and process.stdout is not None
    process.stdin.write(line + b"\n")
    process.stdin.flush()
    return process.stdout.readline().rstrip(b"\n")


@pytest.mark.req("W-09")
@LOOPS
@pytest.mark.parametrize(
    ("act", "reply"),
    [
        (b"python", b"printed"),
        (b"descriptor", b"wrote"),
        (b"c-flushed", b"printed in C"),
        (b"c-buffered", b"printed in C"),
        (b"child", b"child ran"),
    ],
)
def test_what_is_printed_goes_to_stderr_and_never_into_the_protocol(act: bytes, reply: bytes, loop: str) -> None:
    answers, err = talk(b"before\n" + act + b"\nafter\n", loop)
    assert answers == [b"6 before", reply, b"5 after"]
    assert b"NOISE" in err


@pytest.mark.req("W-09")
def test_what_was_printed_before_the_channel_opened_goes_to_stderr() -> None:
    answers, err = talk(b"hello\n", "banner")
    assert answers == [b"5 hello"]
    assert b"NOISE before" in err


@pytest.mark.req("W-09")
@LOOPS
def test_what_user_code_and_children_read_eats_nothing_of_the_protocol(loop: str) -> None:
    answers, _ = talk(b"reads\nchild\nkept\n", loop)
    assert answers == [b"0 bytes", b"child ran", b"4 kept"]


@pytest.mark.req("W-09")
def test_private_descriptors_are_not_inherited() -> None:
    answers, _ = talk(b"private\n")
    assert answers == [b"inherits: "]


@pytest.mark.req("W-09", "R-01")
@pytest.mark.parametrize("act", [b"fork", b"inherited"])
def test_the_client_sees_the_end_though_a_child_outlives_the_server(act: bytes) -> None:
    with talking() as process:
        child = int(ask(process, act))
        try:
            process.kill()
            assert process.stdout is not None
            assert process.stdout.read() == b""
        finally:
            os.kill(child, signal.SIGKILL)


def test_both_descriptors_are_given_back_on_close() -> None:
    answers, err = talk(b"python\nquit\n", "after")
    assert answers == [b"printed", b"after"]
    assert b"NOISE" in err


@LOOPS
def test_carriage_returns_and_empty_lines_are_tolerated_and_half_a_line_at_the_end_is_dropped(loop: str) -> None:
    answers, _ = talk(b"one\r\n\n\r\ntwo\nhalf", loop)
    assert answers == [b"3 one", b"3 two"]


@pytest.mark.req("R-23")
@LOOPS
def test_a_line_at_the_limit_is_read_and_one_over_it_is_skipped(loop: str) -> None:
    at, over = b"x" * LIMIT, b"x" * (LIMIT + 1)
    answers, _ = talk(at + b"\n" + over + b"\nnext\n", loop)
    assert answers == [b"%d %s" % (LIMIT, b"x" * 40), b"oversize %d" % (LIMIT + 1), b"4 next"]


@pytest.mark.req("R-11", "R-23")
def test_a_flood_is_answered_completely_and_in_order() -> None:
    count = 50_000
    answers, _ = talk(b"".join(b"%d\n" % n for n in range(count)))
    assert answers == [b"%d %d" % (len(str(n)), n) for n in range(count)]


@LOOPS
def test_large_answers_leave_whole_and_in_order(loop: str) -> None:
    answers, _ = talk(b"repeat 3000000\nsmall\nrepeat 100000\n", loop)
    assert [len(line) for line in answers] == [3_000_000, len(b"5 small"), 100_000]


@pytest.mark.req("R-05")
def test_the_end_of_input_ends_the_server() -> None:
    with talking() as process:
        assert ask(process, b"hi") == b"2 hi"
        assert process.stdin is not None and process.stdout is not None
        process.stdin.close()
        assert process.stdout.read() == b""
        assert process.wait() == 0


@pytest.mark.req("R-05")
@LOOPS
def test_a_client_that_closed_its_reading_end_ends_the_server(loop: str) -> None:
    with talking(loop) as process:
        assert process.stdin is not None and process.stdout is not None and process.stderr is not None
        assert ask(process, b"hi") == b"2 hi"
        process.stdout.close()
        process.stdin.write(b"nobody reads this\n")
        process.stdin.flush()
        assert process.stderr.read().endswith(b"closed\n")
        assert process.wait() == 0


@pytest.mark.req("R-05")
def test_a_client_that_never_reads_does_not_keep_a_closing_server() -> None:
    with talking() as process:
        assert process.stdin is not None
        process.stdin.write(b"repeat 500000\n")
        process.stdin.close()
        assert process.wait() == 0


@LOOPS
def test_redirected_files_work_as_input_and_output(tmp_path: Path, loop: str) -> None:
    said, heard = tmp_path / "in", tmp_path / "out"
    said.write_bytes(b"one\nrepeat 200000\ntwo\n")
    with said.open("rb") as stdin, heard.open("wb") as stdout, start(loop, stdin=stdin, stdout=stdout) as process:
        process.communicate()
    assert [len(line) for line in heard.read_bytes().splitlines()] == [5, 200_000, 5]


@LOOPS
def test_sockets_work_as_node_hands_them_to_children(loop: str) -> None:
    ours, theirs = socket.socketpair()
    with ours, start(loop, stdin=theirs.fileno(), stdout=theirs.fileno(), stderr=theirs.fileno()) as process:
        theirs.close()
        ours.sendall(b"one\nrepeat 1000000\n")
        ours.shutdown(socket.SHUT_WR)
        with ours.makefile("rb") as heard:
            lines = heard.read().splitlines()
    assert process.returncode == 0
    assert [len(line) for line in lines] == [5, 1_000_000, len("closed")]


@LOOPS
def test_a_terminal_works_and_keeps_its_blocking_mode(loop: str) -> None:
    master, slave = os.openpty()
    try:
        with start(loop, stdin=slave, stdout=slave) as process:
            os.write(master, b"hello\n")
            heard = b""
            while b"5 hello" not in heard:
                heard += os.read(master, 1000)
            assert os.get_blocking(slave)
            os.write(master, b"\x04")  # end of input, at the start of a line
            assert process.wait() == 0
    finally:
        os.close(master)
        os.close(slave)


@LOOPS
def test_one_pipe_for_output_and_errors_keeps_its_blocking_mode(loop: str) -> None:
    read, write = os.pipe()
    try:
        with start(loop, stdout=write, stderr=write) as process:
            assert process.stdin is not None
            process.stdin.write(b"hello\n")
            process.stdin.flush()
            assert os.read(read, 100) == b"5 hello\n"
            assert os.get_blocking(write)
            process.stdin.close()
            assert process.wait() == 0
        assert os.read(read, 100) == b"closed\n"
    finally:
        os.close(read)
        os.close(write)


def test_a_process_without_standard_streams_is_refused_with_a_typed_error() -> None:
    command = f"{sys.executable} {PROGRAM} <&- 2>&1"
    told = subprocess.run(["sh", "-c", command], capture_output=True, check=False)
    assert b"Disconnected: The process was started without a standard input or output" in told.stdout


def test_the_streams_can_be_taken_once_at_a_time() -> None:
    script = (
        "import asyncio\nfrom dovetail.net import open_stdio\nfrom dovetail.errors import DefinitionError\n"
        "async def main():\n"
        " first = await open_stdio()\n"
        " try: await open_stdio()\n"
        " except DefinitionError: first.send(b'refused')\n"
        " await first.aclose()\n"
        " await first.aclose()\n"
        " second = await open_stdio()\n"
        " second.send(b'again')\n"
        " await second.aclose()\n"
        "asyncio.run(main())"
    )
    told = subprocess.run([sys.executable, "-c", script], capture_output=True, check=True)
    assert told.stdout == b"refused\nagain\n"


# In process, on plain descriptors.


@contextmanager
def piped(limits: Limits, shared: bool = False) -> Iterator[tuple[LineChannel, int, int]]:
    """A channel on two pipes, and the far ends: where to write its input, where to read its output."""
    source, far_in = os.pipe()
    far_out, sink = os.pipe()
    if shared:
        ends: tuple[Descriptor, Descriptor] = (
            SharedDescriptor(source, writing=False),
            SharedDescriptor(sink, writing=True),
        )
    else:
        ends = (descriptor(source, writing=False), descriptor(sink, writing=True))
    try:
        yield LineChannel(*ends, limits), far_in, far_out
    finally:
        for fd in {source, far_in, far_out, sink}:
            try:
                os.close(fd)
            except OSError:
                pass


def read_lines(fd: int, count: int) -> "asyncio.Future[list[bytes]]":
    """Read that many lines in a thread of its own."""
    loop = asyncio.get_running_loop()
    done: asyncio.Future[list[bytes]] = loop.create_future()

    def read() -> None:
        data = b""
        while data.count(b"\n") < count and (chunk := os.read(fd, 65_536)):
            data += chunk
        loop.call_soon_threadsafe(done.set_result, data.splitlines())

    threading.Thread(target=read).start()
    return done


@pytest.mark.parametrize("shared", [False, True])
async def test_a_descriptor_that_may_be_shared_stays_blocking_and_loses_nothing(shared: bool) -> None:
    with piped(Limits(), shared) as (channel, far_in, far_out):
        reading = read_lines(far_out, 2_000)
        for n in range(2_000):
            channel.send(b"%d" % n + b"." * 500)
        os.write(far_in, b"go\n")
        assert await channel.receive() == b"go"
        assert [line.rstrip(b".") for line in await reading] == [b"%d" % n for n in range(2_000)]
        await channel.aclose()


async def test_messages_sent_in_one_turn_leave_in_one_write_when_the_turn_ends() -> None:
    with piped(Limits()) as (channel, _, far_out):
        channel.send(b"a")
        channel.send(b'{"pretty":\n1}')
        assert "8 bytes unsent" not in repr(channel)
        os.set_blocking(far_out, False)
        with pytest.raises(BlockingIOError):
            os.read(far_out, 10)
        await asyncio.sleep(0)
        assert os.read(far_out, 100) == b'a\n{"pretty": 1}\n'
        await channel.aclose()


async def test_a_cancelled_receive_loses_no_message() -> None:
    with piped(Limits()) as (channel, far_in, _):
        waiting = asyncio.create_task(channel.receive())
        await asyncio.sleep(0)
        waiting.cancel()
        await asyncio.wait([waiting])
        os.write(far_in, b"first\nsecond\n")
        assert [await channel.receive(), await channel.receive()] == [b"first", b"second"]
        await channel.aclose()


async def test_draining_waits_until_the_peer_has_read_most_of_it() -> None:
    with piped(Limits()) as (channel, _, far_out):
        await channel.drain()
        for _ in range(40):
            channel.send(b"z" * 100_000)
        draining = asyncio.create_task(channel.drain())
        await asyncio.sleep(0)
        assert not draining.done()
        reading = read_lines(far_out, 40)
        await draining
        assert len(await reading) == 40
        await channel.aclose()


async def test_a_reader_that_is_slow_makes_the_writer_wait_instead_of_filling_memory() -> None:
    with piped(Limits()) as (channel, far_in, _):
        os.write(far_in, b"1\n")
        assert await channel.receive() == b"1"
        os.set_blocking(far_in, False)
        written = 0
        for _ in range(200):
            try:
                written += os.write(far_in, b"x" * 999 + b"\n")
            except BlockingIOError:
                pass
            await asyncio.sleep(0)
        assert written < 200_000
        for _ in range(written // 1000):
            assert await channel.receive() == b"x" * 999
        os.close(far_in)
        assert await channel.receive() is None
        assert await channel.receive() is None
        assert "ended" in repr(channel)
        await channel.aclose()


@pytest.mark.req("R-05")
async def test_a_closed_reader_is_a_typed_disconnect_for_everybody_who_sends() -> None:
    with piped(Limits()) as (channel, far_in, far_out):
        os.write(far_in, b"unread\n")
        os.close(far_out)
        for _ in range(20):
            try:
                channel.send(b"z" * 100_000)
            except Disconnected:
                break
        else:
            pytest.fail("sending to nobody was never noticed")
        with pytest.raises(Disconnected):
            await channel.drain()
        assert await channel.receive() is None
        await channel.aclose()
        with pytest.raises(Disconnected):
            channel.send(b"late")
        assert "closed" in repr(channel)


async def test_closing_gives_a_waiting_receiver_its_end() -> None:
    with piped(Limits()) as (channel, _, _):
        waiting = asyncio.create_task(channel.receive())
        await asyncio.sleep(0)
        await channel.aclose()
        await channel.aclose()
        assert await waiting is None


@pytest.mark.req("R-23")
async def test_an_oversize_line_is_reported_in_its_place() -> None:
    with piped(Limits(line=10)) as (channel, far_in, _):
        os.write(far_in, b"ok\n" + b"x" * 11 + b"\nok\n")
        assert [await channel.receive() for _ in range(3)] == [b"ok", Oversize(11), b"ok"]
        await channel.aclose()


def test_each_kind_of_descriptor_gets_the_form_that_fits_it(tmp_path: Path) -> None:
    pipe_out, pipe_in = os.pipe()
    left, right = socket.socketpair()
    master, slave = os.openpty()
    named = tmp_path / "fifo"
    os.mkfifo(named)
    fifo = os.open(named, os.O_RDWR)
    file = os.open(tmp_path / "file", os.O_CREAT | os.O_RDWR)
    null = os.open(os.devnull, os.O_RDWR)
    table = [
        (pipe_out, OwnDescriptor),
        (slave, OwnDescriptor),
        (left.fileno(), SocketDescriptor),
        (fifo, SharedDescriptor),
        (file, Descriptor),
        (null, Descriptor),
    ]
    for fd, kind in table:
        form = descriptor(fd, writing=False)
        assert type(form) is kind
        assert kind.__name__ in repr(form)
        assert form.waits is (kind is not Descriptor)
        if form.waits:
            with pytest.raises(BlockingIOError):
                form.read(10)
        form.close()
        assert os.get_blocking(fd)
    left.close()
    right.close()
    for fd in (pipe_out, pipe_in, master, slave, fifo, file, null):
        os.close(fd)


async def test_opening_here_is_refused_when_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    from dovetail.net.stdio import StdioChannel

    monkeypatch.setattr(StdioChannel, "current", object())
    with pytest.raises(DefinitionError):
        await open_stdio()
