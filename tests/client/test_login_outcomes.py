"""What a renewal comes to is shared by all who wait for it, and counts as what it is."""

import asyncio
import contextlib
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from dovetail.auth import Client, SigningKey
from dovetail.client.browser import Headless
from dovetail.client.login_attempts import ATTEMPTS
from dovetail.client.login_grants import credentials_login, oauth_login
from dovetail.client.login_keeper import Login
from dovetail.client.login_world import MEANS
from dovetail.errors import AuthRequired, DefinitionError, LoginRefused, LoginUnavailable, StoreUnusable
from dovetail.net import HttpClient
from dovetail.store import FileTokens, MemoryTokens
from tests.auth.play import Clock, Dice
from tests.client.authority import Authority
from tests.client.errands import REDIRECT_URI, Town, login, pool, request, town
from tests.client.test_login_keeper import moved


@pytest.fixture(autouse=True)
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A user of each test's own: which issuer a client belongs to is remembered in its files."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))


def grants(here: Town) -> list[str]:
    return [r.form["grant_type"] for r in here.authority.to("/token")]


class User:
    """A user who answers when told to: with a login, or as `answer` does."""

    def __init__(self, http: HttpClient) -> None:
        self._http = http
        self.visits: list[dict[str, list[str]]] = []
        self.came, self.left, self.answering = asyncio.Event(), asyncio.Event(), asyncio.Event()
        self.answer: Callable[[dict[str, list[str]]], str] | None = None

    async def visit(self, url: str) -> str:
        query = parse_qs(urlsplit(url).query)
        self.visits.append(query)
        self.came.set()
        try:
            await self.answering.wait()
            if self.answer is not None:
                return self.answer(query)
            response = await self._http.send("GET", url, {})
            await response.aclose()
            return response.headers["location"]
        finally:
            self.left.set()

    def login(self, here: Town, **options: Any) -> Login:
        return oauth_login(
            here.url, **{"browser": Headless(REDIRECT_URI, self.visit), "store": MemoryTokens(), **options}
        )


async def ended(calls: "list[asyncio.Task[Any]]") -> list[Any]:
    return await asyncio.gather(*calls, return_exceptions=True)


@pytest.mark.req("A-30")
async def test_a_token_of_unknown_end_is_renewed_without_its_user_as_often_as_it_ends() -> None:
    async with town(Authority(seconds=None)) as here, pool() as http:
        ours = login(here.url)
        for _ in range(3 * ATTEMPTS):
            assert await request(ours, http, here.url) == 200
            here.authority.tokens.clear()
        assert grants(here) == ["authorization_code"] + ["refresh_token"] * (3 * ATTEMPTS - 1)


@pytest.mark.req("A-30")
async def test_a_token_that_is_refused_right_after_its_renewal_leads_to_a_login() -> None:
    async with town() as here, pool() as http:
        ours = login(here.url)
        await request(ours, http, here.url)
        here.resource.refuses_all = True
        with pytest.raises(AuthRequired, match="does not help"):
            await request(ours, http, here.url)
        assert grants(here)[1:] == ["refresh_token"] + ["authorization_code"] * (ATTEMPTS - 1)


@pytest.mark.parametrize("seconds", [20, 1, 0])
async def test_a_token_of_a_short_life_is_used(seconds: int) -> None:
    clock = Clock()
    async with town(Authority(seconds=seconds, refreshes=False)) as here, pool() as http:
        ours = login(here.url, means=moved(clock))
        for _ in range(6):
            assert await asyncio.gather(*[request(ours, http, here.url) for _ in range(5)]) == [200] * 5
        assert grants(here) == ["authorization_code"]
        clock.at += seconds
        here.authority.tokens.clear()
        assert await request(ours, http, here.url) == 200
        assert len(grants(here)) == 2


async def test_a_token_of_a_short_life_is_renewed_in_the_middle_of_it() -> None:
    clock = Clock()
    async with town(Authority(seconds=20)) as here, pool() as http:
        ours = login(here.url, means=moved(clock))
        for _ in range(6):
            assert await request(ours, http, here.url) == 200
            clock.at += 5
        assert grants(here) == ["authorization_code", "refresh_token", "refresh_token"]


async def test_a_users_tokens_that_help_for_a_minute_are_asked_for_again_and_again_within_a_bound() -> None:
    clock = Clock()
    async with town(Authority(seconds=60, refreshes=False)) as here, pool() as http:
        ours = login(here.url, means=moved(clock))
        for _ in range(2 * ATTEMPTS):
            assert await request(ours, http, here.url) == 200
            clock.at += 60
            here.authority.tokens.clear()


@pytest.mark.req("A-50")
async def test_a_programs_tokens_may_be_as_short_as_they_like() -> None:
    clock = Clock()
    async with town(Authority(seconds=20)) as here, pool() as http:
        ours = credentials_login(here.url, Client(client_id="c", secret="s"), means=moved(clock))
        for _ in range(30):
            assert await request(ours, http, here.url) == 200
            clock.at += 20
            here.authority.tokens.clear()
        assert len(grants(here)) == 30
        here.resource.refuses_all = True
        for _ in range(3):
            with pytest.raises(AuthRequired, match="does not help"):
                await request(ours, http, here.url)
        assert len(grants(here)) <= 30 + ATTEMPTS


async def test_a_users_no_is_the_answer_to_all_who_had_asked() -> None:
    async with town() as here, pool() as http:
        user = User(http)
        user.answer = lambda query: (
            f"{REDIRECT_URI}?error=access_denied&state={query['state'][0]}&iss={here.authority.issuer}"
        )
        user.answering.set()
        ours = user.login(here)
        said = await ended([asyncio.create_task(request(ours, http, here.url)) for _ in range(20)])
        assert {repr(answer) for answer in said} == {repr(said[0])}
        assert isinstance(said[0], LoginRefused)
        assert len(user.visits) == 1
        user.answer = None  # whoever asks later may have another answer
        assert await request(ours, http, here.url) == 200


async def test_a_refusal_that_is_noticed_after_the_users_no_does_not_ask_again() -> None:
    async with town() as here, pool() as http:
        user = User(http)
        user.answer = lambda query: (
            f"{REDIRECT_URI}?error=access_denied&state={query['state'][0]}&iss={here.authority.issuer}"
        )
        user.answering.set()
        ours = user.login(here)
        assert await ours.headers("POST", here.url) == {}
        with pytest.raises(LoginRefused):
            await asyncio.create_task(request(ours, http, here.url))
        with pytest.raises(LoginRefused):
            await ours.challenged("POST", here.url, 401, {})
        assert len(user.visits) == 1


async def test_when_nobody_answers_no_second_tab_is_opened_for_those_who_are_gone() -> None:
    async with town() as here, pool() as http:
        user = User(http)

        def nobody(query: dict[str, list[str]]) -> str:
            raise LoginUnavailable("Nobody came back")

        user.answer = nobody
        ours = user.login(here)
        calls = [asyncio.create_task(request(ours, http, here.url)) for _ in range(20)]
        await user.came.wait()
        for call in calls:
            call.cancel()
        await ended(calls)
        user.answering.set()
        await user.left.wait()
        user.answer = None
        with contextlib.suppress(LoginUnavailable):  # that of the visit, if its end was not noticed yet
            await request(ours, http, here.url)
        assert await request(ours, http, here.url) == 200
        assert len(user.visits) == 2


async def test_what_waits_for_a_visit_to_end_is_not_begun_when_its_caller_is_gone() -> None:
    async with town() as here, pool() as http:
        user = User(http)
        ours = user.login(here)
        first = asyncio.create_task(request(ours, http, here.url))
        await user.came.wait()

        def wider(scope: str) -> "asyncio.Task[bool]":
            refusal = {"www-authenticate": f'Bearer error="insufficient_scope", scope="{scope}"'}
            return asyncio.create_task(ours.challenged("POST", here.url, 403, refusal))

        gone, waiting = wider("one"), wider("two")
        await asyncio.sleep(0)
        gone.cancel()
        await ended([gone])
        user.answering.set()
        assert await first == 200
        assert await waiting
        assert [query.get("scope") for query in user.visits] == [None, ["two"]]


async def test_a_visit_that_nobody_answers_counts_and_one_whose_server_is_down_does_not() -> None:
    async with town() as here, pool() as http:
        user = User(http)

        def nobody(query: dict[str, list[str]]) -> str:
            raise LoginUnavailable("Nobody came back")

        user.answer = nobody
        user.answering.set()
        ours = user.login(here)
        for _ in range(ATTEMPTS):
            with pytest.raises(LoginUnavailable):
                await request(ours, http, here.url)
        with pytest.raises(AuthRequired, match="does not help"):
            await request(ours, http, here.url)
        assert len(user.visits) == ATTEMPTS


@pytest.mark.req("A-32")
async def test_fifty_who_wait_for_a_renewal_share_its_failure() -> None:
    clock = Clock()
    async with town() as here, pool() as http:
        ours = login(here.url, means=moved(clock))
        await request(ours, http, here.url)
        clock.at += 4000
        here.authority.is_.redirect_token = "/elsewhere"
        said = await ended([asyncio.create_task(request(ours, http, here.url)) for _ in range(50)])
        assert {type(answer) for answer in said} == {LoginUnavailable}
        assert len(here.authority.to("/token")) == 2


@pytest.mark.req("A-32")
async def test_a_refresh_token_that_was_refused_is_not_shown_again() -> None:
    clock = Clock()
    async with town() as here, pool() as http:
        ours = login(here.url, means=moved(clock))
        await request(ours, http, here.url)
        clock.at += 4000
        here.authority.refreshable.clear()
        here.authority.tokens.clear()
        assert await asyncio.gather(*[request(ours, http, here.url) for _ in range(50)]) == [200] * 50
        assert grants(here) == ["authorization_code", "refresh_token", "authorization_code"]


async def test_a_secret_that_is_refused_is_shown_once_for_all_who_wait() -> None:
    async with town(Authority(refuse="invalid_client")) as here, pool() as http:
        ours = credentials_login(here.url, Client(client_id="c", secret="s"))
        said = await ended([asyncio.create_task(request(ours, http, here.url)) for _ in range(20)])
        assert {type(answer) for answer in said} == {LoginRefused}
        assert len(here.authority.to("/token")) == 1


async def test_a_token_that_cannot_be_renewed_early_is_used_until_its_end() -> None:
    clock = Clock()
    async with town() as here, pool() as http:
        ours = login(here.url, means=moved(clock))
        await request(ours, http, here.url)
        here.authority.is_.redirect_token = "/elsewhere"
        clock.at += 3580
        for _ in range(5):
            assert await request(ours, http, here.url) == 200
        assert len(here.authority.to("/token")) == 2  # tried once
        clock.at += 20
        with pytest.raises(LoginUnavailable):
            await request(ours, http, here.url)
        here.authority.is_.redirect_token = None
        assert await request(ours, http, here.url) == 200
        assert len(here.authority.to("/authorize")) == 1


async def test_a_token_whose_early_renewal_is_refused_is_used_until_its_end() -> None:
    clock = Clock()
    async with town() as here, pool() as http:
        ours = login(here.url, means=moved(clock))
        await request(ours, http, here.url)
        here.authority.refreshable.clear()
        clock.at += 3580
        for _ in range(5):
            assert await request(ours, http, here.url) == 200
        assert grants(here) == ["authorization_code", "refresh_token"]


@pytest.mark.parametrize("document", [None, "https://app.example/c.json"])
async def test_a_client_with_a_key_proves_itself_when_it_renews_and_when_it_gives_back(document: str | None) -> None:
    async with town() as here, pool() as http:
        here.authority.is_.metadata = {
            "token_endpoint_auth_methods_supported": ["private_key_jwt"],
            "client_id_metadata_document_supported": True,
            "revocation_endpoint": f"{here.authority.url}/revoke",
        }
        client = None if document else Client(client_id="registered")
        ours = login(here.url, client=client, document=document, key=SigningKey.fresh(Dice()))
        await request(ours, http, here.url)
        here.authority.tokens.clear()
        assert await request(ours, http, here.url) == 200
        assert grants(here) == ["authorization_code", "refresh_token"]
        assert await ours.log_out()
        asked = [*here.authority.to("/token"), *here.authority.to("/revoke")]
        assert len({r.form["client_assertion"] for r in asked}) == 3


async def test_who_logged_out_elsewhere_is_not_logged_in_again_by_a_renewal() -> None:
    clock, store = Clock(), MemoryTokens()
    async with town() as here, pool() as http:
        running = login(here.url, store=store, means=moved(clock))
        await request(running, http, here.url)
        await login(here.url, store=store).log_out()
        clock.at += 4000
        assert await running.headers("POST", here.url) == {}
        assert grants(here) == ["authorization_code"]
        assert not [key for key in await store.keys() if key.startswith("tokens:")]


@pytest.mark.req("A-32")
async def test_a_renewal_that_could_not_be_written_is_gone_on_from() -> None:
    class Full(MemoryTokens):
        full = False

        async def save(self, key: str, value: bytes | None) -> None:
            if self.full:
                raise StoreUnusable("The token store cannot be written")
            await super().save(key, value)

    clock, store = Clock(), Full()
    async with town() as here, pool() as http:
        ours = login(here.url, store=store, means=moved(clock))
        await request(ours, http, here.url)
        store.full = True
        for _ in range(3):
            clock.at += 4000
            with pytest.raises(StoreUnusable):
                await request(ours, http, here.url)
            assert await request(ours, http, here.url) == 200
        store.full = False
        clock.at += 4000
        assert await request(ours, http, here.url) == 200
        shown = [r.form.get("refresh_token") for r in here.authority.to("/token")]
        assert len(set(shown)) == len(shown) == 5
        assert await request(login(here.url, store=store, means=moved(clock)), http, here.url) == 200
        assert len(here.authority.to("/token")) == 5


async def test_while_one_waits_for_its_user_another_may_log_out_and_renew(tmp_path: Any) -> None:
    clock, store = Clock(), FileTokens(tmp_path / "tokens")
    clock.at = MEANS.clock()
    async with town() as here, pool() as http:
        user = User(http)
        user.answering.set()
        renewing, logging_in = user.login(here, store=store, means=moved(clock)), user.login(here, store=store)
        for ours in (renewing, logging_in):
            assert await request(ours, http, here.url) == 200
        user.came.clear()
        user.answering.clear()
        wider = asyncio.create_task(logging_in.log_in(("more",)))
        await user.came.wait()
        clock.at += 4000
        assert await request(renewing, http, here.url) == 200
        assert grants(here)[-1] == "refresh_token"
        await login(here.url, store=FileTokens(tmp_path / "tokens")).log_out()
        user.answering.set()
        assert (await wider).scopes == ("more",)


async def test_while_a_user_is_in_the_browser_another_call_renews_the_token() -> None:
    async with town() as here, pool() as http:
        user = User(http)
        user.answering.set()
        ours = user.login(here)
        assert await request(ours, http, here.url) == 200
        user.came.clear()
        user.answering.clear()
        wider = asyncio.create_task(ours.log_in(("more",)))
        await user.came.wait()
        here.authority.tokens.clear()
        assert await request(ours, http, here.url) == 200  # was refused
        assert grants(here)[-1] == "refresh_token"
        user.answering.set()
        assert (await wider).scopes == ("more",)


async def test_a_client_that_nobody_came_back_from_is_registered_anew() -> None:
    """Where the authorization server has forgotten it, its page says so to the user, and nobody to us."""
    async with town() as here, pool() as http:
        user = User(http)
        user.answering.set()
        store = MemoryTokens()
        assert await request(user.login(here, store=store), http, here.url) == 200
        ours = user.login(here, store=store, profile="other")

        def nobody(query: dict[str, list[str]]) -> str:
            raise LoginUnavailable("Nobody came back")

        user.answer = nobody
        with pytest.raises(LoginUnavailable):
            await request(ours, http, here.url)
        assert len(here.authority.to("/register")) == 1
        user.answer = None
        assert await request(ours, http, here.url) == 200
        assert len(here.authority.to("/register")) == 2


def test_a_login_belongs_to_one_loop_at_a_time() -> None:
    ours = login("http://127.0.0.1:1/mcp")

    async def ask() -> object:
        return await ours.headers("POST", "http://127.0.0.1:1/mcp")

    async def ask_elsewhere() -> None:
        await ask()
        with pytest.raises(DefinitionError, match="one event loop"):
            await asyncio.to_thread(asyncio.run, ask())

    assert asyncio.run(ask()) == {}
    asyncio.run(ask_elsewhere())  # the first loop is closed


async def test_who_waits_for_a_login_that_is_closed_hears_that_it_is() -> None:
    async with town() as here, pool() as http:
        user = User(http)
        ours = user.login(here)
        calls = [asyncio.create_task(request(ours, http, here.url)) for _ in range(3)]
        await user.came.wait()
        await ours.aclose()
        assert {type(answer) for answer in await ended(calls)} == {LoginUnavailable}
        user.answering.set()
        assert await request(ours, http, here.url) == 200
