"""Run an async test on asyncio's own event loop and on uvloop: they differ where descriptors are watched."""

import asyncio
import inspect
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from dovetail.net.serving import loop_factory


def both_loops(test: Callable[..., Coroutine[Any, Any, None]]) -> Callable[..., None]:
    """Make a test of it that runs twice. Stands right above the function."""

    def run(loop: str, **arguments: Any) -> None:
        with asyncio.Runner(loop_factory=loop_factory(loop)) as runner:
            runner.run(test(**arguments))

    parameters = [inspect.Parameter("loop", inspect.Parameter.KEYWORD_ONLY)]
    parameters += [p.replace(kind=inspect.Parameter.KEYWORD_ONLY) for p in inspect.signature(test).parameters.values()]
    run.__name__, run.__qualname__, run.__doc__ = test.__name__, test.__qualname__, test.__doc__
    run.__module__ = test.__module__
    run.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    twice: Callable[..., None] = pytest.mark.parametrize("loop", ["asyncio", "uvloop"])(run)
    return twice
