"""What a handler is given besides its arguments: its context, its dependencies, and answers to declared questions.

Declared questions are settled first, all in one round. Dependencies open in the order of their parameters and close in
reverse when the turn ends, however it ends; one function is opened once a call. Plain ones, generators and context
managers included, are opened and closed in the pool's threads: they may take their time. Those of a plain handler all
are in the one thread that it runs in, too.

Invariant: what the handler raised is the call's outcome. Each dependency sees it, to roll back, and may raise another
in its place; one that keeps it to itself has not made a success of it, neither for the client nor for the others.
"""

import asyncio
import inspect
from collections.abc import Awaitable, Callable, Sequence
from contextlib import (
    AbstractAsyncContextManager,
    AbstractContextManager,
    AsyncExitStack,
    asynccontextmanager,
    contextmanager,
)
from typing import TYPE_CHECKING, Any, TypeVar

from dovetail.errors import AnswerDeclined
from dovetail.server.calls.context import Context
from dovetail.server.calls.lanes import Lane
from dovetail.server.calls.pool import InThreads
from dovetail.server.calls.turn import owner_of
from dovetail.server.functions.parameters import called_by

if TYPE_CHECKING:
    from dovetail.server.functions.markers import Ask, Depends
    from dovetail.server.functions.signature import Injected

T = TypeVar("T")


async def serve_injected(
    parameters: "Sequence[Injected]",
    context: Context,
    handle: "Callable[[dict[str, Any], Lane | None], Awaitable[T]]",
    *,
    plain: bool,
) -> T:
    """Call a handler with what it is given besides its arguments, by parameter name.

    A plain one shares a lane with its plain dependencies. An async one cannot: its thread is everybody's.

    Raises:
        AnswerDeclined: A declared question was not answered.
        BaseException: What the handler raises, or a dependency at its beginning or end.
    """
    lane = None
    if plain and any(parameter.kind == "depends" for parameter in parameters):
        lane = Lane(context.runtime.pool, owner_of(context))
    try:
        async with AsyncExitStack() as stack:
            try:
                return await handle(await _injected_values(parameters, context, stack, lane), lane)
            finally:
                if lane is not None:
                    lane.last = True
        raise AssertionError("no dependency ends a failure")
    finally:
        if lane is not None:
            lane.close()


async def _injected_values(
    parameters: "Sequence[Injected]", context: Context, stack: AsyncExitStack, lane: Lane | None
) -> dict[str, Any]:
    """Return values by parameter name; what has to be closed is closed with the stack."""
    values: dict[str, Any] = {}
    questions = [parameter for parameter in parameters if parameter.kind == "ask"]
    if questions:
        answers = await asyncio.gather(
            *(_answer(context, parameter.name, parameter.annotation, parameter.payload) for parameter in questions)
        )
        values.update(zip((parameter.name for parameter in questions), answers, strict=True))
    opener = _Opener(context, stack, lane)
    for parameter in parameters:
        match parameter.kind:
            case "context":
                values[parameter.name] = context
            case "depends":
                values[parameter.name] = await opener.open(parameter.payload)
    return values


async def _answer(context: Context, name: str, annotation: Any, ask: "Ask") -> Any:
    answer = await context.elicit(ask.question, annotation, key=ask.key or f"ask:{name}")
    if not answer.accepted:
        raise AnswerDeclined(f"The user did not answer: {ask.question}")
    return answer.value


class _Opener:
    """Opens the dependencies of one call, each once."""

    def __init__(self, context: Context, stack: AsyncExitStack, lane: Lane | None) -> None:
        self._context = context
        self._stack = stack
        self._lane = lane
        self._opened: dict[Callable[..., Any], Any] = {}

    async def open(self, depends: "Depends") -> Any:
        """Return the value of a dependency."""
        function = depends.function
        if function in self._opened:
            return self._opened[function]
        from dovetail.server.functions.signature import dependencies_of

        arguments: dict[str, Any] = {}
        for item in dependencies_of(function):
            if item.kind == "context":
                arguments[item.name] = self._context
            elif item.kind == "depends":
                arguments[item.name] = await self.open(item.payload)
            else:
                arguments[item.name] = await _answer(self._context, item.name, item.annotation, item.payload)
        value = self._opened[function] = await self._enter(function, arguments)
        return value

    async def _enter(self, function: Callable[..., Any], arguments: dict[str, Any]) -> Any:
        called = called_by(function)
        if inspect.isasyncgenfunction(called):
            return await self._entered(asynccontextmanager(function)(**arguments))
        if inspect.isgeneratorfunction(called):
            return await self._enter_plain(contextmanager(function)(**arguments))
        value = await self._context.runtime.pool.call(self._context, function, (), arguments, lane=self._lane)
        if hasattr(value, "__aenter__"):
            return await self._entered(value)
        if hasattr(value, "__enter__") and hasattr(value, "__exit__"):
            return await self._enter_plain(value)
        return value

    async def _enter_plain(self, manager: AbstractContextManager[Any]) -> Any:
        return await self._entered(InThreads(self._lane, self._context, manager))

    async def _entered(self, manager: AbstractAsyncContextManager[Any]) -> Any:
        """Enter a manager, to be left with the stack; that it handled a failure is its own affair."""

        async def leave(*failure: Any) -> bool:
            await manager.__aexit__(*failure)
            return False

        value = await manager.__aenter__()
        self._stack.push_async_exit(leave)
        return value
