"""Threads for the plain functions that answer a server: one each, so many at a time, more wait for their turn.

Invariants
* A place belongs to the thread, not to whoever waits for its answer: it is free when the function returns, also when
  the question was given up long before, or the event loop that asked is closed.
* A function that nobody waits for any more when its turn comes is not called.
"""

import asyncio
import contextlib
import contextvars
import threading
from collections import deque
from collections.abc import Callable
from typing import Any


class _Work:
    """A function to be called, and who waits for what it returns."""

    def __init__(self, function: Callable[[], Any]) -> None:
        self._function = function
        self._context = contextvars.copy_context()
        self._loop = asyncio.get_running_loop()
        self.answered: asyncio.Future[Any] = self._loop.create_future()
        self.over = False

    def do(self) -> None:
        """Call it, if anybody waits for it."""
        if self.over or self._loop.is_closed():
            return
        error, result = None, None
        try:
            result = self._context.run(self._function)
        except BaseException as failure:
            # What a future cannot carry (StopIteration), or would end the loop (SystemExit), is told of by its name.
            carried = isinstance(failure, Exception) and not isinstance(failure, StopIteration)
            error = failure if carried else RuntimeError(type(failure).__name__)
        with contextlib.suppress(RuntimeError):  # nobody waits any more: the loop is closed
            self._loop.call_soon_threadsafe(self._settle, error, result)

    def _settle(self, error: BaseException | None, result: Any) -> None:
        if self.answered.done():
            return
        if error is None:
            self.answered.set_result(result)
        else:
            self.answered.set_exception(error)


class HandlerThreads:
    """The threads of one client: the loop's few are for names to be resolved, and are waited for at its end.

    Args:
        most: Threads at a time.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._lock = threading.Lock()  # a client may be opened again in another loop, while threads of the first go on
        self._alive = 0
        self._waiting: deque[_Work] = deque()

    def __repr__(self) -> str:
        return f"<HandlerThreads {self._alive} of {self._most}, {len(self._waiting)} waiting>"

    async def call(self, function: Callable[[], Any]) -> Any:
        """Return what a function returns, or raise what it raises."""
        work = _Work(function)
        with self._lock:
            self._waiting.append(work)
            begins = self._alive < self._most
            self._alive += begins
        try:
            if begins:
                self._begin()
            return await work.answered
        finally:
            work.over = True
            with self._lock, contextlib.suppress(ValueError):
                self._waiting.remove(work)

    def _begin(self) -> None:
        try:
            threading.Thread(target=self._work, name="dovetail: a handler of the client", daemon=True).start()
        except BaseException:  # the system has no threads left
            with self._lock:
                self._alive -= 1
            raise

    def _work(self) -> None:
        while True:
            with self._lock:
                if not self._waiting:
                    self._alive -= 1
                    return
                work = self._waiting.popleft()
            work.do()
