"""`dovetail auth` as a user has it: real processes, a real authorization server, a browser that agrees at once."""

import asyncio
import json
import stat
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from dovetail.auth import logging_in_key, tokens_key, write_tokens
from dovetail.cli.logins import Desk, _say_if_busy
from dovetail.cli.terminal import Teller
from dovetail.client.login_world import known_logins
from dovetail.net import HttpClient
from dovetail.store import FileTokens, MemoryTokens
from tests.cli.programs import DOVETAIL, at_a_terminal, dovetail, environment
from tests.cli.test_doctor import server
from tests.client.authority import Authority
from tests.client.errands import Town, town
from tests.client.serving import serving

pytestmark = pytest.mark.timeout(90)
Json = dict[str, Any]

BROWSER = """
import sys
import urllib.request

urllib.request.urlopen(sys.argv[1]).read()
"""
REFUSED = "dovetail auth login: "


class Home:
    """A user: a folder for state, and a browser."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        (folder / "browser.py").write_text(BROWSER)
        self.variables = {
            "XDG_STATE_HOME": str(folder / "state"),
            "BROWSER": f"{sys.executable} {folder / 'browser.py'} %s",
        }

    @property
    def store(self) -> FileTokens:
        return FileTokens(self.folder / "state" / "dovetail" / "tokens")

    async def types(self, *words: str, **more: str) -> tuple[int, str, str]:
        done = await asyncio.to_thread(dovetail, *words, cwd=self.folder, **{**self.variables, **more})
        return done.returncode, done.stdout, done.stderr

    async def at_terminal(self, *words: str, answers: Any = (), **more: str) -> tuple[int, str]:
        variables = {**self.variables, **more}
        return await asyncio.to_thread(
            at_a_terminal, *words, cwd=self.folder, answers=answers, columns=120, **variables
        )


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path)


def secrets_of(here: Town) -> list[str]:
    """All that must be shown to nobody."""
    forms = [request.form for request in here.authority.to("/token")]
    sent = [form[name] for form in forms for name in ("code", "code_verifier") if name in form]
    return [*here.authority.tokens, *here.authority.refreshable, *sent]


async def test_who_logs_in_in_the_browser_is_logged_in_until_logging_out(home: Home) -> None:
    async with town() as here:
        here.authority.is_.metadata = {"revocation_endpoint": f"{here.authority.url}/revoke"}
        here.resource.metadata = {"scopes_supported": ["read", "write"]}
        status, out, err = await home.types("auth", "login", here.url)
        assert (status, out.splitlines()[:2]) == (0, ["You are logged in:", here.url]), err
        assert [line.split(None, 1) for line in out.splitlines()[2:]] == [
            ["issuer", here.authority.url],
            ["scopes", "read write"],
            ["token", "for 59 minutes more, then renewed by itself"],
            ["client", "client-1"],
        ]
        assert err == f'Use it: dovetail list {here.url} --oauth; in Python: Client(URL, auth="oauth")\n'
        told = out + err

        status, out, err = await home.types("auth", "status", here.url)
        assert (status, err) == (0, "")
        assert out.splitlines()[0] == here.url
        told += out

        status, out, err = await home.types("auth", "login", here.url)
        assert (status, out.splitlines()[0]) == (0, "You were logged in already:")
        assert len(here.authority.to("/authorize")) == 1
        assert not [secret for secret in secrets_of(here) if secret in told + out + err]

        (token,) = here.authority.refreshable
        status, out, err = await home.types("auth", "logout", here.url)
        assert (status, out, err) == (0, f"You are logged out of {here.url}.\n", "")
        assert here.authority.to("/revoke")[0].form["token"] == token
        assert await known_logins(home.store) == []

        status, out, err = await home.types("auth", "status", here.url)
        assert (status, out) == (1, "")
        assert err == f"dovetail auth status: you are not logged in: dovetail auth login {here.url}\n"
        status, out, err = await home.types("auth", "logout", here.url)
        assert (status, out, err) == (0, f"You were not logged in to {here.url}.\n", "")


@pytest.mark.req("A-32")
async def test_what_is_kept_is_for_its_owners_eyes_only(home: Home) -> None:
    async with town() as here:
        assert (await home.types("auth", "login", here.url))[0] == 0
        folder = home.folder / "state" / "dovetail" / "tokens"
        kept = list(folder.iterdir())
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700
        assert {stat.S_IMODE(path.stat().st_mode) for path in kept} == {0o600}
        content = b"".join(path.read_bytes() for path in kept)
        assert not [secret for secret in secrets_of(here) if secret.encode() in content]


async def test_a_program_reads_what_a_login_is(home: Home) -> None:
    async with town() as here:
        status, out, _ = await home.types("auth", "login", here.url, "--json", "--profile", "bob", "--scope", "read")
        described = json.loads(out)
        expires = described.pop("expiresAt")
        assert status == 0
        assert isinstance(expires, int)
        assert described == {
            "server": here.url,
            "profile": "bob",
            "state": "fresh",
            "issuer": here.authority.url,
            "resource": here.url,
            "scopes": ["read"],
            "renewable": True,
            "scheme": "Bearer",
            "clientId": "client-1",
        }
        status, out, _ = await home.types("auth", "status", "--json")
        assert (status, json.loads(out)) == (0, {"logins": [{**described, "expiresAt": expires}]})
        assert (await home.types("auth", "status", here.url))[0] == 1  # somebody else's
        assert (await home.types("auth", "status", here.url, "--profile", "bob"))[0] == 0
        status, out, err = await home.types("auth", "logout", here.url, "--json", "--profile", "bob")
        wanted = {"server": here.url, "profile": "bob", "wasLoggedIn": True, "revoked": False}
        assert (status, json.loads(out)) == (0, wanted)
        assert "was not told" in err  # it has no revocation endpoint


async def test_more_scopes_are_asked_for_besides_those_that_are_granted(home: Home) -> None:
    async with town() as here:
        assert (await home.types("auth", "login", here.url, "--scope", "read"))[0] == 0
        status, out, _ = await home.types("auth", "login", here.url, "--scope", "write", "--json")
        assert (status, sorted(json.loads(out)["scopes"])) == (0, ["read", "write"])
        assert len(here.authority.to("/authorize")) == 2


async def test_scopes_are_asked_for_where_nobody_said_which_are_granted(home: Home) -> None:
    async with town() as here:
        assert (await home.types("auth", "login", here.url))[0] == 0
        status, out, _ = await home.types("auth", "login", here.url, "--scope", "write", "--json")
        assert (status, json.loads(out)["scopes"]) == (0, ["write"])
        assert len(here.authority.to("/authorize")) == 2


async def test_without_a_browser_the_address_is_shown_and_the_one_where_it_ends_is_pasted(home: Home) -> None:
    async with town() as here:
        process = await asyncio.create_subprocess_exec(
            *DOVETAIL,
            *("auth", "login", here.url, "--headless"),
            cwd=home.folder,
            env=environment(**home.variables),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        assert process.stdin is not None
        assert process.stderr is not None
        said = (await process.stderr.readuntil(b"Paste it here: ")).decode()
        (address,) = [line for line in said.splitlines() if line.startswith(here.authority.url)]
        process.stdin.write((await redirected(address)).encode() + b"\n")
        out, _ = await process.communicate()
        assert process.returncode == 0
        assert out.decode().splitlines()[:2] == ["You are logged in:", here.url]


async def redirected(address: str) -> str:
    """Return where an authorization server sends the browser that opens an address."""
    http = HttpClient()
    try:
        response = await http.send("GET", address, {})
        await response.aclose()
        return response.headers["location"]
    finally:
        await http.aclose()


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        ("", "No address was pasted: log in again"),
        (b"\x04", "No address was pasted: log in again"),
        ("http://127.0.0.1:49877/callback?code=x&state=forged", "state"),
        ("nonsense", ""),
    ],
)
async def test_what_is_pasted_and_is_not_the_answer_logs_nobody_in(home: Home, answer: Any, said: str) -> None:
    async with town() as here:
        status, screen = await home.at_terminal("auth", "login", here.url, "--headless", answers=[answer])
        assert status == 1, screen
        assert REFUSED in screen
        assert said in screen.rpartition(REFUSED)[2]
        assert "Traceback" not in screen
        assert here.authority.to("/token") == []


async def test_a_login_that_is_over_is_shown_as_that_and_fails_the_check(home: Home) -> None:
    async with town(Authority(refreshes=False)) as here:
        assert (await home.types("auth", "login", here.url))[0] == 0
        ((_, tokens),) = await known_logins(home.store)
        await home.store.save(tokens_key(here.url), write_tokens(replace(tokens, expires_at=1.0)))
        status, out, err = await home.types("auth", "status", here.url)
        assert (status, "over: log in again" in out) == (1, True)
        assert err == f"dovetail auth status: the login is over: dovetail auth login {here.url}\n"
        status, out, _ = await home.types("auth", "status", "--json")
        assert (status, json.loads(out)["logins"][0]["state"]) == (0, "over")


async def test_a_server_that_asks_for_nothing_and_names_nobody_is_not_logged_in_to(home: Home) -> None:
    async with serving(server().asgi()) as url:
        status, out, err = await home.types("auth", "login", url)
        assert (status, out) == (1, "")
        assert err == (
            "dovetail auth login: The server answers without a login, and there is none to be had: "
            "The server publishes no protected resource metadata\n"
        )


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["login"], "which server?"),
        (["login", "http://127.0.0.1:1/mcp", "more"], "unexpected 'more'"),
        (["logout"], "which server?"),
        (["login", "server.py"], "is a program"),
        (["login", "http://127.0.0.1:1/mcp", "--store", "drawer"], "--store is file or keyring"),
        (["login", "http://127.0.0.1:1/mcp", "--network", "10.0.0.0/99"], "--network"),
        (["frobnicate"], "frobnicate"),
    ],
)
async def test_a_command_line_that_makes_no_sense_is_one(home: Home, words: list[str], said: str) -> None:
    (home.folder / "server.py").write_text("")
    status, out, err = await home.types("auth", *words)
    assert (status, out) == (2, "")
    assert said in err
    assert "Traceback" not in err


async def test_a_server_that_is_not_there_is_said_in_a_line(home: Home) -> None:
    status, out, err = await home.types("auth", "login", "http://127.0.0.1:1/mcp")
    assert (status, out, err.count("\n")) == (1, "", 1)
    assert "is it running, and is the URL right?" in err


async def test_nobody_is_logged_in_at_first(home: Home) -> None:
    assert await home.types("auth", "status") == (0, "You are logged in nowhere.\n", "")
    status, out, _ = await home.types("auth", "status", "--json")
    assert (status, json.loads(out)) == (0, {"logins": []})


async def test_the_login_is_used_by_the_commands_that_visit(home: Home) -> None:
    async with town() as here:
        assert (await home.types("auth", "login", here.url))[0] == 0
        (token,) = here.authority.tokens
        await home.types("list", here.url, "--oauth", "--timeout", "5")
        assert here.resource.to("/mcp")[-1].headers["authorization"] == f"Bearer {token}"
        assert len(here.authority.to("/authorize")) == 1


async def test_who_has_to_wait_for_another_login_is_told() -> None:
    said: list[str] = []

    class Listening(Teller):
        def say(self, text: str, end: str = "\n") -> None:
            said.append(text)

    store = MemoryTokens()
    desk = Desk("https://mcp.example.com/mcp", {}, {}, store, Listening())
    await _say_if_busy(desk)
    assert said == []
    async with store.alone(logging_in_key(desk.url)):
        await _say_if_busy(desk)
    assert "waiting for it" in said[0]


async def test_a_store_that_there_is_not_is_said_so(home: Home) -> None:
    status, out, err = await home.types("auth", "status", DOVETAIL_TOKEN_STORE="drawer")
    assert (status, out) == (2, "")
    assert "DOVETAIL_TOKEN_STORE is file or keyring" in err
