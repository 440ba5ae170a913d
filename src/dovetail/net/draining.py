"""uvicorn's server, taught to leave well: the application is told first, streams end by themselves, waiting is bounded.

Order of an end: no new connections; the application's `drain()`, so that listen streams finish with their result;
connections close when their response is complete, and what is still done for requests that are over is waited for
(`settled()`); after the patience the application's `end_calls()` answers what is left, and what is left even then is
cancelled and aborted; then the lifespan ends. A second signal ends the patience.
"""

import asyncio
import contextlib
import errno
import inspect
import logging
import os
import signal
import socket
import threading
from collections.abc import Callable, Generator
from types import FrameType
from typing import Any, Final

import uvicorn

from dovetail.net.binding import notice_silence
from dovetail.net.lifespan import Lifespan
from dovetail.net.uvicorn_protocol import HttpSite

log = logging.getLogger("dovetail.net")

INTERRUPT_SECONDS: Final = 1.0
"""How long Ctrl-C waits: somebody sits in front of it (R-42)."""

LIFESPAN_SECONDS: Final = 10.0
_TICK: Final = 1.0
_ANSWER_SECONDS: Final = 0.5
"""How long the answers to calls that are cut off may take to go out."""
_COMPLAINT_SECONDS: Final = 10.0
_EXHAUSTED: Final = (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM)
_SIGNALS: Final = (signal.SIGINT, signal.SIGTERM)


def configuration(app: Any, site: HttpSite) -> uvicorn.Config:
    """Return a uvicorn configuration without what costs time or tells strangers something."""
    config = uvicorn.Config(
        app,
        http=site,  # type: ignore[arg-type]  # anything that makes a protocol will do
        ws="none",
        lifespan="on",
        interface="asgi3",
        log_config=None,
        access_log=False,
        proxy_headers=False,
        server_header=False,
    )
    config.load()
    config.lifespan_class = Lifespan
    return config


class DrainingServer(uvicorn.Server):
    """One process that serves one application."""

    def __init__(
        self,
        app: Any,
        site: HttpSite,
        *,
        drain_seconds: float,
        on_started: Callable[[], None] | None = None,
    ) -> None:
        """Prepare to serve.

        Args:
            app: The ASGI application; its `drain()`, if it has one, is called when the end begins, and its
                `end_calls()` before what is left is cancelled.
            site: Makes the connections.
            drain_seconds: How long requests under way may take to finish.
            on_started: Called once requests are taken.
        """
        super().__init__(configuration(app, site))
        self._application = app
        self._site = site
        self._patience = drain_seconds
        self._on_started = on_started
        self._complain_at = 0.0
        self._news = asyncio.Event()
        self._interrupted = False
        self.given_up = False
        """Ctrl-C came before anything was served."""
        site.on_empty = self._news.set

    def __repr__(self) -> str:
        state = "stopping" if self.should_exit else "serving" if self.started else "new"
        return f"<DrainingServer {state}, {self._site!r}>"

    def stop(self, patience: float | None = None) -> None:
        """Begin the end; a second call does not wait for anybody."""
        if self.should_exit:
            self.force_exit = True
        elif patience is not None:
            self._patience = min(self._patience, patience)
        self.should_exit = True
        self._news.set()

    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None, None, None]:
        """Take SIGINT and SIGTERM as a wish to stop; neither is raised again, for who left well was not killed."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        loop = asyncio.get_running_loop()

        def take(number: int, frame: FrameType | None) -> None:
            self._interrupted = self._interrupted or number == signal.SIGINT
            loop.call_soon_threadsafe(self.stop, INTERRUPT_SECONDS if number == signal.SIGINT else None)

        before = {number: signal.signal(number, take) for number in _SIGNALS}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Begin the lifespan, then listen.

        Raises:
            Exception: What the start of the application failed with.
        """
        asyncio.get_running_loop().set_exception_handler(self._loop_failed)
        notice_silence(sockets or (), self._site.limits.write_seconds)
        if not await self._started_up(sockets):
            return
        await self.on_tick(0)
        if self._on_started is not None:
            self._on_started()

    async def _started_up(self, sockets: list[socket.socket] | None) -> bool:
        """Begin the lifespan, which may wait for another process; who is told to stop meanwhile gives it up."""
        starting = asyncio.ensure_future(self._start_up(sockets))
        await self._until(starting, lambda: self.should_exit)
        if starting.done() and (failure := await starting) is not None:
            raise failure
        if not self.should_exit:
            return True
        self.given_up = self._interrupted
        if starting.done():  # the signal came while the application kept the loop busy
            await self.shutdown(sockets)
        else:
            starting.cancel()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(LIFESPAN_SECONDS):
                    await self._until(starting, lambda: self.force_exit)
        return False

    async def _start_up(self, sockets: list[socket.socket] | None) -> BaseException | None:
        try:
            await super().startup(sockets)
        except (Exception, SystemExit) as failure:  # out of a task, `sys.exit` would end the loop
            return failure
        return None

    async def _until(self, task: "asyncio.Future[Any]", over: Callable[[], bool]) -> None:
        """Wait for a task, or until a signal says that nobody waits any longer."""
        while not task.done() and not over():
            self._news.clear()
            news = asyncio.ensure_future(self._news.wait())
            await asyncio.wait({task, news}, return_when=asyncio.FIRST_COMPLETED)
            news.cancel()

    def _loop_failed(self, loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        """Out of descriptors, asyncio complains thousands of times a second; once is what its reader needs (R-37)."""
        error = context.get("exception")
        if not isinstance(error, OSError) or error.errno not in _EXHAUSTED:
            loop.default_exception_handler(context)
        elif loop.time() >= self._complain_at:
            self._complain_at = loop.time() + _COMPLAINT_SECONDS
            log.warning("New connections have to wait: %s", os.strerror(error.errno))

    async def main_loop(self) -> None:
        """Serve until told to stop; once a second the date is written anew."""
        while not await self.on_tick(0):
            self._news.clear()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_TICK):
                    await self._news.wait()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """End, in the order that the module describes."""
        await self._take_no_more()
        for server in self.servers:
            server.close()
        for bound in sockets or ():
            bound.close()
        drain = getattr(self._application, "drain", None)
        if drain is not None:
            done = drain()
            if inspect.isawaitable(done):
                await done
        for connection in tuple(self._site.connections):
            connection.shutdown()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self._patience):
                await self._emptied()
        await self._end_all()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(LIFESPAN_SECONDS):
                await self.lifespan.shutdown()

    async def _take_no_more(self) -> None:
        """Stop accepting, and let what was accepted become connections.

        asyncio (3.11) loses a connection whose server is closed between the two: its socket stays open, and nobody
        answers on it, until a garbage collection. One turn makes its transport, another its protocol.
        """
        loop = asyncio.get_running_loop()
        for server in self.servers:
            for bound in server.sockets:
                if os.name != "nt":  # whose loop has no readers
                    loop.remove_reader(bound.fileno())
        for _ in range(2):
            await asyncio.sleep(0)

    async def _emptied(self) -> None:
        while self._site.connections and not self.force_exit:
            self._news.clear()
            await self._news.wait()
        tasks = [] if self.force_exit else list(self.server_state.tasks)
        if tasks:
            await asyncio.wait(tasks)
        await self._settled()

    async def _settled(self) -> None:
        settled = getattr(self._application, "settled", None)
        if settled is None or self.force_exit:
            return
        settling = asyncio.get_running_loop().create_task(settled())
        settling.add_done_callback(lambda _: self._news.set())
        try:
            while not settling.done() and not self.force_exit:
                self._news.clear()
                await self._news.wait()
        finally:
            settling.cancel()

    async def _end_all(self) -> None:
        await self._answer_all()
        tasks = list(self.server_state.tasks)
        for task in tasks:
            task.cancel()
        self._site.abort_all()
        if tasks:
            await asyncio.wait(tasks, timeout=_TICK)

    async def _answer_all(self) -> None:
        end_calls, tasks = getattr(self._application, "end_calls", None), list(self.server_state.tasks)
        if end_calls is not None and tasks:
            end_calls()
            await asyncio.wait(tasks, timeout=_ANSWER_SECONDS)
