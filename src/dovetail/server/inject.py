"""What a handler is given besides its arguments: its context, its dependencies, and answers to declared questions.

Declared questions are settled first, all in one round. Dependencies open in the order of their parameters and close in
reverse when the turn ends, however it ends; one function is opened once a call. Plain ones, generators and context
managers included, are opened and closed in the pool's threads: they may take their time.

Invariant: what the handler raised is the call's outcome. A dependency sees it, to roll back, and may raise another in
its place; one that raises nothing has not made a success of it.
"""

import asyncio
import inspect
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from typing import TYPE_CHECKING, Any, TypeVar, cast

from dovetail.errors import AnswerDeclined
from dovetail.server.calls.context import Context
from dovetail.server.calls.pool import InThreads
from dovetail.server.functions.parameters import called_by

if TYPE_CHECKING:
    from dovetail.server.functions.markers import Ask, Depends
    from dovetail.server.functions.signature import Injected

T = TypeVar("T")
Opened = dict[Callable[..., Any], Any]


async def serve_injected(
    parameters: "Sequence[Injected]", context: Context, handle: Callable[[dict[str, Any]], Awaitable[T]]
) -> T:
    """Call a handler with what it is given besides its arguments, by parameter name.

    Raises:
        AnswerDeclined: A declared question was not answered.
        BaseException: What the handler raises, or a dependency at its beginning or end.
    """
    failure: BaseException | None = None
    try:
        async with AsyncExitStack() as stack:
            try:
                return await handle(await _injected_values(parameters, context, stack))
            except BaseException as raised:
                failure = raised
                raise
        raise cast("BaseException", failure)  # a dependency kept it to itself
    finally:
        failure = None  # it holds this frame


async def _injected_values(parameters: "Sequence[Injected]", context: Context, stack: AsyncExitStack) -> dict[str, Any]:
    """Return values by parameter name; what has to be closed is closed with the stack."""
    values: dict[str, Any] = {}
    questions = [parameter for parameter in parameters if parameter.kind == "ask"]
    if questions:
        answers = await asyncio.gather(
            *(_answer(context, parameter.name, parameter.annotation, parameter.payload) for parameter in questions)
        )
        values.update(zip((parameter.name for parameter in questions), answers, strict=True))
    opened: Opened = {}
    for parameter in parameters:
        match parameter.kind:
            case "context":
                values[parameter.name] = context
            case "depends":
                values[parameter.name] = await _open(parameter.payload, context, stack, opened)
    return values


async def _answer(context: Context, name: str, annotation: Any, ask: "Ask") -> Any:
    answer = await context.elicit(ask.question, annotation, key=ask.key or f"ask:{name}")
    if not answer.accepted:
        raise AnswerDeclined(f"The user did not answer: {ask.question}")
    return answer.value


async def _open(depends: "Depends", context: Context, stack: AsyncExitStack, opened: Opened) -> Any:
    function = depends.function
    if function in opened:
        return opened[function]
    from dovetail.server.functions.signature import dependencies_of

    arguments: dict[str, Any] = {}
    for parameter in dependencies_of(function):
        if parameter.kind == "context":
            arguments[parameter.name] = context
        elif parameter.kind == "depends":
            arguments[parameter.name] = await _open(parameter.payload, context, stack, opened)
        else:
            arguments[parameter.name] = await _answer(context, parameter.name, parameter.annotation, parameter.payload)
    value = opened[function] = await _enter(function, arguments, context, stack)
    return value


async def _enter(
    function: Callable[..., Any], arguments: dict[str, Any], context: Context, stack: AsyncExitStack
) -> Any:
    called = called_by(function)
    if inspect.isasyncgenfunction(called):
        return await stack.enter_async_context(asynccontextmanager(function)(**arguments))
    pool = context.runtime.pool
    if inspect.isgeneratorfunction(called):
        return await stack.enter_async_context(InThreads(pool, context, contextmanager(function)(**arguments)))
    value = await pool.call(context, function, (), arguments)
    if hasattr(value, "__aenter__"):
        return await stack.enter_async_context(value)
    if hasattr(value, "__enter__") and hasattr(value, "__exit__"):
        return await stack.enter_async_context(InThreads(pool, context, value))
    return value
