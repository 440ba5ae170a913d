"""The lifespan of an application that we serve ourselves: what goes wrong in it is raised to whoever serves it.

uvicorn's own logs a failure and ends the process, so the error never reaches those who can say it well: our commands,
or the program that called `run`. An application that finds `FAILURE` among the extensions of its scope calls that with
the exception before it says that it failed, and need not log it.

An application that returns without an answer has no lifespan, and is served. Who gives up the start cancels the
application's, and waits for what it cleans up.
"""

import asyncio
import logging
from collections.abc import MutableMapping
from typing import Any, Final

from dovetail.errors import DefinitionError

FAILURE: Final = "dovetail.failure"
"""Scope extension: takes the exception that a start or a stop failed with."""

log = logging.getLogger("dovetail.net")


class Lifespan:
    """What uvicorn's server takes for its own."""

    should_exit = False

    def __init__(self, config: Any) -> None:
        """Prepare for the application of a configuration."""
        self._app = config.loaded_app
        self._failure: BaseException | None = None
        self._said: asyncio.Queue[MutableMapping[str, Any]] = asyncio.Queue()
        self._heard: asyncio.Queue[MutableMapping[str, Any]] = asyncio.Queue()
        self._task: asyncio.Task[None] | None = None
        self.state: dict[str, Any] = {}

    def __repr__(self) -> str:
        return f"<Lifespan {'new' if self._task is None else 'over' if self._task.done() else 'open'}>"

    async def startup(self) -> None:
        """Let the application start.

        Raises:
            DefinitionError: It says that it cannot.
            Exception: What its start failed with, where it tells.
        """
        self._task = asyncio.create_task(self._live())
        try:
            answer = await self._ask("startup")
        except asyncio.CancelledError:
            self._task.cancel()
            await asyncio.wait({self._task})
            raise
        if self._failure is not None:
            raise self._failure
        if answer.get("type") == "lifespan.startup.failed":
            said = answer.get("message") or "it did not say why"
            raise DefinitionError(f"The application could not start: {said}")

    async def shutdown(self) -> None:
        """Let the application stop; what fails then is logged. One that went without a word has nothing to stop."""
        gone = self._task is None or self._task.done()
        answer = {} if gone else await self._ask("shutdown")
        if self._failure is not None or answer.get("type") == "lifespan.shutdown.failed":
            said = type(self._failure).__name__ if self._failure else answer.get("message")
            log.error("The application did not stop cleanly: %s", said, exc_info=self._failure)

    async def _ask(self, what: str) -> MutableMapping[str, Any]:
        self._heard.put_nowait({"type": f"lifespan.{what}"})
        return await self._said.get()

    async def _live(self) -> None:
        scope = {
            "type": "lifespan",
            "asgi": {"version": "3.0", "spec_version": "2.0"},
            "state": self.state,
            "extensions": {FAILURE: self._failed},
        }
        try:
            await self._app(scope, self._heard.get, self._said.put)
        except (Exception, SystemExit) as error:  # out of a task, `sys.exit` would end the loop
            self._failed(error)
        finally:
            self._said.put_nowait({})  # who waits for an answer gets none

    def _failed(self, error: BaseException) -> None:
        self._failure = error
