"""The core room: decisions, sans-I/O. No loop, no socket, no clock, no randomness: they are passed in."""

from typing import TYPE_CHECKING

from dovetail._lazy import lazy

if TYPE_CHECKING:
    from dovetail.core.lines import LineSplitter as LineSplitter
    from dovetail.core.lines import Oversize as Oversize
    from dovetail.core.ports import Bus as Bus
    from dovetail.core.ports import Claim as Claim
    from dovetail.core.ports import Events as Events
    from dovetail.core.ports import Fresh as Fresh
    from dovetail.core.ports import Keys as Keys
    from dovetail.core.ports import Ledger as Ledger
    from dovetail.core.ports import Lost as Lost
    from dovetail.core.ports import Running as Running
    from dovetail.core.ports import Sessions as Sessions
    from dovetail.core.ports import Settled as Settled
    from dovetail.core.ports import Stores as Stores

__getattr__, __dir__, __all__ = lazy(
    __name__,
    {
        "lines": "LineSplitter Oversize",
        "ports": "Bus Claim Events Fresh Keys Ledger Lost Running Sessions Settled Stores",
    },
)
