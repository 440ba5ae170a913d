"""Threads that nobody waits for when the process ends.

`concurrent.futures` joins its threads at exit, so one function that hangs would keep a server that has left alive
(R-05). These are daemons: what still runs then ends with the process. Who leaves waits for calls before, within bounds.

`LeavingExecutor` is such threads as an event loop wants them, for `asyncio.to_thread` and `run_in_executor(None, ...)`.
"""

import logging
import os
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor, wait
from functools import partial
from queue import Empty, SimpleQueue
from threading import Lock, Thread
from typing import Any, ParamSpec, TypeVar

log = logging.getLogger("dovetail.net")

P = ParamSpec("P")
T = TypeVar("T")
_Work = tuple["Future[Any]", Callable[..., Any], tuple[Any, ...]]


class Threads:
    """At most `size` threads, each started when nobody is idle."""

    def __init__(self, size: int) -> None:
        """Start none yet."""
        self._size = size
        self._work: SimpleQueue[_Work | None] = SimpleQueue()
        self._lock = Lock()
        self._started = 0
        self._idle = 0
        self._closed = False

    def __repr__(self) -> str:
        return f"<Threads {self._started} of {self._size}, {'closed' if self._closed else 'open'}>"

    def submit(self, function: Callable[..., T], *args: Any) -> "Future[T]":
        """Call a function in a thread.

        Raises:
            RuntimeError: After `close`.
        """
        future: Future[T] = Future()
        with self._lock:
            if self._closed:
                raise RuntimeError("the threads are closed")
            self._work.put((future, function, args))
            if self._idle:
                self._idle -= 1  # it takes this
            elif self._started < self._size:
                self._started += 1
                Thread(target=self._run, name=f"dovetail_{self._started}", daemon=True).start()
        return future

    def close(self) -> None:
        """Cancel what waits for a thread; what runs is left to end by itself."""
        with self._lock:
            self._closed = True
            _cancel(self._work)
            for _ in range(self._started):
                self._work.put(None)

    def _run(self) -> None:
        while (work := self._work.get()) is not None:
            _do(*work)
            del work  # an idle thread keeps nothing alive
            with self._lock:
                self._idle += 1


class Strand:
    """Work that is done in one thread, one after the other: in that which calls `work_off`."""

    def __init__(self) -> None:
        """Begin without any."""
        self._work: SimpleQueue[_Work | None] = SimpleQueue()

    def submit(self, function: Callable[..., T], *args: Any) -> "Future[T]":
        """Call a function in the thread."""
        future: Future[T] = Future()
        self._work.put((future, function, args))
        return future

    def work_off(self) -> None:
        """Do what there is, and what comes, until `close`."""
        while (work := self._work.get()) is not None:
            _do(*work)
            del work

    def close(self) -> None:
        """Let the thread go when it has done what was submitted before."""
        self._work.put(None)

    def cancel(self) -> None:
        """Cancel what no thread has come to, and none will."""
        _cancel(self._work)


class LeavingExecutor(ThreadPoolExecutor):
    """An event loop's default executor: its shutdown waits `patience` seconds and no longer, and nobody does after.

    It is a `ThreadPoolExecutor` because event loops take nothing else; none of that one's threads is ever started.
    """

    def __init__(self, patience: float) -> None:
        """Prepare for as many threads as an event loop has by default."""
        size = min(32, (os.cpu_count() or 1) + 4)
        super().__init__(size)
        self._patience = patience
        self._daemons = Threads(size)
        self._open: set[Future[Any]] = set()

    def __repr__(self) -> str:
        return f"<LeavingExecutor {self._daemons!r}>"

    def submit(self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> "Future[T]":
        """Call a function in a thread.

        Raises:
            RuntimeError: After `shutdown`.
        """
        future = self._daemons.submit(partial(fn, *args, **kwargs))
        self._open.add(future)
        future.add_done_callback(self._open.discard)
        return future

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Start no more, and wait a while for what runs; what waits for a thread is cancelled."""
        self._daemons.close()
        super().shutdown(wait=False, cancel_futures=cancel_futures)
        if wait:
            self._wait()

    def _wait(self) -> None:
        left = wait(set(self._open), timeout=self._patience).not_done
        if left:
            said = "Threads that have not ended %g s after the server, and are left behind: %d"
            log.warning(said, self._patience, len(left))


def _cancel(queue: "SimpleQueue[_Work | None]") -> None:
    while True:
        try:
            work = queue.get_nowait()
        except Empty:
            return
        if work is not None:
            work[0].cancel()


def _do(future: "Future[Any]", function: Callable[..., Any], args: tuple[Any, ...]) -> None:
    if not future.set_running_or_notify_cancel():
        return
    try:
        result = function(*args)
    except BaseException as error:
        future.set_exception(error)
    else:
        future.set_result(result)
