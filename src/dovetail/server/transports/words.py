"""What the workers of one server tell each other about its sessions, over the bus.

Invariant: every worker hears all of it in one order, in which change notices have their places, too.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING, Final, Literal

import msgspec

if TYPE_CHECKING:
    from dovetail.server.runtime import Runtime

TOPIC: Final = "sessions"

Kind = Literal["answer", "cancel", "changed", "ended", "stream", "own"]


class Word(msgspec.Struct, frozen=True, array_like=True):
    """What one worker tells the others about a session."""

    worker: str
    session: str
    kind: Kind
    body: bytes = b""


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(Word).decode


class Words:
    """This worker's end of it; mute where there are no others."""

    def __init__(self, runtime: "Runtime", heed: Callable[[Word], None]) -> None:
        """Let `heed` hear what others say, and what is said here of who owns a session's stream."""
        self._worker = runtime.worker
        self._bus = runtime.stores.bus
        self._heed = heed
        self.shared: Final = bool(runtime.worker)
        if self.shared:
            self._bus.subscribe(TOPIC, self._hear)

    def __repr__(self) -> str:
        return f"<Words {'of ' + self._worker if self.shared else 'to nobody'}>"

    async def tell(self, session: str, kind: Kind, body: bytes = b"") -> None:
        """Tell the other workers, if there are any."""
        if self.shared:
            await self._bus.publish(TOPIC, _encode(Word(self._worker, session, kind, body)))

    def _hear(self, message: bytes) -> None:
        word = _decode(message)
        if word.worker != self._worker or word.kind == "own":
            self._heed(word)
