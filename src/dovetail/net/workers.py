"""Several worker processes on one listening socket, and the supervisor that keeps them.

Workers are spawned, never forked, so none inherits a running loop, a thread or a lock. A worker that ends unasked is
started again after a back-off that doubles while it keeps failing; SIGHUP replaces each worker in turn, a new one
serving before its predecessor is told to drain. The supervisor serves nothing, holds no state and never waits for long.

A crash is told from a broken program: when a worker ends before it was ever ready and none has been, the supervisor
gives up.
"""

import contextlib
import logging
import os
import random
import select
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Generator, Mapping
from types import FrameType
from typing import TYPE_CHECKING, Final

import msgspec

from dovetail.errors import DefinitionError
from dovetail.net.binding import url_of
from dovetail.net.worker import FAILED, READY, REFUSED, Orders

if TYPE_CHECKING:
    from dovetail.net.serving import Settings

log = logging.getLogger("dovetail.net")

BACKOFF_SECONDS: Final = 0.5
BACKOFF_LIMIT: Final = 30.0
STEADY_SECONDS: Final = 10.0
"""A worker that lived this long failed for a reason of its own: the back-off starts anew."""
START_SECONDS: Final = 30.0
GRACE_SECONDS: Final = 5.0
"""How long after its patience a draining worker is killed."""

_SIGNALS: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGCHLD)


class _Worker:
    """A worker process as its supervisor sees it."""

    def __init__(self, process: "subprocess.Popen[bytes]", ready: int, life: int, now: float) -> None:
        self.process = process
        self.ready_pipe = ready
        self.life_pipe = life
        self.started_at = now
        self.is_ready = False
        self.refusal = ""
        self.kill_at: float | None = None
        self.replaces: _Worker | None = None

    def __repr__(self) -> str:
        state = "draining" if self.kill_at is not None else "ready" if self.is_ready else "starting"
        return f"<_Worker {self.process.pid} {state}>"

    def look(self) -> bool:
        """Tell whether it has become ready just now."""
        if self.ready_pipe < 0 or not select.select([self.ready_pipe], [], [], 0)[0]:
            return False
        word = os.read(self.ready_pipe, select.PIPE_BUF)
        os.close(self.ready_pipe)
        self.ready_pipe = -1
        self.is_ready = word == READY
        self.refusal = word[len(REFUSED) :].decode("utf-8", "replace") if word.startswith(REFUSED) else ""
        return self.is_ready

    def why(self) -> str:
        return self.refusal or "what it said stands above"

    def tell(self, number: int) -> None:
        with contextlib.suppress(ProcessLookupError):
            self.process.send_signal(number)

    def close(self) -> None:
        for pipe in (self.ready_pipe, self.life_pipe):
            if pipe >= 0:
                os.close(pipe)
        self.ready_pipe = self.life_pipe = -1


class Supervisor:
    """Keeps `count` workers alive until it is told to stop."""

    def __init__(
        self,
        target: str,
        sockets: list[socket.socket],
        settings: "Settings",
        count: int,
        environment: Mapping[str, str],
    ) -> None:
        """Prepare; `run` starts.

        Args:
            target: What each worker loads.
            sockets: Bound; workers listen on them.
            settings: Of every worker.
            count: How many.
            environment: All of each worker's environment.
        """
        self._target = target
        self._sockets = sockets
        self._settings = settings
        self._count = count
        self._environment = dict(environment)
        self._workers: list[_Worker] = []
        self._failures = 0
        self._start_at = 0.0
        self._replacing: list[_Worker] = []
        self._pending: list[int] = []
        self._stopping = False
        self._announced = False
        self.given_up = False
        """Ctrl-C came before all workers served."""

    def __repr__(self) -> str:
        return f"<Supervisor of {self._count}: {self._workers!r}>"

    def run(self) -> None:
        """Supervise until SIGINT or SIGTERM.

        Raises:
            DefinitionError: A worker ended before any was ready.
        """
        with self._signals() as bell:
            try:
                while self._workers or not self._stopping:
                    self._fill()
                    self._wait(bell)
                    self._obey()
                    self._collect()
                    self._replace()
            finally:
                for worker in self._workers:
                    worker.process.kill()
                    worker.process.wait()
                    worker.close()

    @contextlib.contextmanager
    def _signals(self) -> Generator[int, None, None]:
        """Signals ring a bell that the loop waits on; what they ask for is done between two waits."""
        bell, rope = os.pipe()
        os.set_blocking(bell, False)
        os.set_blocking(rope, False)

        def take(number: int, frame: FrameType | None) -> None:
            self._pending.append(number)

        before = {number: signal.signal(number, take) for number in _SIGNALS}
        wakeup = signal.set_wakeup_fd(rope, warn_on_full_buffer=False)
        try:
            yield bell
        finally:
            signal.set_wakeup_fd(wakeup)
            for number, handler in before.items():
                signal.signal(number, handler)
            os.close(bell)
            os.close(rope)

    def _fill(self) -> None:
        """Start what is missing, once the back-off is over."""
        serving = [worker for worker in self._workers if worker.kill_at is None and worker.replaces is None]
        if self._stopping or time.monotonic() < self._start_at:
            return
        for _ in range(self._count - len(serving)):
            self._workers.append(self._spawn())

    def _spawn(self) -> _Worker:
        ready_read, ready_write = os.pipe()
        life_read, life_write = os.pipe()
        settings = self._settings
        orders = Orders(
            target=self._target,
            sockets=[bound.fileno() for bound in self._sockets],
            ready=ready_write,
            life=life_read,
            limits=settings.limits,
            loop=settings.loop,
            drain_seconds=settings.drain_seconds,
            allowed=settings.allow_unauthenticated_network,
        )
        try:
            process = subprocess.Popen(  # noqa: S603  # this interpreter, our own module, no shell
                [sys.executable, "-m", "dovetail.net.worker", msgspec.json.encode(orders).decode()],
                env=self._environment,
                pass_fds=[*orders.sockets, ready_write, life_read],
                stdin=subprocess.DEVNULL,
                # Out of the terminal's group: Ctrl-C comes from the supervisor, and once.
                process_group=0,
            )
        finally:
            os.close(ready_write)
            os.close(life_read)
        return _Worker(process, ready_read, life_write, time.monotonic())

    def _wait(self, bell: int) -> None:
        """Sleep until a signal, a worker's word, or the next moment at which something is due."""
        now = time.monotonic()
        due = [worker.kill_at for worker in self._workers if worker.kill_at is not None]
        due += [worker.started_at + START_SECONDS for worker in self._workers if not worker.is_ready]
        if not self._stopping and self._start_at > now:
            due.append(self._start_at)
        pipes = [worker.ready_pipe for worker in self._workers if worker.ready_pipe >= 0]
        timeout = max(0.0, min(due) - now) if due else None
        if self._pending:
            timeout = 0.0
        rung, _, _ = select.select([bell, *pipes], [], [], timeout)
        if bell in rung:
            with contextlib.suppress(BlockingIOError):
                while os.read(bell, 512):
                    pass

    def _obey(self) -> None:
        pending, self._pending = self._pending, []
        for number in pending:
            if number in (signal.SIGINT, signal.SIGTERM):
                self.given_up = self.given_up or (number == signal.SIGINT and not self._announced)
                self._stop(number)
            elif number == signal.SIGHUP and not self._stopping:
                self._replacing = [worker for worker in self._workers if worker.kill_at is None]

    def _stop(self, number: int) -> None:
        """Pass the wish on; a second one, too, which ends the workers' patience."""
        self._stopping = True
        self._replacing = []
        for worker in self._workers:
            # One that is still starting has nobody to wait for, and may be where Ctrl-C would make a traceback.
            self._retire(worker, number if worker.is_ready else signal.SIGTERM)

    def _retire(self, worker: _Worker, number: int = signal.SIGTERM) -> None:
        if worker.kill_at is None:
            worker.kill_at = time.monotonic() + self._settings.drain_seconds + GRACE_SECONDS
        worker.tell(number)

    def _collect(self) -> None:
        """Note who is ready, who has ended and who is overdue."""
        now = time.monotonic()
        for worker in tuple(self._workers):
            if worker.look():
                self._is_ready(worker)
            overdue = worker.kill_at if worker.kill_at is not None else worker.started_at + START_SECONDS
            if (worker.kill_at is not None or not worker.is_ready) and now >= overdue:
                worker.process.kill()
                worker.process.wait()
            if worker.process.poll() is not None:
                self._workers.remove(worker)
                worker.look()
                worker.close()
                self._ended(worker, now)

    def _is_ready(self, worker: _Worker) -> None:
        if worker.replaces is not None:
            self._retire(worker.replaces)
            worker.replaces = None
        if not self._announced and sum(w.is_ready for w in self._workers) >= self._count:
            self._announced = True
            self._settings.ready(url_of(self._sockets[0], self._settings.path))

    def _ended(self, worker: _Worker, now: float) -> None:
        if worker.kill_at is not None:
            return
        status = worker.process.returncode
        if worker.replaces is not None:
            log.error(
                "A new worker ended with status %s before it was ready; the old ones stay: %s", status, worker.why()
            )
            self._replacing = []
            return
        if not self._announced and (status == FAILED or not worker.is_ready):
            self._stop(signal.SIGTERM)
            raise DefinitionError(worker.refusal or f"A worker could not start (exit status {status}): {worker.why()}")
        self._failures = 1 if now - worker.started_at >= STEADY_SECONDS else self._failures + 1
        pause = min(BACKOFF_LIMIT, BACKOFF_SECONDS * 2 ** min(self._failures - 1, 10))
        self._start_at = now + pause * random.uniform(0.5, 1.0)  # noqa: S311  # spreads restarts, guards nothing
        log.error("Worker %d ended with status %s; the next starts within %.1f s", worker.process.pid, status, pause)

    def _replace(self) -> None:
        """Replace the next worker, if none is being replaced."""
        if any(worker.replaces is not None for worker in self._workers):
            return
        while self._replacing:
            old = self._replacing.pop(0)
            if old in self._workers and old.kill_at is None:
                new = self._spawn()
                new.replaces = old
                self._workers.append(new)
                return
