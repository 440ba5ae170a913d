"""How texts are numbered: a text's number says whose it is and what it is, so that no search has to look that up.

An entity's texts have the numbers from `entity << BITS` on: its name, its type, then its observations in their order.
"""

from typing import Final

BITS: Final = 21
"""Of the number within an entity: over two million texts, counting those that were deleted before the last one."""
MASK: Final = (1 << BITS) - 1
NAME: Final = 0
TYPE: Final = 1
FIRST: Final = 2
"""The first observation."""


def number_of(entity: int, place: int) -> int:
    """Return the number of a text."""
    return entity << BITS | place


def observations_of(entity: int) -> tuple[int, int]:
    """Return the first and the last number that observations of an entity can have."""
    return number_of(entity, FIRST), number_of(entity, MASK)
