"""`subscriptions/listen`: one stream for all changes that a client wants to hear of (2026-07-28, Subscriptions)."""

from dovetail.wire.base import Wire
from dovetail.wire.envelope import RequestParams, Result


class SubscriptionFilter(Wire, frozen=True, kw_only=True):
    """Which notifications to send; what is not asked for is never sent.

    Attributes:
        resource_subscriptions: URIs whose updates are wanted.
    """

    tools_list_changed: bool | None = None
    prompts_list_changed: bool | None = None
    resources_list_changed: bool | None = None
    resource_subscriptions: list[str] | None = None


class SubscriptionsListenRequestParams(RequestParams, frozen=True, kw_only=True):
    """Open a stream."""

    notifications: SubscriptionFilter


class SubscriptionsListenResult(Result, frozen=True, kw_only=True):
    """The server ends the stream. `_meta` must hold the subscription id."""
