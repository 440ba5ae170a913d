"""Plain functions run in a thread pool of their own: bounded, apart from everybody else's, and cancelled cooperatively.

A place is held while a function runs, and given back while it waits for the client's answer (`ask_sync`), so that
questions that nobody answers cannot use the pool up; nor can one caller (`Places`). A thread cannot be stopped from
outside: a cancelled call ends for its client at once, its thread goes on until it looks at `ctx.cancelled`. Until then
its place stays taken, and so does its entry's (`concurrency=`); what it was given is closed after it, unless it takes
longer than the grace period.

Here, too, is the one place that knows how to call what a user wrote: async or plain, and with what it returns awaited.
"""

import asyncio
import contextlib
import inspect
from collections.abc import Callable, Coroutine
from concurrent.futures import CancelledError as FutureCancelled
from concurrent.futures import Future
from contextlib import AbstractContextManager
from contextvars import copy_context
from functools import partial
from typing import TYPE_CHECKING, Any, Generic, TypeVar, cast

from dovetail.errors import DefinitionError
from dovetail.net import Threads
from dovetail.server.calls import turn as turns
from dovetail.server.calls.context import Context
from dovetail.server.calls.gates import coming_back
from dovetail.server.calls.places import Places
from dovetail.server.calls.telling import MADE
from dovetail.server.calls.turn import owner_of, turn_of
from dovetail.server.functions.parameters import is_async

if TYPE_CHECKING:
    from dovetail.server.calls.gates import Slots
    from dovetail.server.calls.lanes import Lane

T = TypeVar("T")

ASKING_THREADS = 256
"""Threads that may wait for answers beyond the pool's size."""


class Pool:
    """The threads of one runtime."""

    def __init__(self, size: int) -> None:
        """Prepare for at most `size` functions at a time; threads start when they are needed."""
        self.size = size
        self.places = Places(size)
        self.asking = 0
        self.threads = Threads(size + ASKING_THREADS)

    def __repr__(self) -> str:
        return f"<Pool of {self.size}>"

    async def call(
        self,
        context: Context,
        function: Callable[..., Any],
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
        *,
        lane: "Lane | None" = None,
    ) -> Any:
        """Call a function as it wants to be called: an async one in place, a plain one in a thread."""
        if is_async(function):
            return await function(*args, **(kwargs or {}))
        return await self.call_plain(context, function, args, kwargs, lane=lane)

    async def call_plain(
        self,
        context: Context,
        function: Callable[..., Any],
        args: tuple[Any, ...],
        kwargs: dict[str, Any] | None = None,
        *,
        slots: "Slots | None" = None,
        lane: "Lane | None" = None,
    ) -> Any:
        """Call a plain function in a thread, and await what it returns if that can be: it may well wrap an async one.

        The arguments are those of `run`.
        """
        value = await self.run(context, function, args, kwargs, slots=slots, lane=lane)
        return await value if inspect.isawaitable(value) else value

    async def run(
        self,
        context: Context,
        function: Callable[..., T],
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
        *,
        slots: "Slots | None" = None,
        lane: "Lane | None" = None,
    ) -> T:
        """Run a plain function in a thread, in a copy of the caller's context variables.

        Args:
            context: The call.
            function: The function.
            args: By place.
            kwargs: By name.
            slots: Where the caller holds a place: a thread that outlives the call takes one of its own.
            lane: The call's own thread, if it is to be that one.
        """
        turn, owner = turn_of(context), owner_of(context)
        loop, work = asyncio.get_running_loop(), (copy_context().run, _guarded, function, args, kwargs or {})
        future: Future[T]
        if lane is None:
            await self.places.take(owner)
            future = self.threads.submit(*work)
            future.add_done_callback(lambda _: _on_loop(loop, partial(self.places.leave, owner)))
        else:
            future = await lane.submit(*work)
        try:
            value = await asyncio.wrap_future(future)
        except asyncio.CancelledError:
            try:
                if turn.stop is not None:
                    # The outcome is out: only clean-up waits, and is done when nobody uses any more what it closes.
                    await _ended(future, loop)
            finally:
                if slots is not None and not future.done():
                    back = coming_back(context)
                    slots.stay(back)
                    future.add_done_callback(lambda _: _on_loop(loop, partial(slots.leave, back)))
            raise
        return value

    async def clean(self, function: Callable[..., T], args: tuple[Any, ...], lane: "Lane | None" = None) -> T | None:
        """Run clean-up in a thread. It waits for no place in the pool: it is there to give things back.

        Nor does it wait for a lane that is still at work after the grace period: what was opened there, such as a
        lock, can be closed nowhere else, and is as soon as that work ends.
        """
        work: tuple[Any, ...] = (copy_context().run, _guarded, function, args, {})
        try:
            if lane is not None and lane.there:
                free = lane.free
                future: Future[T | None] = lane.submit_now(*work)
                if not free:
                    return None
            else:
                future = self.threads.submit(*work)
        except RuntimeError:  # the pool is closed
            return function(*args)
        return await asyncio.shield(asyncio.wrap_future(future))

    async def beside(self, context: Context, question: Coroutine[Any, Any, T]) -> T:
        """Ask with the thread's place given back, and take it again.

        Beyond `ASKING_THREADS` at a time the place is kept: were it given away, those who got it would wait for a
        thread of those who wait for it.
        """
        owner = owner_of(context)
        if not self.may_rest():
            return await question
        self.asking += 1
        self.places.leave(owner)
        try:
            return await question
        finally:
            await self.places.take(owner)
            self.asking -= 1

    def may_rest(self) -> bool:
        """Tell whether there are threads for others, if one that waits for something gives its place back."""
        return self.asking < ASKING_THREADS

    def close(self) -> None:
        """Start no more; threads that run are left to end by themselves."""
        self.threads.close()


class InThreads(Generic[T]):
    """A context manager for plain code as one for async code: both its ends run in the pool."""

    def __init__(self, lane: "Lane | None", context: Context, manager: AbstractContextManager[T]) -> None:
        """Wrap a manager that was not entered yet. Both ends run in the lane, if there is one."""
        self._pool = context.runtime.pool
        self._lane = lane
        self._context = context
        self._manager = manager
        self._entered: list[AbstractContextManager[T]] = []
        self._given_up = False

    async def __aenter__(self) -> T:
        try:
            value = await self._pool.run(self._context, self._enter, lane=self._lane)
        except BaseException:
            # Entered or not by now, or only later: whoever takes the manager out of the list leaves it.
            self._given_up = True
            if self._entered:
                await self._pool.clean(self._leave, (None, None, None), self._lane)
            raise
        if self._lane is not None:
            self._lane.to_leave += 1
        return value

    async def __aexit__(self, *failure: Any) -> bool | None:
        if self._lane is not None:
            self._lane.to_leave -= 1
        return await self._pool.clean(self._leave, failure, self._lane)

    def _enter(self) -> T:
        value = self._manager.__enter__()
        self._entered.append(self._manager)
        if self._given_up:
            self._leave(None, None, None)
        return value

    def _leave(self, *failure: Any) -> bool | None:
        try:
            manager = self._entered.pop()
        except IndexError:
            return None
        return manager.__exit__(*failure)


async def _ended(future: "Future[Any]", loop: asyncio.AbstractEventLoop) -> None:
    """Wait for a thread, no longer than the grace period."""
    ended = asyncio.Event()
    future.add_done_callback(lambda _: _on_loop(loop, ended.set))
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(turns.GRACE_SECONDS):
            await ended.wait()


def _on_loop(loop: asyncio.AbstractEventLoop, function: Callable[[], None]) -> None:
    if not loop.is_closed():
        loop.call_soon_threadsafe(function)


def _guarded(function: Callable[..., T], args: tuple[Any, ...], kwargs: dict[str, Any]) -> T:
    made: list[Coroutine[Any, Any, Any]] = []
    MADE.set(made)  # the thread has a copy of the context: nobody else sees it
    try:
        value = function(*args, **kwargs)
    except (StopIteration, GeneratorExit) as error:
        # A future cannot carry them: they would end the coroutines that await it.
        raise RuntimeError(f"the function raised {type(error).__name__}") from error
    if made:
        _refuse_unsent(made, value)
    return value


def _refuse_unsent(made: list[Coroutine[Any, Any, Any]], value: object) -> None:
    """Refuse to lose what a plain function wanted to say: it made a coroutine, and nobody runs it."""
    unsent = [said for said in made if said is not value and inspect.getcoroutinestate(said) == inspect.CORO_CREATED]
    for said in unsent:
        said.close()
    if unsent:
        name = str(getattr(unsent[0], "__name__", "")).strip("_")
        raise DefinitionError(
            f"A plain function called {name} of its context, and nothing awaits that: write"
            f" ctx.ask_sync(ctx.{name}(...)), or make the function async"
        )


def ask_from_thread(context: Context, question: Coroutine[Any, Any, T]) -> T:
    """Ask from a thread, the pool's or another. See `Context.ask_sync`.

    Raises:
        RuntimeError: Called on the event loop, where it would wait for itself.
    """
    turn, loop = context.turn, context.runtime.loop
    if loop is None or _on_event_loop():
        question.close()
        raise RuntimeError("ask_sync is for plain functions; an async function awaits its question")
    if turn is not None and turn.over:
        question.close()
        raise asyncio.CancelledError("the turn has ended")
    # Without a turn, the handler has begun this thread and not yet waited for it: the question makes one, on the loop.
    holds_place = MADE.get() is not None
    watched = MADE.set(None)  # what is asked runs on the loop, where coroutines are awaited by themselves
    try:
        asked = context.runtime.pool.beside(context, question) if holds_place else question
        answer, failure = asyncio.run_coroutine_threadsafe(turns.caught(asked), loop).result()
    except FutureCancelled:
        # The turn has ended. Not an Exception: the function must unwind, and runs again with the answer.
        raise asyncio.CancelledError from None
    finally:
        MADE.reset(watched)
    if failure is not None:
        raise failure
    return cast("T", answer)


def _on_event_loop() -> bool:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True
