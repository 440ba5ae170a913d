"""Multiples of a float: decided on the numbers as they are spelt, as whoever reads the schema decides it.

The decoder divides the binary numbers behind the spellings: to it, 19.99 is no multiple of 0.01, and hardly any amount
is. Integers are its own affair, and so are decimals `decimals`'.

Invariant: no float whose multiples the decoder would refuse is left to it; where nothing can stand in for one, in the
fields of a Struct, its type is refused.
"""

from collections.abc import Sequence
from decimal import Decimal
from typing import Annotated, Any

import msgspec

from dovetail.errors import DefinitionError
from dovetail.server.functions.constraints import Constraints, is_multiple
from dovetail.server.functions.inspected import inside
from dovetail.server.functions.standins import Passing, StandIn, stand_in


def stepping(read: Any, found: Constraints) -> type[StandIn]:
    """Return a float that is a multiple of something, within the other bounds that were found beside it."""
    given = found.limits["multiple_of"]
    step = float(given)
    msgspec.Meta(multiple_of=step)  # refuses what is no step
    bound = Decimal(repr(step))
    others = {name: value for name, value in found.limits.items() if name != "multiple_of"}
    meta = msgspec.Meta(**others, extra_json_schema={"multipleOf": given if isinstance(given, int) else step})

    def fits(value: float) -> bool:
        return is_multiple(Decimal(repr(value)), bound)

    return stand_in("Multiple", Passing(Annotated[read, meta], [fits], described=True))


def require_decidable(types: Sequence[Any]) -> None:
    """Refuse multiples that are left to the decoder and that it cannot decide.

    Raises:
        DefinitionError: There are some.
    """
    from msgspec import inspect

    for item in inside(types):
        if isinstance(item, inspect.FloatType) and item.multiple_of is not None and not _is_exact(item.multiple_of):
            raise DefinitionError(
                f"multiple_of={item.multiple_of} in a Struct or NamedTuple is decided in binary, where hardly any"
                " number is a multiple of it; use a dataclass or TypedDict, or a Decimal, instead"
            )


def _is_exact(step: float) -> bool:
    """Tell whether a number is in binary what it is as it is spelt: then its multiples are, too."""
    return Decimal(repr(step)) == Decimal(step)
