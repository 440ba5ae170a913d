"""Tokens over their life, against real servers: had once, renewed once, widened within bounds, given to nobody else."""

import asyncio
import json
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

import msgspec
import pytest

from dovetail.auth import Means, TokenStore, tokens_key, write_tokens
from dovetail.client.browser import Headless, consenting
from dovetail.client.http_credentials import Credentialed
from dovetail.client.login_attempts import ATTEMPTS, ATTEMPTS_IN_ALL, WINDOW
from dovetail.client.login_grants import oauth_login
from dovetail.client.login_keeper import Login
from dovetail.client.login_world import MEANS, LoginHttp, known_logins
from dovetail.errors import (
    AuthRequired,
    LoginRefused,
    LoginUnavailable,
    LoginUntrusted,
    ScopeInsufficient,
)
from dovetail.store import FileTokens, MemoryTokens
from tests.auth.play import Clock
from tests.client.authority import Asked, Authority, Grant, Resource, Send
from tests.client.errands import REDIRECT_URI, ROOT, Town, login, pool, request, town


def moved(clock: Clock) -> Means:
    return Means(MEANS.random, clock)


async def test_a_first_request_leads_to_a_login_and_the_second_to_none() -> None:
    async with town() as here, pool() as http:
        ours = login(here.url)
        assert await request(ours, http, here.url) == 200
        assert await request(ours, http, here.url) == 200
        assert len(here.authority.to("/token")) == 1
        assert [r.headers.get("authorization") for r in here.resource.to("/mcp")] == [
            None,
            "Bearer access-3",
            "Bearer access-3",
        ]
        assert "access-3" not in repr(ours)


@pytest.mark.req("A-32")
async def test_fifty_refusals_at_once_lead_to_one_refresh() -> None:
    async with town() as here, pool() as http:
        ours = login(here.url)
        await request(ours, http, here.url)
        here.authority.tokens.clear()  # the server's keys were changed: every token is refused
        assert await asyncio.gather(*[request(ours, http, here.url) for _ in range(50)]) == [200] * 50
        grants = [r.form["grant_type"] for r in here.authority.to("/token")]
        assert grants == ["authorization_code", "refresh_token"]


@pytest.mark.req("A-32")
async def test_fifty_requests_with_a_token_that_is_over_lead_to_one_refresh() -> None:
    clock = Clock()
    async with town() as here, pool() as http:
        ours = login(here.url, means=moved(clock))
        await request(ours, http, here.url)
        clock.at += 3600
        assert await asyncio.gather(*[request(ours, http, here.url) for _ in range(50)]) == [200] * 50
        assert [r.form["grant_type"] for r in here.authority.to("/token")] == ["authorization_code", "refresh_token"]
        assert len(here.resource.to("/mcp")) == 52  # nobody was refused: it was renewed before


class Pausing(Authority):
    """Grants tokens at once, and says so when it is let."""

    def __init__(self) -> None:
        super().__init__()
        self.granted, self.go = asyncio.Event(), asyncio.Event()
        self.go.set()

    async def _token(self, asked: Asked, send: Send) -> None:
        async def later(event: Any) -> None:
            self.granted.set()
            await self.go.wait()
            await send(event)

        await super()._token(asked, later)

    def pause(self) -> None:
        self.granted.clear()
        self.go.clear()


@asynccontextmanager
async def renewing(here: Town, store: TokenStore, clock: Clock, way: str = "over") -> AsyncIterator[Login]:
    """A login in the middle of a renewal: its refresh token is used up, and the answer on its way."""
    assert isinstance(here.authority, Pausing)
    async with pool() as http:
        ours = login(here.url, store=store, means=moved(clock))
        assert await request(ours, http, here.url) == 200
        here.authority.pause()
        here.authority.tokens.clear()
        if way == "over":
            clock.at += 3600
        waiting = asyncio.create_task(request(ours, http, here.url))
        await here.authority.granted.wait()
        yield ours
        with pytest.raises(LoginUnavailable):
            await waiting


@pytest.mark.req("A-32")
@pytest.mark.parametrize("way", ["over", "refused"])
async def test_closing_does_not_cut_a_renewal_that_has_begun(way: str) -> None:
    store, authority, clock = MemoryTokens(), Pausing(), Clock()
    async with town(authority) as here, pool() as http:
        async with renewing(here, store, clock, way) as ours:
            closing = asyncio.create_task(ours.aclose())
            await asyncio.sleep(0)
            authority.go.set()
            await closing
        assert await request(login(here.url, store=store, means=moved(clock)), http, here.url) == 200
        assert [r.form["grant_type"] for r in authority.to("/token")] == ["authorization_code", "refresh_token"]


async def test_closing_waits_for_a_renewal_only_so_long(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dovetail.client.login_turns.CLOSING_SECONDS", 0.01)
    store = MemoryTokens()
    async with town(Pausing()) as here:
        async with renewing(here, store, Clock()) as ours:
            async with asyncio.timeout(5):
                await ours.aclose()
                async with store.alone(tokens_key(here.url, "")):
                    pass


async def test_who_gives_up_closing_ends_a_renewal_at_once() -> None:
    async with town(Pausing()) as here, renewing(here, MemoryTokens(), Clock()) as ours:
        closing = asyncio.create_task(ours.aclose())
        for _ in range(3):
            await asyncio.sleep(0)
        closing.cancel()
        async with asyncio.timeout(2):
            with pytest.raises(asyncio.CancelledError):
                await closing


@pytest.mark.req("A-32")
async def test_fifty_first_requests_lead_to_one_login() -> None:
    async with town() as here, pool() as http:
        ours = login(here.url)
        assert await asyncio.gather(*[request(ours, http, here.url) for _ in range(50)]) == [200] * 50
        assert len(here.authority.to("/authorize")) == 1


@pytest.mark.req("A-32")
@pytest.mark.timeout(60)
async def test_two_processes_with_one_refresh_token_use_it_once(tmp_path: Path) -> None:
    async with town() as here, pool() as http:
        store = FileTokens(tmp_path / "tokens")
        assert await request(login(here.url, store=store), http, here.url) == 200
        here.authority.tokens.clear()
        command = [sys.executable, "-m", "tests.client.errands", here.url, str(tmp_path / "tokens"), "10"]
        pipe = asyncio.subprocess.PIPE
        workers = [await asyncio.create_subprocess_exec(*command, stdin=pipe, stdout=pipe, cwd=ROOT) for _ in range(2)]
        for worker in workers:
            assert worker.stdout is not None
            assert json.loads(await worker.stdout.readline()) == "ready"
        said = await asyncio.gather(*[worker.communicate(b"go\n") for worker in workers])
        assert [json.loads(out) for out, _ in said] == [[200] * 10] * 2
        assert [r.form["grant_type"] for r in here.authority.to("/token")] == ["authorization_code", "refresh_token"]


@pytest.mark.req("A-32")
async def test_two_programs_with_a_token_that_is_over_refresh_it_once() -> None:
    clock, store = Clock(), MemoryTokens()
    async with town() as here, pool() as http:
        first, second = (login(here.url, store=store, means=moved(clock)) for _ in range(2))
        for ours in (first, second):
            assert await request(ours, http, here.url) == 200
        clock.at += 3600
        assert await asyncio.gather(*[request(ours, http, here.url) for ours in (first, second)]) == [200, 200]
        assert [r.form["grant_type"] for r in here.authority.to("/token")] == ["authorization_code", "refresh_token"]


@pytest.mark.req("A-32")
async def test_who_lost_a_race_for_a_refresh_token_takes_what_the_winner_left() -> None:
    """Without a lock that both know, as on a file system without locks: the loser's refresh is refused."""
    clock = Clock()

    class Racing(MemoryTokens):
        async def load(self, key: str) -> bytes | None:
            kept = await super().load(key)
            return winner if kept is not None and here.authority.to("/token")[1:] else kept

    async with town() as here, pool() as http:
        ours = login(here.url, store=Racing(), means=moved(clock))
        await request(ours, http, here.url)
        assert ours.tokens is not None
        here.authority.refreshable.clear()  # the winner used it
        here.authority.tokens.clear()
        here.authority.tokens["the-winners"] = Grant(here.url, "")
        winner = write_tokens(
            msgspec.structs.replace(ours.tokens, access_token="the-winners", expires_at=clock.at + 9999)
        )
        clock.at += 3600
        assert await request(ours, http, here.url) == 200
        assert len(here.authority.to("/authorize")) == 1
        assert len(here.resource.to("/mcp")) == 3  # what the winner left was used at once


async def test_a_refresh_token_that_is_over_leads_to_a_new_login() -> None:
    clock = Clock()
    async with town() as here, pool() as http:
        ours = login(here.url, means=moved(clock))
        await request(ours, http, here.url)
        here.authority.refreshable.clear()
        here.authority.tokens.clear()
        clock.at += 3600
        assert await request(ours, http, here.url) == 200
        assert len(here.authority.to("/authorize")) == 2


async def test_without_a_refresh_token_a_token_that_is_over_leads_to_a_new_login() -> None:
    clock = Clock()
    async with town(Authority(refreshes=False)) as here, pool() as http:
        ours = login(here.url, means=moved(clock))
        for _ in range(2):
            assert await request(ours, http, here.url) == 200
            clock.at += 3600
            here.authority.tokens.clear()
        assert len(here.authority.to("/authorize")) == 2


async def test_tokens_outlive_their_program_and_are_used_by_the_next() -> None:
    store = MemoryTokens()
    async with town() as here, pool() as http:
        await request(login(here.url, store=store), http, here.url)
        again = login(here.url, store=store)
        assert await request(again, http, here.url) == 200
        assert len(here.authority.to("/token")) == 1
        assert not await again.log_out()
        assert tokens_key(here.url) not in await store.keys()
        assert await request(again, http, here.url) == 200
        assert len(here.authority.to("/authorize")) == 2


async def test_who_logs_out_is_forgotten_here_and_at_the_authorization_server() -> None:
    store = MemoryTokens()
    async with town() as here, pool() as http:
        here.authority.is_.metadata = {"revocation_endpoint": f"{here.authority.url}/revoke"}
        assert await request(login(here.url, store=store), http, here.url) == 200
        ((profile, kept),) = await known_logins(store)
        assert profile == ""
        assert await login(here.url, store=store).log_out()
        assert here.authority.to("/revoke")[0].form == {
            "token": kept.refresh_token,
            "token_type_hint": "refresh_token",
            "client_id": kept.client_id,
        }
        assert await known_logins(store) == []
        assert not await login(here.url, store=store).log_out()
        assert len(here.authority.to("/revoke")) == 1


async def test_a_login_can_be_had_before_any_request() -> None:
    async with town() as here, pool() as http:
        ours = login(here.url)
        assert (await ours.log_in()).issuer == here.authority.issuer
        assert await request(ours, http, here.url) == 200
        assert len(here.resource.to("/mcp")) == 1


@pytest.mark.req("A-32")
async def test_by_default_tokens_are_kept_in_the_users_own_files(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    async with town() as here, pool() as http:
        for _ in range(2):
            browser = Headless(REDIRECT_URI, consenting(partial(LoginHttp, here.url)))
            assert await request(oauth_login(here.url, browser=browser), http, here.url) == 200
        assert len(here.authority.to("/authorize")) == 1
    kept = list((tmp_path / "dovetail" / "tokens").iterdir())
    assert {path.stat().st_mode & 0o777 for path in kept} == {0o600}
    assert b"access-" not in b"".join(path.read_bytes() for path in kept)


@pytest.mark.req("A-33")
async def test_a_token_goes_to_its_servers_origin_only() -> None:
    async with town() as here, town() as other, pool() as http:
        ours = login(here.url)
        await request(ours, http, here.url)
        for url in (other.url, here.url.replace("127.0.0.1", "localhost"), here.url.replace("http:", "https:")):
            with pytest.raises(AuthRequired, match="no other origin"):
                await ours.headers("POST", url)
            with pytest.raises(AuthRequired, match="no other origin"):
                await ours.challenged("POST", url, 401, {})
        assert "access" not in "".join(r.text for r in other.resource.asked + other.authority.asked)


@pytest.mark.req("A-33")
async def test_a_record_of_another_server_is_not_used() -> None:
    """As after an edit of the configuration, or when somebody swapped records in the store."""
    store = MemoryTokens()
    async with town() as here, town() as other, pool() as http:
        await request(login(here.url, store=store), http, here.url)
        stolen = await store.load(tokens_key(here.url))
        await store.save(tokens_key(other.url), stolen)
        assert await request(login(other.url, store=store), http, other.url) == 200
        assert other.resource.to("/mcp")[0].headers.get("authorization") is None


@pytest.mark.req("A-26")
async def test_when_the_server_moves_to_another_authorization_server_nothing_of_the_first_reaches_it() -> None:
    async with town(Authority(secret="SECRET-1")) as here, town() as elsewhere, pool() as http:
        ours = login(here.url)
        await request(ours, http, here.url)
        assert ours.tokens is not None
        secrets = ["SECRET-1", ours.tokens.access_token, ours.tokens.refresh_token or "?"]
        here.resource.authority = elsewhere.authority
        assert await request(ours, http, here.url) == 200
        assert ours.tokens.issuer == elsewhere.authority.issuer
        assert [r.form["grant_type"] for r in here.authority.to("/token")] == ["authorization_code"]
        there = "".join(r.text for r in elsewhere.authority.asked)
        assert elsewhere.authority.to("/register")
        assert not [secret for secret in secrets if secret in there]


@pytest.mark.req("A-30")
async def test_missing_scopes_are_had_by_a_login_for_all_of_them() -> None:
    async with town() as here, pool() as http:
        here.resource.scopes = {b"read": "files:read", b"write": "files:write"}
        ours = login(here.url)
        assert await request(ours, http, here.url, b"read") == 200
        assert await request(ours, http, here.url, b"write") == 200
        assert await request(ours, http, here.url, b"read") == 200
        assert [r.query.get("scope") for r in here.authority.to("/authorize")] == [
            "files:read",
            "files:read files:write",
        ]


@pytest.mark.req("A-30")
async def test_scopes_that_are_asked_for_and_never_granted_are_asked_for_three_times() -> None:
    async with town(Authority(granted="other")) as here, pool() as http:
        here.resource.scopes = {b"write": "files:write"}
        ours = login(here.url)
        await request(ours, http, here.url)
        with pytest.raises(ScopeInsufficient) as caught:
            await request(ours, http, here.url, b"write")
        assert caught.value.scopes == ("files:write",)
        assert len(here.authority.to("/authorize")) == 1 + ATTEMPTS


@pytest.mark.req("A-30")
async def test_scopes_that_were_granted_and_are_asked_for_again_are_not_asked_for() -> None:
    async with town() as here, pool() as http:
        here.resource.scopes = {b"write": "files:write"}
        ours = login(here.url)
        await request(ours, http, here.url, b"write")
        refusal = {"www-authenticate": 'Bearer error="insufficient_scope", scope="files:write"'}
        with pytest.raises(ScopeInsufficient):
            await ours.challenged("POST", here.url, 403, refusal)
        assert len(here.authority.to("/authorize")) == 1


@pytest.mark.req("A-30")
async def test_a_server_that_refuses_every_token_gets_three_and_later_may_get_more() -> None:
    clock = Clock()
    async with town(Authority(refreshes=False)) as here, pool() as http:
        here.resource.refuses_all = True
        ours = login(here.url, means=moved(clock))
        with pytest.raises(AuthRequired, match="does not help"):
            await request(ours, http, here.url)
        assert len(here.authority.to("/token")) == ATTEMPTS
        clock.at += WINDOW
        here.resource.refuses_all = False
        assert await request(ours, http, here.url) == 200


async def test_an_authorization_server_that_is_down_may_be_asked_again_at_once() -> None:
    async with town() as here, pool() as http:
        here.authority.is_.redirect_token = "/elsewhere"
        ours = login(here.url)
        for _ in range(ATTEMPTS + 2):
            with pytest.raises(LoginUnavailable):
                await request(ours, http, here.url)
        here.authority.is_.redirect_token = None
        assert await request(ours, http, here.url) == 200


async def test_a_user_who_says_no_is_asked_three_times_in_ten_minutes() -> None:
    async with town(Authority(refuse="access_denied")) as here, pool() as http:
        ours = login(here.url)
        for _ in range(ATTEMPTS):
            with pytest.raises(LoginRefused):
                await request(ours, http, here.url)
        with pytest.raises(AuthRequired, match="does not help"):
            await request(ours, http, here.url)
        assert len(here.authority.to("/authorize")) == ATTEMPTS


@pytest.mark.req("A-30")
async def test_a_server_that_wants_ever_new_scopes_meets_a_limit() -> None:
    async with town() as here, pool() as http:
        ours = login(here.url)
        await request(ours, http, here.url)
        with pytest.raises(ScopeInsufficient):
            for number in range(100):
                refusal = {"www-authenticate": f'Bearer error="insufficient_scope", scope="s{number}"'}
                await ours.challenged("POST", here.url, 403, refusal)
        assert len(here.authority.to("/authorize")) == ATTEMPTS_IN_ALL


async def test_a_refusal_of_another_kind_is_not_ours() -> None:
    async with town() as here:
        ours = login(here.url)
        assert not await ours.challenged("POST", here.url, 403, {})
        assert not await ours.challenged(
            "POST", here.url, 403, {"www-authenticate": 'Bearer error="insufficient_scope"'}
        )
        assert not await ours.challenged("POST", here.url, 500, {})


@pytest.mark.req("A-10")
async def test_bound_tokens_are_proved_with_nonces_of_both_servers() -> None:
    metadata = {"dpop_signing_alg_values_supported": ["ES256"]}
    async with town(Authority(nonce="as-1", metadata=metadata)) as here, pool() as http:
        here.resource.dpop, here.resource.nonce = True, "rs-1"
        store = MemoryTokens()
        ours = login(here.url, store=store)
        assert await request(ours, http, here.url) == 200
        assert await request(ours, http, here.url) == 200
        assert len(here.resource.to("/mcp")) == 4  # without a token, without the nonce, and two that counted
        here.resource.nonce = "rs-2"
        assert await asyncio.gather(*[request(ours, http, here.url) for _ in range(20)]) == [200] * 20
        again = login(here.url, store=store)  # the key is kept with the tokens
        assert await request(again, http, here.url) == 200
        here.authority.tokens.clear()
        assert await request(again, http, here.url) == 200
        assert here.authority.to("/token")[-1].form["grant_type"] == "refresh_token"


@pytest.mark.req("A-10")
async def test_the_next_nonce_is_learned_from_an_answer_that_is_no_refusal() -> None:
    metadata = {"dpop_signing_alg_values_supported": ["ES256"]}
    async with town(Authority(metadata=metadata)) as here, pool() as http:
        here.resource.dpop, here.resource.nonce, here.resource.rotates = True, "rs-0", True
        sending = Credentialed(http, login(here.url))
        for _ in range(6):
            response = await sending.send("POST", here.url, {}, b"{}")
            assert response.status == 200
            await response.aclose()
        assert len(here.resource.to("/mcp")) == 2 + 6  # without a token, without a nonce, and six that counted


@pytest.mark.req("A-10")
async def test_calls_at_once_all_succeed_where_each_answer_makes_the_former_nonce_void() -> None:
    metadata = {"dpop_signing_alg_values_supported": ["ES256"]}
    async with town(Authority(metadata=metadata)) as here, pool() as http:
        here.resource.dpop, here.resource.nonce, here.resource.rotates = True, "rs-0", True
        ours = login(here.url)
        assert await request(ours, http, here.url) == 200
        assert await asyncio.gather(*[request(ours, http, here.url) for _ in range(20)]) == [200] * 20
        assert len(here.authority.to("/token")) == 1


@pytest.mark.req("A-10")
async def test_a_server_that_takes_no_nonce_of_its_own_is_not_asked_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dovetail.client.http_credentials._PAUSE", 0.0)

    class Fickle(Resource):
        async def answer(self, request: Asked, send: Send) -> None:
            self.nonce = f"rs-{len(self.asked)}"
            await super().answer(request, send)

    metadata = {"dpop_signing_alg_values_supported": ["ES256"]}
    async with town(Authority(metadata=metadata), Fickle) as here, pool() as http:
        here.resource.dpop = True
        with pytest.raises(AuthRequired, match="fewer calls at a time"):
            await Credentialed(http, login(here.url)).send("POST", here.url, {}, b"{}")
        assert len(here.resource.to("/mcp")) == 1 + 1 + 12  # without a token, without a nonce, and so often again


@pytest.mark.req("A-10")
async def test_a_proof_is_bound_to_the_body_when_the_body_is_told() -> None:
    metadata = {"dpop_signing_alg_values_supported": ["ES256"]}
    async with town(Authority(metadata=metadata)) as here, pool() as http:
        here.resource.dpop = True
        ours = login(here.url)
        await request(ours, http, here.url)
        headers = await ours.headers("POST", here.url, b"{}")
        response = await http.send("POST", here.url, headers, b"{}")
        assert response.status == 200
        await response.aclose()


async def test_a_login_goes_on_when_the_call_that_wanted_it_is_cancelled() -> None:
    started, release = asyncio.Event(), asyncio.Event()
    async with town() as here, pool() as http:

        async def visit(url: str) -> str:
            started.set()
            await release.wait()
            response = await http.send("GET", url, {})
            await response.aclose()
            return response.headers["location"]

        ours = login(here.url, browser=Headless("http://127.0.0.1:1/callback", visit))
        call = asyncio.create_task(request(ours, http, here.url))
        await started.wait()
        call.cancel()
        await asyncio.gather(call, return_exceptions=True)
        second = asyncio.create_task(request(ours, http, here.url))
        release.set()
        assert await second == 200
        assert len(here.authority.to("/authorize")) == 1
        await ours.aclose()


async def test_closing_ends_a_login_that_nobody_answers() -> None:
    started = asyncio.Event()
    async with town() as here, pool() as http:

        async def visit(url: str) -> str:
            started.set()
            await asyncio.Event().wait()
            return ""

        ours = login(here.url, browser=Headless("http://127.0.0.1:1/callback", visit))
        call = asyncio.create_task(request(ours, http, here.url))
        await started.wait()
        await ours.aclose()
        (ended,) = await asyncio.gather(call, return_exceptions=True)
        assert isinstance(ended, LoginUnavailable)  # and not cancelled: nobody cancelled it


@pytest.mark.req("A-20", "A-21", "A-22", "A-23")
@pytest.mark.parametrize(
    "switches",
    [
        {"metadata": {"issuer": "https://evil.example"}},
        {"metadata": {"code_challenge_methods_supported": ["plain"]}},
        {"metadata": {"token_endpoint": "http://evil.example/token"}},
        {"iss": "https://evil.example"},
        {"iss": None},
        {"huge": True},
    ],
    ids=str,
)
async def test_a_hostile_authorization_server_gets_no_code(switches: dict[str, Any]) -> None:
    async with town(Authority(**switches)) as here, pool() as http:
        with pytest.raises((LoginUntrusted, AuthRequired)):
            await request(login(here.url), http, here.url)
        assert here.authority.to("/token") == []


@pytest.mark.req("A-20")
async def test_a_server_whose_metadata_is_of_another_gets_no_login() -> None:
    async with town() as here, pool() as http:
        here.resource.metadata = {"resource": "https://evil.example/mcp"}
        with pytest.raises(LoginUntrusted):
            await request(login(here.url), http, here.url)
        assert here.authority.asked == []


@pytest.mark.req("A-27")
async def test_a_token_endpoint_that_redirects_sends_our_secret_nowhere() -> None:
    async with town(Authority(secret="SECRET")) as here, town() as thief, pool() as http:
        here.authority.is_.redirect_token = f"{thief.authority.url}/token"
        with pytest.raises(AuthRequired, match="redirects"):
            await request(login(here.url), http, here.url)
        assert here.authority.to("/token")
        assert thief.authority.asked == []


async def test_what_a_server_repeats_of_us_is_in_no_error_and_no_log(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(0)
    async with town(Authority(secret="CANARY", refuse="invalid_request")) as here, pool() as http:
        with pytest.raises(LoginRefused) as caught:
            await request(login(here.url), http, here.url)
        sent = here.authority.to("/token")[0].form
        told = f"{caught.value!r} {caught.value} {caught.getrepr(style='short')} {caplog.text}"
        assert not [value for value in ("CANARY", sent["code"], sent["code_verifier"]) if value in told]


async def test_a_user_of_a_shared_store_has_tokens_of_its_own() -> None:
    store = MemoryTokens()
    async with town() as here, pool() as http:
        for profile in ("alice", "bob"):
            await request(login(here.url, store=store, profile=profile), http, here.url)
        kept = [key for key in await store.keys() if key.startswith("tokens:")]
        assert len(kept) == 2
