"""Asking a service: bounded, patient, and sparing it. The one module of this server that talks to anybody.

An answer is used again for as long as its head allows; equal questions at a time are one; what may only have failed for
now is tried again with growing pauses, or after the one that the service asks for; a service that keeps failing is left
alone for a while, and so is a part of it, by itself: what becomes of a part says nothing of the service. Nothing of an
answer that was not understood reaches an error, and no URL does: one holds a key.
"""

import asyncio
import itertools
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
from dovetail.servers.weather.patience import PASSING, Breaker, Breakers, Deadline, pause, retry_after
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


class Busy(Unavailable):
    """A service asks not to be asked: that is meant for every question, not only for this one."""


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
        self._parts = Breakers()
        self._shelf = Shelf(settings.cache_entries)
        self._flights: dict[str, asyncio.Task[bytes]] = {}

    def __repr__(self) -> str:
        return f"<Service {self.name}, {self._breaker!r}>"

    def deadline(self) -> Deadline:
        """Return when a call that begins now has waited long enough."""
        return Deadline(self._settings.seconds, asyncio.get_running_loop().time, self._means.clock)

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
        deadline: Deadline,
        *,
        secret: Mapping[str, str] | None = None,
        part: bool = False,
        attempts: int | None = None,
    ) -> T:
        """Ask a question; return its answer.

        Args:
            kind: What it is read as.
            path: Of the URL, below the service's own.
            query: Of the URL.
            deadline: Of the call that it is for.
            secret: More of the query, which is neither kept nor told.
            part: The path is a part of the service that fails by itself, and is left alone by itself.
            attempts: Fewer than usual, for a question that has another one in its place.

        Raises:
            Refused: The service will not answer that.
            Busy: It asks to be left alone.
            Unavailable: It does not answer, or not with what it should.
        """
        where = path + (f"?{urlencode(query)}" if query else "")
        breaker = self._parts.of(path) if part else self._breaker
        usual = self._settings.attempts
        body = await self._body(_Asked(kind, where, secret or {}, deadline, breaker, attempts or usual))
        try:
            return msgspec.json.decode(body, type=kind)
        except (msgspec.MsgspecError, UnicodeError):
            raise Unavailable(f"{self.name} answered without what was asked for: try again later") from None

    def spared(self, path: str) -> float | None:
        """Return for how many seconds a part is still left alone; None for one that may be asked."""
        return self._parts.of(path).spared(self._means.clock())

    async def _body(self, asked: "_Asked") -> bytes:
        where = asked.where
        kept = self._shelf.get(where)
        if kept is not None and self._means.clock() < kept.until:
            return kept.body
        left = asked.deadline.left()
        late = Unavailable(f"{self.name} did not answer in time: try again later")
        if left <= 0:
            raise late  # by what was asked before; this was not, and is no failure of it
        # It is short, and others may want it, too: who leaves does not end it.
        task = self._flights.get(where)
        if task is None:
            task = self._flights[where] = asyncio.ensure_future(self._patiently(asked, kept))
            task.add_done_callback(lambda done: self._landed(where, done))
            return await asyncio.shield(task)
        try:
            async with asyncio.timeout(left):  # whoever asked may have more
                return await asyncio.shield(task)
        except TimeoutError:
            raise late from None

    def _landed(self, where: str, task: asyncio.Task[bytes]) -> None:
        del self._flights[where]
        if not task.cancelled():
            task.exception()  # taken note of, also when everybody who wanted to know has left

    async def _patiently(self, asked: "_Asked", kept: Answer | None) -> bytes:
        # Each attempt and each pause ends in time, and nothing from outside ends them: a time that ran out is an answer
        # that did not come, and the breaker is to hear of it.
        why = "has failed several times in a row"
        for attempt in itertools.count(1):
            wait = asked.breaker.wait(self._means.clock())
            if wait is not None:
                raise Unavailable(f"{self.name} {why}: try again in {wait:.0f} seconds")
            tried = await self._once(asked, kept)
            if isinstance(tried, bytes):
                return tried
            why = tried.why
            seconds = pause(attempt, self._settings.pause, self._means.chance)
            if tried.wait is not None:
                seconds = max(seconds, tried.wait)
            # Who has something else to ask than this does not where every question is one too many.
            most = self._settings.attempts if tried.busy else asked.attempts
            if attempt >= most or seconds >= asked.deadline.left():
                when = "later" if tried.wait is None else f"in {tried.wait:.0f} seconds"
                raise (Busy if tried.busy else Unavailable)(f"{self.name} {why}: try again {when}")
            await self._means.sleep(seconds)
        raise AssertionError

    async def _once(self, asked: "_Asked", kept: Answer | None) -> "bytes | _Passing":
        """Ask once: a body, or why there is none for now."""
        clock, breaker, kind, where = self._means.clock, asked.breaker, asked.kind, asked.where
        try:
            status, headers, body = await self._exchange(asked, {} if kept is None else kept.conditions)
        except (DovetailError, TimeoutError) as error:
            breaker.failed(clock())
            return _Passing(_why(error))
        except BaseException:
            breaker.left()
            raise
        if status == 304 and kept is not None:
            status, body = 200, kept.body
        if status == 200 and _reads(body, kind):
            breaker.worked()
            self._shelf.put(where, answer_of(body, headers, clock()))
            return body
        if status != 200 and status not in PASSING:
            breaker.worked()
            raise Refused(status)
        if status == 429:
            breaker.worked()  # it is there, and knows what it says
        else:
            breaker.failed(clock())
        return _Passing(_what(status, body), retry_after(headers, clock()), status == 429)

    async def _exchange(self, asked: "_Asked", more: Mapping[str, str]) -> tuple[int, Mapping[str, str], bytes]:
        url, secret = self._base + asked.where, asked.secret
        async with asyncio.timeout_at(min(asyncio.get_running_loop().time() + _ATTEMPT_SECONDS, asked.deadline.at)):
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


class _Asked(msgspec.Struct, frozen=True):
    """A question: see `Service.ask`; and the breaker of what it is asked of."""

    kind: type[Any]
    where: str
    secret: Mapping[str, str]
    deadline: Deadline
    breaker: Breaker
    attempts: int


class _Passing(msgspec.Struct, frozen=True):
    """Why there is no answer for now, how long the service asks to be left alone, and whether it is asked too much."""

    why: str
    wait: float | None = None
    busy: bool = False


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
