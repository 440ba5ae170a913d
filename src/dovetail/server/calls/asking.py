"""Asking the client in the middle of a call: one straight line for the handler, two strategies behind it.

*Push* (stateful revisions): the request goes out on the channel that belongs to the call, and the handler waits.
*Pull* (the stateless revision): the turn ends with `input_required`; on the retry the handler runs again from the top,
and `core.asks` replays the answers given so far, each to its own question.

All questions asked until one loop iteration after the first unanswered one travel together. The clock of the call
stands still while an answer is awaited.
"""

import asyncio
import uuid
from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, Any, TypeVar

import msgspec

from dovetail.errors import CapabilityMissing, DovetailError, InvalidParams, PeerError, RoundsExceeded
from dovetail.revisions import Asks, Revision
from dovetail.server.calls.context import Context, Stop
from dovetail.server.calls.turn import Turn, turn_of
from dovetail.server.functions.elicited import Elicited, Form, form_of
from dovetail.wire import (
    ClientCapabilities,
    CreateMessageRequestParams,
    CreateMessageResult,
    ElicitRequestParams,
    ElicitResult,
    ListRootsResult,
    RequestParams,
    Root,
    SamplingMessage,
    TextContent,
    encode,
    notification_frame,
)

if TYPE_CHECKING:
    from dovetail.server.transports.session import Session

T = TypeVar("T")
Answer = Coroutine[Any, Any, T]

_ELICIT = "elicitation/create"
_SAMPLE = "sampling/createMessage"
_ROOTS = "roots/list"
_decode_elicited = msgspec.json.Decoder(ElicitResult).decode
_decode_sampled = msgspec.json.Decoder(CreateMessageResult).decode
_decode_roots = msgspec.json.Decoder(ListRootsResult).decode


async def elicit(context: Context, site: str, message: str, schema: Any) -> Elicited[Any]:
    """Ask by a form. See `Context.elicit`."""
    form = form_of(schema)
    _require_forms(context.revision, context.call.peer.capabilities, form)
    params = ElicitRequestParams(message=message, requested_schema=form.schema)

    def read(raw: bytes) -> Elicited[Any]:
        return form.read(_decode_elicited(raw))

    return await _ask(context, site, _ELICIT, encode(params, context.revision), read)


async def elicit_url(context: Context, site: str, message: str, url: str) -> Elicited[None]:
    """Ask to visit a URL. See `Context.elicit_url`."""
    revision, declared = context.revision, context.call.peer.capabilities.elicitation
    if not revision.url_elicitation or declared is None or declared.url is None:
        raise CapabilityMissing("The client cannot be asked to open a URL", {"elicitation": {"url": {}}})
    # "elicitationId" exists in 2025-11-25 only; under the stateless revision the client learns the outcome by retrying.
    identifier = uuid.uuid4().hex if revision.elicitation_ids else None
    params = ElicitRequestParams(message=message, mode="url", url=url, elicitation_id=identifier)

    def read(raw: bytes) -> Elicited[None]:
        return Elicited(_decode_elicited(raw).action, None)

    answer = await _ask(context, site, _ELICIT, encode(params, revision), read)
    if identifier is not None and answer.accepted:
        body = msgspec.json.encode({"elicitationId": identifier})
        await context.outlet.send(notification_frame("notifications/elicitation/complete", body))
    return answer


async def sample(
    context: Context, site: str, messages: Any, max_tokens: int, options: dict[str, Any]
) -> CreateMessageResult:
    """Ask the client's model. See `Context.sample`."""
    declared = context.call.peer.capabilities.sampling
    if declared is None:
        raise CapabilityMissing("The client offers no sampling", {"sampling": {}})
    if options.get("tools") and (declared.tools is None or not _says(context.revision, "tools")):
        # "Servers MUST NOT send tool-enabled sampling requests to Clients that have not declared support" (Sampling)
        raise CapabilityMissing("The client offers no sampling with tools", {"sampling": {"tools": {}}})
    params = CreateMessageRequestParams(messages=_messages(messages), max_tokens=max_tokens, **options)
    return await _ask(context, site, _SAMPLE, encode(params, context.revision), _decode_sampled)


async def roots(context: Context, site: str) -> list[Root]:
    """Ask for the client's roots. See `Context.roots`."""
    if context.call.peer.capabilities.roots is None:
        raise CapabilityMissing("The client has no roots", {"roots": {}})
    params = encode(RequestParams(), context.revision)
    return (await _ask(context, site, _ROOTS, params, _decode_roots)).roots


def _says(revision: Revision, field: str) -> bool:
    return field in revision.fields_of("CreateMessageRequestParams")


def _messages(messages: Any) -> list[SamplingMessage]:
    items = messages if isinstance(messages, list) else [messages]
    return [
        SamplingMessage(role="user", content=TextContent(text=item)) if isinstance(item, str) else item
        for item in items
    ]


def _require_forms(revision: Revision, capabilities: ClientCapabilities, form: Form) -> None:
    declared = capabilities.elicitation
    # "An empty capabilities object is equivalent to declaring support for form mode only" (2025-11-25, Elicitation)
    if not revision.elicitation or declared is None or (declared.form is None and declared.url is not None):
        raise CapabilityMissing("The client cannot be asked by a form", {"elicitation": {}})
    if form.multi_select and not revision.multi_select:
        raise CapabilityMissing("The client's revision has no multiple choice", {"elicitation": {"form": {}}})


# The two strategies.


async def _ask(context: Context, site: str, method: str, params: bytes, read: Callable[[bytes], T]) -> T:
    if context.revision.asks is Asks.PULL:
        return await _pull(context, site, method, params, read)
    return await _push(context, method, params, read)


async def _pull(context: Context, site: str, method: str, params: bytes, read: Callable[[bytes], T]) -> T:
    turn = turn_of(context)
    if turn.stop is not None or turn.over:
        # The turn has ended, and its handler goes on asking: it is being cancelled, and stays so.
        raise asyncio.CancelledError("the turn has ended")
    if turn.ledger is None:
        _require_asking_method(turn.context)
        turn.ledger = context.runtime.new_ledger(turn.context)
    ledger = turn.ledger

    def accepts(raw: bytes) -> bool:
        try:
            read(raw)
        except (msgspec.MsgspecError, DovetailError):
            return False
        return True

    first = not ledger.pending
    value = ledger.ask(ledger.name(site), method, params, accepts)
    if value is not None:
        return read(value)
    waiter: asyncio.Future[bytes] = turn.loop.create_future()
    turn.wait_for(waiter)
    if first:
        turn.loop.call_soon(_end_with_questions, turn)
    turn.pause()
    try:
        await waiter
    finally:
        turn.unpause()
    raise AssertionError("a question of a turn is only ever cancelled")


def _require_asking_method(context: Context) -> None:
    # "Servers MUST NOT send InputRequiredResult responses on any other client requests." (Supported Requests, S-14)
    if context.call.method not in ("tools/call", "prompts/get", "resources/read"):
        raise InvalidParams(f"{context.call.method} cannot ask the client")


def _end_with_questions(turn: Turn) -> None:
    if turn.task is not None:
        turn.end(Stop.SUSPENDED, lambda: turn.context.runtime.ask_client(turn))


async def _push(context: Context, method: str, params: bytes, read: Callable[[bytes], T]) -> T:
    session = context.session
    assert session is not None, "a stateful revision has a session"
    turn = turn_of(context)
    if turn.stop is not None or turn.over:
        raise asyncio.CancelledError("the turn has ended")
    _count_round(context, turn)
    waiter: asyncio.Future[bytes] = turn.loop.create_future()
    identifier, frame = session.endpoint.ask(method, params, waiter)
    turn.wait_for(waiter)
    turn.pause()
    try:
        await context.outlet.send(frame)
        raw = await waiter
    except asyncio.CancelledError:
        _withdraw(context, session, identifier)
        raise
    finally:
        turn.unpause()
        turn.forget(waiter)
    try:
        return read(raw)
    except (msgspec.MsgspecError, DovetailError):
        raise PeerError(-32602, f"The client's answer to {method} is not valid") from None


def _count_round(context: Context, turn: Turn) -> None:
    if not turn.waiters:
        turn.rounds += 1
        limit = context.runtime.limits.rounds
        if turn.rounds > limit:
            raise RoundsExceeded(f"The call asked its client in more than {limit} rounds")


def _withdraw(context: Context, session: "Session", identifier: bytes) -> None:
    """Tell the client that a question is void, so that it can take down what it shows its user."""
    session.endpoint.withdraw(identifier)
    frame = notification_frame("notifications/cancelled", b'{"requestId":%b}' % identifier)
    context.runtime.spawn(context.outlet.send(frame))
