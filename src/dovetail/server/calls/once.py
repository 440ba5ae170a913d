"""`ctx.once`: a side effect that happens at most once in the life of a logical call, over all turns and workers.

The claim on (call, name) is taken in the shared ledger before the effect runs, and its result is recorded after. A
claim that is taken waits for, or returns, that result. A ledger out of reach, or a claim whose holder died, is a typed
error: the effect is never run a second time on a guess. Nor is one begun whose result could not be given back. One that
has begun goes on to its end, though its call is cancelled, runs out of time or ends with a question.
"""

import asyncio
import logging
from collections.abc import Callable
from contextvars import ContextVar
from typing import Any, Final

import msgspec

from dovetail.core import Fresh, Lost, Running, Settled
from dovetail.errors import DefinitionError, Disconnected, OnceUnknown, ToolError
from dovetail.server.calls import turn as turns
from dovetail.server.calls.beginning import begin
from dovetail.server.calls.context import Context
from dovetail.server.calls.gates import coming_back
from dovetail.server.calls.turn import owner_of, turn_of
from dovetail.server.functions.kept import Read, reader_of, written

log = logging.getLogger("dovetail.server")

EFFECT: ContextVar[str | None] = ContextVar("dovetail_effect", default=None)
"""The effect that runs here. It cannot ask: where questions end the turn, it would be stopped in the middle."""

AROUND: ContextVar[frozenset[tuple[str, str]]] = ContextVar("dovetail_effects", default=frozenset())
"""The effects, by call and name, inside which this runs: one that waited for one of these would wait for itself."""

CLAIM_SECONDS = 2 * 3600.0
"""How long a claim is kept after it was last asked for: longer than any state of a call is valid. A turn that issues a
new state has gone over the effects before it, and asked for each again."""

RESTS: Final = (0.05, 0.2, 1.0, 5.0, 5.0, 5.0, 10.0, 10.0)
"""Seconds between attempts to record what came of an effect, while the ledger is out of reach."""

RECORD_BYTES: Final = 256 * 1024
"""How large the result of an effect may be, as JSON. It is kept for hours, in its caller's share of the ledger."""

LONGEST_SECONDS = 600.0
"""How long an effect may go on: as long as the state of a call is valid, with which somebody may ask for its result."""


class _Outcome(msgspec.Struct, omit_defaults=True):
    value: msgspec.Raw = msgspec.Raw(b"null")
    error: str | None = None
    told: bool = False


_decode = msgspec.json.Decoder(_Outcome).decode
_encode = msgspec.json.encode


async def once(context: Context, name: str, function: Callable[..., Any], args: tuple[Any, ...]) -> Any:
    """Run a side effect at most once. See `Context.once`."""
    ledger = context.runtime.stores.ledger
    read = reader_of(function)
    await begin(context)
    call = _call_id(context, name)
    if (call, name) in context.runtime.unrecorded:
        raise OnceUnknown(f"{name}: it ran, and what came of it could not be recorded")
    try:
        claim = await ledger.claim(call, name, CLAIM_SECONDS, owner_of(context))
        if isinstance(claim, Running):
            claim = await _waited(context, call, name)
    except Disconnected as error:
        raise OnceUnknown(f"{name}: the ledger is out of reach, or full; nothing was run ({error})") from None
    except TimeoutError:
        raise OnceUnknown(f"{name}: nobody says what came of it; it was not run again") from None
    match claim:
        case Fresh():
            turn = turn_of(context)
            if turn.ledger is not None and turn.ledger.round == 0:
                turn.claims = (*turn.claims, name)
            return _back(name, await _run(context, call, name, function, args), read)
        case Settled(value):
            return _recorded(name, value, read)
        case Lost():
            raise OnceUnknown(f"{name}: it was begun before, and its outcome is not known; it was not run again")


async def _waited(context: Context, call: str, name: str) -> Settled | Lost:
    """Wait for what comes of an effect that runs."""
    if (call, name) in AROUND.get():
        raise DefinitionError(f"once({name!r}): its effect calls once with the same name: it waits for itself")
    if turn_of(context).stop is not None:
        raise OnceUnknown(f"{name}: it runs, and this call has ended")
    async with asyncio.timeout(LONGEST_SECONDS):
        return await context.runtime.stores.ledger.wait(call, name)


def _call_id(context: Context, name: str) -> str:
    """Return the id of the logical call; minted now if this turn is the first and nothing was asked yet."""
    turn = turn_of(context)
    if turn.over:
        # Its id went with it: under a new one, the effect could run a second time.
        raise OnceUnknown(f"{name}: the call has ended; nothing was run")
    if turn.ledger is None:
        turn.ledger = context.runtime.new_ledger(turn.context)
    return turn.ledger.call


async def _run(context: Context, call: str, name: str, function: Callable[..., Any], args: tuple[Any, ...]) -> bytes:
    """Run the effect in a task of its own: a call that is cancelled, or asks beside it, does not cut it in two.

    Returns its result as it is kept.

    What it uses of the call is kept for it a while, as it is for a thread; who calls again with the same state waits
    for its result.
    """
    effect = context.runtime.effect(turns.caught(_effect(context, call, name, function, args)))
    try:
        value, failure = await asyncio.shield(effect)
    except asyncio.CancelledError:
        task = asyncio.current_task()
        if effect.cancelled() and (task is None or not task.cancelling()):
            raise OnceUnknown(f"{name}: it was cut off, and is not run again") from None
        if turn_of(context).stop is not None:
            try:
                await asyncio.wait({effect}, timeout=turns.GRACE_SECONDS)
            finally:
                _keep_place(context, effect)
        raise
    if failure is not None:
        # Not raised as what it is: in a task that the handler has made (`gather`), it would end the server.
        log.error("The effect of once(%r) ended with %s", name, type(failure).__name__, exc_info=failure)
        raise OnceUnknown(f"{name}: it ended with {type(failure).__name__}, and is not run again")
    assert isinstance(value, bytes)
    return value


def _keep_place(context: Context, effect: "asyncio.Task[Any]") -> None:
    """Let an effect that outlives its call keep a place of its entry (`concurrency=`), as a thread does."""
    if context.slot is not None and not effect.done():
        slots, back = context.slot.slots, coming_back(context)
        slots.stay(back)
        effect.add_done_callback(lambda _: slots.leave(back))


async def _effect(context: Context, call: str, name: str, function: Callable[..., Any], args: tuple[Any, ...]) -> bytes:
    EFFECT.set(name)
    AROUND.set(AROUND.get() | {(call, name)})
    try:
        async with asyncio.timeout(LONGEST_SECONDS):
            value = await context.runtime.pool.call(context, function, args)
        raw = written(value)
    except ToolError as error:
        await _settle(context, call, name, _Outcome(error=str(error), told=True))
        raise
    except BaseException as error:
        # It may have happened in part: what is recorded is that it must not run again. One that is cut off settles its
        # claim, too: whoever waits for it would wait for as long as this process lives.
        rests = () if isinstance(error, asyncio.CancelledError) else RESTS  # who cuts it off waits for nobody's store
        await asyncio.shield(_settle(context, call, name, _Outcome(error=type(error).__name__), rests))
        raise
    if len(raw) > RECORD_BYTES:
        large = f"a result of more than {RECORD_BYTES // 1024} KiB"
        await _settle(context, call, name, _Outcome(error=large))
        raise OnceUnknown(f"{name}: it ran, and ended with {large}, which is not kept; it is not run again")
    await _settle(context, call, name, _Outcome(value=msgspec.Raw(raw)))
    return raw


async def _settle(
    context: Context, call: str, name: str, record: _Outcome, rests: tuple[float, ...] | None = None
) -> None:
    """Record what came of an effect; again while the ledger is out of reach, or a retry would wait for ever.

    Raises:
        OnceUnknown: It could not be recorded.
    """
    for rest in (*(RESTS if rests is None else rests), None):
        try:
            await context.runtime.stores.ledger.settle(call, name, _encode(record))
            return
        except Disconnected as error:
            if rest is None:
                context.runtime.unrecorded.add((call, name))
                log.error("What came of an effect could not be recorded: %s", error)
                raise OnceUnknown(f"{name}: it ran, and what came of it could not be recorded") from None
            await asyncio.sleep(rest)


def _recorded(name: str, raw: bytes, read: Read) -> Any:
    outcome = _decode(raw)
    if outcome.error is not None:
        if outcome.told:
            raise ToolError(outcome.error)
        raise OnceUnknown(f"{name}: it failed before with {outcome.error}; it was not run again")
    return _back(name, bytes(outcome.value), read)


def _back(name: str, raw: bytes, read: Read) -> Any:
    """Return a result as every turn gets it, the first one, too: as it comes back from what is kept."""
    try:
        return read(raw)
    except (msgspec.DecodeError, ValueError):
        # The cause may quote the value.
        raise OnceUnknown(f"{name}: what it returned is not what it promises to return; it was not run again") from None
