"""One worker process: `python -m dovetail.net.worker JSON`. Started by `workers.Supervisor` and by nobody else.

It serves on sockets that it inherited, tells its supervisor when it is ready, and drains when its supervisor is gone,
however that went: the supervisor's end of a pipe closes with it, so no worker is left behind.
"""

import asyncio
import contextlib
import importlib
import importlib.util
import os
import socket
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec

from dovetail.errors import DefinitionError, DovetailError
from dovetail.net.binding import check_reach
from dovetail.net.draining import DrainingServer
from dovetail.net.ending import run_to_end
from dovetail.net.serving import loop_factory, max_connections
from dovetail.net.uvicorn_protocol import HttpSite
from dovetail.wire import Limits

READY = b"R"
REFUSED = b"F"
"""Followed by why: what goes wrong is said once, by the supervisor."""
_WORDS = 4000
FAILED = 3
"""Exit status of a worker that could not start, and would not if it were started again."""


class Orders(msgspec.Struct, frozen=True, kw_only=True):
    """What a worker is told: descriptors, and the settings that are plain data."""

    target: str
    sockets: list[int]
    ready: int
    """Written to, once: when requests are taken, or when they never will be."""
    life: int
    """Reads as ended when the supervisor is gone."""
    limits: Limits
    loop: str
    drain_seconds: float
    allowed: bool


def load(target: str) -> Any:
    """Return the application that `module:function` or `path/to/file.py:function` makes.

    Raises:
        DefinitionError: There is no such module, file or function.
    """
    place, colon, name = target.rpartition(":")
    if not colon or not name.isidentifier():
        raise DefinitionError(f"{target!r}: expected module:function or file.py:function")
    module = _file(Path(place)) if place.endswith(".py") or os.sep in place else _module(place)
    make = getattr(module, name, None)
    if not callable(make):
        raise DefinitionError(f"{place} has no function {name!r}")
    return make()


def _module(name: str) -> Any:
    if "" not in sys.path and os.getcwd() not in sys.path:
        sys.path.insert(0, os.getcwd())
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name is not None and (name == error.name or name.startswith(error.name + ".")):
            raise DefinitionError(f"There is no module {name}") from None
        raise


def _file(path: Path) -> Any:
    spec = importlib.util.spec_from_file_location(path.stem, path)
    if not path.is_file() or spec is None or spec.loader is None:
        raise DefinitionError(f"There is no Python file {path}")
    sys.path.insert(0, str(path.resolve().parent))
    module = importlib.util.module_from_spec(spec)
    sys.modules[path.stem] = module
    spec.loader.exec_module(module)
    return module


def main(orders: Orders) -> int:
    """Serve until told to stop; return the exit status."""
    sockets = [socket.socket(fileno=descriptor) for descriptor in orders.sockets]
    word = _Word(orders.ready)
    try:
        app = load(orders.target)
        authenticated = bool(getattr(app, "authenticated", False))
        check_reach(sockets, authenticated=authenticated, allowed=orders.allowed)
        _serve(app, sockets, orders, lambda: word.give(READY))
    except DovetailError as error:
        word.give(REFUSED + str(error).encode()[:_WORDS])
        return FAILED
    return 0


def _serve(app: Any, sockets: list[socket.socket], orders: Orders, on_started: Callable[[], None]) -> None:
    site = HttpSite(orders.limits, max_connections=max_connections())

    async def serve() -> None:
        server = DrainingServer(app, site, drain_seconds=orders.drain_seconds, on_started=on_started)
        asyncio.get_running_loop().add_reader(orders.life, _orphaned, orders.life, server.stop)
        await server.serve(sockets)

    run_to_end(serve(), loop_factory(orders.loop))


class _Word:
    """The one word that a supervisor waits for."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor: int | None = descriptor

    def give(self, word: bytes) -> None:
        descriptor, self._descriptor = self._descriptor, None
        if descriptor is not None:
            with contextlib.suppress(BrokenPipeError):
                os.write(descriptor, word)
            os.close(descriptor)


def _orphaned(life: int, stop: Callable[[], None]) -> None:
    asyncio.get_running_loop().remove_reader(life)
    stop()


if __name__ == "__main__":
    with contextlib.suppress(KeyboardInterrupt):
        sys.exit(main(msgspec.json.decode(sys.argv[1], type=Orders)))
