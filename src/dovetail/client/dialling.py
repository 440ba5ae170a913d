"""From a target to an open link: which carriage, and how a new one is made each time."""

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial
from typing import TYPE_CHECKING

from dovetail.client.channel_link import Reason
from dovetail.client.link import Identity, Link, Receiver
from dovetail.client.links import Way
from dovetail.client.opening import ChannelOpening, Plan
from dovetail.client.options import DEFAULT_LIMITS, ClientOptions
from dovetail.client.target import Address, Connectable, Neighbour, Program, Target
from dovetail.client.verdicts import VERDICTS, origin_of
from dovetail.core import Negotiation
from dovetail.errors import Disconnected, DovetailError, HttpFailure, NoCommonRevision, PeerError, ProtocolViolation
from dovetail.net import Channel
from dovetail.revisions import Revision

if TYPE_CHECKING:
    from dovetail.net import ChildChannel


async def dial(
    target: Target,
    options: ClientOptions,
    identity: Identity,
    receiver: Receiver,
    *,
    fixed: Revision | None,
    minimum: Revision,
    way: Way,
) -> Link:
    """Return an open link to a target. See `Client.connect` for what is raised."""
    plan = Plan(identity, receiver, options.get("limits", DEFAULT_LIMITS), options.get("probe", 5.0))
    negotiation = partial(Negotiation, minimum=minimum, fixed=fixed)
    match target:
        case Neighbour(server):
            return await ChannelOpening(plan, negotiation(), lambda: _neighbour(server)).run()
        case Program(argv, _, cwd):

            async def started(negotiation: Negotiation) -> Link:
                return await ChannelOpening(plan, negotiation, lambda: _child(target, plan, options)).run()

            return await _remembered(repr((argv, cwd)), negotiation, options, started)
        case Address(url):
            from dovetail.client.http_opening import open_http

            async def posted(negotiation: Negotiation) -> Link:
                return await open_http(target, plan, negotiation, options, way)

            return await _remembered(origin_of(url), negotiation, options, posted)


async def _remembered(
    server: str,
    negotiation: Callable[..., Negotiation],
    options: ClientOptions,
    opened: Callable[[Negotiation], Awaitable[Link]],
) -> Link:
    """Open a link in the era that the server is remembered to be of, if that still holds."""
    legacy = VERDICTS.legacy(server)
    try:
        link = await opened(negotiation(legacy=legacy))
    except (PeerError, HttpFailure, NoCommonRevision, ProtocolViolation):
        if not legacy:
            raise
        VERDICTS.forget(server)
        link = await opened(negotiation())
    except BaseException:
        if legacy:
            VERDICTS.forget(server)  # it ended, or was silent: the next attempt asks anew
        raise
    if "revision" not in options:
        VERDICTS.note(server, stateless=link.peer.revision.stateless)
    return link


async def _neighbour(server: object) -> tuple[Channel, Reason]:
    channel: Channel = server.connect() if isinstance(server, Connectable) else server  # type: ignore[assignment]
    return channel, _closed


async def _closed() -> DovetailError:
    return Disconnected("The server closed the connection")


async def _child(target: Program, plan: Plan, options: ClientOptions) -> tuple[Channel, Reason]:
    from dovetail.net import spawn

    hear = options.get("on_stderr")
    channel = await spawn(
        target.argv,
        env=target.env,
        cwd=target.cwd,
        limits=plan.limits,
        on_stderr=None if hear is None else lambda line: hear(line.decode("utf-8", "replace")),
    )
    return channel, lambda: _exited(target, channel)


async def _exited(target: Program, channel: "ChildChannel") -> DovetailError:
    """Say why a child's stream ended: how it exited, and the last that it said."""
    try:
        async with asyncio.timeout(1.0):
            end = await channel.exited()
    except TimeoutError:
        return Disconnected(f"{target}: the server closed its output and goes on running")
    how = f"signal {end.signal}" if end.signal is not None else f"exit code {end.code}"
    said = "".join(f"\n  | {line}" for line in end.stderr)
    return Disconnected(f"{target}: the server ended with {how}{said}")
