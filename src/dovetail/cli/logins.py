"""`dovetail auth login`, `status` and `logout`: what is kept of logins to servers, for later commands and programs.

Shown is who issued what for which server, and until when; never a token, a secret or a key. What a login needs of its
user is said on stderr, its outcome on stdout.
"""

import asyncio
import os
import stat
import sys
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from ipaddress import ip_network
from typing import Any, Final

import msgspec

from dovetail.auth import Client, Tokens, TokenStore, logging_in_key, read_tokens, tokens_key
from dovetail.cli.commands import put
from dovetail.cli.loading import fail
from dovetail.cli.options import Usage
from dovetail.cli.probing import probe
from dovetail.cli.tables import entry
from dovetail.cli.targets import targeted, url_of
from dovetail.cli.terminal import Keyboard, Teller, shown
from dovetail.cli.visits import Command
from dovetail.client import Headless, Login, SystemBrowser, known_logins, oauth_login
from dovetail.errors import DovetailError, LoginUnavailable, Timeout, Unsent
from dovetail.net import HttpClient

CLIENT_SECRET: Final = "DOVETAIL_CLIENT_SECRET"  # noqa: S105 - the name of a variable
"""The environment variable that may hold the secret of a client that is registered already."""
STORE: Final = "DOVETAIL_TOKEN_STORE"
"""The environment variable that may name the store: as `--store` does."""
NOWHERE: Final = "http://127.0.0.1:49877/callback"
"""Where a login without a browser ends: at nobody's, so that the address stays to be copied."""
_SECONDS: Final = 15.0
_BUSY_SECONDS: Final = 0.5
_WIDTH: Final = 9
_UNITS: Final = ((86400, "day"), (3600, "hour"), (60, "minute"))


class Desk(msgspec.Struct, frozen=True):
    """One command's work.

    Attributes:
        url: The server; empty for all of them.
        headers: Header fields that its manifest has for it.
        options: Those that were given, by their keys.
        store: Where logins are kept.
        teller: Says things on stderr.
    """

    url: str
    headers: dict[str, str]
    options: dict[str, Any]
    store: TokenStore
    teller: Teller

    @property
    def profile(self) -> str:
        """Whose logins."""
        return str(self.options.get("profile", ""))

    @property
    def as_json(self) -> bool:
        """Whether a program reads what is printed."""
        return bool(self.options.get("json"))


def keep_logins(command: Command, words: list[str], options: dict[str, Any]) -> int:
    """Do the work of a command of `dovetail auth`; return the exit status."""
    works: dict[str, Callable[[Desk], Awaitable[int]]] = {"login": _log_in, "status": _status, "logout": _log_out}
    name = command.name
    try:
        url, headers = _address(command, words)
        desk = Desk(url, headers, _checked(options), chosen_store(options.get("store")), Teller())
        return asyncio.run(_done(works[name.split()[-1]], desk))
    except Usage as error:
        return fail(name, f"{error} (dovetail {name} --help)", 2)
    except Unsent as error:
        return fail(name, f"{shown(str(error))}; is it running, and is the URL right?")
    except DovetailError as error:
        return fail(name, shown(str(error)))


def chosen_store(name: str | None = None) -> TokenStore:
    """Return the store of a name: the one that was typed, else the environment's, else files.

    Raises:
        Usage: There is no store of this name.
    """
    from dovetail.store import FileTokens, KeyringKeys

    match name or os.environ.get(STORE) or "file":
        case "file":
            return FileTokens.of_user()
        case "keyring":
            return FileTokens.of_user(KeyringKeys())
        case other:
            raise Usage(f"{STORE} is file or keyring, not {other!r}")


def kept_login(target: Any) -> Login:
    """Return the login of a target with a URL, as these commands keep it.

    Raises:
        Usage: The environment names a store that there is not.
    """
    return oauth_login(url_of(target) or "", store=chosen_store())


def _address(command: Command, words: Sequence[str]) -> tuple[str, dict[str, str]]:
    if not words and command.words.startswith("["):
        return "", {}
    target, rest = targeted(words, ())
    if rest:
        raise Usage(f"unexpected {rest[0]!r}")
    url = url_of(target)
    if url is None:
        raise Usage(f"{words[0]!r} is a program: it is not logged in to, only a server with a URL is")
    headers = target.get("headers") if isinstance(target, dict) else None
    return url, {str(name): str(value) for name, value in headers.items()} if isinstance(headers, dict) else {}


def _checked(options: dict[str, Any]) -> dict[str, Any]:
    for network in options.get("networks", ()):
        try:
            ip_network(network)
        except ValueError:
            raise Usage(f"--network is a network such as 10.0.0.0/8, not {network!r}") from None
    return options


async def _done(work: Callable[[Desk], Awaitable[int]], desk: Desk) -> int:
    try:
        return await work(desk)
    finally:
        sys.stdout.flush()


# Logging in.


async def _log_in(desk: Desk) -> int:
    url, scopes = desk.url, tuple(desk.options.get("scopes", ()))
    before = read_tokens(await desk.store.load(tokens_key(url, desk.profile)), url)
    http = HttpClient()
    login = None
    try:
        status = await _asked(desk, http)
        refused = status in (401, 403)
        await _say_if_busy(desk)
        login = _login(desk, legacy=refused)  # who asks for nothing is not taken for a server of the first days
        status, *_ = await probe(http, url, desk.headers, login)
        if login.tokens is None or not set(scopes) <= set(login.tokens.scopes or login.tokens.requested or ()):
            await _logged(login, scopes, refused=refused)
            status, *_ = await probe(http, url, desk.headers, login)
        tokens = login.tokens
    finally:
        if login is not None:
            await login.aclose()
        await http.aclose()
    if tokens is None or status in (401, 403):
        raise LoginUnavailable(f"The server goes on refusing, with HTTP status {status}")
    return _logged_in(desk, tokens, again=before is not None and before.access_token == tokens.access_token)


async def _say_if_busy(desk: Desk) -> None:
    """Say so when another program is in the middle of the same login: this one then waits for what comes of it."""
    with suppress(TimeoutError):
        async with asyncio.timeout(_BUSY_SECONDS), desk.store.alone(logging_in_key(desk.url, desk.profile)):
            return
    desk.teller.say("Another program is logging in there now: waiting for it. Ctrl-C ends the waiting.")


async def _logged(login: Login, scopes: tuple[str, ...], *, refused: bool) -> None:
    try:
        await login.log_in(scopes)
    except LoginUnavailable as error:
        if refused:
            raise
        raise LoginUnavailable(f"The server answers without a login, and there is none to be had: {error}") from None


async def _asked(desk: Desk, http: HttpClient) -> int:
    """Return what the server answers to somebody without credentials."""
    try:
        async with asyncio.timeout(_SECONDS):
            status, *_ = await probe(http, desk.url, desk.headers)
            return status
    except TimeoutError:
        raise Timeout(f"The server did not answer within {_SECONDS:g} seconds") from None


def _login(desk: Desk, *, legacy: bool) -> Login:
    options, seconds = desk.options, desk.options.get("timeout", 300)
    browser: Headless | SystemBrowser
    if "headless" in options:
        browser = Headless(NOWHERE, lambda url: _pasted(desk, url, seconds))
    else:
        browser = SystemBrowser(show=lambda url: _point(desk, url), seconds=seconds)
    client = None
    if "client_id" in options:
        client = Client(client_id=options["client_id"], secret=os.environ.get(CLIENT_SECRET))
    return oauth_login(
        desk.url,
        browser=browser,
        client=client,
        store=desk.store,
        profile=desk.profile,
        scopes=tuple(options.get("scopes", ())),
        networks=tuple(options.get("networks", ())),
        legacy=legacy,
    )


def _point(desk: Desk, url: str) -> None:
    desk.teller.say(f"No browser can be opened here. Open this address on this machine, or use --headless:\n\n{url}\n")


async def _pasted(desk: Desk, url: str, seconds: float) -> str:
    """Have the user open a URL anywhere, and return the one where the browser ended."""
    desk.teller.say(
        f"Open this address in any browser, and log in:\n\n{url}\n\n"
        "The browser ends at an address that begins with http://127.0.0.1 and shows nothing. Copy it whole."
    )
    try:
        async with asyncio.timeout(seconds):
            typed = await _line(lambda: desk.teller.say("Paste it here: ", end=""))
    except TimeoutError:
        raise LoginUnavailable(f"No address was pasted within {seconds:g} seconds: log in again") from None
    if not typed or not typed.strip():
        raise LoginUnavailable("No address was pasted: log in again")
    return typed.strip()


async def _line(prompt: Callable[[], None]) -> str | None:
    """Return a line from a terminal or a pipe, which are waited for; a file never makes wait."""
    mode = os.fstat(0).st_mode
    if os.isatty(0) or stat.S_ISFIFO(mode) or stat.S_ISSOCK(mode):
        return await Keyboard().line(prompt)
    prompt()
    return sys.stdin.readline()


def _logged_in(desk: Desk, tokens: Tokens, *, again: bool) -> int:
    if desk.as_json:
        put(described(desk.profile, tokens))
        return 0
    print(f"You {'were' if again else 'are'} logged in{' already' if again else ''}:")
    _show(desk.profile, tokens)
    use = 'auth="oauth"' if not desk.profile else f'auth=oauth_login(URL, profile="{shown(desk.profile)}")'
    say = "" if desk.profile else f"dovetail list {shown(tokens.server)} --oauth; in Python: "
    desk.teller.say(f"Use it: {say}Client(URL, {use})")
    return 0


# What is kept.


async def _status(desk: Desk) -> int:
    known = [
        (profile, tokens)
        for profile, tokens in await known_logins(desk.store)
        if (not desk.url or tokens.server == desk.url) and ("profile" not in desk.options or profile == desk.profile)
    ]
    if desk.url and "profile" not in desk.options:
        known = [login for login in known if not login[0]]
    if desk.as_json:
        put({"logins": [described(profile, tokens) for profile, tokens in known]})
    else:
        for profile, tokens in known:
            _show(profile, tokens)
    usable = [tokens for _, tokens in known if _state(tokens) != "over"]
    if not desk.url:
        if not known and not desk.as_json:
            print("You are logged in nowhere.")
        return 0
    if usable:
        return 0
    why = "the login is over" if known else "you are not logged in"
    return fail("auth status", f"{why}: dovetail auth login {shown(desk.url)}")


async def _log_out(desk: Desk) -> int:
    url = desk.url
    kept = read_tokens(await desk.store.load(tokens_key(url, desk.profile)), url)
    told = await oauth_login(
        url, store=desk.store, profile=desk.profile, networks=tuple(desk.options.get("networks", ()))
    ).log_out()
    if desk.as_json:
        put({"server": url, "profile": desk.profile, "wasLoggedIn": kept is not None, "revoked": told})
    elif kept is None:
        print(f"You were not logged in to {shown(url)}.")
    else:
        print(f"You are logged out of {shown(url)}.")
    if kept is not None and not told:
        desk.teller.say(
            f"{shown(kept.issuer)} was not told, or did not listen: who had the tokens can use them until they end."
        )
    return 0


def described(profile: str, tokens: Tokens) -> dict[str, Any]:
    """Return what a program may know of a login: no secret."""
    return {
        "server": tokens.server,
        "profile": profile,
        "state": _state(tokens),
        "issuer": tokens.issuer,
        "resource": tokens.resource,
        "scopes": None if tokens.scopes is None else list(tokens.scopes),
        "expiresAt": None if tokens.expires_at is None else int(tokens.expires_at),
        "renewable": tokens.refresh_token is not None,
        "scheme": tokens.scheme,
        "clientId": tokens.client_id,
    }


def _state(tokens: Tokens) -> str:
    """`fresh`; `renewable`: its token is over, and another is got when it is used; or `over`."""
    if tokens.fresh(time.time()):
        return "fresh"
    return "renewable" if tokens.refresh_token is not None else "over"


def _show(profile: str, tokens: Tokens) -> None:
    print(shown(tokens.server))
    scopes = " ".join(tokens.scopes) if tokens.scopes is not None else ""
    facts = (
        ("profile", profile),
        ("issuer", tokens.issuer),
        ("scopes", scopes),
        ("token", f"{_lasting(tokens)}{', bound to a key (DPoP)' if tokens.dpop is not None else ''}"),
        ("client", tokens.client_id),
    )
    for name, value in facts:
        if value:
            entry([("", 0, ""), (name, _WIDTH, "dim")], shown(value))


def _lasting(tokens: Tokens) -> str:
    renewed = tokens.refresh_token is not None
    if tokens.expires_at is None:
        return "of unknown end"
    left = tokens.expires_at - time.time()
    if not tokens.fresh(time.time()):
        return "over, renewed when it is used" if renewed else "over: log in again"
    size, unit = next(((size, unit) for size, unit in _UNITS if left >= size), (1, "second"))
    count = int(left // size)
    return f"for {count} {unit}{'s' if count != 1 else ''} more{', then renewed by itself' if renewed else ''}"
