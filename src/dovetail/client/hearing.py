"""What a server says unasked: log messages, changes, completed visits, and what no server should send.

Each finds those who wait for it, or nobody. A user's callback that fails is logged, and disturbs neither the link nor
the others; one that is a coroutine runs as a task, one after the other for each client, in the order of the messages.
"""

import asyncio
import inspect
import logging
from collections import deque
from collections.abc import Callable, Iterable
from contextvars import ContextVar
from typing import Any, Final
from weakref import WeakKeyDictionary

from dovetail.client.answering import Answering
from dovetail.client.link import Link, Outgoing, Pausable
from dovetail.client.options import ClientOptions
from dovetail.errors import InvalidParams, quote
from dovetail.revisions import Revision
from dovetail.wire import (
    ElicitationCompleteNotificationParams,
    LoggingMessageNotificationParams,
    Notification,
    decode,
    encode,
)

log = logging.getLogger("dovetail.client")

_WAITING: Final = 1000
"""Messages that wait for slow callbacks before the oldest is dropped."""
_PATIENCE: Final = 1.0
"""Seconds that a call which has its result waits for its slow `on_progress`."""
_VISITS: Final = 100
_NO_OPTIONS: Final = ClientOptions()

Listener = Callable[[Notification | None], None]
"""Hears a notification; None when some may have been missed."""


class Deliveries:
    """Calls users' callbacks in order: plain ones at once, coroutines one after the other."""

    def __init__(self) -> None:
        self._waiting: deque[tuple[Callable[[Any], Any], Any]] = deque(maxlen=_WAITING)
        self._task: asyncio.Task[None] | None = None
        self._taken = 0
        self._busy = False
        self._flushing: set[tuple[int, asyncio.Future[None]]] = set()

    def deliver(self, callback: Callable[[Any], Any], value: Any) -> int:
        """Hand a value to a callback; return what `flushed` takes, 0 when it has been delivered."""
        if inspect.iscoroutinefunction(callback):
            return self._queue(callback, value)
        try:
            returned = callback(value)
        except Exception:
            log.exception("A callback of the client failed")
        else:
            if inspect.isawaitable(returned):
                return self._queue(_same, returned)
        return 0

    def _queue(self, callback: Callable[[Any], Any], value: Any) -> int:
        self._waiting.append((callback, value))
        self._taken += 1
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._drain())
        return self._taken

    @property
    def _delivered(self) -> int:
        return self._taken - len(self._waiting) - self._busy  # what was dropped counts as delivered

    async def flushed(self, mark: int) -> None:
        """Return once a value has been delivered, or after a second: a slow callback holds up its call no longer.

        Who asks from inside a callback, be it through a task that it has started, would wait for itself: it does not.
        """
        if mark <= self._delivered or _delivering.get() is self:
            return
        reached: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._flushing.add((mark, reached))
        try:
            await asyncio.wait({reached}, timeout=_PATIENCE)
        finally:
            self._flushing.discard((mark, reached))

    def close(self) -> None:
        """Drop what waits."""
        self._waiting.clear()
        if self._task is not None:
            self._task.cancel()

    async def _drain(self) -> None:
        _delivering.set(self)
        while self._waiting:
            callback, value = self._waiting.popleft()
            self._busy = True
            try:
                await callback(value)
            except asyncio.CancelledError:
                task = asyncio.current_task()
                if task is not None and task.cancelling():
                    raise
                log.exception("A callback of the client failed")  # what it waited for was cancelled, and not we
            except Exception:
                log.exception("A callback of the client failed")
            finally:
                self._busy = False
            for mark, reached in self._flushing:
                if mark <= self._delivered and not reached.done():
                    reached.set_result(None)


_delivering: ContextVar[Deliveries | None] = ContextVar("delivering", default=None)
"""Whose callback this is, in the task that runs it and in those that it starts."""


def _same(awaitable: Any) -> Any:
    return awaitable


class Hearing:
    """Where the messages of one client's server go; a `Receiver`."""

    def __init__(
        self, answering: Answering, timers: Callable[[], Iterable[Pausable]], options: ClientOptions = _NO_OPTIONS
    ) -> None:
        """Hear one server.

        Args:
            answering: Answers what it asks.
            timers: The timers of the calls under way: they stand still while an answer is looked for.
            options: Who hears its log messages, and what it should not have sent.
        """
        self._answering = answering
        self._timers = timers
        self.deliveries = Deliveries()
        self.listeners: dict[Listener, frozenset[str]] = {}
        """Who hears of changes, and of which resources."""
        self._turns: WeakKeyDictionary[Link, asyncio.Lock] = WeakKeyDictionary()
        self.watcher: Listener | None = None
        self.strays = 0
        self._on_log = options.get("on_log")
        self._on_stray = options.get("on_stray")
        self._visits: dict[str, asyncio.Future[None]] = {}

    def turn(self, link: Link) -> asyncio.Lock:
        """Return who holds the subscriptions of a link: they are made and ended by one at a time, in order."""
        return self._turns.setdefault(link, asyncio.Lock())

    def wants(self, uri: str) -> bool:
        """Tell whether somebody listens for a resource."""
        return any(uri in uris for uris in self.listeners.values())

    def heard(self, notification: Notification) -> None:
        """Take one notification."""
        match notification.method:
            case "notifications/message":
                if self._on_log is not None:
                    self._logged(notification)
            case "notifications/elicitation/complete":
                self._visited(notification)
            case _:
                self.changed(notification)
                for listener in tuple(self.listeners):
                    listener(notification)

    def changed(self, notification: Notification | None) -> None:
        """Tell the watcher, before anybody acts on it, what changed; None when something may have."""
        if self.watcher is not None:
            self.watcher(notification)

    async def asked(self, method: str, params: bytes | None, call: Outgoing | None, revision: Revision) -> bytes:
        """See `Receiver.asked`."""
        timers = list(self._timers()) if call is None or call.timer is None else [call.timer]
        for timer in timers:
            timer.pause()
        try:
            return encode(await self._answering.answer(method, params), revision)
        finally:
            for timer in timers:
                timer.resume()

    def missed(self) -> None:
        """See `Receiver.missed`."""
        self.changed(None)
        for listener in tuple(self.listeners):
            listener(None)

    def stray(self, what: str) -> None:
        """Count what no server should send; tell whoever wants to hear of it, and log the first ones."""
        self.strays += 1
        if self._on_stray is not None:
            self.deliveries.deliver(self._on_stray, quote(what))
        if self.strays & (self.strays - 1) == 0:  # the first, second, fourth, eighth ...: a flood fills no log
            log.warning("The server sent what it should not (%d so far): %s", self.strays, quote(what))

    async def visited(self, identifier: str) -> None:
        """Return when the visit with this id is complete (2025-11-25, Elicitation, Completion Notifications)."""
        future = self._visits.get(identifier)
        if future is None:
            if len(self._visits) >= _VISITS:
                self._visits.pop(next(iter(self._visits)))
            future = self._visits[identifier] = asyncio.get_running_loop().create_future()
        await asyncio.shield(future)

    def close(self) -> None:
        """Let go of all who wait."""
        self.deliveries.close()
        self.listeners.clear()
        self._visits.clear()

    def _logged(self, notification: Notification) -> None:
        try:
            message = decode(notification.params or b"{}", LoggingMessageNotificationParams)
        except InvalidParams:
            self.stray("a log message that cannot be read")
            return
        assert self._on_log is not None
        self.deliveries.deliver(self._on_log, message)

    def _visited(self, notification: Notification) -> None:
        try:
            identifier = decode(notification.params or b"{}", ElicitationCompleteNotificationParams).elicitation_id
        except InvalidParams:
            self.stray("a completion that cannot be read")
            return
        # "Clients MUST ignore notifications referencing unknown or already-completed IDs." (Completion Notifications)
        future = self._visits.pop(identifier, None)
        if future is not None and not future.done():
            future.set_result(None)
