"""Functions that cannot be served as they stand, found when they are offered: what is meant is said in the error.

Never here: what a function's types say (see `signature`).
"""

import dis
import inspect
from collections.abc import Callable, Collection
from typing import Any, Final

from dovetail.errors import DefinitionError
from dovetail.server.functions.parameters import MISSING

_ASKS: Final = frozenset({"elicit", "elicit_url", "sample", "roots"})


def refuse_unbound(name: str, function: Callable[..., Any]) -> None:
    """Refuse a method that was decorated in the body of its class: nothing is bound to its `self`.

    Raises:
        DefinitionError: It is one.
    """
    holder, _, own = getattr(function, "__qualname__", "").rpartition(".")
    if not inspect.isfunction(function) or not holder or holder.endswith("<locals>"):
        return
    first = next(iter(inspect.signature(function).parameters.values()), None)
    if first is not None and first.name in ("self", "cls") and first.annotation is MISSING:
        raise DefinitionError(
            f"{name} is a method of {holder}, and nothing is bound to its {first.name!r}: make the object first, and"
            f" offer its method, such as app.add_tool({holder}().{own})"
        )


def refuse_plain_asking(name: str, function: Callable[..., Any], contexts: Collection[str]) -> None:
    """Refuse a plain function that asks and cannot wait (asking, Plain `def` handlers).

    What it does with its context through other functions is seen when it runs (`calls.pool`).

    Args:
        name: What it is offered as.
        function: What is offered.
        contexts: Its parameters that are given the context.

    Raises:
        DefinitionError: It asks, and does not say `ask_sync`.
    """
    code = getattr(inspect.unwrap(function), "__code__", None)
    if not contexts or code is None or code.co_flags & (inspect.CO_COROUTINE | inspect.CO_ASYNC_GENERATOR):
        return
    used = _attributes(code, contexts)
    asked = sorted(_ASKS & used)
    if asked and "ask_sync" not in used:
        raise DefinitionError(
            f"{name} is a plain function: ask with ctx.ask_sync(ctx.{asked[0]}(...)), or make it async"
        )


def _attributes(code: Any, variables: Collection[str]) -> set[str]:
    """Return what is looked up on some of a function's variables."""
    found: set[str] = set()
    held: Any = None
    for step in dis.get_instructions(code):
        if step.opname.startswith(("LOAD_ATTR", "LOAD_METHOD")):
            if held in variables:
                found.add(step.argval)
            held = None
        elif step.opname.startswith(("LOAD_FAST", "LOAD_DEREF")):
            # Two variables may be loaded in one step (3.13); the last one is on top.
            held = step.argval[-1] if isinstance(step.argval, tuple) else step.argval
        else:
            held = None
    return found
