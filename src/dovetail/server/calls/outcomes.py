"""From exceptions to outcomes: the one place where a failure becomes something that a peer is told.

What a tool says on purpose (`ToolError`) and what a model can mend (arguments, a timeout, a question declined) becomes
a result with `isError`, so that the model reads it. What the caller did wrong becomes a JSON-RPC error. Everything else
is our
fault: it is masked, and logged under the id that the peer is shown (S-25, W-12).
"""

import logging
import uuid

from dovetail.core import Call
from dovetail.errors import (
    AnswerDeclined,
    CapabilityMissing,
    DefinitionError,
    Disconnected,
    DovetailError,
    InternalError,
    InvalidArguments,
    InvalidParams,
    OnceUnknown,
    QuestionRefused,
    Refusal,
    ResourceNotFound,
    RoundsExceeded,
    Timeout,
    ToolError,
    UrlElicitationRequired,
)
from dovetail.wire import CallToolResult, TextContent, error_frame

log = logging.getLogger("dovetail.server")

_TOLD = (ToolError, Timeout, RoundsExceeded, AnswerDeclined, OnceUnknown, QuestionRefused, Disconnected)
"""What is told in its own words: none of these carries a secret or an argument value."""


def timed_out(seconds: float) -> Timeout:
    """Return the failure of a call that ran out of time."""
    return Timeout(f"The call did not finish within {seconds:g} seconds")


def error_result(text: str) -> CallToolResult:
    """Return a tool result that says what went wrong, for the model to read."""
    return CallToolResult(content=[TextContent(text=text)], is_error=True)


def masked(failure: BaseException, call: Call | None) -> InternalError:
    """Log a failure of ours under a fresh id and return what the peer is told of it; None for what is no call yet."""
    reference = uuid.uuid4().hex[:12]
    failure.__dict__["dovetail_reference"] = reference  # see context.Failed
    log.error(
        "%s failed [%s]: %s",
        "A request" if call is None else f"Call of {call.method}",
        reference,
        type(failure).__name__,
        exc_info=(type(failure), failure, failure.__traceback__),
    )
    return InternalError(f"Internal error; see the server's log for {reference}", data={"reference": reference})


def refusal_of(failure: BaseException) -> Refusal:
    """Return a failure as a JSON-RPC error in its own words; callers mask what has none."""
    if isinstance(failure, Refusal):
        return failure
    return InternalError(str(failure) if isinstance(failure, DovetailError) else "Internal error")


def unwrapped(failure: BaseException) -> BaseException:
    """Return what tasks in a group failed with, if all of it is one kind of ours: else the failure as it is.

    So that asking in a `TaskGroup` fails as asking without one does.
    """
    waiting, found = [failure], list[BaseException]()
    while waiting:
        other = waiting.pop()
        if isinstance(other, BaseExceptionGroup):
            waiting += reversed(other.exceptions)
        else:
            found.append(other)
    alike = len({type(other) for other in found}) == 1 and isinstance(found[0], DovetailError)
    return found[0] if alike else failure


def outcome_of(failure: BaseException, call: Call) -> CallToolResult | Refusal:
    """Return what a call's failure becomes: a result that the model reads, or an error."""
    if call.method == "tools/call":
        return _tool_outcome(failure, call)
    return _outcome(failure, call)


def sayable(failure: BaseException, call: Call) -> CallToolResult | Refusal:
    """Return what a call's failure becomes, as `outcome_of`; masked, if it is an error that cannot be said (S-25).

    The errors of handlers are the author's own: their `data` may hold what JSON has no words for, and their text may be
    none, or fail while it is made.
    """
    try:
        outcome = outcome_of(failure, call)
        if isinstance(outcome, Refusal):
            error_frame(b"0", outcome)
        return outcome
    except Exception as unsayable:
        if unsayable is not failure:
            unsayable.__context__ = failure
        return masked(unsayable, call)


def _tool_outcome(failure: BaseException, call: Call) -> CallToolResult | Refusal:
    revision = call.peer.revision
    if isinstance(failure, _TOLD):
        return error_result(str(failure))
    if isinstance(failure, InvalidArguments):
        # "Tool Execution Errors [...] Input validation errors" (2025-11-25, Tools, Error Handling, after SEP-1303): the
        # model can mend them, so they are results. Earlier revisions name invalid arguments a protocol error.
        return error_result(f"Invalid arguments: {failure.message}") if revision.argument_results else failure
    if isinstance(failure, CapabilityMissing) and not revision.stateless:
        return error_result(failure.message)
    refusal = _outcome(failure, call)
    if isinstance(refusal, InternalError) and not isinstance(failure, Refusal):
        return error_result(refusal.message)
    return refusal


def _url_required(failure: UrlElicitationRequired, call: Call) -> Refusal:
    # "Servers MUST NOT send elicitation requests with modes that are not supported by the client." (2025-11-25,
    # Elicitation, Capabilities)
    if call.peer.revision.url_elicitation_required is None or not call.peer.opens_urls:
        return InvalidParams(failure.message)
    from dovetail.server.functions.visits import check_url

    try:
        check_url(failure.url)
    except DefinitionError as unfit:
        return masked(unfit, call)
    return failure


def _outcome(failure: BaseException, call: Call) -> Refusal:
    revision = call.peer.revision
    match failure:
        case ResourceNotFound():
            failure.code = revision.resource_missing
            return failure
        case CapabilityMissing() if not revision.stateless:
            # -32021 exists on the stateless revision only (W-10).
            return InvalidParams(failure.message, data=failure.data)
        case UrlElicitationRequired():
            return _url_required(failure, call)
        case Refusal():
            return failure
        case _ if isinstance(failure, _TOLD):
            return InternalError(str(failure))
        case _:
            return masked(failure, call)
