"""Which revision to speak with a server: the client's side of the opening, as a table that says what to try.

state        what came                                            next
-----------  ---------------------------------------------------  ------------------------------------------
PROBE        a `DiscoverResult`                                   SPOKEN, the newest stateless revision of both
PROBE        -32022 that names a stateless revision of ours       PROBE with that one, once
PROBE        -32022 otherwise, -32020, -32021                     an error: a modern server is never asked to be old
PROBE        any other error, an unreadable answer, silence       INITIALIZE
INITIALIZE   an `InitializeResult`                                SPOKEN, the revision that the server chose
INITIALIZE   HTTP 400, 404 or 405                                 EVENT_STREAM, where the carriage has one
EVENT_STREAM                                                      INITIALIZE over that stream, and nothing after it

Invariants: on HTTP at most two `server/discover`, one `initialize` and one GET go out; what answers first
and is valid wins; a recognised modern error never leads to `initialize` (C-16).
"""

from enum import Enum
from typing import Final

import msgspec

from dovetail.errors import (
    CAPABILITY_MISSING,
    HEADER_MISMATCH,
    UNSUPPORTED_REVISION,
    NoCommonRevision,
    PeerError,
    ProtocolViolation,
)
from dovetail.revisions import NEWEST, NEWEST_STATEFUL, OLDEST, Revision, revision_for
from dovetail.wire import (
    SERVER_INFO,
    DiscoverResult,
    Implementation,
    InitializeResult,
    ServerCapabilities,
    UnsupportedVersionData,
)

MODERN_ERRORS: Final = frozenset({UNSUPPORTED_REVISION, CAPABILITY_MISSING, HEADER_MISMATCH})
"""Codes that only a server of the stateless era sends (2026-07-28, Streamable HTTP, Backward Compatibility)."""

OLDER_CARRIAGE: Final = frozenset({400, 404, 405})
"""Statuses of an `initialize` that send a client to the 2024-11-05 transport (2025-03-26, Backwards Compatibility)."""


class Opening(Enum):
    """What to try next."""

    PROBE = "server/discover"
    INITIALIZE = "initialize"
    EVENT_STREAM = "GET"
    SPOKEN = "spoken"


class ServerPeer(msgspec.Struct, frozen=True, kw_only=True):
    """The server, as it described itself. Self-reported: never a ground for a security decision (C-17).

    Attributes:
        revision: The protocol revision that both sides speak.
        capabilities: What the server declared.
        info: Its name and version; None when it kept them to itself.
        instructions: How to use it, for a model.
    """

    revision: Revision
    capabilities: ServerCapabilities
    info: Implementation | None = None
    instructions: str | None = None


class Negotiation:
    """One opening. Ask `step` and `revision` what to send; tell what came; `peer` stands when `step` is SPOKEN."""

    __slots__ = ("_corrected", "_fixed", "_minimum", "peer", "revision", "step")

    def __init__(self, *, minimum: Revision = OLDEST, fixed: Revision | None = None, legacy: bool = False) -> None:
        """Begin.

        Args:
            minimum: What is refused below.
            fixed: The only revision to speak; None for any.
            legacy: The server is remembered as one of the stateful era: it is not probed again.
        """
        self._fixed = fixed
        self._minimum = fixed or minimum
        self._corrected = False
        self.peer: ServerPeer | None = None
        stateful = legacy and fixed is None and not self._minimum.stateless
        self.step = Opening.INITIALIZE if stateful or (fixed and not fixed.stateless) else Opening.PROBE
        self.revision = fixed or (NEWEST_STATEFUL if stateful else NEWEST)

    def __repr__(self) -> str:
        return f"<Negotiation {self.step.value} {self.revision.version}>"

    def discovered(self, result: DiscoverResult) -> None:
        """Note the answer to the probe.

        Raises:
            NoCommonRevision: The server speaks no stateless revision that may be spoken here.
        """
        chosen = self._choose(result.supported_versions)
        if chosen is None:
            raise self._none(result.supported_versions)
        info = None
        if result.meta and SERVER_INFO in result.meta:
            try:
                info = msgspec.convert(result.meta[SERVER_INFO], Implementation)
            except msgspec.ValidationError:
                info = None  # "Clients SHOULD NOT rely on it": who says nothing readable said nothing
        self.revision = chosen
        self.peer = ServerPeer(
            revision=chosen, capabilities=result.capabilities, info=info, instructions=result.instructions
        )
        self.step = Opening.SPOKEN

    def refused(self, error: PeerError) -> None:
        """Note an error that answers the probe.

        Raises:
            NoCommonRevision: A server of the stateless era that speaks none of ours.
            PeerError: Another error of a server of the stateless era; the one that was given.
        """
        if error.code not in MODERN_ERRORS:
            self.silent()
            return
        if error.code != UNSUPPORTED_REVISION:
            raise error
        # "If the body contains a recognized modern JSON-RPC error, the server speaks a modern version of MCP - retry
        # using the advertised `supported` versions" (2026-07-28, Streamable HTTP, Backward Compatibility)
        try:
            supported = msgspec.convert(error.data, UnsupportedVersionData).supported
        except msgspec.ValidationError:
            raise error from None
        chosen = self._choose(supported)
        if chosen is None:
            raise self._none(supported)
        if self._corrected:
            raise NoCommonRevision(tuple(supported), refused=self.revision.version)
        self._corrected = True
        self.revision = chosen

    def silent(self) -> None:
        """Note that the probe brought nothing that a server of the stateless era would say, or nothing in time.

        Raises:
            NoCommonRevision: A stateful revision may not be spoken here.
        """
        # "Anything else identifies a legacy server." (2026-07-28, Versioning, Backward Compatibility)
        if self._minimum.stateless:
            raise NoCommonRevision(())
        self.revision = self._fixed or NEWEST_STATEFUL
        self.step = Opening.INITIALIZE

    def initialized(self, result: InitializeResult) -> None:
        """Note the answer to `initialize`.

        Raises:
            NoCommonRevision: "If the client does not support the version in the server's response, it SHOULD
                disconnect." (2025-11-25, Lifecycle, Version Negotiation)
        """
        revision = revision_for(result.protocol_version)
        if revision is None or revision.stateless or revision.index < self._minimum.index:
            raise NoCommonRevision((result.protocol_version,))
        if self._fixed is not None and revision is not self._fixed:
            raise NoCommonRevision((result.protocol_version,))
        self.revision = revision
        self.peer = ServerPeer(
            revision=revision,
            capabilities=result.capabilities,
            info=result.server_info,
            instructions=result.instructions,
        )
        self.step = Opening.SPOKEN

    def rejected(self, status: int) -> bool:
        """Note the HTTP status that answers `initialize`; tell whether the 2024-11-05 transport is worth a try."""
        # Which carriage it is says nothing of the revision: `initialize` over it shows whether that is high enough.
        if self.step is Opening.INITIALIZE and status in OLDER_CARRIAGE and not self._minimum.stateless:
            self.step = Opening.EVENT_STREAM
            self.revision = self._fixed or NEWEST_STATEFUL
            return True
        return False

    def stream_known(self) -> None:
        """Note that the server is known to speak the 2024-11-05 transport: nothing else is tried.

        Raises:
            NoCommonRevision: A stateful revision may not be spoken here.
        """
        self.silent()
        self.step = Opening.EVENT_STREAM

    def streaming(self) -> None:
        """Note that the 2024-11-05 stream is open: `initialize` goes over it."""
        if self.step is not Opening.EVENT_STREAM:
            raise ProtocolViolation("A stream was opened that nobody had asked for")
        self.step = Opening.INITIALIZE

    def _none(self, supported: list[str]) -> NoCommonRevision:
        """Return what to say of a list that holds nothing to go on with: that it may hold what `initialize` speaks."""
        spoken = [revision for version in supported if (revision := revision_for(version)) is not None]
        older = [each for each in spoken if not each.stateless and each.index >= self._minimum.index]
        newest = max(older, key=lambda revision: revision.index, default=None)
        return NoCommonRevision(tuple(supported), stateful="" if newest is None else newest.version)

    def _choose(self, supported: list[str]) -> Revision | None:
        """Return the newest stateless revision of both sides that may be spoken here."""
        spoken = [revision for version in supported if (revision := revision_for(version)) is not None]
        fit = [
            revision
            for revision in spoken
            if revision.stateless
            and revision.index >= self._minimum.index
            and (self._fixed is None or revision is self._fixed)
        ]
        return max(fit, key=lambda revision: revision.index, default=None)
