"""The browser is opened with plain URLs only, and comes back; others can stand in for it."""

import asyncio
import threading
from functools import partial
from urllib.request import urlopen

import pytest

from dovetail.client.browser import Headless, SystemBrowser, consenting
from dovetail.client.login_world import LoginHttp
from dovetail.errors import LoginUnavailable, LoginUntrusted
from tests.client.authority import Authority
from tests.client.errands import login, pool, request, town


def clicking(url: str) -> bool:
    """Stands for a browser: follows the redirect to the loopback callback, as a user's would."""
    with urlopen(url, timeout=5) as page:
        assert page.status == 200
    return True


async def test_a_login_goes_through_the_systems_browser_and_back_over_the_loopback() -> None:
    async with town() as here, pool() as http:
        ours = login(here.url, browser=SystemBrowser(clicking))
        assert await request(ours, http, here.url) == 200
        (asked,) = here.authority.to("/authorize")
        assert asked.query["redirect_uri"].startswith("http://127.0.0.1:")


@pytest.mark.req("A-28")
@pytest.mark.parametrize(
    "url",
    ["javascript:alert(1)", "file:///etc/passwd", "http://evil.example/", "https://x/$(calc.exe)", "https://x/`id`",
     "https://x/ --new-window", 'https://x/"&calc', "https://x/a|b", "https://x/a;b", "-https://x", "ms-msdt:/id"],
)  # fmt: skip
async def test_a_url_that_something_could_act_on_is_never_opened(url: str) -> None:
    opened: list[str] = []

    def note(url: str) -> bool:
        opened.append(url)
        return True

    browser = SystemBrowser(note)
    async with browser.errand() as errand:
        with pytest.raises(LoginUntrusted):
            await errand.visit(url)
    with pytest.raises(LoginUntrusted):
        await consenting(partial(LoginHttp, "http://localhost/mcp"))(url)
    assert opened == []


@pytest.mark.req("A-28")
async def test_what_an_authorization_server_names_reaches_the_browser_percent_encoded() -> None:
    opened: list[str] = []

    def note(url: str) -> bool:
        opened.append(url)
        return clicking(url)

    async with town() as here, pool() as http:
        here.resource.scopes = {b"{}": "a$(calc.exe) b|c `id` d&e"}
        await request(login(here.url, browser=SystemBrowser(note)), http, here.url)
    (url,) = opened
    assert not set(" $()`|'\"\\;<>^") & set(url)
    assert "%24%28calc.exe%29" in url


async def test_a_browser_whose_command_does_not_end_is_not_waited_for() -> None:
    """As a first browser's, which ends when its window is closed."""
    closed, ended = threading.Event(), threading.Event()

    def staying(url: str) -> bool:
        if answers:
            clicking(url)
        closed.wait(60)
        ended.set()
        return False

    async with town() as here, pool() as http:
        answers = True
        assert await request(login(here.url, browser=SystemBrowser(staying)), http, here.url) == 200
        answers = False
        with pytest.raises(LoginUnavailable, match="came back"):
            await request(login(here.url, browser=SystemBrowser(staying, seconds=0.01)), http, here.url)
    closed.set()
    assert await asyncio.to_thread(ended.wait, 5)


async def test_a_browser_that_fails_ends_the_login() -> None:
    def failing(url: str) -> bool:
        raise OSError("no")

    async with town() as here, pool() as http:
        with pytest.raises(OSError, match="no"):
            await request(login(here.url, browser=SystemBrowser(failing)), http, here.url)


async def test_where_there_is_no_browser_the_url_is_shown_or_the_login_ends() -> None:
    shown: asyncio.Queue[str] = asyncio.Queue()
    async with town() as here, pool() as http:
        with pytest.raises(LoginUnavailable, match="No browser"):
            await request(login(here.url, browser=SystemBrowser(lambda url: False)), http, here.url)
        ours = login(here.url, browser=SystemBrowser(lambda url: False, show=shown.put_nowait))
        call = asyncio.create_task(request(ours, http, here.url))
        await asyncio.to_thread(clicking, await shown.get())
        assert await call == 200


async def test_a_stand_in_receives_the_url_and_returns_the_callback() -> None:
    urls: list[str] = []

    async def visit(url: str) -> str:
        urls.append(url)
        return await consenting(partial(LoginHttp, here.url))(url)

    async with town() as here, pool() as http:
        ours = login(here.url, browser=Headless("http://127.0.0.1:1/callback", visit))
        assert await request(ours, http, here.url) == 200
        assert urls[0].startswith(f"{here.authority.url}/authorize?")


async def test_an_authorization_server_that_wants_a_user_is_told_from_one_that_does_not() -> None:
    async with town(Authority(error_page=True)) as here, pool() as http:
        with pytest.raises(LoginUnavailable, match="wants a user"):
            await request(login(here.url), http, here.url)
