"""What a refused request wants: another token than the one that it carried, which does more."""

from typing import Final

import msgspec

from dovetail.auth import Demand, Tokens

REFUSED: Final = "401"
"""The name of the want for any other token."""


class Note(msgspec.Struct):
    """What a task's last request went out with.

    Attributes:
        token: "" for none.
        nonce: Of its proof.
        mark: Of the failures before it.
        again: It goes out again, after a renewal.
        renewed: There was a renewal since.
    """

    token: str | None = None
    nonce: str | None = None
    mark: int = 0
    again: bool = False
    renewed: bool = False


class Want(msgspec.Struct, frozen=True):
    """What a refusal is to lead to: another token than the one that was sent (None: unknown), with these scopes."""

    name: str
    scopes: tuple[str, ...]
    demand: Demand
    note: Note

    def met(self, tokens: Tokens | None) -> bool:
        """Tell whether tokens are it."""
        if tokens is None or self.note.token in (None, tokens.access_token):
            return False
        return set(self.scopes) <= set(tokens.scopes or ())


def replacing(demand: Demand, note: Note) -> Want:
    """Return the want for another token."""
    return Want(REFUSED, (), demand, note)


def widening(scopes: tuple[str, ...], demand: Demand, note: Note) -> Want:
    """Return the want for more scopes."""
    return Want(f"403 {' '.join(sorted(scopes))}", scopes, demand, note)
