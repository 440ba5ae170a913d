"""`dovetail dev`: a server that is started anew whenever its project changes.

One process watches and one serves. A reload stops the server, waits until it has gone, and starts the next on the same
address; calls under way have a second to finish. What a session is made of is kept in a state directory, so a client
over HTTP goes on with the session it has. Over stdio the watching process keeps the client's streams, and `relay` the
conversation.

A file that cannot be loaded is shown and waited for. Signals: Ctrl-C and SIGTERM stop the server and then this.
"""

import asyncio
import contextlib
import os
import signal
import socket
import sys
import tempfile
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import msgspec

from dovetail.cli.child import CANNOT_SERVE, NOT_LOADED, Orders
from dovetail.cli.loading import fail
from dovetail.cli.relay import Relay, To
from dovetail.cli.watching import Watch
from dovetail.core import LineSplitter, Oversize
from dovetail.errors import Disconnected
from dovetail.net import open_stdio, say
from dovetail.wire import DEFAULT_LIMITS

GRACE_SECONDS: Final = 5.0
"""How long a server may take to stop."""
DRAIN_SECONDS: Final = 1.0
"""How long calls under way may take to finish: somebody sits in front of it."""
_CHUNK: Final = 64 * 1024
_LINE: Final = 64 * 1024 * 1024
"""Longer than any limit of a server that is sane: it is the server that refuses."""


def dev(source: str, options: Mapping[str, Any]) -> int:
    """Serve and reload until stopped; return the exit status."""
    rest = dict(options)
    watch, http = rest.pop("watch", []), rest.get("transport") == "http"
    file = Path(source if Path(source).is_file() else source.rpartition(":")[0])
    if not file.is_file():
        return fail(
            "dev", f"{source} is a folder: name a file in it" if Path(source).is_dir() else f"There is no file {source}"
        )
    for place in watch:
        if not Path(place).exists():
            return fail("dev", f"There is no file or folder {place} to watch")
    if http:
        rest["drain_seconds"] = DRAIN_SECONDS
    if http and rest.get("port") == 0:
        rest["port"] = free_port(rest.get("host", "127.0.0.1"))
    with contextlib.ExitStack() as stack:
        if http and rest.get("state") is None:
            rest["state"] = stack.enter_context(tempfile.TemporaryDirectory(prefix="dovetail-dev-"))
        return asyncio.run((Reloader if http else _OverStdio)(source, rest, Watch(file, watch)).run())


def free_port(host: str) -> int:
    """Return a port that nobody uses now: one for all the processes to come."""
    with contextlib.suppress(OSError), socket.create_server((host, 0)) as found:
        port: int = found.getsockname()[1]
        return port
    return 0  # the server says what is wrong with the host


class Reloader:
    """Starts servers, one after the other, that have a port of their own: nothing passes through here."""

    _stdin: int | None = DEVNULL
    _stdout: int | None = None

    def __init__(self, source: str, options: Mapping[str, Any], watch: Watch) -> None:
        """Prepare; `run` starts."""
        self._source = source
        self._options = dict(options)
        self._watch = watch
        self._stop = asyncio.Event()
        self._changed = asyncio.Event()
        self._names: list[str] = []
        self._served = False

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self._source}>"

    async def run(self) -> int:
        """Serve until stopped; return the exit status."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, self._stop.set)
        watcher = asyncio.create_task(self._watching())
        watcher.add_done_callback(lambda _: self._stop.set())
        note(f"watching {self._watch.root}")
        try:
            status = await self._serve()
            if watcher.done() and not watcher.cancelled() and (error := watcher.exception()) is not None:
                return fail("dev", f"cannot watch {self._watch.root}: {error}")
            return status
        finally:
            watcher.cancel()
            await asyncio.wait([watcher])

    async def _serve(self) -> int:
        while not self._stop.is_set():
            self._changed.clear()
            status = await self._one()
            if self._stop.is_set():
                break
            if status == CANNOT_SERVE and not self._served:
                return 1
            if status is not None and not await self._next_change(status):
                break
            note(f"{', '.join(self._names)} changed: reloading")
        return 0

    async def _watching(self) -> None:
        async for paths in self._watch.changes():
            self._names = [self._watch.shown(path) for path in paths[:3]]
            self._names += [f"{len(paths) - 3} more"] if len(paths) > 3 else []
            self._changed.set()

    async def _one(self) -> int | None:
        """Serve once; return the exit status, or None when the server was stopped for a change."""
        read, write = os.pipe()
        try:
            process = await self._spawn(read)
        finally:
            os.close(read)
        try:
            await self._attach(process)
            ended = await self._first(process.wait())
            if not ended:
                await self._end(process)
            status = process.returncode
            self._served = self._served or status not in (NOT_LOADED, CANNOT_SERVE)
        finally:
            if process.returncode is None:
                tell(process, signal.SIGKILL)
                await process.wait()
            os.close(write)
            await self._detach(process)
        return status if ended else None

    async def _spawn(self, life: int) -> Process:
        orders = msgspec.json.encode(Orders(self._source, self._options, life)).decode()
        return await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "dovetail.cli.child", orders),
            pass_fds=[life],
            stdin=self._stdin,
            stdout=self._stdout,
            # Out of the terminal's group: Ctrl-C comes from here, and once.
            process_group=0,
        )

    async def _first(self, ended: Any) -> bool:
        """Wait for the end of something, a change or a stop; tell whether it was the end."""
        tasks = [asyncio.ensure_future(each) for each in (ended, self._changed.wait(), self._stop.wait())]
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            return tasks[0].done()
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.wait(tasks)

    async def _next_change(self, status: int) -> bool:
        """A server ended by itself: wait until that may be different; False when it will not."""
        if status not in (NOT_LOADED, CANNOT_SERVE):
            note(f"the server ended by itself (exit status {status})")
        note("waiting for a change")
        await self._first(self._changed.wait())
        return not self._stop.is_set()

    async def _end(self, process: Process) -> None:
        """Tell a server to stop; kill it when it takes too long."""
        tell(process, signal.SIGTERM)
        try:
            async with asyncio.timeout(GRACE_SECONDS):
                await process.wait()
        except TimeoutError:
            note("the server did not stop in time and was killed")
            tell(process, signal.SIGKILL)
            await process.wait()

    async def _attach(self, process: Process) -> None:
        """A server has started."""

    async def _detach(self, process: Process) -> None:
        """It has ended."""


class _OverStdio(Reloader):
    """The client's streams stay here; lines pass through the relay."""

    _stdin = PIPE
    _stdout = PIPE

    def __init__(self, source: str, options: Mapping[str, Any], watch: Watch) -> None:
        """Prepare; `run` starts."""
        super().__init__(source, options, watch)
        self._relay = Relay(msgspec.structs.replace(DEFAULT_LIMITS, line=_LINE))
        self._process: Process | None = None
        self._reader: asyncio.Task[None] | None = None

    async def run(self) -> int:
        """Serve until stopped, or until the client has gone."""
        self._channel = await open_stdio(msgspec.structs.replace(DEFAULT_LIMITS, line=_LINE), restore=False)
        reader = asyncio.create_task(self._listen())
        try:
            return await super().run()
        finally:
            reader.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await reader
            await self._channel.aclose()

    async def _listen(self) -> None:
        """Pass on what the client says; its end is ours."""
        while (line := await self._channel.receive()) is not None:
            if not isinstance(line, Oversize):
                await self._pass(self._relay.from_client(line))
        self._stop.set()

    async def _hear(self, process: Process) -> None:
        """Pass on what the server says."""
        assert process.stdout is not None
        splitter = LineSplitter(_LINE)
        while data := await process.stdout.read(_CHUNK):
            for line in splitter.feed(data):
                if not isinstance(line, Oversize):
                    await self._pass(self._relay.from_server(line))

    async def _pass(self, lines: list[To]) -> None:
        for each in lines:
            if each.client:
                with contextlib.suppress(Disconnected):
                    self._channel.send(each.line)
            elif self._process is not None and self._process.stdin is not None:
                self._process.stdin.write(each.line.replace(b"\n", b" ") + b"\n")
        with contextlib.suppress(Disconnected):
            await self._channel.drain()
        if self._process is not None and self._process.stdin is not None:
            with contextlib.suppress(ConnectionError):
                await self._process.stdin.drain()

    async def _attach(self, process: Process) -> None:
        self._process = process
        self._reader = asyncio.create_task(self._hear(process))
        await self._pass(self._relay.started())

    async def _end(self, process: Process) -> None:
        """Close its input, which ends it as its client's leaving would."""
        self._relay.stopping()
        assert process.stdin is not None
        process.stdin.close()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(GRACE_SECONDS):
                await process.wait()
        if process.returncode is None:
            await super()._end(process)

    async def _detach(self, process: Process) -> None:
        if self._reader is not None:
            await self._reader
        self._process = None
        await self._pass(self._relay.stopped(broken=not self._changed.is_set()))


def tell(process: Process, number: int) -> None:
    """Send a signal; not through `process`, which would take the exit status away from who waits for it."""
    if process.returncode is None:
        with contextlib.suppress(ProcessLookupError):
            os.kill(process.pid, number)


def note(text: str) -> None:
    """Say on stderr what happens."""
    say(f"dovetail dev: {text}\n")
