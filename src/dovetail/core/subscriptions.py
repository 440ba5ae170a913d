"""Who hears of which change: the filter of `subscriptions/listen`, and its frames (2026-07-28, Subscriptions)."""

from collections.abc import Callable, Collection, Iterable

import msgspec

from dovetail.errors import DefinitionError
from dovetail.wire import Limits, SubscriptionFilter, notification_frame

_encode = msgspec.json.encode


class Notice(msgspec.Struct, frozen=True):
    """A change that clients may hear of.

    Attributes:
        method: The notification, such as `notifications/tools/list_changed`.
        uri: The resource that was updated; empty for list changes.
        visit: The visit to a URL that is over; it concerns the one client that was asked for it.
        below: It is of all resources below that URI as well: a directory was moved, and what lay in it is elsewhere.
    """

    method: str
    uri: str = ""
    visit: str = ""
    below: bool = False

    @property
    def kind(self) -> str:
        """The list that changed: `tools`, `prompts` or `resources`; empty for any other notice."""
        return self.method.split("/")[1] if self.method.endswith("/list_changed") else ""

    @property
    def params(self) -> bytes | None:
        """The parameters that every revision has: the URI of an update, nothing for a list."""
        if self.visit:
            return b'{"elicitationId":%b}' % _encode(self.visit)
        return b'{"uri":%b}' % _encode(self.uri) if self.uri else None

    def each(self, subscribed: Iterable[str]) -> "list[Notice]":
        """Return what a peer is told that is subscribed to some URIs: a notice as it is, or one of each URI below."""
        if not self.below:
            return [self]
        inside = self.uri.rstrip("/") + "/"
        return [Notice(self.method, uri) for uri in sorted(subscribed) if uri == self.uri or uri.startswith(inside)]

    def frame(self) -> bytes:
        """Return the notification for a peer that was not told a subscription id."""
        return notification_frame(self.method, self.params)

    def tagged(self, subscription: bytes) -> bytes:
        """Return the notification for one listen stream.

        "All notifications delivered on the stream carry io.modelcontextprotocol/subscriptionId in _meta [...]. The
        value is the JSON-RPC ID of the subscriptions/listen request."
        """
        meta = b'"_meta":{"io.modelcontextprotocol/subscriptionId":%b}' % subscription
        uri = b',"uri":%b' % _encode(self.uri) if self.uri else b""
        return notification_frame(self.method, b"{%b%b}" % (meta, uri))


TOOLS_CHANGED = Notice("notifications/tools/list_changed")
PROMPTS_CHANGED = Notice("notifications/prompts/list_changed")
RESOURCES_CHANGED = Notice("notifications/resources/list_changed")

LISTS = frozenset({"tools", "prompts", "resources"})
"""What a server has lists of: each `Notice.kind`, and the name of the capability."""


def resource_updated(uri: str, *, below: bool = False) -> Notice:
    """Return the notice that a resource's contents changed, or those of all resources below it as well.

    Raises:
        DefinitionError: The URI is no text, or holds half a character, as names of files that are no UTF-8 do.
    """
    if not isinstance(uri, str):
        raise DefinitionError(f"resource_updated: uri: expected a string, not {type(uri).__name__}")
    if not uri.isascii():
        try:
            uri.encode()
        except UnicodeEncodeError:
            raise DefinitionError(
                "resource_updated: uri: expected whole characters; percent-encode the others"
            ) from None
    return Notice("notifications/resources/updated", uri, below=below)


def url_completed(visit: str) -> Notice:
    """Return the notice that a visit to a URL is over (2025-11-25 only)."""
    return Notice("notifications/elicitation/complete", visit=visit)


def why_not(uri: str, held: Collection[str], limits: Limits) -> str | None:
    """Return why a client that is subscribed to `held` may not be to one more, or None: a URI is kept until it leaves.

    Sizes are of UTF-8, as the URI arrived.
    """
    if uri in held:
        return None
    size = len(uri.encode())
    if size > limits.uri:
        return f"longer than {limits.uri} bytes"
    if len(held) >= limits.subscriptions or size + sum(len(one.encode()) for one in held) > limits.subscription_bytes:
        return "this client has as many subscriptions as it may"
    return None


def _fitting(uris: Iterable[str], limits: Limits) -> list[str]:
    """Return the URIs that one stream may have, from the first on."""
    held: dict[str, None] = {}
    left = limits.subscription_bytes
    for uri in uris:
        if (
            uri not in held
            and len(held) < limits.subscriptions
            and (size := len(uri.encode())) <= min(left, limits.uri)
        ):
            held[uri] = None
            left -= size
    return list(held)


class Filter:
    """What one listen stream was promised."""

    __slots__ = ("_methods", "agreed", "uris")

    def __init__(self, wanted: SubscriptionFilter, sees: Callable[[str], bool], limits: Limits) -> None:
        """Agree to the part of a wish that the server can honour.

        "The server MUST NOT send notification types the client has not explicitly requested." "The notifications field
        in the acknowledgment reflects the subset the server agreed to honor." Any list may change while a server runs,
        one that is empty so far, too.

        Args:
            wanted: The filter of the request.
            sees: Whether the client may read the resource of a URI: of others it hears nothing (S-24).
            limits: How many URIs, and of which size; what exceeds that is not agreed to.
        """
        uris = _fitting(wanted.resource_subscriptions or (), limits)
        self.agreed = SubscriptionFilter(
            tools_list_changed=wanted.tools_list_changed or None,
            prompts_list_changed=wanted.prompts_list_changed or None,
            resources_list_changed=wanted.resources_list_changed or None,
            resource_subscriptions=list(filter(sees, uris)) or None,
        )
        flags = (
            (self.agreed.tools_list_changed, TOOLS_CHANGED),
            (self.agreed.prompts_list_changed, PROMPTS_CHANGED),
            (self.agreed.resources_list_changed, RESOURCES_CHANGED),
        )
        self._methods = frozenset(notice.method for agreed, notice in flags if agreed)
        self.uris = frozenset(self.agreed.resource_subscriptions or ())

    def wants(self, notice: Notice) -> bool:
        """Tell whether a notice belongs on the stream."""
        return notice.uri in self.uris if notice.uri else notice.method in self._methods

    def acknowledgement(self, subscription: bytes) -> bytes:
        """Return the first message of the stream: "notifications/subscriptions/acknowledged as the first message"."""
        meta = b'"_meta":{"io.modelcontextprotocol/subscriptionId":%b}' % subscription
        params = b'{%b,"notifications":%b}' % (meta, _encode(self.agreed))
        return notification_frame("notifications/subscriptions/acknowledged", params)
