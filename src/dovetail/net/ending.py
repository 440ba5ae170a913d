"""Running the event loop of a server process to its end, whatever its tasks do.

`asyncio.Runner` ends when every task has ended. One that swallows its cancellation would keep a process alive that has
nobody left to serve, for ever. Here every task is cancelled and waited for, as there, but not for longer than it may
take; who is not done by then is left behind, and said. So is a thread of `asyncio.to_thread`, which the interpreter
would join at its exit: the loop's default executor is one whose threads nobody waits for.
"""

import asyncio
import logging
import threading
from collections.abc import Callable, Coroutine
from typing import Any, Final

from dovetail.net.threads import LeavingExecutor

log = logging.getLogger("dovetail.net")

PATIENCE_SECONDS: Final = 5.0
"""How long tasks may take to clean up once the server has ended; a handler has as long when its call ends."""


def run_to_end(
    main: Coroutine[Any, Any, None],
    loop_factory: Callable[[], asyncio.AbstractEventLoop],
    patience: float = PATIENCE_SECONDS,
) -> None:
    """Run a coroutine in a loop of its own; at its end, end the loop.

    Its tasks, and then its threads, have `patience` seconds each to end.

    Raises:
        KeyboardInterrupt: Ctrl-C came; `main` was cancelled, and has cleaned up.
    """
    runner = asyncio.Runner(loop_factory=loop_factory)
    loop = runner.get_loop()
    loop.set_default_executor(LeavingExecutor(patience))
    try:
        runner.run(main)
    finally:
        try:
            loop.run_until_complete(_end_tasks(loop, patience))
            loop.run_until_complete(_end_generators(loop, patience))
            loop.run_until_complete(loop.shutdown_default_executor())
        finally:
            loop.close()


async def _end_tasks(loop: asyncio.AbstractEventLoop, patience: float) -> None:
    tasks = asyncio.all_tasks() - {asyncio.current_task()}
    for task in tasks:
        task.cancel()
    if not tasks:
        return
    done, left = await asyncio.wait(tasks, timeout=patience)
    for task in done:
        if not task.cancelled() and (error := task.exception()) is not None:
            said = "A task failed while the server ended"
            loop.call_exception_handler({"message": said, "exception": error, "task": task})
    if left:
        log.warning(
            "Tasks that have not ended %g s after they were cancelled, and are left behind: %d", patience, len(left)
        )
        _leave(left)


async def _end_generators(loop: asyncio.AbstractEventLoop, patience: float) -> None:
    """Close the generators that nobody iterates any more; those of tasks that were left behind stay with these."""
    closing = loop.create_task(loop.shutdown_asyncgens())
    _, left = await asyncio.wait([closing], timeout=patience)
    _leave(left)


def _leave(tasks: "set[asyncio.Task[Any]]") -> None:
    """Keep tasks for as long as the process: one that is collected is run once more, and refuses that, too."""
    if tasks:
        threading.Thread(target=_keep, args=(tasks,), name="dovetail_left", daemon=True).start()


def _keep(tasks: "set[asyncio.Task[Any]]") -> None:
    threading.Event().wait()
