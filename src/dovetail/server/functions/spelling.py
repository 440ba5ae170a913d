"""Results that were written as JSON with the names that fields have in Python: `is_error` for `isError`.

The decoder takes no notice of a name that it does not know, as the specification wants of what others send. Of what our
own side wrote, a known field under its other name is a mistake: left out, a failure would be told as a success.
"""

from functools import lru_cache
from typing import Any, Final

import msgspec

_MANY: Final = (list, tuple)


def in_python(made: msgspec.Struct, data: bytes) -> str | None:
    """Return the place of a field under its name in Python, and its name in JSON; None if there is none.

    Args:
        made: What the JSON was decoded to.
        data: The JSON.
    """
    waiting: list[tuple[Any, Any, str]] = [(made, msgspec.json.decode(data), "$")]
    while waiting:
        part, plain, path = waiting.pop()
        if isinstance(part, msgspec.Struct) and isinstance(plain, dict):
            for name, wire in _names(type(part)):
                if name != wire and name in plain:
                    return f"{path}.{name}: in JSON it is `{wire}`"
                waiting.append((getattr(part, name), plain.get(wire), f"{path}.{wire}"))
        elif isinstance(part, _MANY) and isinstance(plain, list):
            pairs = enumerate(zip(part, plain, strict=False))
            waiting += [(inner, below, f"{path}[{index}]") for index, (inner, below) in pairs]
    return None


@lru_cache(maxsize=256)
def _names(kind: Any) -> tuple[tuple[str, str], ...]:
    """Return the fields of a Struct: what they are called in Python, and in JSON."""
    return tuple(zip(kind.__struct_fields__, kind.__struct_encode_fields__, strict=True))
