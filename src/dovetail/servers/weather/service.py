"""Asking a service: bounded, patient, and sparing it. The one module of this server that talks to anybody.

An answer is used again for as long as its head allows; equal questions at a time are one; what may only have failed for
now is tried again with growing pauses, or after the one that the service asks for; a part of a service that keeps
failing is left alone for a while, by itself, and a kind of parts where different ones do. Nothing of an answer that was
not understood reaches an error, and no URL does: one holds a key.
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
from dovetail.servers.weather.flights import Flight, Wish
from dovetail.servers.weather.keeping import Answer, Shelf, answer_of
from dovetail.servers.weather.patience import PASSING, Breakers, Deadline, Part, pause, retry_after
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
        self._breakers = Breakers()
        self._shelf = Shelf(settings.cache_entries)
        self._flights: dict[str, Flight] = {}

    def __repr__(self) -> str:
        return f"<Service {self.name}, {self._breakers!r}>"

    def deadline(self) -> Deadline:
        """Return when a call that begins now has waited long enough."""
        return Deadline(self._settings.seconds, asyncio.get_running_loop().time, self._means.clock)

    def now(self) -> float:
        """Return the time, in seconds since the epoch."""
        return self._means.clock()

    async def aclose(self) -> None:
        """End what is under way, and close every connection."""
        await asyncio.gather(*(flight.aclose() for flight in list(self._flights.values())))
        await self._http.aclose()

    async def ask(
        self,
        kind: type[T],
        path: str,
        query: Mapping[str, str],
        deadline: Deadline,
        part: Part,
        *,
        secret: Mapping[str, str] | None = None,
        soon: bool = False,
    ) -> T:
        """Ask a question; return its answer.

        Args:
            kind: What it is read as.
            path: Of the URL, below the service's own.
            query: Of the URL.
            deadline: Of the call that it is for.
            part: Of the service: what is asked for.
            secret: More of the query, which is neither kept nor told.
            soon: Ask once, and leave half of the time: another question can take the place of this.

        Raises:
            Refused: The service will not answer that.
            Busy: It asks to be left alone.
            Unavailable: It does not answer, or not with what it should.
        """
        where = path + (f"?{urlencode(query)}" if query else "")
        wish = Wish(deadline.half() if soon else deadline, deadline, 1 if soon else self._settings.attempts)
        body = await self._body(_Asked(kind, where, secret or {}, part), wish)
        try:
            return msgspec.json.decode(body, type=kind)
        except (msgspec.MsgspecError, UnicodeError):
            raise Unavailable(f"{self.name} answered without what was asked for: try again later") from None

    def spared(self, part: Part) -> float | None:
        """Return for how many seconds a part is still left alone; None for one that may be asked."""
        return self._breakers.spared(part, self._means.clock())

    async def _body(self, asked: "_Asked", wish: Wish) -> bytes:
        where = asked.where
        kept = self._shelf.get(where)
        if kept is not None and self._means.clock() < kept.until:
            return kept.body
        late = Unavailable(f"{self.name}, asked for {asked.part.said}, did not answer in time: try again later")
        if wish.deadline.left() <= 0:
            raise late  # by what was asked before; this was not, and is no failure of it
        flight = self._flights.get(where)
        if flight is not None and not flight.over:
            flight.join(wish)
        else:
            flight = self._flights[where] = Flight(wish)
            flight.start(self._patiently(asked, kept, flight), lambda: self._landed(where, flight))
        try:
            return await flight.wait(wish)
        except TimeoutError:
            raise (late if not flight.why else Unavailable(f"{flight.why}: try again later")) from None

    def _landed(self, where: str, flight: Flight | None) -> None:
        if self._flights.get(where) is flight:
            del self._flights[where]

    async def _patiently(self, asked: "_Asked", kept: Answer | None, flight: Flight) -> bytes:
        # Each attempt and each pause ends in time, and nothing from outside ends them: a time that ran out is an answer
        # that did not come, and the breakers are to hear of it.
        try:
            return await self._attempts(asked, kept, flight)
        finally:
            flight.over = True

    async def _attempts(self, asked: "_Asked", kept: Answer | None, flight: Flight) -> bytes:
        why = ""
        for attempt in itertools.count(1):
            wait = self._breakers.wait(asked.part, self._means.clock())
            if wait is not None:
                raise Unavailable(self._spared(asked.part, why, wait))
            tried = await self._once(asked, kept, flight)
            if isinstance(tried, bytes):
                return tried
            why = flight.why = f"{self.name}, asked for {asked.part.said}, {tried.why}"
            seconds = pause(attempt, self._settings.pause, self._means.chance)
            if tried.wait is not None:
                seconds = max(seconds, tried.wait)
            # Who has something else to ask than this does not where every question is one too many.
            most = self._settings.attempts if tried.busy else flight.attempts
            if tried.busy:
                flight.pause()
            if attempt >= most or seconds >= flight.deadline.left():
                when = "later" if tried.wait is None else f"in {tried.wait:.0f} seconds"
                raise (Busy if tried.busy else Unavailable)(f"{why}: try again {when}")
            await self._means.sleep(seconds)
        raise AssertionError

    def _spared(self, part: Part, why: str, wait: float) -> str:
        """Say that nothing is asked for now: because of all that is of its kind, or of that part alone."""
        if not why:
            of_all = self._breakers.of_kind(part).spared(self._means.clock()) is not None
            asked = f"{self.name}, asked for {part.kind}," if of_all else f"{part.said[0].upper()}{part.said[1:]}"
            why = f"{asked} failed several times in a row"
        return f"{why}: try again in {wait:.0f} seconds"

    async def _once(self, asked: "_Asked", kept: Answer | None, flight: Flight) -> "bytes | _Passing":
        """Ask once: a body, or why there is none for now."""
        clock, part, loop = self._means.clock, asked.part, asyncio.get_running_loop()
        begun = loop.time()
        try:
            async with flight.attempt(_ATTEMPT_SECONDS):
                status, headers, body = await self._exchange(asked, {} if kept is None else kept.conditions)
        except (DovetailError, TimeoutError) as error:
            if isinstance(error, TimeoutError) and loop.time() - begun < self._enough:
                self._breakers.left(part)  # what was asked before took the time that this would have had
            else:
                self._breakers.failed(part, clock())
            return _Passing(_why(error))
        except BaseException:
            self._breakers.left(part)
            raise
        if status == 304 and kept is not None:
            status, body = 200, kept.body
        if status == 200 and _reads(body, asked.kind):
            self._breakers.worked(part)
            self._shelf.put(asked.where, answer_of(body, headers, clock()))
            return body
        if status != 200 and status not in PASSING:
            self._breakers.worked(part)
            raise Refused(status)
        if status == 429:
            self._breakers.worked(part)  # it is there, and knows what it says
        else:
            self._breakers.failed(part, clock())
        if status == 200 and _reads(body, dict[str, Any]):
            self._breakers.of_kind(part).worked()  # it is there, too, whatever became of that part
        return _Passing(_what(status, body), retry_after(headers, clock()), status == 429)

    @property
    def _enough(self) -> float:
        """Seconds in which an answer may be expected: one that was waited for less has not failed to come."""
        return min(_ATTEMPT_SECONDS, self._settings.seconds / 4)

    async def _exchange(self, asked: "_Asked", more: Mapping[str, str]) -> tuple[int, Mapping[str, str], bytes]:
        url, secret = self._base + asked.where, asked.secret
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
    """A question: see `Service.ask`."""

    kind: type[Any]
    where: str
    secret: Mapping[str, str]
    part: Part


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
