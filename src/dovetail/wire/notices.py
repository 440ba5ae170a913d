"""Parameters of all notifications. Those that carry nothing but `_meta` use `NotificationParams`."""

from typing import Any

import msgspec

from dovetail.wire.base import LoggingLevel, ProgressToken
from dovetail.wire.envelope import NotificationParams
from dovetail.wire.subscriptions import SubscriptionFilter


class CancelledNotificationParams(NotificationParams, frozen=True, kw_only=True):
    """A request's result is wanted no more.

    Attributes:
        request_id: Its id, as it is written (optional in 2025-11-25, where it cancels nothing without).
        reason: For a log or a user.
    """

    request_id: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET
    reason: str | None = None


class ProgressNotificationParams(NotificationParams, frozen=True, kw_only=True):
    """How far a request has come.

    Attributes:
        progress_token: From the request's `_meta`.
        progress: Grows with every notification, even if the total is unknown.
        message: For people (2025-03-26 and later).
    """

    progress_token: ProgressToken
    progress: int | float
    total: int | float | None = None
    message: str | None = None


class LoggingMessageNotificationParams(NotificationParams, frozen=True, kw_only=True):
    """A log message; `data` is any JSON."""

    level: LoggingLevel
    data: Any
    logger: str | None = None


class ResourceUpdatedNotificationParams(NotificationParams, frozen=True, kw_only=True):
    """A resource has changed; `uri` may be that of a part of what was subscribed to."""

    uri: str


class ElicitationCompleteNotificationParams(NotificationParams, frozen=True, kw_only=True):
    """What a URL was visited for is done (2025-11-25 only)."""

    elicitation_id: str


class SubscriptionsAcknowledgedNotificationParams(NotificationParams, frozen=True, kw_only=True):
    """The first message of a listen stream: the part of the filter that the server honours (2026-07-28)."""

    notifications: SubscriptionFilter
