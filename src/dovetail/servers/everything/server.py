"""The everything server: settings in, a `Server` out."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Final

from dovetail import Cache, Context, Server, __version__
from dovetail.core import Call
from dovetail.servers.everything.asking import add_asking
from dovetail.servers.everything.changes import add_changes
from dovetail.servers.everything.contents import add_contents
from dovetail.servers.everything.prompts import add_prompts
from dovetail.servers.everything.resources import add_resources
from dovetail.servers.everything.settings import Settings
from dovetail.servers.everything.showing import icons
from dovetail.servers.everything.state import State
from dovetail.servers.everything.working import add_working

EXTENSION: Final = "com.example/everything"
_INSTRUCTIONS: Final = (
    "A server to test clients with: each tool, resource and prompt shows one feature of the protocol, and its "
    "description says which. Nothing here reads files, the network or the environment, and all of it is invented. "
    "Begin with whoami; these instructions are a feature, too (spec: Base Protocol, Versioning)."
)


def make(settings: Settings) -> Server:
    """Make the server."""

    @asynccontextmanager
    async def lifespan(server: Server) -> AsyncIterator[State]:
        async with State(settings.beat) as state:
            yield state

    app = Server(
        "everything",
        version=__version__,
        title="Everything",
        description="Each feature of the protocol once, for those who build clients.",
        website_url="https://github.com/dovetail-mcp/dovetail",
        icons=icons(),
        instructions=_INSTRUCTIONS,
        page_size=settings.page_size,
        cache=Cache(seconds=5, scope="public"),
        lifespan=lifespan,
    )
    add_contents(app)
    add_working(app)
    add_asking(app)
    add_changes(app)
    add_resources(app)
    add_prompts(app)
    app.extension(EXTENSION, {"greets": True}, {f"{EXTENSION}/greet": greet})
    return app


async def greet(call: Call, ctx: Context) -> dict[str, Any]:
    """Serve the extension's method (spec: Base Protocol, Versioning, Extensions)."""
    name = call.params.body.get("name")
    return {"greeting": f"Hello, {name[:64]}!" if isinstance(name, str) else "Hello!"}
