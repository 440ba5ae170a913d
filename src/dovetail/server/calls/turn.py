"""Driving one call to its one terminal outcome: a result, an error, questions, or nothing at all.

Theory. The handler's first step is driven inline, in the task that read the request: most handlers are done then, and
a call has cost no task, no timer and no watcher. Only one that waits for something becomes a `Turn`: it can now be
cancelled, run out of time, or be suspended. The task stays the one it started in, so that what a handler captured of
its task (timeouts, task groups) stays true; a transport that reads many requests in one task goes on reading in another
(`Outlet.suspended`).

A turn that is ended from outside gets its outcome sent first, by whoever ended it, and only then is the handler's task
cancelled. What the handler still returns or raises is discarded and logged. One that has not finished five seconds
later is abandoned and counted.
"""

import asyncio
import logging
from collections.abc import Callable, Coroutine, Generator
from types import coroutine
from typing import TYPE_CHECKING, Any, TypeVar

from dovetail.errors import InternalError, Refusal
from dovetail.server.calls.context import CURRENT, Context, Stop
from dovetail.server.calls.outcomes import refusal_of, timed_out

if TYPE_CHECKING:
    from dovetail.core import AskLedger
    from dovetail.server.runtime import Runtime

T = TypeVar("T")
log = logging.getLogger("dovetail.server")

GRACE_SECONDS = 5.0
"""How long a handler may take to clean up once its turn has ended."""


@coroutine
def resume(steps: Coroutine[Any, Any, T], signal: Any) -> Generator[Any, Any, T]:
    """Go on with a coroutine whose first step was driven by hand and yielded `signal`."""
    while True:
        try:
            yield signal
        except BaseException as error:
            try:
                signal = steps.throw(error)
            except StopIteration as stop:
                result: T = stop.value
                return result
        else:
            rest: T = yield from steps
            return rest


class Turn:
    """A call whose handler waits for something."""

    # Kept by the class until set: most turns need none of these.
    task: "asyncio.Task[Any] | None" = None
    stop: Stop | None = None
    over = False
    ledger: "AskLedger | None" = None
    waiters: "tuple[asyncio.Future[bytes], ...]" = ()
    finishing: "asyncio.Task[None] | None" = None
    rounds = 0
    nonce = ""
    """What tells the state that the turn came with from others, if that is for one use and not burnt (`beginning`)."""
    burning: "asyncio.Task[bool] | None" = None
    claims: tuple[str, ...] = ()
    """Effects that were claimed under a call id that no client has been given yet."""
    _timer: asyncio.TimerHandle | None = None
    _grace: asyncio.TimerHandle | None = None
    _limit: float | None = None
    _rest = 0.0
    _started = 0.0
    _paused = 0

    def __init__(self, context: Context, loop: asyncio.AbstractEventLoop) -> None:
        """Made when it is first needed: at the first suspension, the first question, or a retry with answers."""
        self.context = context
        self.loop = loop

    def __repr__(self) -> str:
        state = self.stop.value if self.stop else "over" if self.over else "running"
        return f"<Turn {self.context.call.method} {state}>"

    @property
    def replaying(self) -> bool:
        """True while the handler goes over ground that an earlier turn covered."""
        return self.ledger is not None and self.ledger.replaying

    @property
    def timed(self) -> bool:
        """True while the clock of the call runs: it ends by itself."""
        return self._timer is not None

    @property
    def waits(self) -> bool:
        """True while the peer's answer is awaited, and nothing has ended the turn."""
        return self._paused > 0 and self.stop is None

    # Time. The clock of a call stands still while the peer's answer is awaited.

    def limit_time(self, seconds: float) -> None:
        """Start the call's clock."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._limit = self._rest = seconds
        if not self._paused and not self.over and self.stop is None:
            self._run_clock()

    def lift_limit(self) -> None:
        """End the call's clock, if it has one."""
        self._limit = None
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _run_clock(self) -> None:
        self._started = self.loop.time()
        self._timer = self.loop.call_later(self._rest, self._out_of_time)

    def pause(self) -> None:
        """Stop the clock and give the concurrency slot back; calls nest."""
        self._paused += 1
        slot = self.context.slot
        if slot is not None and self._paused == 1:
            slot.rest()
        if self._timer is not None and self._paused == 1:
            self._timer.cancel()
            self._timer = None
            self._rest = max(0.0, self._rest - (self.loop.time() - self._started))

    def unpause(self) -> None:
        """Let the clock run again, with the slot taken: there may be one too many for a while."""
        self._paused -= 1
        slot = self.context.slot
        if slot is not None and self._paused == 0:
            slot.resume()
        if self._limit is not None and self._paused == 0 and self.stop is None and not self.over:
            self._run_clock()

    def _out_of_time(self) -> None:
        if self._limit is None:
            return  # the handler was done first
        context = self.context
        frame, error = context.runtime.outcome(timed_out(self._limit), context)
        self.end(Stop.TIMED_OUT, lambda: context.outlet.finish(frame, error))

    # Ending from outside.

    def end(self, reason: Stop, finish: Callable[[], Coroutine[Any, Any, None]] | None) -> bool:
        """End the turn: send its outcome, then cancel the handler. False when it had ended already."""
        if self.stop is not None or self.over:
            return False
        self.stop = reason
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if finish is not None:
            self.finishing = self.loop.create_task(finish())
        for waiter in self.waiters:
            waiter.cancel()
        if self.task is not None:
            self.task.cancel()
            self._grace = self.loop.call_later(GRACE_SECONDS, self._abandon)
        return True

    def _abandon(self) -> None:
        self.context.runtime.abandoned += 1
        log.warning(
            "A handler of %s has not finished %g s after its turn ended", self.context.call.method, GRACE_SECONDS
        )

    def wait_for(self, waiter: "asyncio.Future[bytes]") -> None:
        """Note that somebody waits for an answer: when the turn ends, nobody does any longer."""
        self.waiters = (*self.waiters, waiter)

    def forget(self, waiter: "asyncio.Future[bytes]") -> None:
        """Note that the answer came."""
        self.waiters = tuple(other for other in self.waiters if other is not waiter)

    def close(self) -> None:
        """Release timers; the handler is done."""
        self.over = True
        if self.claims and self.stop is not Stop.SUSPENDED and self.ledger is not None:
            self.context.runtime.release(self.ledger.call, self.claims)
        if self._timer is not None:
            self._timer.cancel()
        if self._grace is not None:
            self._grace.cancel()
        for waiter in self.waiters:
            waiter.cancel()


class _Ended(Turn):
    """The turn of every call that is over: what still runs on its behalf is heard no more."""

    over = True

    def __init__(self) -> None:
        pass

    def __setattr__(self, name: str, value: object) -> None:
        # All calls that are over share it: what one left here, another would find (S-17).
        raise AttributeError("the call has ended")


ENDED = _Ended()


def turn_of(context: Context) -> Turn:
    """Return the turn of a call, made now if this is the first time that it is needed."""
    turn = context.turn
    if turn is None:
        turn = context.turn = Turn(context, asyncio.get_running_loop())
    return turn


def owner_of(context: Context) -> str:
    """Return in whose share a call keeps things; "" for who is alone with the server, and has all of it."""
    return context.principal.bucket if context.network else ""


async def run_call(runtime: "Runtime", context: Context) -> None:
    """Serve one call: exactly one terminal outcome reaches its outlet, whatever its handler does (S-25)."""
    token = CURRENT.set(context)
    try:
        try:
            steps = runtime.handle(context.call, context)
            signal = steps.send(None)
        except StopIteration as stop:
            frame, error = runtime.success(stop.value, context)
        except BaseException as failure:
            _let_through(failure)
            frame, error = runtime.outcome(failure, context)
        else:
            await _suspended(runtime, context, steps, signal)
            return
    finally:
        CURRENT.reset(token)
    if context.turn is not None:
        context.turn.close()
    context.turn = ENDED
    await context.outlet.finish(frame, error)


async def _suspended(runtime: "Runtime", context: Context, steps: Coroutine[Any, Any, Any], signal: Any) -> None:
    turn = turn_of(context)
    task = turn.task = asyncio.current_task()
    assert task is not None
    runtime.in_flight.add(context)
    if context.timeout is not None:
        turn.limit_time(context.timeout)
    result: Any = None
    failure: BaseException | None = None
    try:
        context.outlet.suspended(context)
        result = await resume(steps, signal)
    except BaseException as raised:
        failure = raised
    finally:
        turn.close()
        runtime.in_flight.discard(context)
        context.outlet.ended(context)
    if turn.stop is not None:
        await _after_stop(turn, task, failure)
        return
    # Nobody ended it, so nobody asks it any more: the two let go of each other, and no cycle is left to collect.
    context.turn = ENDED
    if failure is None:
        frame, error = runtime.success(result, context)
    else:
        _let_through(failure)
        frame, error = runtime.outcome(failure, context)
    await context.outlet.finish(frame, error)


async def _after_stop(turn: Turn, task: "asyncio.Task[Any]", failure: BaseException | None) -> None:
    """The turn was ended from outside: discard what the handler still said, and let its outcome go out."""
    task.uncancel()
    if failure is not None and not isinstance(failure, asyncio.CancelledError):
        log.info("Discarded an exception raised after the turn had ended: %s", type(failure).__name__)
    elif failure is None:
        log.info("Discarded a result returned after the turn had ended")
    if turn.finishing is not None:
        await asyncio.wait([turn.finishing])
        broken = turn.finishing.exception()
        if broken is not None:
            log.error("An outcome could not be sent: %s", type(broken).__name__)
    else:
        await turn.context.outlet.finish(None)


def goes_through(failure: BaseException) -> bool:
    """Tell whether a failure is not the handler's to raise: a cancellation of the task that it runs in.

    A `KeyboardInterrupt` is: Ctrl-C comes as a signal, which whoever runs the loop handles.
    """
    if not isinstance(failure, asyncio.CancelledError):
        return False
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0


async def caught(work: Coroutine[Any, Any, T]) -> tuple[T, None] | tuple[None, BaseException]:
    """Run what a user wrote in a task of its own, and hand over as a value what asyncio would end the loop with.

    A task that ends with `SystemExit` or `KeyboardInterrupt` raises it out of the loop, too: the server, and
    everybody's calls, would be gone (S-25).
    """
    try:
        return await work, None
    except (SystemExit, KeyboardInterrupt) as failure:
        return None, failure


def _let_through(failure: BaseException) -> None:
    if goes_through(failure):
        raise failure


def cancel(context: Context) -> None:
    """Cancel a call on the client's wish: "Not send a response for the cancelled request" (spec, Cancellation)."""
    turn = context.turn
    if turn is not None:
        turn.end(Stop.CANCELLED, None)


def refuse(context: Context, error: BaseException, reason: Stop) -> None:
    """End a suspended call with an error."""
    turn = context.turn
    if turn is not None:
        refusal: Refusal = refusal_of(error)
        frame, _ = context.runtime.outcome(refusal, context)
        turn.end(reason, lambda: context.outlet.finish(frame, refusal))


def end_calls(runtime: "Runtime") -> None:
    """Tell whoever waits for a call that it is cut off, and cancel it (idempotent)."""
    for context in list(runtime.in_flight):
        refuse(context, InternalError("The server is shutting down"), Stop.SHUT_DOWN)
