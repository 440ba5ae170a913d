"""Opening a link over HTTP: what `core.Negotiation` says to try, done with POSTs, and at last with the GET of 2024."""

from typing import Final

from dovetail.client.channel_link import Reason
from dovetail.client.http_credentials import Credentialed, sender
from dovetail.client.http_exchange import Poster
from dovetail.client.http_link import HttpLink
from dovetail.client.link import Link
from dovetail.client.links import Way
from dovetail.client.opening import DISCOVER, ChannelOpening, Plan, initialize_request, note_discovery, note_initialize
from dovetail.client.options import ClientOptions
from dovetail.client.target import Address
from dovetail.core import Negotiation, Opening
from dovetail.errors import Disconnected, DovetailError, HttpFailure, PeerError, ProtocolViolation
from dovetail.net import Channel, HttpClient

_LATER: Final = frozenset({429, 502, 503, 504})


async def open_http(target: Address, plan: Plan, negotiation: Negotiation, options: ClientOptions, way: Way) -> Link:
    """Return an open link to an endpoint. See `Client.connect` for what is raised."""
    assert way.pool is not None
    headers = {**target.headers, **options.get("headers", {})}
    if not target.sse:
        link = HttpLink(Poster(way.pool, target.url, headers, way.authorizer), plan.receiver, plan.limits)
        try:
            if await _open(link, plan, negotiation):
                return link
        except BaseException:
            await link.aclose()
            raise
        await link.aclose()
    else:
        negotiation.stream_known()
    return await _open_sse(target, headers, sender(way.pool, way.authorizer), plan, negotiation)


async def _open(link: HttpLink, plan: Plan, negotiation: Negotiation) -> bool:
    """Probe and initialize; tell whether the link is open, or whether the older transport is to be tried."""
    while negotiation.step is Opening.PROBE:
        link.speak(negotiation.revision, plan.identity)
        try:
            note_discovery(negotiation, await link.request(DISCOVER))
        except PeerError as error:
            negotiation.refused(error)
        except ProtocolViolation:
            negotiation.silent()
        except HttpFailure as error:
            if error.status in _LATER or 300 <= error.status < 400:
                raise
            negotiation.silent()
    if negotiation.step is Opening.INITIALIZE:
        link.speak(negotiation.revision, plan.identity)
        try:
            note_initialize(negotiation, await link.request(initialize_request(plan.identity, negotiation)))
        except HttpFailure as error:
            if negotiation.rejected(error.status):
                return False
            raise
    peer = negotiation.peer
    assert peer is not None
    link.speak(peer.revision, plan.identity, peer)
    if not peer.revision.stateless:
        await link.notify("notifications/initialized")
    await link.listen()
    return True


async def _open_sse(
    target: Address, headers: dict[str, str], http: HttpClient | Credentialed, plan: Plan, negotiation: Negotiation
) -> Link:
    """Open the 2024-11-05 transport (2024-11-05, Transports, HTTP with SSE)."""
    from dovetail.net import open_sse

    async def connect() -> tuple[Channel, Reason]:
        channel = await open_sse(http, target.url, headers, plan.limits)
        negotiation.streaming()

        async def ended() -> DovetailError:
            return Disconnected(str(channel.failure or "The server closed the stream"))

        return channel, ended

    return await ChannelOpening(plan, negotiation, connect).run()
