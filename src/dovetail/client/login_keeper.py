"""A login that keeps its tokens, whatever grant they come from.

    headers       puts the token on, renewing it first when its time is over
    challenged    looks at a refusal: a nonce to be used, a token that is over, scopes that are missing

Invariants
* One renewal at a time: among tasks by a lock, among processes by the store's. Who comes second finds the new token and
  uses it; rotating refresh tokens are never used twice (A-32). A renewal goes on when the call that wanted it is
  cancelled, because its user may be in the middle of it.
* A refusal leads to at most three logins for the same want in ten minutes, and ten in all (A-30).
"""

import asyncio
from collections.abc import Callable, Coroutine, Iterator, Mapping
from contextlib import AbstractAsyncContextManager, ExitStack, contextmanager
from typing import Any, Final, Protocol
from weakref import WeakKeyDictionary, WeakSet

from dovetail.auth import (
    Demand,
    Plan,
    Proofs,
    Tokens,
    TokenStore,
    decode_tokens,
    is_trusted,
    origin,
    read_demand,
    read_tokens,
    refresh,
    revoke,
    tokens_key,
    write_tokens,
)
from dovetail.client.login import refuse_other
from dovetail.client.login_world import AskClient, Fetch, World, carry_out
from dovetail.client.timer import Timers
from dovetail.errors import AuthRequired, LoginRefused, LoginUnavailable, ScopeInsufficient

ATTEMPTS: Final = 3
"""Logins for one want, within `WINDOW`."""
ATTEMPTS_IN_ALL: Final = 10
WINDOW: Final = 600.0

OpenFetch = Callable[[], AbstractAsyncContextManager[Fetch]]


class Grant(Protocol):
    """How tokens are come by.

    Attributes:
        lasting: Its tokens are kept in the store, and renewed by their refresh token.
    """

    lasting: bool

    async def log_in(self, plan: Plan, world: World, demand: Demand, previous: Tokens | None) -> Tokens:
        """Return new tokens, or raise `AuthRequired` or what is below it."""
        ...


async def known_logins(store: TokenStore) -> list[tuple[str, Tokens]]:
    """Return the tokens that a store keeps, each with its profile, by server and profile."""
    found = []
    for key in await store.keys():
        value = await store.load(key) if key.startswith("tokens:") else None
        tokens = None if value is None else decode_tokens(value)
        if tokens is not None:
            found.append((key.removeprefix("tokens:").removesuffix(f":{tokens.server}"), tokens))
    return sorted(found, key=lambda login: (login[1].server, login[0]))


class Login:
    """An `Authorizer` that logs in when it has to.

    Which token a refused request had carried is known by the task: `headers`, the request and `challenged` are one
    task's, as they are in every link. So fifty refusals of one token lead to one renewal, whenever they are noticed.
    """

    def __init__(
        self,
        plan: Plan,
        grant: Grant,
        store: TokenStore,
        open_fetch: OpenFetch,
        *,
        profile: str = "",
        prompt: AskClient | None = None,
    ) -> None:
        """Make a login; nothing happens before a request.

        Args:
            plan: Where.
            grant: How.
            store: Where tokens are kept, if the grant is lasting, and registered clients.
            open_fetch: Opens the HTTP of one login.
            profile: Tells several users of one store apart.
            prompt: Asks somebody for a client's credentials at an issuer.
        """
        self._plan = plan
        self._grant = grant
        self._store = store
        self._open_fetch = open_fetch
        self._prompt = prompt
        self._key = tokens_key(plan.server, profile)
        self._origin = origin(plan.server)
        self._tokens: Tokens | None = None
        self._loaded = False
        self._from_refresh = ""
        self._lock = asyncio.Lock()
        self._renewals: set[asyncio.Task[bool]] = set()
        self._sent: WeakKeyDictionary[asyncio.Task[Any], tuple[str, str | None]] = WeakKeyDictionary()
        self._attempts: list[tuple[float, str]] = []
        self.waiting: WeakSet[Timers] = WeakSet()

    def __repr__(self) -> str:
        return f"<Login at {self._plan.server.partition('?')[0]}, {self._tokens!r}>"

    @property
    def tokens(self) -> Tokens | None:
        """What is in use now."""
        return self._tokens

    async def headers(self, method: str, url: str, body: bytes | None = None) -> Mapping[str, str]:
        """Return the header fields that authorise one request; none before there is a token.

        Args:
            method: Of the request.
            url: Of the request.
            body: Of the request, so that a proof can be bound to it.
        """
        if url != self._plan.server:
            refuse_other(self._origin, url)
        if not self._loaded:
            await self._apart(self._reload)
        tokens = self._tokens
        if tokens is not None and not tokens.fresh(self._plan.means.clock()):
            over = tokens.access_token
            await self._apart(lambda: self._renew_if_over(over))
            tokens = self._tokens
        if tokens is None:
            self._note("", None)
            return {}
        proofs = self._plan.keys.of(tokens.dpop)
        fields = {"authorization": f"{tokens.scheme} {tokens.access_token}"}
        if proofs is not None:
            fields["dpop"] = proofs.proof(method, url, token=tokens.access_token, body=body)
        self._note(tokens.access_token, proofs.nonce(url) if proofs else None)
        return fields

    async def challenged(self, method: str, url: str, status: int, headers: Mapping[str, str]) -> bool:
        """Look at a refusal, and get what it demands.

        Raises:
            ScopeInsufficient: The scopes that it demands were asked for, as often as is sensible.
            AuthRequired: No login helps.
        """
        refuse_other(self._origin, url)
        demand = read_demand(headers)
        task = asyncio.current_task()
        sent, nonce = self._sent.get(task, (None, None)) if task is not None else (None, None)
        if status == 401:
            if self._learned(url, headers, demand, nonce):
                return True
            return await self._apart(lambda: self._replace(sent, demand))
        if status == 403 and demand.error == "insufficient_scope" and demand.scopes:
            return await self._apart(lambda: self._step_up(sent, demand))
        return False

    async def log_in(self, scopes: tuple[str, ...] = ()) -> Tokens:
        """Log in now, without a refusal to answer.

        Args:
            scopes: Ask for these, too, although there may be a token without them.

        Raises:
            ScopeInsufficient: There is a token with these scopes already, or they were asked for again and again.
            AuthRequired: It did not work.
        """
        work = self._step_up if scopes else self._replace
        await self._apart(lambda: work(None, Demand(scopes=scopes or None)))
        assert self._tokens is not None
        return self._tokens

    async def log_out(self) -> bool:
        """Forget the tokens, in the store too; tell whether the authorization server heard that they are not needed."""
        async with self._lock, self._store.alone(self._key):
            tokens = self._tokens or read_tokens(await self._store.load(self._key), self._plan.server)
            await self._store.save(self._key, None)
            self._tokens, self._loaded = None, True
        if tokens is None:
            return False
        try:
            async with self._open_fetch() as fetch:
                return await carry_out(revoke(self._plan, tokens), World(fetch, self._store))
        except AuthRequired:
            return False

    async def aclose(self) -> None:
        """End what is under way."""
        for task in tuple(self._renewals):
            task.cancel()
        await asyncio.gather(*self._renewals, return_exceptions=True)

    @contextmanager
    def _standing(self) -> Iterator[None]:
        """Let the timers of all who wait stand: what takes time now is the user."""
        with ExitStack() as standing:
            for timers in tuple(self.waiting):
                standing.enter_context(timers.standing())
            yield

    def _note(self, token: str, nonce: str | None) -> None:
        task = asyncio.current_task()
        if task is not None:
            self._sent[task] = (token, nonce)

    def _learned(self, url: str, headers: Mapping[str, str], demand: Demand, sent: str | None) -> bool:
        """Take a nonce for proofs; tell whether the request may succeed with it (RFC 9449, section 9)."""
        proofs: Proofs | None = self._plan.keys.of(self._tokens.dpop) if self._tokens is not None else None
        if proofs is None:
            return False
        proofs.learn(url, headers)
        return demand.error == "use_dpop_nonce" and proofs.nonce(url) not in (None, sent)

    async def _apart(self, work: Callable[[], Coroutine[Any, Any, bool]]) -> bool:
        """Do some work on the tokens alone, in a task of its own: who waits may be cancelled, the work goes on."""
        task = asyncio.create_task(self._alone(work))
        self._renewals.add(task)
        task.add_done_callback(self._ended)
        return await asyncio.shield(task)

    async def _alone(self, work: Callable[[], Coroutine[Any, Any, bool]]) -> bool:
        async with self._lock:
            return await work()

    def _ended(self, task: asyncio.Task[bool]) -> None:
        self._renewals.discard(task)
        if not task.cancelled():
            task.exception()  # nobody may be waiting for it any more

    async def _reload(self) -> bool:
        if not self._loaded and self._grant.lasting:
            self._tokens = read_tokens(await self._store.load(self._key), self._plan.server)
        self._loaded = True
        return True

    async def _adopted(self, refused: str | None) -> bool:
        """Tell whether there is a token that was not refused, here or from another process."""
        if self._grant.lasting:
            self._tokens = read_tokens(await self._store.load(self._key), self._plan.server) or self._tokens
        current = self._tokens
        return (
            current is not None
            and refused is not None
            and current.access_token != refused
            and current.fresh(self._plan.means.clock())
        )

    async def _renew_if_over(self, over: str) -> bool:
        if self._tokens is not None and self._tokens.access_token != over:
            return True
        async with self._store.alone(self._key):
            if await self._adopted(over):
                return True
            if self._tokens is None or not await self._refreshed(self._tokens):
                self._tokens = None  # the request goes out without, and the refusal says what to ask for
        return True

    async def _replace(self, refused: str | None, demand: Demand) -> bool:
        """Get another token than the one that was refused."""
        if refused is not None and self._tokens is not None and self._tokens.access_token != refused:
            return True
        async with self._store.alone(self._key):
            if await self._adopted(refused):
                return True
            current = self._tokens
            self._count("401", None)
            if current is not None and current.refresh_token and self._from_refresh != current.access_token:
                async with self._open_fetch() as fetch:
                    trusted = await carry_out(is_trusted(self._plan, current, demand), World(fetch, self._store))
                if trusted and await self._refreshed(current):
                    return True
            await self._log_in(demand, current)
        return True

    async def _step_up(self, refused: str | None, demand: Demand) -> bool:
        """Get a token with more scopes."""
        wanted = demand.scopes or ()
        async with self._store.alone(self._key):
            if await self._adopted(refused) and set(wanted) <= set((self._tokens and self._tokens.scopes) or ()):
                return True
            if self._tokens is not None and set(wanted) <= set(self._tokens.scopes or ()):
                raise ScopeInsufficient(wanted)
            self._count(f"403 {' '.join(sorted(wanted))}", wanted)
            await self._log_in(demand, self._tokens)
        return True

    def _count(self, want: str, scopes: tuple[str, ...] | None) -> None:
        """Note an attempt, unless there were enough."""
        now = self._plan.means.clock()
        self._attempts = [(at, what) for at, what in self._attempts if 0 <= now - at < WINDOW]
        alike = sum(what == want for _, what in self._attempts)
        if alike >= ATTEMPTS or len(self._attempts) >= ATTEMPTS_IN_ALL:
            if scopes is not None:
                raise ScopeInsufficient(scopes)
            raise AuthRequired(f"Logging in does not help: it was tried {alike} times in the last ten minutes")
        self._attempts.append((now, want))

    async def _refreshed(self, tokens: Tokens) -> bool:
        """Renew by the refresh token; tell whether that worked."""
        if tokens.refresh_token is None:
            return False
        try:
            async with self._open_fetch() as fetch:
                fresh = await carry_out(refresh(self._plan, tokens), World(fetch, self._store))
        except LoginRefused:
            # Somebody who does not share the store's lock may have been first: what it left counts.
            return await self._adopted(tokens.access_token)
        await self._keep(fresh)
        self._from_refresh = fresh.access_token
        return True

    async def _log_in(self, demand: Demand, previous: Tokens | None) -> None:
        try:
            async with self._open_fetch() as fetch:
                world = World(fetch, self._store, prompt=self._prompt, standing=self._standing)
                tokens = await self._grant.log_in(self._plan, world, demand, previous)
        except LoginUnavailable:
            self._attempts.pop()  # nobody said no: an authorization server that is down may be asked again at once
            raise
        await self._keep(tokens)

    async def _keep(self, tokens: Tokens) -> None:
        self._tokens = tokens
        if self._grant.lasting:
            await self._store.save(self._key, write_tokens(tokens))
