"""The method table: every method that we speak, in either direction, with the types of what it carries.

Here stands what a method *is*. Never here: which revision has it (see `revisions`), or what it does. The tasks of
2025-11-25 are not served, hence not here. Importing this module imports all types: who needs one method only imports
its feature.
"""

from typing import Final, Literal

import msgspec

from dovetail.wire.completion import CompleteRequestParams, CompleteResult
from dovetail.wire.elicitation import ElicitRequestParams, ElicitResult
from dovetail.wire.envelope import (
    ClientResult,
    NotificationParams,
    PaginatedRequestParams,
    RequestParams,
    Result,
)
from dovetail.wire.lifecycle import DiscoverResult, InitializeRequestParams, InitializeResult
from dovetail.wire.logging import SetLevelRequestParams
from dovetail.wire.notices import (
    CancelledNotificationParams,
    ElicitationCompleteNotificationParams,
    LoggingMessageNotificationParams,
    ProgressNotificationParams,
    ResourceUpdatedNotificationParams,
    SubscriptionsAcknowledgedNotificationParams,
)
from dovetail.wire.prompts import GetPromptRequestParams, GetPromptResult, ListPromptsResult
from dovetail.wire.resources import (
    ListResourcesResult,
    ListResourceTemplatesResult,
    ReadResourceRequestParams,
    ReadResourceResult,
    SubscribeRequestParams,
    UnsubscribeRequestParams,
)
from dovetail.wire.roots import ListRootsResult
from dovetail.wire.sampling import CreateMessageRequestParams, CreateMessageResult
from dovetail.wire.subscriptions import SubscriptionsListenRequestParams, SubscriptionsListenResult
from dovetail.wire.tools import CallToolRequestParams, CallToolResult, ListToolsResult

Direction = Literal["to_server", "to_client", "both"]


class Method(msgspec.Struct, frozen=True):
    """One method.

    Attributes:
        name: As it stands on the wire.
        params: The Struct of its parameters.
        result: The Struct of its result; None for a notification.
        direction: Who receives it.
        kind: Whether it is answered.
        cacheable: The result says how long it stays true (2026-07-28, Caching).
        may_ask: The result may be an `InputRequiredResult` (2026-07-28, Multi Round-Trip Requests).
        name_field: The parameter that the header `Mcp-Name` repeats (2026-07-28, Streamable HTTP, Standard Headers).
    """

    name: str
    params: type[RequestParams] | type[NotificationParams]
    result: type[Result] | type[ClientResult] | None
    direction: Direction
    kind: Literal["request", "notification"]
    cacheable: bool = False
    may_ask: bool = False
    name_field: str | None = None


def _request(
    name: str,
    params: type[RequestParams],
    result: type[Result] | type[ClientResult],
    direction: Direction = "to_server",
    *,
    cacheable: bool = False,
    asks_by: str | None = None,
) -> Method:
    # The methods that may ask are exactly those whose name is repeated in a header.
    return Method(name, params, result, direction, "request", cacheable, asks_by is not None, asks_by)


def _notification(name: str, params: type[NotificationParams], direction: Direction = "to_client") -> Method:
    return Method(name, params, None, direction, "notification")


_ALL = (
    _request("initialize", InitializeRequestParams, InitializeResult),
    _request("server/discover", RequestParams, DiscoverResult, cacheable=True),
    _request("ping", RequestParams, Result, "both"),
    _request("tools/list", PaginatedRequestParams, ListToolsResult, cacheable=True),
    _request("tools/call", CallToolRequestParams, CallToolResult, asks_by="name"),
    _request("resources/list", PaginatedRequestParams, ListResourcesResult, cacheable=True),
    _request("resources/templates/list", PaginatedRequestParams, ListResourceTemplatesResult, cacheable=True),
    _request("resources/read", ReadResourceRequestParams, ReadResourceResult, cacheable=True, asks_by="uri"),
    _request("resources/subscribe", SubscribeRequestParams, Result),
    _request("resources/unsubscribe", UnsubscribeRequestParams, Result),
    _request("prompts/list", PaginatedRequestParams, ListPromptsResult, cacheable=True),
    _request("prompts/get", GetPromptRequestParams, GetPromptResult, asks_by="name"),
    _request("completion/complete", CompleteRequestParams, CompleteResult),
    _request("logging/setLevel", SetLevelRequestParams, Result),
    _request("subscriptions/listen", SubscriptionsListenRequestParams, SubscriptionsListenResult),
    _request("sampling/createMessage", CreateMessageRequestParams, CreateMessageResult, "to_client"),
    _request("elicitation/create", ElicitRequestParams, ElicitResult, "to_client"),
    _request("roots/list", RequestParams, ListRootsResult, "to_client"),
    _notification("notifications/initialized", NotificationParams, "to_server"),
    _notification("notifications/roots/list_changed", NotificationParams, "to_server"),
    _notification("notifications/cancelled", CancelledNotificationParams, "both"),
    _notification("notifications/progress", ProgressNotificationParams, "both"),
    _notification("notifications/message", LoggingMessageNotificationParams),
    _notification("notifications/tools/list_changed", NotificationParams),
    _notification("notifications/resources/list_changed", NotificationParams),
    _notification("notifications/resources/updated", ResourceUpdatedNotificationParams),
    _notification("notifications/prompts/list_changed", NotificationParams),
    _notification("notifications/elicitation/complete", ElicitationCompleteNotificationParams),
    _notification("notifications/subscriptions/acknowledged", SubscriptionsAcknowledgedNotificationParams),
)

METHODS: Final = {method.name: method for method in _ALL}
"""Every method by its name."""
