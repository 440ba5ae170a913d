"""Carrying out a login's flow: its requests over HTTP, its visits in a browser, its records in a token store.

Every request of a login runs through `LoginHttp`: an address that no login has business with is refused before a
connection is made, the answer is bounded in bytes and seconds, and no answer's body reaches an error (A-29).
"""

import asyncio
import secrets
import time
from collections.abc import Awaitable, Callable, Generator
from contextlib import AbstractContextManager, nullcontext
from ipaddress import ip_network
from types import TracebackType
from typing import TYPE_CHECKING, Any, Final, Self, TypeVar
from urllib.parse import urlsplit

import msgspec

from dovetail.auth import (
    LARGEST,
    Client,
    Load,
    Means,
    Prompt,
    Reply,
    Request,
    Save,
    Step,
    Tokens,
    TokenStore,
    Visit,
    decode_tokens,
    is_loopback,
    refusals,
)
from dovetail.errors import (
    AuthRequired,
    Disconnected,
    LimitExceeded,
    LoginUnavailable,
    LoginUntrusted,
    ProtocolViolation,
)
from dovetail.wire import Limits

if TYPE_CHECKING:
    from dovetail.net import HttpClient

SECONDS: Final = 10.0
"""For one exchange of a login, from the name's resolution to the last byte of the answer."""

T = TypeVar("T")
Fetch = Callable[[Request], Awaitable[Reply]]
VisitUrl = Callable[[str], Awaitable[str]]
AskClient = Callable[[str], Awaitable[Client | None]]

MEANS: Final = Means(secrets.token_bytes, time.time)
"""The system's clock and randomness."""


class World(msgspec.Struct, frozen=True):
    """What a flow's steps are carried out with.

    Attributes:
        fetch: Makes one HTTP exchange, without following redirects.
        store: Keeps clients and tokens.
        visit: Sends the user's browser to a URL and returns the callback URL; None when there is no user.
        prompt: Asks for a client's credentials at an issuer; None when there is nobody to ask.
        standing: Holds the time of those who wait, while a user does something.
    """

    fetch: Fetch
    store: TokenStore
    visit: VisitUrl | None = None
    prompt: AskClient | None = None
    standing: Callable[[], AbstractContextManager[None]] = nullcontext


async def carry_out(flow: Generator[Step, Any, T], world: World) -> T:
    """Carry out a flow to its end; return its result, or raise what it, or a step of it, raises."""
    try:
        step = next(flow)
        while True:
            try:
                answer = await _answer(step, world)
            except AuthRequired as failure:
                step = flow.throw(failure)
            else:
                step = flow.send(answer)
    except StopIteration as end:
        result: T = end.value
        return result
    finally:
        flow.close()


async def _answer(step: Step, world: World) -> Any:
    match step:
        case Request():
            return await world.fetch(step)
        case Visit(url):
            if world.visit is None:
                raise LoginUnavailable("This login needs a user and a browser, and there is neither")
            with world.standing():
                return await world.visit(url)
        case Prompt(issuer):
            with world.standing():
                return None if world.prompt is None else await world.prompt(issuer)
        case Load(key):
            return await world.store.load(key)
        case Save(key, value):
            return await world.store.save(key, value)


async def known_logins(store: TokenStore) -> list[tuple[str, Tokens]]:
    """Return the tokens that a store keeps, each with its profile, by server and profile."""
    found = []
    for key in await store.keys():
        value = await store.load(key) if key.startswith("tokens:") else None
        tokens = None if value is None else decode_tokens(value)
        if tokens is not None:
            found.append((key.removeprefix("tokens:").removesuffix(f":{tokens.server}"), tokens))
    return sorted(found, key=lambda login: (login[1].server, login[0]))


class LoginHttp:
    """The HTTP of logins. Use as `async with LoginHttp(server) as fetch`.

    Args:
        server: URL of the MCP server. When it is on this machine, its login may be too; otherwise no address of a
            login may be.
        networks: Networks that are allowed although logins usually have no business there, such as `10.0.0.0/8` of an
            intranet.
        seconds: For one exchange.
    """

    def __init__(self, server: str, *, networks: tuple[str, ...] = (), seconds: float = SECONDS) -> None:
        self._loopback = is_loopback(urlsplit(server).hostname or "")
        self._networks = tuple(ip_network(network) for network in networks)
        self._seconds = seconds
        self._http: HttpClient | None = None

    def __repr__(self) -> str:
        return f"<LoginHttp{', loopback' if self._loopback else ''}, {len(self._networks)} networks>"

    async def __aenter__(self) -> Self:
        from dovetail.net import HttpClient

        self._http = HttpClient(limits=Limits(body=LARGEST), connections=8, admit=self._admit)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        http, self._http = self._http, None
        if http is not None:
            await http.aclose()

    def _admit(self, addresses: list[str]) -> str | None:
        reason = refusals(addresses, loopback=self._loopback, networks=self._networks)
        remedy = (
            "" if reason in (None, "no address") else ": if it is yours, allow its network by `networks`, --network"
        )
        return None if reason is None else f"{reason}{remedy}"

    async def __call__(self, request: Request) -> Reply:
        """Make one exchange.

        Raises:
            LoginUnavailable: Nobody answers, or not in time.
            LoginUntrusted: The answer is too large, or the URL leads where no login has business.
        """
        where = urlsplit(request.url).netloc
        if self._http is None:
            raise LoginUnavailable("The HTTP of this login is closed")
        try:
            async with asyncio.timeout(self._seconds):
                response = await self._http.send(request.method, request.url, request.headers, request.body)
                try:
                    body = await response.read(LARGEST)
                finally:
                    await response.aclose()
                return Reply(response.status, dict(response.headers), body)
        except TimeoutError:
            failure: Exception = LoginUnavailable(f"{where} did not answer within {self._seconds:g} seconds")
        except LimitExceeded:
            failure = LoginUntrusted(f"{where} answered with more than {LARGEST} bytes")
        except ProtocolViolation:
            failure = LoginUntrusted(f"{where} answered in a way that was not asked for")
        except Disconnected as error:
            failure = LoginUnavailable(f"A server that logging in needs cannot be reached: {error}")
        raise failure
