"""The grants of a `Login`, and what makes a whole login of each.

oauth_login          a user, in a browser (or whoever stands in for both)
credentials_login    a program that is a client of its own
managed_login        an enterprise's user, without a browser
workload_login       a program, by what its platform says of it
"""

import inspect
from collections.abc import Awaitable, Callable
from functools import partial
from hashlib import sha256
from typing import TypedDict, Unpack

import msgspec

from dovetail.auth import (
    Application,
    Binding,
    Client,
    Demand,
    Means,
    Plan,
    ProofKeys,
    Provider,
    SigningKey,
    Tokens,
    TokenStore,
    log_in,
    log_in_alone,
    log_in_managed,
    log_in_workload,
)
from dovetail.client.browser import Browser, SystemBrowser
from dovetail.client.login_keeper import Login, OpenFetch
from dovetail.client.login_world import MEANS, AskClient, LoginHttp, World, carry_out
from dovetail.errors import DefinitionError, LoginRefused

Assertion = Callable[[], Awaitable[str] | str]
"""Returns a fresh ID token, or a fresh token of the platform."""


class LoginOptions(TypedDict, total=False):
    """What every login can be told."""

    store: TokenStore
    """Where tokens are kept; an encrypted file of the user's by default, memory for what has no user."""
    profile: str
    """Tells several users of one store apart."""
    scopes: tuple[str, ...]
    """Ask for these besides what the server names."""
    dpop: Binding
    """Bind tokens to a key: `auto` when both servers offer it, `always`, `never`."""
    networks: tuple[str, ...]
    """Networks that a login may reach although logins usually have no business there, such as `10.0.0.0/8`."""
    foreign: bool
    """The server's challenge may name metadata on another origin."""
    legacy: bool
    """Fall back to the discovery of 2025-03-26; True."""
    means: Means
    """The clock and randomness."""
    open_fetch: OpenFetch
    """The HTTP of a login; guarded by default."""


class OAuthGrant:
    """Tokens that a user authorises."""

    lasting = True

    def __init__(self, app: Application, browser: Browser) -> None:
        self._app = app
        self._browser = browser

    async def log_in(self, plan: Plan, world: World, demand: Demand, previous: Tokens | None) -> Tokens:
        """Send the user to the browser."""
        async with self._browser.errand() as errand:
            app = msgspec.structs.replace(self._app, redirect_uri=errand.redirect_uri)
            there = msgspec.structs.replace(world, visit=errand.visit)
            return await carry_out(log_in(plan, app, demand, previous), there)

    def key_of(self, client_id: str) -> SigningKey | None:
        """Return the key of the application, if it is this client."""
        ours = (self._app.document, *(client.client_id for client in self._app.registered))
        return self._app.key if client_id in ours else None


class CredentialsGrant:
    """Tokens of a client that acts for itself. Credentials of no known issuer belong to the first that they meet."""

    lasting = False

    def __init__(self, client: Client, key: SigningKey | None) -> None:
        self._client = client
        self._key = key

    def key_of(self, client_id: str) -> SigningKey | None:
        """Return the client's key."""
        return self._key

    async def log_in(self, plan: Plan, world: World, demand: Demand, previous: Tokens | None) -> Tokens:
        """Ask for a token."""
        tokens = await carry_out(log_in_alone(plan, self._client, self._key, demand, previous), world)
        self._client = msgspec.structs.replace(self._client, issuer=tokens.issuer)
        return tokens


class ManagedGrant:
    """Tokens that an enterprise's identity provider decides about."""

    lasting = False

    def __init__(self, client: Client, key: SigningKey | None, provider: Provider, id_token: Assertion) -> None:
        self._client = client
        self._key = key
        self._provider = provider
        self._id_token = id_token

    def key_of(self, client_id: str) -> SigningKey | None:
        """Return the client's key."""
        return self._key

    async def log_in(self, plan: Plan, world: World, demand: Demand, previous: Tokens | None) -> Tokens:
        """Exchange the user's ID token."""
        token = await _told(self._id_token)
        flow = log_in_managed(plan, self._client, self._key, self._provider, token, demand, previous)
        tokens = await carry_out(flow, world)
        self._client = msgspec.structs.replace(self._client, issuer=tokens.issuer)
        return tokens


class WorkloadGrant:
    """Tokens for what the platform says of us. What was refused is not shown again (A-52)."""

    lasting = False

    def __init__(self, assertion: Assertion, client: Client | None) -> None:
        self._assertion = assertion
        self._client = client
        self._refused: tuple[bytes, LoginRefused] | None = None

    def key_of(self, client_id: str) -> SigningKey | None:
        """Return none: the platform's token proves who we are."""
        return None

    async def log_in(self, plan: Plan, world: World, demand: Demand, previous: Tokens | None) -> Tokens:
        """Show the platform's token, once."""
        assertion = await _told(self._assertion)
        print_of = sha256(assertion.encode()).digest()
        if self._refused is not None and self._refused[0] == print_of:
            raise LoginRefused("The authorization server refused this workload's token before", self._refused[1].error)
        try:
            return await carry_out(log_in_workload(plan, assertion, self._client, demand, previous), world)
        except LoginRefused as refusal:
            self._refused = (print_of, refusal)
            raise


def oauth_login(
    server: str,
    *,
    browser: Browser | None = None,
    client: Client | None = None,
    key: SigningKey | None = None,
    document: str | None = None,
    name: str = "Dovetail",
    prompt: AskClient | None = None,
    **options: Unpack[LoginOptions],
) -> Login:
    """Return a login with a user.

    Args:
        server: URL of the MCP server.
        browser: Where the user is; the system's browser by default.
        client: A client that was registered before.
        key: The private key that it, or the metadata document, proves itself with.
        document: URL of our client ID metadata document.
        name: The program's name, for people.
        prompt: Asks somebody for a client's credentials where none can be registered.
        **options: Those of every login.
    """
    app = Application(name=name, registered=(client,) if client else (), document=document, key=key, server=server)
    options.setdefault("store", _default_store())
    return _login(server, OAuthGrant(app, browser or SystemBrowser()), options, prompt)


def credentials_login(
    server: str, client: Client, *, key: SigningKey | None = None, **options: Unpack[LoginOptions]
) -> Login:
    """Return a login of a client that acts for itself: with its secret, or a private key (RFC 7523).

    A client without an issuer belongs to the first authorization server that the server names, as long as the store
    remembers it: in the user's files by default, and in memory where there are none. Better say the issuer.
    """
    if client.secret is None and key is None:
        raise DefinitionError("Client credentials are a client_id with a secret, or with a private key")
    return _login(server, CredentialsGrant(client, key), options)


def managed_login(
    server: str,
    client: Client,
    provider: Provider,
    id_token: Assertion,
    *,
    key: SigningKey | None = None,
    **options: Unpack[LoginOptions],
) -> Login:
    """Return a login that an enterprise's identity provider decides about.

    Args:
        server: URL of the MCP server.
        client: Who we are to the MCP server's authorization server.
        provider: The identity provider, and who we are to it.
        id_token: Returns the user's ID token.
        key: The private key of `client`.
        **options: Those of every login.
    """
    return _login(server, ManagedGrant(client, key, provider, id_token), options)


def workload_login(
    server: str, assertion: Assertion, *, client: Client | None = None, **options: Unpack[LoginOptions]
) -> Login:
    """Return a login by what the platform that we run on says of us (RFC 7523, 2.1)."""
    return _login(server, WorkloadGrant(assertion, client), options)


def _login(
    server: str,
    grant: OAuthGrant | CredentialsGrant | ManagedGrant | WorkloadGrant,
    options: LoginOptions,
    prompt: AskClient | None = None,
) -> Login:
    from dovetail.client.login_bindings import Bindings

    means = options.get("means", MEANS)
    plan = Plan(
        server=server,
        means=means,
        keys=ProofKeys(means),
        dpop=options.get("dpop", "auto"),
        scopes=options.get("scopes", ()),
        legacy=options.get("legacy", True),
        foreign=options.get("foreign", False),
    )
    open_fetch = options.get("open_fetch") or partial(LoginHttp, server, networks=options.get("networks", ()))
    store = options.get("store") or Bindings(_default_store)
    return Login(plan, grant, store, open_fetch, profile=options.get("profile", ""), prompt=prompt)


def _default_store() -> TokenStore:
    from dovetail.store import FileTokens

    return FileTokens.of_user()


async def _told(assertion: Assertion) -> str:
    told = assertion()
    return await told if inspect.isawaitable(told) else told
