"""Plain functions run in a thread pool of their own: bounded, apart from everybody else's, and cancelled cooperatively.
 A slot is held while a function runs, and given back while it waits for the client's answer (`ask_sync`), so that
questions that nobody answers cannot use the pool up. A thread cannot be stopped from outside: a cancelled call ends for
its client at once, its thread goes on until it looks at `ctx.cancelled`, and its slot stays taken until then.
"""

import asyncio
import inspect
from collections.abc import Callable, Coroutine
from concurrent.futures import CancelledError as FutureCancelled
from concurrent.futures import Future, ThreadPoolExecutor
from contextvars import copy_context
from typing import Any, TypeVar

from dovetail.server.calls.context import Context
from dovetail.server.calls.turn import turn_of

T = TypeVar("T")

ASKING_THREADS = 256
"""Threads that may wait for answers beyond the pool's size."""


class Pool:
    """The threads of one runtime."""

    def __init__(self, size: int) -> None:
        """Prepare for at most `size` functions at a time; threads start when they are needed."""
        self.size = size
        self._slots = asyncio.Semaphore(size)
        self._asking = 0
        self._threads = ThreadPoolExecutor(size + ASKING_THREADS, thread_name_prefix="dovetail")

    def __repr__(self) -> str:
        return f"<Pool of {self.size}>"

    async def call(self, context: Context, function: Callable[..., Any], args: tuple[Any, ...]) -> Any:
        """Call a function as it wants to be called: an async one in place, a plain one in a thread."""
        if inspect.iscoroutinefunction(function):
            return await function(*args)
        return await self.run(context, function, args, {})

    async def run(
        self, context: Context, function: Callable[..., T], args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> T:
        """Run a plain function in a thread, in a copy of the caller's context variables."""
        turn_of(context)
        await self._slots.acquire()
        loop = asyncio.get_running_loop()
        future: Future[T] = self._threads.submit(copy_context().run, _guarded, function, args, kwargs)
        future.add_done_callback(lambda _: _on_loop(loop, self._slots.release))
        return await asyncio.wrap_future(future)

    async def beside(self, question: Coroutine[Any, Any, T]) -> T:
        """Ask with the thread's slot given back, and take it again.

        Beyond `ASKING_THREADS` at a time the slot is kept: were it given away, those who got it would wait for a thread
        of those who wait for it.
        """
        if self._asking >= ASKING_THREADS:
            return await question
        self._asking += 1
        self._slots.release()
        try:
            return await question
        finally:
            await self._slots.acquire()
            self._asking -= 1

    def close(self) -> None:
        """Start no more; threads that run are left to end by themselves."""
        self._threads.shutdown(wait=False, cancel_futures=True)


def _on_loop(loop: asyncio.AbstractEventLoop, function: Callable[[], None]) -> None:
    if not loop.is_closed():
        loop.call_soon_threadsafe(function)


def _guarded(function: Callable[..., T], args: tuple[Any, ...], kwargs: dict[str, Any]) -> T:
    try:
        return function(*args, **kwargs)
    except (StopIteration, GeneratorExit) as error:
        # A future cannot carry them: they would end the coroutines that await it.
        raise RuntimeError(f"the function raised {type(error).__name__}") from error


def ask_from_thread(context: Context, question: Coroutine[Any, Any, T]) -> T:
    """Ask from a pool's thread. See `Context.ask_sync`.

    Raises:
        RuntimeError: Called on the event loop, where it would wait for itself.
    """
    turn = context.turn
    if turn is None or _on_event_loop():
        question.close()
        raise RuntimeError("ask_sync is for plain functions; an async function awaits its question")
    if turn.over:
        question.close()
        raise asyncio.CancelledError("the turn has ended")
    pool, loop = context.runtime.pool, turn.loop
    try:
        return asyncio.run_coroutine_threadsafe(pool.beside(question), loop).result()
    except FutureCancelled:
        # The turn has ended. Not an Exception: the function must unwind, and runs again with the answer.
        raise asyncio.CancelledError from None


def _on_event_loop() -> bool:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True
