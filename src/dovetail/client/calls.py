"""One call from its first byte to its typed end: the timer, the server's questions in rounds, and what is tried again.

Whatever method is called passes here, so that what must hold of every call stands once: it ends in time (C-01), a
round's state is returned byte for byte and on no other call (C-07), and what may have had an effect is not repeated
(C-11).
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import Any, Final, TypeVar

import msgspec
from msgspec.structs import replace

from dovetail.client.answering import Answering
from dovetail.client.breaker import Breaker
from dovetail.client.failures import asked, named
from dovetail.client.link import Link, Outgoing
from dovetail.client.login import Authorizer
from dovetail.client.options import Retry
from dovetail.client.questions import bounded
from dovetail.client.timer import CallTimer, Timers
from dovetail.client.tries import Tries
from dovetail.errors import (
    URL_ELICITATION_REQUIRED,
    Disconnected,
    DovetailError,
    HttpFailure,
    InvalidParams,
    PeerError,
    ProtocolViolation,
    Refusal,
    RoundsExceeded,
    SessionLost,
)
from dovetail.wire import (
    INPUT_REQUIRED,
    METHODS,
    InputRequest,
    InputRequiredResult,
    UrlElicitationRequiredData,
    decode,
    encode,
)

T = TypeVar("T")

_MARK: Final = INPUT_REQUIRED.encode()
_encode = msgspec.json.encode


class _Kind(msgspec.Struct):
    result_type: str | None = msgspec.field(default=None, name="resultType")


_kind = msgspec.json.Decoder(_Kind).decode


class Call(msgspec.Struct, frozen=True, kw_only=True):
    """A request, and how it is to be made.

    Attributes:
        outgoing: What is sent.
        seconds: How long the server may be silent; None for no limit but `most`.
        most: How long it may take in all.
        repeatable: It changes nothing, so that it may be sent again.
        by_hand: Return a round's questions instead of answering them.
        on_asked: Hears that the server asks something before it answers.
    """

    outgoing: Outgoing
    seconds: float | None
    most: float
    repeatable: bool = False
    by_hand: bool = False
    on_asked: Callable[[], None] | None = None

    @property
    def what(self) -> str:
        """What to call it in an error."""
        return asked(self.outgoing.method, self.outgoing.name)


class Caller:
    """Makes the calls of one client."""

    def __init__(
        self,
        link: Callable[[str | None, Authorizer | None], Awaitable[Link]],
        answering: Answering,
        *,
        rounds: int,
        retry: Retry,
        breaker: Breaker,
        timers: Timers,
        visited: Callable[[str], Awaitable[None]],
        visit_seconds: float,
        server: str,
        held: Callable[[], bool] = lambda: True,
    ) -> None:
        """Make calls.

        Args:
            link: Returns the open link of a principal; connects again when it was lost.
            answering: Answers the server's questions.
            rounds: How often one call may ask.
            retry: When a request is sent again.
            breaker: Knows whether the server is there.
            timers: Where the timers of the calls are.
            visited: Returns when a URL's visit is complete, by its elicitation id (2025-11-25).
            visit_seconds: How long that is waited for.
            server: What to call the server in an error.
            held: Tells whether the client is open: nothing is tried again for one that is not.
        """
        self._held = held
        self._parting: asyncio.Future[Any] | None = None
        self._link = link
        self._answering = answering
        self._rounds = rounds
        self._tries = Tries(retry, breaker, held)
        self._visited = visited
        self._visit_seconds = visit_seconds
        self._timers = timers
        self.server = server

    async def call(self, call: Call) -> bytes:
        """Return the JSON of the result: a complete one, or a round's questions if the call is made by hand.

        Raises:
            Timeout: It took too long; the server has been told that nobody waits.
            RoundsExceeded: The server asked too often.
            DovetailError: See `Link.request`.
        """
        try:
            async with CallTimer(call.outgoing.method, call.seconds, call.most) as timer:
                with self._timers.running(timer):
                    return await self._rounds_of(call, timer)
        except DovetailError as error:
            raise named(error, self.server, call.what) from error.__cause__

    @asynccontextmanager
    async def within(self, what: str, most: float) -> AsyncIterator[None]:
        """Bound several calls that are one to whoever waits for them.

        Raises:
            Timeout: They took longer.
        """
        try:
            async with CallTimer(what, None, most) as timer:
                with self._timers.running(timer):
                    yield
        except DovetailError as error:
            raise named(error, self.server, what) from error.__cause__

    async def opened(
        self, principal: str | None, authorizer: Authorizer | None, seconds: float | None, most: float
    ) -> Link:
        """Return an open link, as patiently as a call that changes nothing.

        Raises:
            DovetailError: It cannot be opened; see `Client.connect`.
        """
        async with self.within("opening", most if seconds is None else min(seconds, most)):
            return await self._tries.of(lambda: self._link(principal, authorizer), repeatable=True)

    async def _rounds_of(self, call: Call, timer: CallTimer) -> bytes:
        outgoing = call.outgoing
        outgoing.timer = timer
        if outgoing.on_progress is not None:
            outgoing.on_progress = _touching(outgoing.on_progress, timer)
        for _ in range(self._rounds + 1):
            try:
                raw = await self._send(outgoing, call.repeatable)
            except PeerError as error:
                if error.code != URL_ELICITATION_REQUIRED or call.by_hand:
                    raise
                if call.on_asked is not None:
                    call.on_asked()
                await self._visit(error, timer)
                continue
            asked = self._asked(call, raw)
            if asked is None or call.by_hand:
                return raw
            if call.on_asked is not None:
                call.on_asked()
            answers = await self._answers(asked, outgoing, timer)
            outgoing = replace(outgoing, params=_with_answers(call.outgoing.params, asked, answers))
        raise RoundsExceeded(f"{call.what}: the server asked more than {self._rounds} times")

    def _asked(self, call: Call, raw: bytes) -> InputRequiredResult | None:
        """Return what the server asks instead of answering; None when it answered.

        Raises:
            ProtocolViolation: A kind of result that is neither.
        """
        if b'"resultType"' not in raw:
            return None  # "Clients MUST treat an absent resultType as `complete`" (2026-07-28, Overview, Results)
        kind = _kind(raw).result_type
        if kind is None or kind == "complete":
            return None
        method = METHODS.get(call.outgoing.method)
        if kind != INPUT_REQUIRED or (method is not None and not method.may_ask):
            raise ProtocolViolation(f"{call.what}: the server sent a kind of result that is not known here")
        try:
            asked = decode(raw, InputRequiredResult)
        except InvalidParams as error:
            raise ProtocolViolation(f"{call.what}: the server's questions cannot be read: {error.message}") from None
        if not asked.input_requests and asked.request_state is None:
            raise ProtocolViolation(f"{call.what}: the server asked nothing and gave no state")
        return asked

    async def _answers(
        self, asked: InputRequiredResult, outgoing: Outgoing, timer: CallTimer
    ) -> dict[str, msgspec.Raw]:
        """Answer the questions of one round, all at a time, while the timer stands."""
        questions = bounded(asked.input_requests or {})
        timer.pause()
        try:
            link = await self._link(outgoing.principal, outgoing.authorizer)
            parting = self._until_closed()
            async with asyncio.TaskGroup() as group:
                tasks = {
                    key: group.create_task(self._heard(self._answer(raw, link), parting))
                    for key, raw in questions.items()
                }
        except BaseExceptionGroup as group_error:
            raise _first(group_error) from None
        finally:
            timer.resume()
        return {key: msgspec.Raw(task.result()) for key, task in tasks.items()}

    async def _heard(self, work: Coroutine[Any, Any, T], parting: "asyncio.Future[Any]") -> T:
        """Wait for our own user, for as long as the client is open.

        Raises:
            Disconnected: The client was closed meanwhile.
        """
        task = asyncio.ensure_future(work)
        task.add_done_callback(_retrieved)
        try:
            await asyncio.wait({task, parting}, return_when=asyncio.FIRST_COMPLETED)
        except asyncio.CancelledError:
            task.cancel()
            raise
        if task.done() and not task.cancelled():
            return task.result()
        if not parting.done() or parting.result() is not task:  # who closes it from inside its own handler goes on
            task.cancel()
        raise Disconnected("The client was closed while a question of the server was open")

    def close(self) -> None:
        """Take back the questions that our user has not answered: the client is being closed."""
        parting, self._parting = self._parting, None
        if parting is not None and not parting.done() and not parting.get_loop().is_closed():
            parting.set_result(asyncio.current_task())

    def _until_closed(self) -> "asyncio.Future[Any]":
        """Return what is done when the client is closed, in the loop that it is used in."""
        loop = asyncio.get_running_loop()
        if self._parting is None or self._parting.get_loop() is not loop:
            self._parting = loop.create_future()
        return self._parting

    async def _answer(self, raw: msgspec.Raw, link: Link) -> bytes:
        try:
            question = decode(raw, InputRequest)
        except InvalidParams as error:
            raise ProtocolViolation(f"A question of the server cannot be read: {error.message}") from None
        params = None if question.params is msgspec.UNSET else question.params
        return encode(await self._answering.answer(question.method, params), link.peer.revision)

    async def _visit(self, error: PeerError, timer: CallTimer) -> None:
        """Let the user visit what an error names, and wait until it is done (2025-11-25, Elicitation, URL mode).

        "Servers MAY send a notifications/elicitation/complete": one that does not is asked again after a while.
        """
        try:
            wanted = msgspec.convert(error.data, UrlElicitationRequiredData).elicitations
        except msgspec.ValidationError:
            raise error from None
        if not wanted:  # it names nothing to visit, so that asking again would change nothing
            raise error
        timer.pause()
        parting = self._until_closed()
        try:
            for question in wanted:
                waiting = asyncio.ensure_future(self._visited(question.elicitation_id or ""))
                try:
                    answer = await self._heard(self._answering.elicit(question), parting)
                    if answer.action != "accept":
                        raise error
                    waits: set[asyncio.Future[Any]] = {waiting, parting}
                    await asyncio.wait(waits, timeout=self._visit_seconds, return_when=asyncio.FIRST_COMPLETED)
                    if parting.done():
                        raise Disconnected("The client was closed while its user was visiting a URL")
                except Refusal:
                    raise error from None
                finally:
                    waiting.cancel()
        finally:
            timer.resume()

    async def _send(self, outgoing: Outgoing, repeatable: bool) -> bytes:
        """Send a request; again, where that is safe and worth a try."""

        async def sent() -> bytes:
            link = await self._link(outgoing.principal, outgoing.authorizer)
            try:
                return await link.request(outgoing)
            except (PeerError, HttpFailure) as error:
                if not repeatable or link.lost is None or not self._held():
                    raise
                # The link was let go for it: a server of another era, most likely, which the next one finds out.
                raise SessionLost(str(error)) from error

        return await self._tries.of(sent, repeatable)


def _retrieved(task: "asyncio.Future[Any]") -> None:
    if not task.cancelled():
        task.exception()  # told, or nobody's any more


def _touching(hear: Callable[[Any], None], timer: CallTimer) -> Callable[[Any], None]:
    def heard(progress: Any) -> None:
        timer.touch()
        hear(progress)

    return heard


def _with_answers(params: bytes, asked: InputRequiredResult, answers: dict[str, msgspec.Raw]) -> bytes:
    """Return a request's parameters for the next round.

    "If the InputRequiredResult contains a requestState, the client MUST echo back the exact value [...]. If not, the
    client MUST NOT include it" (2026-07-28, Multi Round-Trip Requests).
    """
    members = []
    if asked.input_requests:
        members.append(b'"inputResponses":' + _encode(answers))
    if asked.request_state is not None:
        members.append(b'"requestState":' + _encode(asked.request_state))
    rest = params[1:]
    return b"{%b%b%b" % (b",".join(members), b"" if rest == b"}" else b",", rest)


def _first(group: BaseExceptionGroup[Any]) -> BaseException:
    """Return the first failure of a group: callers never see a group."""
    failure: BaseException = group
    while isinstance(failure, BaseExceptionGroup):
        failure = failure.exceptions[0]
    return failure
