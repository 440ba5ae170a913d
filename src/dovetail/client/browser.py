"""Where a login meets its user: the system's browser, or whoever stands in for it.

The URL that is opened was named by a server. It is checked once more right before: https (http on this machine only),
and no character that a shell, a terminal or a registry entry could act on (A-28; CVE-2025-6514). No shell ever sees it:
`webbrowser` runs programs by argument vector.
"""

import asyncio
import contextlib
import threading
import webbrowser
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any, Protocol

import msgspec

from dovetail.auth import Request, check_url
from dovetail.client.callback import Callback
from dovetail.client.login_world import Fetch, VisitUrl
from dovetail.errors import LoginUnavailable

LONGEST = 8192
"""Characters of a URL that is opened."""


class Errand(msgspec.Struct, frozen=True):
    """One visit to come: where it comes back to, and how to set out."""

    redirect_uri: str
    visit: VisitUrl


class Browser(Protocol):
    """Somebody's browser."""

    def errand(self) -> AbstractAsyncContextManager[Errand]:
        """Prepare one visit."""
        ...


class SystemBrowser:
    """The user's own browser, and a loopback callback.

    Args:
        open_url: Opens a URL, in a thread; tells whether it could.
        show: Hears the URL when no browser can be opened, to show it to the user; without it the login fails then.
        seconds: How long the user may take.
        port: Of the callback, for a client that is registered with one (`http://127.0.0.1:PORT/callback`); any by
            default, as an authorization server allows for the loopback (RFC 8252, 7.3).
    """

    def __init__(
        self,
        open_url: Callable[[str], bool] = webbrowser.open,
        *,
        show: Callable[[str], None] | None = None,
        seconds: float = 300.0,
        port: int = 0,
    ) -> None:
        self._open_url = open_url
        self._show = show
        self._seconds = seconds
        self._port = port

    def __repr__(self) -> str:
        return f"<SystemBrowser {self._seconds:g} s>"

    @asynccontextmanager
    async def errand(self) -> AsyncIterator[Errand]:
        """Open the callback's port, and close it in the end."""
        async with Callback(seconds=self._seconds, port=self._port) as callback:

            async def visit(url: str) -> str:
                check_url(url, "authorization URL", longest=LONGEST)
                callback.expect(url)
                answer = asyncio.create_task(callback.answer())
                try:
                    await self._open(url, answer)
                    return await answer
                finally:
                    answer.cancel()

            yield Errand(callback.redirect_uri, visit)

    async def _open(self, url: str, answer: "asyncio.Task[str]") -> None:
        """Open a URL, and wait until it is, or there is an answer: some browsers' commands end when they are closed."""
        opened = _apart(self._open_url, url)
        both: set[asyncio.Future[Any]] = {opened, answer}
        await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
        if answer.done():
            opened.cancel()
        elif not opened.result():
            if self._show is None:
                raise LoginUnavailable(
                    "No browser can be opened here: `dovetail auth login URL --headless` logs in without one"
                )
            self._show(url)


def _apart(open_url: Callable[[str], bool], url: str) -> "asyncio.Future[bool]":
    """Open a URL in a thread that nobody has to wait for, not even at the program's end."""
    loop = asyncio.get_running_loop()
    opened: asyncio.Future[bool] = loop.create_future()

    def tell(could: bool, error: Exception | None) -> None:
        if opened.done():
            return
        if error is None:
            opened.set_result(could)
        else:
            opened.set_exception(error)

    def work() -> None:
        could, failure = False, None
        try:
            could = open_url(url)
        except Exception as error:
            failure = error
        with contextlib.suppress(RuntimeError):  # the loop is closed: nobody waits
            loop.call_soon_threadsafe(tell, could, failure)

    threading.Thread(target=work, name="dovetail: browser", daemon=True).start()
    return opened


class Headless:
    """Whoever receives the authorization URL and returns the callback URL: another process, a device, a test.

    Args:
        redirect_uri: What the client is registered with.
        visit: Does it.
    """

    def __init__(self, redirect_uri: str, visit: Callable[[str], Awaitable[str]]) -> None:
        self._errand = Errand(redirect_uri, visit)

    def __repr__(self) -> str:
        return f"<Headless {self._errand.redirect_uri}>"

    @asynccontextmanager
    async def errand(self) -> AsyncIterator[Errand]:
        """Return the one errand that there is."""
        yield self._errand


def consenting(open_fetch: Callable[[], AbstractAsyncContextManager[Fetch]]) -> Callable[[str], Awaitable[str]]:
    """Return a `visit` for authorization servers that authorise whoever asks: the redirect is read, not followed.

    For machines that log in to a test environment, and for the conformance suite.
    """

    async def visit(url: str) -> str:
        check_url(url, "authorization URL", longest=LONGEST)
        async with open_fetch() as fetch:
            reply = await fetch(Request(method="GET", url=url, headers={"accept": "text/html"}))
        location = reply.headers.get("location")
        if not 300 <= reply.status < 400 or location is None:
            raise LoginUnavailable(f"The authorization server wants a user (HTTP status {reply.status})")
        return location

    return visit
