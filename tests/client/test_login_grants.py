"""Logins without a browser, against real servers."""

from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from dovetail.auth import Client, Provider, SigningKey
from dovetail.client.login_grants import credentials_login, managed_login, workload_login
from dovetail.errors import DefinitionError, LoginRefused, LoginUntrusted
from dovetail.store import MemoryTokens
from tests.auth.play import Clock, Dice
from tests.auth.test_assertions import token as id_jag
from tests.client.authority import App, Asked, Authority, reply
from tests.client.errands import login, pool, request, town
from tests.client.serving import serving
from tests.client.test_login_keeper import moved


@pytest.fixture(autouse=True)
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A user of each test's own: which issuer a client belongs to is remembered in its files."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))


@pytest.mark.req("A-50")
async def test_a_program_logs_in_with_its_secret_and_again_when_its_token_is_over() -> None:
    clock = Clock()
    async with town() as here, pool() as http:
        ours = credentials_login(here.url, Client(client_id="c", secret="s"), means=moved(clock))
        for _ in range(2):
            assert await request(ours, http, here.url) == 200
            clock.at += 3600
            here.authority.tokens.clear()
        grants = [r.form["grant_type"] for r in here.authority.to("/token")]
        assert grants == ["client_credentials"] * 2
        assert here.authority.to("/token")[0].headers["authorization"] == "Basic Yzpz"


@pytest.mark.req("A-50")
async def test_a_program_logs_in_with_its_key_and_shows_no_assertion_twice() -> None:
    async with town() as here, pool() as http:
        ours = credentials_login(here.url, Client(client_id="c"), key=SigningKey.fresh(Dice()))
        await request(ours, http, here.url)
        here.authority.tokens.clear()
        assert await request(ours, http, here.url) == 200
        shown = [r.form["client_assertion"] for r in here.authority.to("/token")]
        assert len(set(shown)) == 2


@pytest.mark.req("A-30", "A-50")
async def test_a_program_widens_its_scopes_too() -> None:
    async with town() as here, pool() as http:
        here.resource.scopes = {b"read": "r", b"write": "w"}
        ours = credentials_login(here.url, Client(client_id="c", secret="s"))
        assert await request(ours, http, here.url, b"read") == 200
        assert await request(ours, http, here.url, b"write") == 200
        assert [r.form["scope"] for r in here.authority.to("/token")] == ["r", "r w"]


def test_credentials_without_a_proof_are_none() -> None:
    with pytest.raises(DefinitionError):
        credentials_login("https://mcp.example.com/mcp", Client(client_id="c"))


@pytest.mark.req("A-26")
async def test_credentials_of_another_issuer_are_not_shown() -> None:
    async with town() as here, pool() as http:
        client = Client(client_id="c", secret="SECRET", issuer="https://auth.example.com")
        with pytest.raises(LoginUntrusted):
            await request(credentials_login(here.url, client), http, here.url)
        assert "SECRET" not in "".join(r.text for r in here.authority.asked)


@pytest.mark.req("A-26")
async def test_credentials_of_no_known_issuer_belong_to_the_first_that_takes_them() -> None:
    async with town() as here, town() as evil, pool() as http:
        ours = credentials_login(here.url, Client(client_id="c", secret="SECRET"))
        assert await request(ours, http, here.url) == 200
        here.resource.authority = evil.authority
        with pytest.raises(LoginUntrusted):
            await request(ours, http, here.url)
        assert evil.authority.to("/token") == []


@pytest.mark.req("A-26")
async def test_credentials_that_one_issuer_refused_are_not_shown_to_the_next() -> None:
    store = MemoryTokens()
    async with town(Authority(refuse="invalid_client")) as here, town() as evil, pool() as http:
        client = Client(client_id="c", secret="SECRET")
        ours = credentials_login(here.url, client, store=store)
        with pytest.raises(LoginRefused):
            await request(ours, http, here.url)
        here.resource.authority = evil.authority
        for another in (ours, credentials_login(here.url, client, store=store)):
            with pytest.raises(LoginUntrusted):
                await request(another, http, here.url)
        assert evil.authority.to("/token") == []


@pytest.mark.req("A-26")
async def test_the_next_program_shows_credentials_to_the_same_issuer_only(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = Client(client_id="c", secret="SECRET")
    async with town() as here, town() as evil, pool() as http:
        assert await request(credentials_login(here.url, client), http, here.url) == 200
        here.resource.authority = evil.authority
        with pytest.raises(LoginUntrusted, match="by the client's `issuer`"):
            await request(credentials_login(here.url, client), http, here.url)
        assert evil.authority.to("/token") == []
        ours = replace(client, issuer=evil.authority.issuer)
        assert await request(credentials_login(here.url, ours), http, here.url) == 200
        (tmp_path / "file").touch()
        monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "file"))  # no place for files
        assert await request(credentials_login(here.url, client), http, here.url) == 200


class IdentityProvider(App):
    """Exchanges ID tokens for identity assertions."""

    def __init__(self) -> None:
        super().__init__()
        self.changes: dict[str, Any] = {}

    async def answer(self, request: Asked, send: Any) -> None:
        form = request.form
        claims = {"iss": self.url, "aud": form["audience"], "resource": form["resource"], "exp": 9e9} | self.changes
        given = {
            "access_token": id_jag(**claims),
            "token_type": "N_A",
            "issued_token_type": "urn:ietf:params:oauth:token-type:id-jag",
        }
        await reply(send, 200, given)


@pytest.mark.req("A-51")
async def test_an_enterprises_user_logs_in_without_a_browser() -> None:
    idp = IdentityProvider()
    async with town() as here, pool() as http, serving(idp) as at:
        idp.url = at.removesuffix("/mcp")
        provider = Provider(issuer=idp.url, client=Client(client_id="at-idp"), token_endpoint=f"{idp.url}/token")
        client = Client(client_id="c", secret="s")

        async def id_token() -> str:
            return "ID-TOKEN"

        ours = managed_login(here.url, client, provider, id_token)
        assert await request(ours, http, here.url) == 200
        assert idp.asked[0].form["subject_token"] == "ID-TOKEN"
        assert "ID-TOKEN" not in "".join(r.text for r in here.authority.asked)
        assert here.authority.to("/token")[0].form["assertion"].count(".") == 2

        idp.changes = {"aud": "https://evil.example"}
        again = managed_login(here.url, client, provider, id_token)
        with pytest.raises(LoginUntrusted, match="aud"):
            await request(again, http, here.url)
        assert len(here.authority.to("/token")) == 1


@pytest.mark.req("A-52")
async def test_a_workload_logs_in_with_what_its_platform_says() -> None:
    async with town() as here, pool() as http:
        said = id_jag(aud=f"{here.authority.url}/token")
        assert await request(workload_login(here.url, lambda: said), http, here.url) == 200
        assert here.authority.to("/token")[0].form["assertion"] == said


@pytest.mark.req("A-52")
async def test_what_a_workload_was_refused_for_is_not_shown_again_and_another_grant_is_not_tried() -> None:
    async with town(Authority(refuse="invalid_grant")) as here, pool() as http:
        said = [id_jag(aud=here.authority.issuer, jti="1")]
        ours = workload_login(here.url, lambda: said[0])
        for _ in range(2):
            with pytest.raises(LoginRefused) as caught:
                await request(ours, http, here.url)
            assert caught.value.error == "invalid_grant"
            assert said[0] not in str(caught.value)
        assert len(here.authority.to("/token")) == 1
        here.authority.is_.refuse, said[0] = None, id_jag(aud=here.authority.issuer, jti="2")
        assert await request(ours, http, here.url) == 200


async def test_a_client_that_the_user_registered_is_asked_for_where_none_can_be() -> None:
    async def prompt(issuer: str) -> Client:
        return Client(client_id=f"entered for {issuer}")

    async with town(Authority(metadata={"registration_endpoint": None})) as here, pool() as http:
        assert await request(login(here.url, prompt=prompt), http, here.url) == 200
        assert here.authority.to("/authorize")[0].query["client_id"] == f"entered for {here.authority.url}"


async def test_a_metadata_document_is_used_where_it_is_taken() -> None:
    metadata = {"client_id_metadata_document_supported": True}
    async with town(Authority(metadata=metadata)) as here, pool() as http:
        assert await request(login(here.url, document="https://app.example/c.json"), http, here.url) == 200
        assert here.authority.to("/authorize")[0].query["client_id"] == "https://app.example/c.json"
        assert here.authority.to("/register") == []
