"""Multi round-trip requests: a result that asks instead of answering (2026-07-28, Multi Round-Trip Requests).

Questions and answers are kept raw: who only relays them changes nothing, and who answers one treats it exactly like a
request that was pushed: a method and its parameters.
"""

import msgspec

from dovetail.wire.base import Wire
from dovetail.wire.envelope import Result

INPUT_REQUIRED = "input_required"
COMPLETE = "complete"

InputRequests = dict[str, msgspec.Raw]
"""By the server's key, the JSON of an `InputRequest`."""

InputResponses = dict[str, msgspec.Raw]
"""By the server's key, the JSON of an `ElicitResult`, `CreateMessageResult` or `ListRootsResult`."""


class InputRequest(Wire, frozen=True, kw_only=True):
    """One question: `elicitation/create`, `sampling/createMessage` or `roots/list`, and the JSON of its parameters."""

    method: str
    params: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET


class InputRequiredResult(Result, frozen=True, kw_only=True):
    """Ask first: the client answers and sends its request again.

    Attributes:
        input_requests: The questions.
        request_state: To be returned unchanged. At least one of the two is set.
    """

    input_requests: InputRequests | None = None
    request_state: str | None = None
