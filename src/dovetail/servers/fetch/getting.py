"""Getting a URL: the cache, robots.txt, one exchange over HTTP, redirects. The one module that talks to strangers.

The invariants (A-29): a URL is checked before anything else is done with it, and again at every redirect; every address
that its name has is checked when a connection is made, and the connection goes to one of those; no proxy out of the
environment is used; an answer is bounded in bytes and seconds; its body reaches no error. No credentials and no cookies
are ever sent. Equal requests that are under way at the same time are one.
"""

import asyncio
import re
import time
from collections import OrderedDict
from collections.abc import Callable
from datetime import UTC
from email.utils import parsedate_to_datetime
from functools import partial
from http import HTTPStatus
from typing import Final

import msgspec

from dovetail.auth import refusals
from dovetail.errors import DefinitionError, Disconnected, LimitExceeded, ProtocolViolation, ToolError, Unsent
from dovetail.net import HttpClient, Response
from dovetail.servers.fetch import freshness, robots
from dovetail.servers.fetch.entries import Cache, Entry, kept_fields
from dovetail.servers.fetch.flights import Flights
from dovetail.servers.fetch.urls import Policy, Target, refused
from dovetail.wire import Limits

ACCEPT: Final = (
    "text/html,application/xhtml+xml;q=0.9,text/markdown;q=0.9,application/json;q=0.8,text/*;q=0.8,*/*;q=0.5"
)
_REDIRECTS: Final = frozenset({301, 302, 303, 307, 308})
_NOT_MODIFIED: Final = 304
_CONNECTIONS: Final = 32
_SITES: Final = 500
# Sites send policies of many kilobytes in their heads; all of it is read and none kept.
_HEADS: Final = Limits(header_count=200, header_value=32 * 1024, header_block=96 * 1024)


class Got(msgspec.Struct, frozen=True):
    """What came of a URL.

    Attributes:
        entry: The answer, after redirects.
        cached: It was not asked for now.
    """

    entry: Entry
    cached: bool


class Bounds(msgspec.Struct, frozen=True):
    """What an answer may cost: bytes of a body, seconds of all, redirects."""

    size: int
    seconds: float
    redirects: int


class Getter:
    """Gets URLs, on one event loop."""

    def __init__(self, policy: Policy, bounds: Bounds, cache: Cache, clock: Callable[[], float] = time.time) -> None:
        """Prepare; nothing is opened before the first URL.

        Args:
            policy: Which URLs and addresses are allowed.
            bounds: What an answer may cost.
            cache: Where answers are kept; closed by whoever made it.
            clock: Seconds since the epoch.
        """
        self.policy = policy
        self.cache = cache
        self.clock = clock
        self._bounds = bounds
        self._http = HttpClient(limits=_HEADS, connections=_CONNECTIONS, admit=self._admit)
        self._flights = Flights()
        self._rules: OrderedDict[tuple[str, str], tuple[robots.Rules, float]] = OrderedDict()

    def __repr__(self) -> str:
        return f"<Getter {len(self._flights)} under way>"

    async def aclose(self) -> None:
        """End what is under way, and close every connection."""
        await self._flights.aclose()
        await self._http.aclose()

    async def get(self, url: str, agent: str, *, polite: bool, renew: bool = False) -> Got:
        """Get a URL, and whatever it redirects to.

        Args:
            url: As a model or a user wrote it.
            agent: The User-Agent.
            polite: Whether robots.txt is obeyed.
            renew: Whether what is in the cache is asked for again, however fresh it is.

        Raises:
            ToolError: Nothing came of it; the text says why, and holds nothing of an answer's body.
        """
        target = self.policy.check(url)
        try:
            async with asyncio.timeout(self._bounds.seconds):
                return await self._get(target, agent, polite, renew)
        except TimeoutError:
            raise ToolError(
                f"{target.host} did not answer within {self._bounds.seconds:g} seconds: try again later"
            ) from None

    async def _get(self, target: Target, agent: str, polite: bool, renew: bool) -> Got:
        seen: set[str] = set()
        while True:
            if polite:
                await self._ask_robots(target, agent)
            got = await self._shared(target, agent, renew)
            entry = got.entry
            if entry.status not in _REDIRECTS or "location" not in entry.headers:
                return got
            seen.add(target.url)
            target = self.policy.follow(target, entry.headers["location"])
            if target.url in seen:
                raise ToolError(f"{target.host} redirects in a circle: there is no page behind this URL")
            if len(seen) > self._bounds.redirects:
                raise ToolError(f"More than {self._bounds.redirects} redirects: fetch the page's final URL instead")

    async def _ask_robots(self, target: Target, agent: str) -> None:
        rules = await self.rules(target, agent)
        if rules.allow(target.url):
            return
        if rules.why:
            raise ToolError(rules.why)  # the page would fail in the same way
        if rules.unreachable:
            raise ToolError(
                f"{target.host} did not hand out its robots.txt, so that nothing may be fetched from it for now: try "
                "again in a minute. The user may fetch the page all the same with the prompt `fetch`"
            )
        raise ToolError(
            f"The robots.txt of {target.host} forbids programs to fetch this page. Tell the user; they may fetch it "
            "themselves with the prompt `fetch`, or start this server with --ignore-robots"
        )

    async def rules(self, target: Target, agent: str) -> robots.Rules:
        """Return the rules of a target's site, which are kept for a day at most."""
        token = robots.product_token(agent)
        key = (target.origin, token)
        now = self.clock()
        kept = self._rules.get(key)
        if kept is not None and now < kept[1]:
            return kept[0]
        work = partial(self._rules_of, target, agent, token)
        rules: robots.Rules = await self._flights.share(("robots", *key), work)
        return rules

    async def _rules_of(self, target: Target, agent: str, token: str) -> robots.Rules:
        where = Target(f"{target.origin}/robots.txt", target.origin, target.host)
        seconds = robots.KEPT_SECONDS
        try:
            async with asyncio.timeout(self._bounds.seconds / 2):
                entry = await self._robots_txt(where, agent)
            rules = await asyncio.to_thread(robots.rules_of, entry.status, entry.body, token)
            said = freshness.lifetime(entry)
            seconds = min(seconds, max(said, robots.UNREACHABLE_SECONDS)) if said else seconds
        except TimeoutError:
            rules = robots.Rules(unreachable=True)
        except ToolError as error:
            rules = robots.Rules(unreachable=True, why=str(error))
        if rules.unreachable:
            seconds = robots.UNREACHABLE_SECONDS
        self._rules[target.origin, token] = (rules, self.clock() + seconds)
        while len(self._rules) > _SITES:
            self._rules.popitem(last=False)
        return rules

    async def _robots_txt(self, target: Target, agent: str) -> Entry:
        for _ in range(robots.REDIRECTS + 1):
            entry = await self._exchange(target, agent, {}, robots.LARGEST + 1, cut=True)
            if entry.status not in _REDIRECTS or "location" not in entry.headers:
                return entry
            target = self.policy.follow(target, entry.headers["location"])
        return entry

    async def _shared(self, target: Target, agent: str, renew: bool) -> Got:
        """Get a URL together with all who want it now, too."""
        key = ("page", target.url, agent, str(renew))
        got: Got = await self._flights.share(key, partial(self._one, target, agent, renew))
        return got

    async def _one(self, target: Target, agent: str, renew: bool) -> Got:
        kept = await self.cache.load(target.url)
        request = {"user-agent": agent, "accept": ACCEPT}
        if kept is not None and not freshness.selected(kept, request):
            kept = None
        if kept is not None and not renew and freshness.fresh(kept, self.clock()):
            return Got(kept, cached=True)
        asked = {} if kept is None else freshness.conditions(kept)
        if renew:
            asked["cache-control"] = "no-cache"
        entry = await self._exchange(target, agent, asked, self._bounds.size)
        if entry.status == _NOT_MODIFIED:
            renewed = (
                None if kept is None else freshness.confirmed(kept, entry.headers, entry.requested, entry.received)
            )
            if renewed is not None:
                await self.cache.save(renewed)
                return Got(renewed, cached=True)
            entry = await self._exchange(target, agent, {"cache-control": "no-cache"}, self._bounds.size)
        if freshness.storable(entry):
            await self.cache.save(entry)
        elif entry.status < 500:
            await self.cache.drop(target.url)
        return Got(entry, cached=False)

    async def _exchange(
        self, target: Target, agent: str, more: dict[str, str], size: int, *, cut: bool = False
    ) -> Entry:
        """Make one exchange. What fails is a `ToolError` in words of ours."""
        request = {"user-agent": agent, "accept": ACCEPT, **more}
        requested = self.clock()
        try:
            response = await self._http.send("GET", target.url, request)
            try:
                received = self.clock()
                headers = kept_fields(response.headers)
                body = await _body(response, size, cut)
            finally:
                await response.aclose()
        except Unsent as error:
            failure = str(error)
        except Disconnected as error:
            failure = f"{error}. Try again once"
        except LimitExceeded:
            failure = f"{target.host} answered with more than {size} bytes: the user may raise --max-bytes"
        except ProtocolViolation:
            failure = (
                f"{target.host} answers in a coding that was not asked for and is not read here, or not in the one "
                "that it names: it cannot be fetched"
            )
        except DefinitionError:
            failure = "The URL cannot be asked for as it is: check its spelling"
        else:
            vary = freshness.varying(headers, request)
            return Entry(target.url, response.status, headers, body, requested, received, vary)
        raise ToolError(failure)

    def _admit(self, addresses: list[str]) -> str | None:
        reason = refusals(addresses, loopback=self.policy.loopback, networks=self.policy.networks)
        return None if reason is None else refused(reason) if reason != "no address" else reason


async def _body(response: Response, size: int, cut: bool) -> bytes:
    """Read a body; of an answer that is only looked at (a redirect, an error), none."""
    if response.status in _REDIRECTS or response.status >= 400:
        return b""
    if not cut:
        length = response.headers.get("content-length", "")
        if length.isdigit() and int(length) > size:
            raise LimitExceeded("The answer says that it is too large", limit="body")
        return await response.read(size, inflate=True)
    if response.headers.get("content-encoding"):
        return await response.read(size, inflate=True)
    pieces, total = [], 0
    while total < size and (piece := await response.chunk()):
        pieces.append(piece)
        total += len(piece)
    return b"".join(pieces)[:size]


def _when(said: str) -> str:
    """Read `Retry-After`: seconds or a date (RFC 9110, 10.2.3). Anything else is a stranger's words, and not told."""
    if re.fullmatch("[0-9]{1,6}", said):
        return f"after {int(said)} seconds"
    try:
        until = parsedate_to_datetime(said[:64])
        until = until.astimezone(UTC) if until.tzinfo else until
        return f"after {until:%Y-%m-%d %H:%M:%S} UTC"
    except (ValueError, TypeError, OverflowError, IndexError):
        return "later"


def failed(entry: Entry) -> str | None:
    """Say why an answer is no page; None when it is one. Nothing of its body is told."""
    status = entry.status
    if 200 <= status < 300:
        return None
    try:
        phrase = f" ({HTTPStatus(status).phrase})"
    except ValueError:
        phrase = ""
    advice = "check the URL, or look for another source"
    if status in (401, 403):
        advice = "the page is not for everybody, or not for programs; look for another source"
    elif status == 429 or status >= 500:
        advice = f"try again {_when(entry.headers.get('retry-after', ''))}"
    return f"The server answered with status {status}{phrase}: {advice}"
