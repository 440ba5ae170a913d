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
from functools import partial, wraps
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

from dovetail.errors import CapabilityMissing, DefinitionError, DovetailError, InvalidParams, RoundsExceeded, quote
from dovetail.revisions import Asks, Revision
from dovetail.server.calls.beginning import begin
from dovetail.server.calls.context import Context, Stop
from dovetail.server.calls.once import EFFECT
from dovetail.server.calls.turn import Turn, turn_of
from dovetail.server.functions.elicited import Elicited, Form, form_of
from dovetail.server.functions.visits import Visit, check_url
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
    as_json,
    decode,
    encode,
    notification_frame,
)

if TYPE_CHECKING:
    from dovetail.server.transports.session import Session

P = ParamSpec("P")
T = TypeVar("T")

_ELICIT = "elicitation/create"
_SAMPLE = "sampling/createMessage"
_ROOTS = "roots/list"


def _considerate(ask: Callable[P, Coroutine[Any, Any, T]]) -> Callable[P, Coroutine[Any, Any, T]]:
    """Ask outside of effects only, and let others run before a question fails: a handler may catch that, whatever it
    is, and ask again without end.
    """

    @wraps(ask)
    async def asked(*args: P.args, **kwargs: P.kwargs) -> T:
        try:
            _refuse_inside_effect()
            return await ask(*args, **kwargs)
        except (Exception, asyncio.CancelledError):
            await asyncio.sleep(0)
            raise

    return asked


def _refuse_inside_effect() -> None:
    effect = EFFECT.get()
    if effect is not None:
        raise DefinitionError(
            f"once({quote(effect, 64)}): its effect asks the client; ask before, and pass it the answer"
        )


def _checked(kind: type[T], **fields: Any) -> T:
    """Make a question's parameters of what a handler passed, of which nothing is sent unseen.

    Raises:
        DefinitionError: There is no such field, or it takes another value.
    """
    try:
        return decode(as_json(kind(**fields)), kind)
    except (InvalidParams, TypeError, ValueError) as unfit:
        raise DefinitionError(f"The question cannot be asked: {unfit}") from None


@_considerate
async def elicit(context: Context, site: str, message: str, schema: Any) -> Elicited[Any]:
    """Ask by a form. See `Context.elicit`."""
    form = form_of(schema)
    _require_forms(context.revision, context.call.peer.capabilities, form)
    params = _checked(ElicitRequestParams, message=message, requested_schema=form.schema)

    def read(raw: bytes) -> Elicited[Any]:
        return form.read(decode(raw, ElicitResult))

    return await _ask(context, site, _ELICIT, encode(params, context.revision), read)


@_considerate
async def elicit_url(context: Context, site: str, message: str, url: str, identifier: str | None) -> Visit:
    """Ask to visit a URL. See `Context.elicit_url`."""
    revision, session = context.revision, context.session
    if not revision.url_elicitation or not context.call.peer.opens_urls:
        raise CapabilityMissing("The client cannot be asked to open a URL", {"elicitation": {"url": {}}})
    # "elicitationId" exists in 2025-11-25 only; under the stateless revision the client learns the outcome by retrying.
    visit = (identifier or uuid.uuid4().hex) if revision.elicitation_ids else None
    params = _checked(ElicitRequestParams, message=message, mode="url", url=check_url(url), elicitation_id=visit)

    def read(raw: bytes) -> Visit:
        return Visit(decode(raw, ElicitResult).action, visit or identifier or "")

    if visit is not None and session is not None:
        await session.expect(visit)  # before it is asked: who is quick is done before the answer is here
    return await _ask(context, site, _ELICIT, encode(params, revision), read)


@_considerate
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
    if (
        options.get("include_context", "none") != "none"
        and declared.context is None
        and _knows_context(context.revision)
    ):
        # "SHOULD NOT use them unless the client declares `sampling.context` capability" (2025-11-25, Sampling)
        raise CapabilityMissing("The client gives a model no context of servers", {"sampling": {"context": {}}})
    params = _checked(CreateMessageRequestParams, messages=_messages(messages), max_tokens=max_tokens, **options)
    read = partial(_read_sample, revision=context.revision, tools=bool(options.get("tools")))
    return await _ask(context, site, _SAMPLE, encode(params, context.revision), read)


def _read_sample(raw: bytes, *, revision: Revision, tools: bool) -> CreateMessageResult:
    """Read what the model said, as far as the revision can say it and as it was asked to."""
    said = decode(raw, CreateMessageResult)
    kinds = revision.unions["SamplingMessageContentBlock"]
    if isinstance(said.content, list) and "tool_use" not in kinds:
        raise InvalidParams("content: expected one block of content")
    for block in said.content if isinstance(said.content, list) else [said.content]:
        kind = block.__struct_config__.tag
        if kind not in kinds or (kind == "tool_use" and not tools):
            raise InvalidParams(f"content: a block of the kind {kind} was not asked for")
    return said


@_considerate
async def roots(context: Context, site: str) -> list[Root]:
    """Ask for the client's roots. See `Context.roots`."""
    if context.call.peer.capabilities.roots is None:
        raise CapabilityMissing("The client has no roots", {"roots": {}})
    params = encode(RequestParams(), context.revision)
    return await _ask(context, site, _ROOTS, params, _read_roots)


def _read_roots(raw: bytes) -> list[Root]:
    given = decode(raw, ListRootsResult).roots
    for number, root in enumerate(given):
        if not root.uri.startswith("file://"):
            # "This MUST be a file:// URI in the current specification." (Roots, Data Types)
            raise InvalidParams(f"roots[{number}].uri: expected a file:// URI")
    return given


def _knows_context(revision: Revision) -> bool:
    return "context" in revision.fields_of("ClientCapabilities.sampling")


def _says(revision: Revision, field: str) -> bool:
    return field in revision.fields_of("CreateMessageRequestParams")


def _messages(messages: Any) -> list[SamplingMessage]:
    items = messages if isinstance(messages, list | tuple) else [messages]
    return [
        SamplingMessage(role="user", content=TextContent(text=item)) if isinstance(item, str) else item
        for item in items
    ]


def _require_forms(revision: Revision, capabilities: ClientCapabilities, form: Form) -> None:
    declared = capabilities.elicitation
    # "An empty capabilities object is equivalent to declaring support for form mode only" (2025-11-25, Elicitation)
    if not revision.elicitation or declared is None or (declared.form is None and declared.url is not None):
        lacks: dict[str, Any] = {"form": {}} if declared is not None else {}
        raise CapabilityMissing("The client cannot be asked by a form", {"elicitation": lacks})
    if form.multi_select and not revision.multi_select:
        raise CapabilityMissing("The client's revision has no multiple choice", {"elicitation": {"form": {}}})


# The two strategies.


async def _ask(context: Context, site: str, method: str, params: bytes, read: Callable[[bytes], T]) -> T:
    if context.revision.asks is Asks.PULL:
        return await _pull(context, site, method, params, read)
    return await _push(context, method, params, read)


async def _pull(context: Context, site: str, method: str, params: bytes, read: Callable[[bytes], T]) -> T:
    turn = turn_of(context)
    if turn.nonce:
        await begin(context)
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
        except DovetailError:
            return False
        return True

    first = not ledger.pending
    value = ledger.ask(ledger.name(site), method, params, accepts)
    if value is not None:
        return read(value)
    waiter: asyncio.Future[bytes] = turn.loop.create_future()
    turn.wait_for(waiter)
    if first:
        # At the end of the next iteration, whose other callbacks may ask, too, whether they stand before this or after.
        turn.loop.call_soon(turn.loop.call_soon, _end_with_questions, turn)
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
    if turn.task is not None and turn.ledger is not None:
        turn.ledger.placed = turn.context.slot is not None
        turn.end(Stop.SUSPENDED, lambda: turn.context.runtime.ask_client(turn))


async def _push(context: Context, method: str, params: bytes, read: Callable[[bytes], T]) -> T:
    problem = ""
    while True:
        raw = await _put(context, method, params, problem)
        try:
            return read(raw)
        except DovetailError as error:
            # "Some answers missing, or invalid: the missing ones are asked again" (asking), as where they are pulled.
            problem = f"; its last answer to {method} did not fit: {error}"


async def _put(context: Context, method: str, params: bytes, problem: str) -> bytes:
    """Put a question, and return the answer. `problem` says why it is put again."""
    session = context.session
    assert session is not None, "a stateful revision has a session"
    turn = turn_of(context)
    if turn.stop is not None or turn.over:
        raise asyncio.CancelledError("the turn has ended")
    _count_round(context, turn, problem)
    waiter: asyncio.Future[bytes] = turn.loop.create_future()
    identifier, frame = session.endpoint.ask(method, params, waiter)
    turn.wait_for(waiter)
    turn.pause()
    try:
        await context.outlet.send(frame)
        return await waiter
    except asyncio.CancelledError:
        _withdraw(context, session, identifier)
        raise
    finally:
        turn.unpause()
        turn.forget(waiter)


def _count_round(context: Context, turn: Turn, problem: str) -> None:
    if not turn.waiters or problem:
        turn.rounds += 1
        limit = context.runtime.limits.rounds
        if turn.rounds > limit:
            raise RoundsExceeded(f"The call asked its client in more than {limit} rounds{problem}")


def _withdraw(context: Context, session: "Session", identifier: bytes) -> None:
    """Tell the client that a question is void, so that it can take down what it shows its user."""
    session.endpoint.withdraw(identifier)
    frame = notification_frame("notifications/cancelled", b'{"requestId":%b}' % identifier)
    context.runtime.spawn(context.outlet.send(frame))
