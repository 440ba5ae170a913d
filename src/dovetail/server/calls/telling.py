"""What a handler tells without being answered: log messages to its client, change notices to everyone.

Definition-time module: it must not import asyncio. Whether anything is told at all is decided by the `Context`.

All that a context says or asks is a coroutine. A plain function cannot await one, and easily forgets to hand it to
`ask_sync`; so what it makes is noted (`said`), and missed when nobody ran it (`pool`).
"""

from collections.abc import Callable, Coroutine
from contextvars import ContextVar
from functools import wraps
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

import msgspec

from dovetail.core import (
    PROMPTS_CHANGED,
    RESOURCES_CHANGED,
    TOOLS_CHANGED,
    Notice,
    resource_updated,
    url_completed,
)
from dovetail.errors import DefinitionError
from dovetail.wire import LEVELS, as_json, notification_frame

if TYPE_CHECKING:
    from dovetail.server.calls.context import Context
    from dovetail.server.functions.visits import Visit

P = ParamSpec("P")
T = TypeVar("T")

MADE: ContextVar[list[Coroutine[Any, Any, Any]] | None] = ContextVar("dovetail_made", default=None)
"""What the plain function that runs here has made of its context's coroutines."""


def noted(coroutine: Coroutine[Any, Any, T]) -> Coroutine[Any, Any, T]:
    """Note a coroutine if a plain function made it."""
    made = MADE.get()
    if made is not None:
        made.append(coroutine)
    return coroutine


def said(method: Callable[P, Coroutine[Any, Any, T]]) -> Callable[P, Coroutine[Any, Any, T]]:
    """Make a method whose coroutines are noted."""

    @wraps(method)
    def make(*args: P.args, **kwargs: P.kwargs) -> Coroutine[Any, Any, T]:
        return noted(method(*args, **kwargs))

    return make


def at_least(level: str, minimum: str) -> bool:
    """Tell whether a level is as severe as another, or more so."""
    return LEVELS.index(level) >= LEVELS.index(minimum)


class Log:
    """Log messages to the client, at the level it asked for. Secrets are redacted (spec, Logging: MUST NOT contain)."""

    __slots__ = ("_context",)

    def __init__(self, context: "Context") -> None:
        self._context = context

    @said
    async def __call__(self, level: str, data: Any, *, logger: str | None = None) -> None:
        """Send a message: `data` is anything, `logger` an optional name. What JSON has no words for is sent as text.

        Raises:
            ValueError: No such level.
            DefinitionError: The logger's name is no text.
        """
        if logger is not None and not isinstance(logger, str):
            raise DefinitionError(f"log: logger: expected a string, not {type(logger).__name__}")
        if level not in LEVELS:
            raise ValueError(f"level: expected one of {', '.join(LEVELS)}")
        context = self._context
        minimum = context.session.log_level if context.session is not None else context.call.log_level
        if minimum is None or not at_least(level, minimum) or context.muted:
            return
        from dovetail.server.functions.logged import logged, text_of

        body: dict[str, Any] = {"level": level, "data": msgspec.Raw(logged(data))}
        if logger is not None:
            body["logger"] = text_of(logger)
        await context.outlet.send(notification_frame("notifications/message", as_json(body)))

    @said
    async def debug(self, data: Any, *, logger: str | None = None) -> None:
        """Detail for finding faults."""
        await self("debug", data, logger=logger)

    @said
    async def info(self, data: Any, *, logger: str | None = None) -> None:
        """General information."""
        await self("info", data, logger=logger)

    @said
    async def notice(self, data: Any, *, logger: str | None = None) -> None:
        """Normal but significant."""
        await self("notice", data, logger=logger)

    @said
    async def warning(self, data: Any, *, logger: str | None = None) -> None:
        """Something to look at."""
        await self("warning", data, logger=logger)

    @said
    async def error(self, data: Any, *, logger: str | None = None) -> None:
        """Something failed."""
        await self("error", data, logger=logger)


class Notify:
    """Change notices: to every client of either era that asked for them, not only to the caller."""

    __slots__ = ("_context",)

    def __init__(self, context: "Context") -> None:
        self._context = context

    async def _publish(self, notice: Notice) -> None:
        if not self._context.quiet:
            await self._context.runtime.publish(notice)

    @said
    async def resource_updated(self, uri: str, *, below: bool = False) -> None:
        """Tell that a resource's contents changed; with `below`, that those of every resource below it did, too.

        Raises:
            DefinitionError: The URI is no text, or holds half a character.
        """
        await self._publish(resource_updated(uri, below=below))

    @said
    async def tools_changed(self) -> None:
        """Tell that the list of tools changed. `add_tool` and `remove_tool` do so by themselves."""
        await self._publish(TOOLS_CHANGED)

    @said
    async def prompts_changed(self) -> None:
        """Tell that the list of prompts changed."""
        await self._publish(PROMPTS_CHANGED)

    @said
    async def resources_changed(self) -> None:
        """Tell that the list of resources changed."""
        await self._publish(RESOURCES_CHANGED)

    @said
    async def url_completed(self, visit: "Visit | str") -> None:
        """Tell the client that was asked for a visit to a URL that the user is done there. See `Server.complete_url`.

        On the call's own stream, where it is this call's client; nothing happens where a revision has no such notice.
        """
        context, session = self._context, self._context.session
        notice = url_completed(visit if isinstance(visit, str) else visit.id)
        if not notice.visit:
            return
        if session is None or context.muted or not session.hears(notice):
            await context.runtime.publish(notice)
            return
        await session.save()
        await context.outlet.send(notice.frame())
