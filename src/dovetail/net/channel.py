"""The one interface of every transport that carries a conversation: whole messages in, whole messages out.

A channel knows framing and nothing else: what a message means, and whether it is JSON at all, is asked above.
Implemented by `stdio` (a server's standard streams) and `memory` (a pair inside one process).
"""

from collections.abc import Callable
from typing import Protocol, runtime_checkable

from dovetail.core import Oversize
from dovetail.errors import DovetailError

Returned = Callable[[bytes, DovetailError], bool]
"""Takes back a message that the peer did not take, and why; tells whether the channel is of use all the same."""


class Channel(Protocol):
    """A conversation with one peer. Used from one event loop; one task receives, any may send."""

    async def receive(self) -> bytes | Oversize | None:
        """Return the next message; `Oversize` in place of one over `Limits.line`; None at the end of the stream.

        Returns without a turn of the loop when a message was read already, and sends what is pending before it waits.
        Cancelling it loses no message.
        """
        ...

    def send(self, message: bytes) -> None:
        """Queue one message (JSON, no line ending). Written when the reader next waits, or once per turn of the loop.

        Never waits: whoever produces faster than the peer reads awaits `drain` as well.

        Raises:
            Disconnected: The channel is closed, or the peer no longer reads.
        """
        ...

    async def drain(self) -> None:
        """Return at once, or, while more than about 1 MiB is unsent, when the peer has read most of it.

        Raises:
            Disconnected: The channel is closed, or the peer no longer reads.
        """
        ...

    async def aclose(self) -> None:
        """Send what is pending (for at most `Limits.write_seconds`) and close. Idempotent."""
        ...


@runtime_checkable
class Returning(Protocol):
    """A channel that learns of each message whether it was taken.

    Attributes:
        returned: Gets those that were not; None: one that was not is the end of the channel.
    """

    returned: Returned | None
