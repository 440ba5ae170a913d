"""Opening a link: what `core.Negotiation` says to try, done on a channel.

Both questions may be under way at a time: a server that is slow to start is asked to `initialize` after some seconds of
silence, and whichever valid answer comes first decides; the other one is dropped.
"""

import asyncio
from collections.abc import Awaitable, Callable

import msgspec

from dovetail.client.channel_link import ChannelLink, Reason
from dovetail.client.link import Identity, Outgoing, Receiver
from dovetail.core import Negotiation, Opening
from dovetail.errors import Disconnected, DovetailError, InvalidParams, PeerError, ProtocolViolation
from dovetail.net import Channel
from dovetail.wire import DiscoverResult, InitializeRequestParams, InitializeResult, Limits, decode, encode

DISCOVER = Outgoing(method="server/discover")


class Plan(msgspec.Struct, frozen=True):
    """How to open a link, and who stands above it.

    Attributes:
        identity: Who we say we are.
        receiver: Hears and answers the server.
        limits: What its messages may be.
        probe: Seconds of silence after which a server on a channel is asked to `initialize`.
    """

    identity: Identity
    receiver: Receiver
    limits: Limits
    probe: float


def initialize_request(identity: Identity, negotiation: Negotiation) -> Outgoing:
    """Return the first request of a stateful session."""
    params = InitializeRequestParams(
        protocol_version=negotiation.revision.version,
        capabilities=identity.capabilities,
        client_info=identity.info,
    )
    return Outgoing(method="initialize", params=encode(params, negotiation.revision))


def note_discovery(negotiation: Negotiation, raw: bytes) -> None:
    """Tell a negotiation what answered the probe; what no server of the stateless era says counts as silence."""
    try:
        result = decode(raw, DiscoverResult)
    except InvalidParams:
        negotiation.silent()
    else:
        negotiation.discovered(result)


def note_initialize(negotiation: Negotiation, raw: bytes) -> None:
    """Tell a negotiation what answered `initialize`.

    Raises:
        ProtocolViolation: It cannot be read.
    """
    try:
        result = decode(raw, InitializeResult)
    except InvalidParams as error:
        raise ProtocolViolation(f"The answer to initialize cannot be read: {error.message}") from None
    negotiation.initialized(result)


class ChannelOpening:
    """One attempt to open a link over channels that a factory makes."""

    def __init__(
        self,
        plan: Plan,
        negotiation: Negotiation,
        connect: Callable[[], Awaitable[tuple[Channel, Reason]]],
    ) -> None:
        """Prepare; `connect` makes a channel, and what says why it ended."""
        self._plan = plan
        self._negotiation = negotiation
        self._connect = connect
        self._link: ChannelLink | None = None
        self._tasks: set[asyncio.Task[bytes]] = set()

    async def run(self) -> ChannelLink:
        """Return the open link.

        Raises:
            NoCommonRevision: There is no revision to speak.
            Disconnected: The server ended before it said anything.
            PeerError: It refused to `initialize`.
        """
        try:
            link = await self._dial()
            if self._negotiation.step is Opening.PROBE:
                link = await self._probe(link)
            if self._negotiation.step is Opening.INITIALIZE:
                await self._initialize(link, None)
            peer = self._negotiation.peer
            assert peer is not None
            link.speak(peer.revision, self._plan.identity, peer)
            if not peer.revision.stateless:
                await link.notify("notifications/initialized")
        except BaseException:
            if self._link is not None:
                await self._link.aclose()
            raise
        finally:
            for task in self._tasks:
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)
        return link

    async def _dial(self) -> ChannelLink:
        channel, reason = await self._connect()
        self._link = ChannelLink(channel, self._plan.receiver, self._plan.limits, reason)
        self._link.start()
        return self._link

    def _ask(self, link: ChannelLink, outgoing: Outgoing) -> asyncio.Task[bytes]:
        link.speak(self._negotiation.revision, self._plan.identity)
        task = asyncio.create_task(link.request(outgoing))
        self._tasks.add(task)
        return task

    async def _probe(self, link: ChannelLink) -> ChannelLink:
        """Probe until it is clear which era the server is of; return the link, which may be another one."""
        negotiation = self._negotiation
        while negotiation.step is Opening.PROBE:
            probe = self._ask(link, DISCOVER)
            done, _ = await asyncio.wait({probe}, timeout=self._plan.probe)
            if not done:
                negotiation.silent()
                await self._initialize(link, probe)
                return link
            try:
                note_discovery(negotiation, probe.result())
            except PeerError as error:
                negotiation.refused(error)
            except ProtocolViolation:
                negotiation.silent()
            except Disconnected:
                # A server that a first message it does not know makes end: it is started again for the second.
                negotiation.silent()
                await link.aclose()
                link = await self._dial()
        return link

    async def _initialize(self, link: ChannelLink, probe: asyncio.Task[bytes] | None) -> None:
        """Ask to `initialize`; an answer to the probe that comes first counts, too."""
        negotiation = self._negotiation
        waiting = {self._ask(link, initialize_request(self._plan.identity, negotiation))}
        if probe is not None:
            waiting.add(probe)
        failure: DovetailError | None = None
        while waiting:
            done, waiting = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
            for task in sorted(done, key=lambda one: one is not probe):  # both are here: the newer era is spoken
                try:
                    if task is not probe:
                        note_initialize(negotiation, task.result())
                        return
                    negotiation.discovered(decode(task.result(), DiscoverResult))
                    return
                except InvalidParams:
                    continue  # no answer of either era
                except DovetailError as error:
                    failure = error if failure is None or task is not probe else failure
        raise failure if failure is not None else ProtocolViolation("The server answered neither way of opening")
