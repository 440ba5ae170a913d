"""Lazy room exports (PEP 562): a name is imported from its module when it is first asked for.

Why: `from dovetail import Server` must not pay for what a program never uses. A room lists its public names
once; nothing is loaded until then. A name that was looked up is stored in the room, so the second look is a plain one.
"""

import sys
from collections.abc import Callable, Mapping
from importlib import import_module


def lazy(room: str, exports: Mapping[str, str]) -> tuple[Callable[[str], object], Callable[[], list[str]], list[str]]:
    """Return `__getattr__`, `__dir__` and `__all__` for a room.

    Args:
        room: The room's `__name__`.
        exports: For each module inside the room, its public names, separated by spaces.
    """
    origin = {name: module for module, names in exports.items() for name in names.split()}

    def __getattr__(name: str) -> object:
        module = origin.get(name)
        if module is None:
            raise AttributeError(f"module {room!r} has no attribute {name!r}")
        loaded = import_module(f"{room}.{module}")
        value: object = getattr(loaded, name)
        setattr(sys.modules[room], name, value)
        return value

    names = sorted(origin)
    return __getattr__, lambda: names, names
