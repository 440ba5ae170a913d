"""Serving as a process: what it binds and for whom, how it ends, and how several share the work."""

import contextlib
import json
import os
import signal
import socket
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from dovetail.errors import DefinitionError
from dovetail.net import serve, serve_workers
from dovetail.net.binding import bind, check_reach, close, release, url_of
from dovetail.net.serving import Settings, loop_factory
from dovetail.net.worker import load
from tests.net.http_server import read_all, read_head, read_response

PROGRAM = str(Path(__file__).with_name("serve_program.py"))
ASK = b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"


class Program:
    """A served program as its user sees it."""

    def __init__(self, options: dict[str, Any], environment: dict[str, str]) -> None:
        self.process = subprocess.Popen(
            [sys.executable, PROGRAM, json.dumps(options)],
            stderr=subprocess.PIPE,
            env={**os.environ, **environment},
        )
        self.port = 0
        self.said = ""

    def wait_ready(self, says: bytes = b"Serving on ") -> "Program":
        assert self.process.stderr is not None
        for line in self.process.stderr:
            self.said += line.decode()
            if line.startswith(says):
                if says == b"Starting":
                    return self
                url = line.split()[2].decode()
                self.port = 0 if url.startswith("unix:") else int(url.rpartition(":")[2].partition("/")[0])
                self.reader = threading.Thread(target=self._read)
                self.reader.start()
                return self
        raise AssertionError(f"it did not start: {self.said}")

    def _read(self) -> None:
        assert self.process.stderr is not None
        for line in self.process.stderr:
            self.said += line.decode()

    def connect(self) -> socket.socket:
        return socket.create_connection(("127.0.0.1", self.port), timeout=8)

    def ask(self, data: bytes = ASK) -> dict[str, Any]:
        with self.connect() as client:
            client.sendall(data)
            answer: dict[str, Any] = json.loads(read_response(client)[2])
            return answer

    def pids(self, want: int) -> set[int]:
        """Ask until so many different processes have answered."""
        found: set[int] = set()
        for _ in range(2000):
            with contextlib.suppress(ConnectionError, AssertionError):
                found.add(self.ask()["pid"])
            if len(found) >= want:
                return found
        raise AssertionError(f"only {found} answered")

    def ended(self, timeout: float = 8) -> int:
        status = self.process.wait(timeout)
        if hasattr(self, "reader"):
            self.reader.join(5)
        else:
            self._read()
        return status


@contextlib.contextmanager
def started(environment: dict[str, str] | None = None, **options: Any) -> Iterator[Program]:
    program = Program({"port": 0, **options}, environment or {})
    try:
        yield program.wait_ready()
    finally:
        program.process.kill()
        program.ended()
        assert program.process.stderr is not None
        program.process.stderr.close()


def stopped(environment: dict[str, str] | None = None, **options: Any) -> tuple[int, str]:
    """Run a program that ends by itself."""
    program = Program({"port": 0, **options}, environment or {})
    status = program.ended()
    assert program.process.stderr is not None
    program.process.stderr.close()
    return status, program.said


# Who may reach it.


@pytest.mark.req("S-04")
@pytest.mark.parametrize("host", ["127.0.0.1", "127.0.0.2", "localhost", "::1"])
def test_loopback_needs_no_permission(host: str) -> None:
    sockets = bind(host, 0, None)
    check_reach(sockets, authenticated=False, allowed=False)
    assert len({bound.getsockname()[1] for bound in sockets}) == 1
    close(sockets)


@pytest.mark.req("S-04")
@pytest.mark.parametrize("host", ["0.0.0.0", "::", ""])
def test_the_network_needs_permission_or_authentication(host: str, caplog: pytest.LogCaptureFixture) -> None:
    sockets = bind(host, 0, None)
    try:
        with pytest.raises(DefinitionError, match="allow_unauthenticated_network=True"):
            check_reach(sockets, authenticated=False, allowed=False)
        assert not caplog.records
        check_reach(sockets, authenticated=True, allowed=False)
        assert not caplog.records
        check_reach(sockets, authenticated=False, allowed=True)
        assert "without authentication" in caplog.text and caplog.records[0].levelname == "WARNING"
    finally:
        close(sockets)


@pytest.mark.req("S-04")
@pytest.mark.parametrize("workers", [0, 2])
def test_a_program_that_would_let_anybody_in_does_not_start(workers: int) -> None:
    status, said = stopped(host="0.0.0.0", workers=workers)
    assert status == 1
    assert "allow_unauthenticated_network=True" in said and "Serving on" not in said


@pytest.mark.req("S-04")
@pytest.mark.parametrize("workers", [0, 2])
def test_a_program_that_says_so_starts_with_a_warning(workers: int) -> None:
    with started(host="0.0.0.0", allow_unauthenticated_network=True, workers=workers) as program:
        assert program.ask()["pid"]
        program.process.send_signal(signal.SIGTERM)
        assert program.ended() == 0
    assert "can use this server without authentication" in program.said


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"host": "no-such-host.invalid"}, "has no address"),
        ({"host": "a" * 70 + ".b"}, "expected|no address"),
        ({"port": 70_000}, "0 to 65535"),
        ({"port": -1}, "0 to 65535"),
        ({"loop": "twisted"}, "'uvloop' or 'asyncio'"),
        ({"uds": "/no/such/folder/socket"}, "No such file"),
    ],
)
def test_options_that_make_no_sense_are_named(options: Any, says: str) -> None:
    with pytest.raises(DefinitionError, match=says):
        serve(None, **options)
    with pytest.raises(DefinitionError, match=says):
        serve_workers("a:b", workers=1, **options)


def test_no_workers_make_no_sense() -> None:
    with pytest.raises(DefinitionError, match="workers=0"):
        serve_workers("a:b", workers=0)


def test_a_taken_port_is_named() -> None:
    (bound,) = bind("127.0.0.1", 0, None)
    bound.listen()
    port = bound.getsockname()[1]
    with pytest.raises(DefinitionError, match=f"127.0.0.1:{port}: Address already in use"):
        bind("127.0.0.1", port, None)
    bound.close()


def test_urls_say_where_a_socket_is() -> None:
    (four,), (six,) = bind("127.0.0.1", 0, None), bind("::1", 0, None)
    assert url_of(four, "/mcp") == f"http://127.0.0.1:{four.getsockname()[1]}/mcp"
    assert url_of(six) == f"http://[::1]:{six.getsockname()[1]}"
    close([four, six])


@pytest.mark.req("S-04")
def test_a_unix_socket_is_its_owners_alone_and_takes_the_place_of_a_dead_one(tmp_path: Path) -> None:
    place = tmp_path / "s"
    (bound,) = bind("", 0, str(place))
    assert stat.S_IMODE(place.stat().st_mode) == 0o600
    check_reach([bound], authenticated=False, allowed=False)
    bound.listen()
    with pytest.raises(DefinitionError, match="Another server listens"):
        bind("", 0, str(place))
    bound.close()
    sockets = bind("", 0, str(place))
    release(sockets, str(place))
    assert not place.exists()
    place.write_text("precious")
    with pytest.raises(DefinitionError, match="not a socket"):
        bind("", 0, str(place))
    assert place.read_text() == "precious"


@pytest.mark.parametrize("loop", ["asyncio", "uvloop"])
@pytest.mark.parametrize("workers", [0, 1])
def test_a_unix_socket_serves(tmp_path: Path, loop: str, workers: int) -> None:
    place = str(tmp_path / "s")
    with started(uds=place, loop=loop, workers=workers) as program:
        with socket.socket(socket.AF_UNIX) as client:
            client.settimeout(8)
            client.connect(place)
            client.sendall(ASK)
            assert json.loads(read_response(client)[2])["client"] is None
        program.process.send_signal(signal.SIGTERM)
        assert program.ended() == 0
    assert not os.path.exists(place)


def test_an_event_loop_is_made_as_asked() -> None:
    for name in ("asyncio", "uvloop"):
        loop = loop_factory(name)()
        assert type(loop).__module__.startswith(name)
        loop.close()


# How it ends.


@pytest.mark.parametrize("loop", ["asyncio", "uvloop"])
def test_a_server_says_where_it_is_and_leaves_when_told(loop: str) -> None:
    with started(loop=loop, path="/mcp") as program:
        assert program.ask()["pid"] == program.process.pid
        program.process.send_signal(signal.SIGTERM)
        assert program.ended() == 0
    lines = program.said.splitlines()
    assert lines == [f"Serving on http://127.0.0.1:{program.port}/mcp (Ctrl-C to stop)", "draining", "lifespan ended"]


@pytest.mark.parametrize("loop", ["asyncio", "uvloop"])
def test_a_drain_ends_streams_by_themselves_and_lets_calls_finish(loop: str) -> None:
    with (
        started(loop=loop) as program,
        program.connect() as stream,
        program.connect() as call,
        program.connect() as idle,
    ):
        stream.sendall(ASK.replace(b"/ ", b"/stream ", 1))
        call.sendall(ASK.replace(b"/ ", b"/waits ", 1))
        status, _, rest = read_head(stream)
        idle.sendall(ASK)
        assert read_response(idle)[0] == status == 200
        program.process.send_signal(signal.SIGTERM)
        rest += read_all(stream)
        assert rest.endswith(b"end\n\r\n0\r\n\r\n")
        assert read_response(call)[0] == 200
        assert read_all(idle) == b""
        assert program.ended() == 0
        with pytest.raises(ConnectionRefusedError):
            program.connect()


def test_what_does_not_end_is_ended_after_the_patience() -> None:
    with started(drain_seconds=0.3) as program, program.connect() as stream:
        stream.sendall(ASK.replace(b"/ ", b"/stubborn ", 1))
        read_head(stream)
        began = time.monotonic()
        program.process.send_signal(signal.SIGTERM)
        read_all(stream)
        assert program.ended() == 0
        assert 0.2 < time.monotonic() - began < 4
    assert "lifespan ended" in program.said


def test_a_second_signal_ends_the_patience() -> None:
    with started(drain_seconds=600) as program, program.connect() as stream:
        stream.sendall(ASK.replace(b"/ ", b"/stubborn ", 1))
        read_head(stream)
        program.process.send_signal(signal.SIGTERM)
        while "draining" not in program.said:
            time.sleep(0)
        program.process.send_signal(signal.SIGTERM)
        assert program.ended() == 0


@pytest.mark.req("R-42")
@pytest.mark.timeout(60)
@pytest.mark.parametrize("path", [b"/stream ", b"/stubborn "])
@pytest.mark.parametrize("loop", ["asyncio", "uvloop"])
def test_ctrl_c_ends_a_thousand_streams_within_two_seconds(path: bytes, loop: str) -> None:
    with started(loop=loop) as program, contextlib.ExitStack() as stack:
        request = ASK.replace(b"/ ", path, 1)
        for _ in range(1000):
            client = stack.enter_context(program.connect())
            client.sendall(request)
            assert read_head(client)[0] == 200
        began = time.monotonic()
        program.process.send_signal(signal.SIGINT)
        assert program.ended() == 0
        assert time.monotonic() - began < 2
    assert "lifespan ended" in program.said and "Traceback" not in program.said


def test_a_lifespan_that_fails_ends_the_program() -> None:
    status, said = stopped({"SERVE_TEST_FAIL": "lifespan"})
    assert (status, said) == (1, "refused: The application could not start: no database\n")


@pytest.mark.req("R-42")
@pytest.mark.timeout(30)
@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 0)])
@pytest.mark.parametrize("workers", [0, 2])
def test_who_is_told_to_stop_while_it_starts_gives_the_start_up(
    workers: int, number: signal.Signals, status: int
) -> None:
    program = Program({"port": 0, "workers": workers}, {"SERVE_TEST_FAIL": "slow"})
    program.wait_ready(b"Starting")
    program.process.send_signal(number)
    ended = program.ended()
    assert program.process.stderr is not None
    program.process.stderr.close()
    assert ended == status
    assert "cleaned up" in program.said and "Serving on" not in program.said and "Traceback" not in program.said


@pytest.mark.req("R-42")
@pytest.mark.timeout(30)
@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 0)])
def test_who_is_told_to_stop_while_the_start_keeps_the_loop_busy_does_not_serve(
    tmp_path: Path, number: signal.Signals, status: int
) -> None:
    go = tmp_path / "go"
    os.mkfifo(go)
    program = Program({"port": 0}, {"SERVE_TEST_FAIL": "busy", "SERVE_TEST_GO": str(go)})
    program.wait_ready(b"Starting")
    program.process.send_signal(number)
    go.write_bytes(b"")
    ended = program.ended()
    assert program.process.stderr is not None
    program.process.stderr.close()
    assert ended == status
    assert "lifespan ended" in program.said and "Serving on" not in program.said


def test_a_lifespan_that_exits_ends_the_program_with_its_words() -> None:
    assert stopped({"SERVE_TEST_FAIL": "exit"}) == (1, "no database configured\n")


@pytest.mark.req("R-37", "R-19")
@pytest.mark.timeout(30)
@pytest.mark.parametrize("loop", ["asyncio", "uvloop"])
def test_connections_never_use_up_the_descriptors(loop: str) -> None:
    with started(loop=loop, files=128) as program, contextlib.ExitStack() as stack:
        kept = [stack.enter_context(program.connect()) for _ in range(120)]
        answers = []
        for client in kept:
            client.sendall(ASK)
            answers.append(read_head(client)[0])
        assert set(answers) == {200, 503} and answers.count(200) == 64
        for client in kept:
            client.close()
        assert program.pids(1) == {program.process.pid}


@pytest.mark.req("R-37")
@pytest.mark.timeout(30)
@pytest.mark.parametrize("loop", ["asyncio", "uvloop"])
def test_without_descriptors_a_server_neither_spins_nor_chatters_and_recovers(loop: str) -> None:
    with started(loop=loop, files=256) as program, program.connect() as owner:
        owner.sendall(ASK.replace(b"/ ", b"/eat ", 1))
        assert read_response(owner)[0] == 200
        spent = processor_time(program.process.pid)
        with program.connect() as waiting, contextlib.suppress(TimeoutError, ConnectionResetError):
            waiting.settimeout(1.5)
            waiting.sendall(ASK)
            assert waiting.recv(1000) == b""
        assert processor_time(program.process.pid) - spent < 0.4
        owner.sendall(ASK.replace(b"/ ", b"/free ", 1))
        assert read_response(owner)[0] == 200
        assert program.ask()["pid"] == program.process.pid
        assert len(program.said) < 2000
        assert loop == "uvloop" or "New connections have to wait: Too many open files" in program.said


def processor_time(pid: int) -> float:
    words = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(words[11]) + int(words[12])) / os.sysconf("SC_CLK_TCK")


# Several processes.


@pytest.mark.timeout(30)
def test_workers_share_one_socket_and_get_their_environment() -> None:
    with started({"SERVE_TEST_STATE": "here"}, workers=2) as program:
        assert len(program.pids(2)) == 2
        assert program.ask()["environment"] == {"SERVE_TEST_STATE": "here", "SERVE_TEST_MORE": "yes"}
        program.process.send_signal(signal.SIGTERM)
        assert program.ended() == 0
    assert program.said.count("Serving on") == 1 and program.said.count("lifespan ended") == 2


@pytest.mark.timeout(30)
def test_a_worker_that_dies_is_replaced() -> None:
    with started(workers=2) as program:
        before = program.pids(2)
        victim = min(before)
        os.kill(victim, signal.SIGKILL)
        after: set[int] = set()
        while len(after - {victim}) < 2:
            after |= program.pids(1)
        assert len(after - before) == 1
        program.process.send_signal(signal.SIGTERM)
        assert program.ended() == 0
    assert f"Worker {victim} ended with status -9" in program.said


@pytest.mark.timeout(30)
def test_sighup_replaces_every_worker_while_requests_are_answered() -> None:
    with started(workers=2) as program:
        before = program.pids(2)
        program.process.send_signal(signal.SIGHUP)
        after: set[int] = set()
        while len(after - before) < 2:
            after.add(program.ask()["pid"])  # not one request fails
        program.process.send_signal(signal.SIGINT)
        assert program.ended() == 0
    assert program.said.count("lifespan ended") == 4


@pytest.mark.timeout(30)
def test_workers_end_streams_when_their_supervisor_is_told_to_stop() -> None:
    with started(workers=2) as program, program.connect() as stream:
        stream.sendall(ASK.replace(b"/ ", b"/stream ", 1))
        read_head(stream)
        program.process.send_signal(signal.SIGINT)
        assert read_all(stream).endswith(b"end\n\r\n0\r\n\r\n")
        assert program.ended() == 0


@pytest.mark.timeout(30)
def test_no_worker_outlives_its_supervisor() -> None:
    with started(workers=2) as program:
        pids = program.pids(2)
        program.process.kill()
        program.process.wait(5)
        deadline = time.monotonic() + 8
        while any(alive(pid) for pid in pids):
            assert time.monotonic() < deadline
            time.sleep(0)


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


@pytest.mark.timeout(30)
@pytest.mark.parametrize(
    ("fault", "says"),
    [
        ("load", "this program is broken"),
        ("crash", "A worker could not start (exit status 9): what it said stands above"),
        ("lifespan", "The application could not start: no database"),
    ],
)
def test_workers_that_cannot_start_are_not_started_again(fault: str, says: str) -> None:
    status, said = stopped({"SERVE_TEST_FAIL": fault}, workers=2)
    assert (status, said) == (1, f"refused: {says}\n")


@pytest.mark.parametrize(
    ("target", "says"),
    [
        ("nothing", "expected module:function"),
        ("a.b:c d", "expected module:function"),
        ("no.such.module:load", "no module"),
        ("/no/such/file.py:load", "no Python file"),
        ("json:nothing", "no function 'nothing'"),
    ],
)
def test_a_target_that_is_not_there_is_named(target: str, says: str) -> None:
    with pytest.raises(DefinitionError, match=says):
        load(target)


def test_a_target_is_called() -> None:
    assert load("builtins:dict") == {}


def test_settings_have_the_documented_defaults() -> None:
    settings = Settings()
    assert (settings.host, settings.port, settings.drain_seconds) == ("127.0.0.1", 8000, 10.0)
    assert not settings.allow_unauthenticated_network
