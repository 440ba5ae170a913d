"""How a turn begins that came with a state: a retry, where the client was asked by pulling.

Invariants: a state that is good for one use (`single_use=True`) is burnt when its turn begins to do something (its
handler runs, or middleware asks or has an effect), and not before: a retry that is refused on the way there can come
again. It is burnt once in a turn, whoever begins first, and nothing of a turn goes on whose state was used before.
"""

import asyncio
from typing import TYPE_CHECKING, Final

from dovetail.errors import Disconnected, StateRefused

if TYPE_CHECKING:
    from dovetail.server.calls.context import Context
    from dovetail.server.runtime import Runtime

URL_STATE_SECONDS: Final = 3600.0
"""How long a state is valid at most, where the user visits a URL; and how long it is known that one was used."""


async def begin(context: "Context") -> None:
    """Burn the state that a turn came with, if it is good for one use and the turn has not begun yet.

    Raises:
        StateRefused: It was used before, or nobody can tell.
    """
    turn = context.turn
    if turn is None or not turn.nonce:
        return
    if turn.burning is None:
        turn.burning = context.runtime.effect(_burn(context.runtime, turn.nonce))
    if not await asyncio.shield(turn.burning):
        raise StateRefused("used before, or nobody can tell")
    turn.nonce = ""


async def _burn(runtime: "Runtime", nonce: str) -> bool:
    try:
        return await runtime.stores.ledger.burn(nonce, URL_STATE_SECONDS)
    except Disconnected:
        return False  # S-13: a store that is out of reach fails closed
