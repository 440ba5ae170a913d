"""Asking a service: bounded, patient, and sparing it. The one module of this server that talks to anybody.

An answer is used again for as long as its head allows; equal questions at a time are one; what may only have failed for
now is tried again with growing pauses, or after the one that the service asks for; a service that keeps failing is left
alone for a while. Nothing of an answer that was not understood reaches an error, and no URL does: one holds a key.
"""

import asyncio
import random
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final, TypeVar
from urllib.parse import urlencode, urljoin

import msgspec

from dovetail.auth import is_loopback
from dovetail.errors import DefinitionError, Disconnected, DovetailError, LimitExceeded, ProtocolViolation, ToolError
from dovetail.net import HttpClient
from dovetail.servers.weather.keeping import Answer, Shelf, answer_of
from dovetail.servers.weather.patience import PASSING, Breaker, Patience, pause, retry_after
from dovetail.servers.weather.settings import Settings

T = TypeVar("T")

LARGEST: Final = 8 * 1024 * 1024
"""Bytes of an answer: all alerts of the country are about three million."""
_REDIRECTS: Final = 2
_MOVED: Final = frozenset({301, 302, 307, 308})
_ATTEMPT_SECONDS: Final = 10.0


class Means(msgspec.Struct, frozen=True):
    """What time, chance and waiting are.

    Attributes:
        clock: Seconds since the epoch.
        sleep: Waits for so many seconds.
        chance: From 0 up to 1.
    """

    clock: Callable[[], float] = time.time
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
    chance: Callable[[], float] = random.random


class Unavailable(ToolError):
    """A service does not answer, or not in a way that is understood."""


class Refused(Exception):
    """A service answers that it will not: a status that trying again does not change."""

    def __init__(self, status: int) -> None:
        super().__init__(f"status {status}")
        self.status = status


class Service:
    """One service, on one event loop."""

    def __init__(self, name: str, base: str, accept: str, settings: Settings, means: Means) -> None:
        """Prepare; nothing is opened before the first question.

        Args:
            name: For people.
            base: Its URL, checked by `base_of`.
            accept: The media type that is asked for.
            settings: Of the server.
            means: Time, chance and waiting.
        """
        self.name = name
        self._base = base
        self._settings = settings
        self._means = means
        self._fields = {"user-agent": agent_of(settings), "accept": accept}
        self._http = HttpClient(connections=8, trust_env=settings.use_proxy)
        self._breaker = Breaker()
        self._shelf = Shelf(settings.cache_entries)
        self._flights: dict[str, asyncio.Task[bytes]] = {}

    def __repr__(self) -> str:
        return f"<Service {self.name}, {self._breaker!r}>"

    @property
    def patience(self) -> Patience:
        """What an answer may take where nothing else is said."""
        return Patience(self._settings.attempts, self._settings.seconds)

    def now(self) -> float:
        """Return the time, in seconds since the epoch."""
        return self._means.clock()

    async def aclose(self) -> None:
        """End what is under way, and close every connection."""
        flights = list(self._flights.values())
        for task in flights:
            task.cancel()
        await asyncio.gather(*flights, return_exceptions=True)
        await self._http.aclose()

    async def ask(
        self,
        kind: type[T],
        path: str,
        query: Mapping[str, str],
        secret: Mapping[str, str] | None = None,
        patience: Patience | None = None,
    ) -> T:
        """Ask a question; return its answer.

        Args:
            kind: What it is read as.
            path: Of the URL, below the service's own.
            query: Of the URL.
            secret: More of the query, which is neither kept nor told.
            patience: Less than usual, for a question that has another one in its place.

        Raises:
            Refused: The service will not answer that.
            Unavailable: It does not answer, or not with what it should.
        """
        where = path + (f"?{urlencode(query)}" if query else "")
        body = await self._body(kind, where, secret or {}, patience or self.patience)
        try:
            return msgspec.json.decode(body, type=kind)
        except (msgspec.MsgspecError, UnicodeError):
            raise Unavailable(f"{self.name} answered without what was asked for: try again later") from None

    async def _body(self, kind: type[Any], where: str, secret: Mapping[str, str], patience: Patience) -> bytes:
        kept = self._shelf.get(where)
        if kept is not None and self._means.clock() < kept.until:
            return kept.body
        task = self._flights.get(where)
        if task is None:
            task = self._flights[where] = asyncio.ensure_future(self._patiently(kind, where, secret, kept, patience))
            task.add_done_callback(lambda done: self._landed(where, done))
        # It is short, and others may want it, too: who leaves does not end it.
        return await asyncio.shield(task)

    def _landed(self, where: str, task: asyncio.Task[bytes]) -> None:
        del self._flights[where]
        if not task.cancelled():
            task.exception()  # taken note of, also when everybody who wanted to know has left

    async def _patiently(
        self, kind: type[Any], where: str, secret: Mapping[str, str], kept: Answer | None, patience: Patience
    ) -> bytes:
        # Each attempt and each pause ends in time, and nothing from outside ends them: a time that ran out is an answer
        # that did not come, and the breaker is to hear of it.
        loop_clock, clock = asyncio.get_running_loop().time, self._means.clock
        until, begun = loop_clock() + patience.seconds, clock()
        most = patience.attempts
        for attempt in range(1, most + 1):
            wait = self._breaker.wait(clock())
            if wait is not None:
                raise Unavailable(f"{self.name} has failed several times in a row: try again in {wait:.0f} seconds")
            tried = await self._once(kind, where, secret, kept, until)
            if isinstance(tried, bytes):
                return tried
            seconds = pause(attempt, self._settings.pause, self._means.chance)
            if tried.wait is not None:
                seconds = max(seconds, tried.wait)
            left = min(until - loop_clock(), patience.seconds - (clock() - begun))
            if attempt == most or seconds >= left:
                when = "later" if tried.wait is None else f"in {tried.wait:.0f} seconds"
                raise Unavailable(f"{self.name} {tried.why}: try again {when}")
            await self._means.sleep(seconds)
        raise Unavailable(f"{self.name} was not asked")

    async def _once(
        self, kind: type[Any], where: str, secret: Mapping[str, str], kept: Answer | None, until: float
    ) -> "bytes | _Passing":
        """Ask once: a body, or why there is none for now."""
        clock = self._means.clock
        try:
            status, headers, body = await self._exchange(where, secret, {} if kept is None else kept.conditions, until)
        except (DovetailError, TimeoutError) as error:
            self._breaker.failed(clock())
            return _Passing(_why(error))
        except BaseException:
            self._breaker.left()
            raise
        if status == 304 and kept is not None:
            status, body = 200, kept.body
        if status == 200 and _reads(body, kind):
            self._breaker.worked()
            self._shelf.put(where, answer_of(body, headers, clock()))
            return body
        if status != 200 and status not in PASSING:
            self._breaker.worked()
            raise Refused(status)
        if status == 429:
            self._breaker.worked()  # it is there, and knows what it says
        else:
            self._breaker.failed(clock())
        return _Passing(_what(status, body), retry_after(headers, clock()))

    async def _exchange(
        self, where: str, secret: Mapping[str, str], more: Mapping[str, str], until: float
    ) -> tuple[int, Mapping[str, str], bytes]:
        url = self._base + where
        async with asyncio.timeout_at(min(asyncio.get_running_loop().time() + _ATTEMPT_SECONDS, until)):
            for _ in range(_REDIRECTS + 1):
                full = url + ("&" if "?" in url else "?") + urlencode(secret) if secret else url
                response = await self._http.send("GET", full, {**self._fields, **more})
                try:
                    goal = response.headers.get("location", "")
                    if response.status in _MOVED and (moved := self._within(url, goal)):
                        url = moved
                        continue
                    body = await response.read(LARGEST) if response.status == 200 else b""
                    return response.status, response.headers, body
                finally:
                    await response.aclose()
        raise ProtocolViolation("More redirects than are followed")

    def _within(self, url: str, location: str) -> str | None:
        """Return where a redirect leads; None when that is not the service itself, which alone is asked."""
        try:
            goal = urljoin(url, location)
        except ValueError:
            return None
        return goal if goal.startswith(f"{self._base}/") and goal.isascii() and goal.isprintable() else None


class _Passing(msgspec.Struct, frozen=True):
    """Why there is no answer for now, and how long the service asks to be left alone."""

    why: str
    wait: float | None = None


def base_of(url: str, setting: str) -> str:
    """Return a service's URL without a slash at its end.

    Raises:
        DefinitionError: It is none, or would carry a key in the open.
    """
    from urllib.parse import urlsplit

    try:
        parts = urlsplit(url)
        host, _ = parts.hostname or "", parts.port
    except ValueError:
        host, parts = "", urlsplit("")
    safe = parts.scheme == "https" or (parts.scheme == "http" and is_loopback(host))
    if not host or not safe or parts.query or parts.fragment or "@" in parts.netloc or not url.isascii():
        raise DefinitionError(f"{setting}: expected an https URL such as https://api.example.com")
    return url.rstrip("/")


def agent_of(settings: Settings) -> str:
    """Return the User-Agent.

    Raises:
        DefinitionError: The one that was set cannot be sent.
    """
    from dovetail import __version__

    agent = settings.user_agent
    if agent is None:
        return f"Dovetail-Weather/{__version__} (+https://github.com/dovetail-mcp/dovetail)"
    if not agent.strip() or len(agent) > 256 or not agent.isascii() or not agent.isprintable():
        raise DefinitionError("user_agent: expected text such as my-app/1.0 (me@example.com)")
    return agent


def _what(status: int, body: bytes) -> str:
    if status != 200:
        return f"answered with status {status}"
    data = _reads(body, dict[str, Any])
    return "answered without what was asked for" if data else "answered with something else than data"


def _reads(body: bytes, kind: type[Any]) -> bool:
    """Tell whether a body is what was asked for: anything else is neither kept nor believed."""
    try:
        msgspec.json.decode(body, type=kind)
    except (msgspec.MsgspecError, UnicodeError, RecursionError):
        return False
    return True


def _why(error: Exception) -> str:
    match error:
        case TimeoutError():
            return "did not answer in time"
        case LimitExceeded():
            return "answered with more than is read"
        case ProtocolViolation():
            return "answered in a way that was not asked for"
        case Disconnected():
            return "cannot be reached"
    return "cannot be asked"
