"""A token that somebody gave us goes to its server; what `auth=` means."""

from collections.abc import Mapping

import pytest

from dovetail import Client
from dovetail.client.login import StaticToken, authorizer_of
from dovetail.client.login_keeper import Login
from dovetail.errors import AuthRequired
from tests.client.authority import Grant
from tests.client.errands import pool, request, town

SERVER = "https://mcp.example.com/mcp"


@pytest.mark.req("A-33")
async def test_a_static_token_goes_to_its_servers_origin_only() -> None:
    ours = StaticToken("SECRET", SERVER)
    assert await ours.headers("POST", SERVER) == {"authorization": "Bearer SECRET"}
    assert await ours.headers("GET", "https://mcp.example.com/sse") == {"authorization": "Bearer SECRET"}
    for url in ("https://evil.example/mcp", "http://mcp.example.com/mcp", "https://mcp.example.com:8443/mcp", "x"):
        with pytest.raises(AuthRequired) as caught:
            await ours.headers("POST", url)
        assert "SECRET" not in str(caught.value)
    assert not await ours.challenged("POST", SERVER, 401, {})
    assert "SECRET" not in repr(ours)


@pytest.mark.parametrize("token", ["", "a b", "a\r\nX: y", "ü", "a\x00"])
def test_what_no_header_could_carry_is_no_token(token: str) -> None:
    with pytest.raises(AuthRequired):
        StaticToken(token, SERVER)


def test_a_token_in_the_clear_is_warned_of() -> None:
    with pytest.warns(RuntimeWarning, match=r"^A token goes to mcp.example.com unencrypted: use https$"):
        StaticToken("SECRET", "http://mcp.example.com/mcp?key=SECRET")
    for url in ("http://localhost:8000/mcp", "http://127.0.0.1/mcp", "http://[::1]/mcp"):
        StaticToken("SECRET", url)


@pytest.mark.parametrize("spelled", ["oauth", "OAuth", "OAUTH"])
def test_oauth_is_no_token_however_it_is_written(spelled: str) -> None:
    assert isinstance(authorizer_of(spelled, SERVER), Login)


async def test_a_static_token_is_taken_or_refused() -> None:
    async with town() as here, pool() as http:
        here.authority.tokens["given"] = Grant(here.url, "")
        assert await request(StaticToken("given", here.url), http, here.url) == 200
        assert await request(StaticToken("other", here.url), http, here.url) == 401


def test_auth_is_a_word_a_token_or_somebody(monkeypatch: pytest.MonkeyPatch) -> None:
    class Somebody:
        async def headers(self, method: str, url: str, body: bytes | None = None) -> Mapping[str, str]:
            return {}

        async def challenged(self, method: str, url: str, status: int, headers: Mapping[str, str]) -> bool:
            return False

    somebody = Somebody()
    assert authorizer_of(somebody, SERVER) is somebody
    assert isinstance(authorizer_of("oauth", SERVER), Login)
    assert isinstance(authorizer_of("a-token", SERVER), StaticToken)


async def test_a_client_with_a_refused_token_says_so() -> None:
    async with town() as here:
        with pytest.raises(AuthRequired) as caught:
            async with Client(here.url, auth="SECRET"):
                raise AssertionError("not reached")
        assert "SECRET" not in str(caught.value)
