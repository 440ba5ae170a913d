"""A login that keeps its tokens, whatever grant they come from.

    headers       puts the token on, renewing it first when its time is over
    challenged    looks at a refusal: a nonce to be used, a token that is over, scopes that are missing

When a token is over is for the server to say. What was told of its end is a reason to renew it before, where that takes
no user; a token that cannot be renewed so, or could not, is in use until the server refuses it.

Invariants
* One renewal at a time, among tasks and processes, by the store's lock. Who comes second finds the new token and uses
  it; rotating refresh tokens are never used twice, nor again once refused (A-32). A renewal goes on when the call that
  wanted it is cancelled, because its user may be in the middle of it.
* One login at a time, by locks of its own: while a user is in the browser others may renew the tokens, or give them
  back. A login that nobody waits for any more when it could begin does not begin.
* Who waits for a renewal shares its outcome, also when it fails; and no request leads to a login after one for the same
  want has failed since it was sent.
* A refusal leads to at most three logins for the same want in ten minutes, and ten in all (A-30; `login_attempts`). To
  renew a token is no login: once for each request whose token is refused.
"""

import asyncio
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractAsyncContextManager, ExitStack, contextmanager
from typing import Any, Protocol
from weakref import WeakKeyDictionary, WeakSet

from dovetail.auth import (
    Demand,
    Plan,
    Proofs,
    SigningKey,
    Tokens,
    TokenStore,
    is_trusted,
    logging_in_key,
    origin,
    read_demand,
    read_tokens,
    refresh,
    revoke,
    tokens_key,
    write_tokens,
)
from dovetail.client.login import refuse_other
from dovetail.client.login_attempts import Attempts
from dovetail.client.login_turns import Turn, Turns, uncut
from dovetail.client.login_wants import REFUSED, Note, Want, replacing, widening
from dovetail.client.login_world import AskClient, Fetch, World, carry_out
from dovetail.client.timer import Timers
from dovetail.errors import AuthRequired, DefinitionError, LoginRefused, LoginUnavailable, ScopeInsufficient

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

    def key_of(self, client_id: str) -> SigningKey | None:
        """Return the private key that a client proves itself with."""
        ...


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
        self._profile = profile
        self._key = tokens_key(plan.server, profile)
        self._origin = origin(plan.server)
        self._tokens: Tokens | None = None
        self._loaded = False
        self._kept: Tokens | None = None  # what the store holds, as far as is known
        self._ahead = False  # newer tokens than it, which could not be written
        self._own = ""  # the access token that was got here last
        self._useless = ""  # one of those, refused at its first use
        self._tried = ""  # an access token that could not be renewed early
        self._spent = ""  # a refresh token that was refused
        self._deserted = False
        self._turns = Turns()
        self._logging_in = asyncio.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._notes: WeakKeyDictionary[asyncio.Task[Any], Note] = WeakKeyDictionary()
        self._attempts = Attempts(plan.means.clock)
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
        self._settle()
        if not self._loaded:
            await self._turns.share("load", lambda _: self._reload())
        tokens = self._tokens
        if tokens is not None and self._is_late(tokens):
            over = tokens.access_token
            await self._turns.share(("over", over), lambda _: self._renew(over))
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
        note = self._notes.get(task) or Note() if task is not None else Note()
        if status == 401:
            if self._learned(url, headers, demand, note.nonce):
                return True
            return await self._get(replacing(demand, note))
        if status == 403 and demand.error == "insufficient_scope" and demand.scopes:
            return await self._get(widening(demand.scopes, demand, note))
        return False

    def answered(self, url: str, headers: Mapping[str, str]) -> None:
        """Learn the next nonce for proofs, which any answer may hold (RFC 9449, 8.2 and 9)."""
        if "dpop-nonce" in headers and self._tokens is not None:
            proofs = self._plan.keys.of(self._tokens.dpop)
            if proofs is not None:
                proofs.learn(url, headers)

    async def log_in(self, scopes: tuple[str, ...] = ()) -> Tokens:
        """Log in now, without a refusal to answer.

        Args:
            scopes: Ask for these, too, although there may be a token without them.

        Raises:
            ScopeInsufficient: There is a token with these scopes already, or they were asked for again and again.
            AuthRequired: It did not work.
        """
        self._settle()
        if not self._loaded:
            await self._turns.share("load", lambda _: self._reload())
        note = Note("" if self._tokens is None else self._tokens.access_token, mark=self._attempts.mark)
        demand = Demand(scopes=scopes or None)
        await self._get(widening(scopes, demand, note) if scopes else replacing(demand, note))
        assert self._tokens is not None
        return self._tokens

    async def log_out(self) -> bool:
        """Forget the tokens, in the store too; tell whether the authorization server heard that they are not needed."""
        self._settle()
        async with self._store.alone(self._key):
            tokens = self._tokens or read_tokens(await self._store.load(self._key), self._plan.server)
            await self._store.save(self._key, None)
            self._tokens, self._loaded = None, True
        if tokens is None:
            return False
        try:
            async with self._open_fetch() as fetch:
                giving_back = revoke(self._plan, tokens, self._grant.key_of(tokens.client_id))
                return await carry_out(giving_back, World(fetch, self._store))
        except AuthRequired:
            return False

    async def aclose(self) -> None:
        """End what is under way; a renewal that has begun ends by itself, or after a few seconds."""
        await self._turns.aclose()

    def _settle(self) -> None:
        """Belong to this event loop, as long as it is open: what waits for a renewal waits in one."""
        loop = asyncio.get_running_loop()
        if loop is self._loop:
            return
        if self._loop is not None and not self._loop.is_closed():
            raise DefinitionError("A login works in one event loop: make one for each, with the same store")
        if self._loop is not None:
            self._turns, self._logging_in = Turns(), asyncio.Lock()
        self._loop = loop

    @contextmanager
    def _standing(self) -> Iterator[None]:
        """Let the timers of all who wait stand: what takes time now is the user."""
        with ExitStack() as standing:
            for timers in tuple(self.waiting):
                standing.enter_context(timers.standing())
            try:
                yield
            except LoginUnavailable:
                self._deserted = True
                raise

    def _note(self, token: str, nonce: str | None) -> None:
        task = asyncio.current_task()
        if task is not None:
            before = self._notes.get(task)
            again = before is not None and before.renewed and before.token != token
            self._notes[task] = Note(token, nonce, self._attempts.mark, again)

    def _learned(self, url: str, headers: Mapping[str, str], demand: Demand, sent: str | None) -> bool:
        """Take a nonce for proofs; tell whether the request may succeed with it (RFC 9449, section 9)."""
        proofs: Proofs | None = self._plan.keys.of(self._tokens.dpop) if self._tokens is not None else None
        if proofs is None:
            return False
        proofs.learn(url, headers)
        return demand.error == "use_dpop_nonce" and proofs.nonce(url) not in (None, sent)

    # What equal wants share.

    async def _get(self, want: Want) -> bool:
        """Get what a refusal wants, unless it is there by now."""
        if want.met(self._tokens):
            return True
        done = await self._turns.share((want.name, want.note.token), lambda turn: self._got(want, turn))
        want.note.renewed = True
        return done

    async def _got(self, want: Want, turn: Turn) -> bool:
        if want.met(self._tokens):
            return True
        self._attempts.recall(want.name, want.note.mark)
        work = self._replace if want.name == REFUSED else self._widen
        try:
            await work(want, turn)
        except AuthRequired as failure:
            self._attempts.failed(want.name, failure)
            raise
        return True

    async def _reload(self) -> bool:
        if self._grant.lasting and (not self._loaded or self._tokens is not None):
            # What is no longer kept was given back by another process: it is not used, and not kept again.
            kept = read_tokens(await self._store.load(self._key), self._plan.server)
            if not self._ahead or kept != self._kept:
                self._tokens, self._kept, self._ahead = kept, kept, False
        self._loaded = True
        return True

    async def _adopted(self, want: Want) -> bool:
        """Tell whether there is what is wanted, here or from another process."""
        await self._reload()
        return self._tokens is not None and want.met(self._tokens) and not self._is_over(self._tokens)

    def _renewable(self, tokens: Tokens) -> bool:
        return tokens.refresh_token not in (None, self._spent)

    def _is_over(self, tokens: Tokens) -> bool:
        now = self._plan.means.clock()
        return not (tokens.fresh(now) if self._renewable(tokens) else tokens.valid(now))

    def _is_late(self, tokens: Tokens) -> bool:
        """Tell whether to renew tokens before they are used: once while they are valid, always after."""
        now = self._plan.means.clock()
        if tokens.fresh(now) or not self._renewable(tokens):
            return False
        return tokens.access_token != self._tried or not tokens.valid(now)

    async def _renew(self, over: str) -> bool:
        """Renew a token whose time is over, or nearly."""
        want = Want("", (), Demand(), Note(over))
        async with self._store.alone(self._key):
            if await self._adopted(want) or self._tokens is None or not self._renewable(self._tokens):
                return True
            try:
                await uncut(self._refreshed(self._tokens, want))
            except AuthRequired:
                if not self._tokens.valid(self._plan.means.clock()):
                    raise
                self._tried = over
        return True

    async def _replace(self, want: Want, turn: Turn) -> None:
        """Get another token than the one that was refused: by its refresh token, unless that was just done."""
        useless = want.note.again and want.note.token == self._own
        async with self._store.alone(self._key):
            if await self._adopted(want):
                return
            current = self._tokens
            if current is not None and self._renewable(current) and not useless:
                async with self._open_fetch() as fetch:
                    trusted = await carry_out(is_trusted(self._plan, current, want.demand), World(fetch, self._store))
                if trusted and await uncut(self._refreshed(current, want)):
                    return
        if useless:
            self._useless = self._own
        elif want.note.token and want.note.token != self._useless:
            self._attempts.forgive(REFUSED, wholly=not self._grant.lasting)
        await self._log_in(want, turn)

    async def _widen(self, want: Want, turn: Turn) -> None:
        """Get a token with more scopes."""
        if await self._adopted(want):
            return
        if self._tokens is not None and set(want.scopes) <= set(self._tokens.scopes or ()):
            raise ScopeInsufficient(want.scopes)
        await self._log_in(want, turn)

    async def _refreshed(self, tokens: Tokens, want: Want) -> bool:
        """Renew by the refresh token; tell whether that worked.

        Not to be cut: once the request has left, the refresh token is used up, and the next one is in the answer.
        """
        flow = refresh(self._plan, tokens, self._grant.key_of(tokens.client_id))
        try:
            async with self._open_fetch() as fetch:
                fresh = await carry_out(flow, World(fetch, self._store))
        except LoginRefused:
            # Somebody who does not share the store's lock may have been first: what it left counts.
            self._spent = tokens.refresh_token or ""
            return await self._adopted(want)
        await self._keep(fresh)
        return True

    async def _log_in(self, want: Want, turn: Turn) -> None:
        async with self._logging_in, self._store.alone(logging_in_key(self._plan.server, self._profile)):
            if not turn.waiting or await self._adopted(want):
                return
            self._attempts.recall(want.name, want.note.mark)
            self._attempts.begin(want.name, want.scopes)
            self._deserted = False
            try:
                async with self._open_fetch() as fetch:
                    world = World(fetch, self._store, prompt=self._prompt, standing=self._standing)
                    tokens = await self._grant.log_in(self._plan, world, want.demand, self._tokens)
            except LoginUnavailable:
                if not self._deserted:  # an authorization server that is down may be asked again at once
                    self._attempts.take_back()
                raise
            await uncut(self._keep_alone(tokens))

    async def _keep_alone(self, tokens: Tokens) -> None:
        async with self._store.alone(self._key):
            await self._keep(tokens)

    async def _keep(self, tokens: Tokens) -> None:
        self._tokens, self._own = tokens, tokens.access_token
        if self._grant.lasting:
            self._ahead = True
            await self._store.save(self._key, write_tokens(tokens))
            self._kept, self._ahead = tokens, False
