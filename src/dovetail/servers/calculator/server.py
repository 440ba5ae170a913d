"""The calculator's server: settings in, a `Server` out. What is opened, its lifespan opens."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib.util import find_spec
from typing import Final

from dovetail import Server, __version__
from dovetail.servers.calculator.engine import Engine
from dovetail.servers.calculator.resources import add_resources
from dovetail.servers.calculator.settings import Settings
from dovetail.servers.calculator.tools import add_tools
from dovetail.servers.calculator.workers import Workers

_INSTRUCTIONS: Final = (
    "Computes exactly. Use calculate for any arithmetic, also with units; convert for units alone; solve for "
    "equations; simplify, differentiate, integrate and limit for expressions with variables; matrix; statistics. "
    "Nothing here reads files, the network or the time. Each calculation has limits on size, memory and time, and says "
    "so when it meets one."
)


def make(settings: Settings) -> Server:
    """Make the server.

    Raises:
        ModuleNotFoundError: sympy or pint is not installed.
    """
    for needed in ("sympy", "pint"):
        if find_spec(needed) is None:
            raise ModuleNotFoundError(f"No module named {needed!r}", name=needed)

    @asynccontextmanager
    async def lifespan(server: Server) -> AsyncIterator[Engine]:
        async with Workers(settings.processes, settings.memory, settings.seconds) as workers:
            yield Engine(workers, settings.digits)

    app = Server(
        "calculator",
        version=__version__,
        title="Calculator",
        description="Exact arithmetic, units, equations and calculus, without running anybody's code.",
        instructions=_INSTRUCTIONS,
        lifespan=lifespan,
    )
    add_tools(app)
    add_resources(app)
    return app
