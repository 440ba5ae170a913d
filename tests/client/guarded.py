"""A real server behind a real authorization server: whoever has no token, or proves nothing, does not get through."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

from dovetail import Context, Server
from tests.client.authority import Authority, Receive, Resource, Send, asked
from tests.client.serving import serving


class Guarded(Resource):
    """A resource whose endpoints are those of an application; its tokens are for the first of them."""

    def __init__(self, authority: Authority, inner: Any, paths: Sequence[str]) -> None:
        super().__init__(authority)
        self._inner = inner
        self.path, self.paths = paths[0], list(paths)

    async def __call__(self, scope: dict[str, Any], receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._inner(scope, receive, send)
            return
        request = await asked(scope, receive)
        self.asked.append(request)
        answer: list[dict[str, Any]] = []

        async def held(message: dict[str, Any]) -> None:
            answer.append(message)

        await self.answer(request, held)
        if request.path not in self.paths or answer[0]["status"] != 200:
            for message in answer:
                await send(message)
            return
        given = [{"type": "http.request", "body": request.body, "more_body": False}]

        async def again() -> dict[str, Any]:
            return given.pop() if given else await receive()

        await self._inner(scope, again, send)


def shop() -> Server:
    """A server with two tools."""
    app = Server("shop")

    @app.tool
    def add(a: int, b: int) -> int:
        """Add."""
        return a + b

    @app.tool
    async def work(ctx: Context) -> str:
        """Report."""
        await ctx.progress(1, 2, "half")
        return "done"

    return app


@asynccontextmanager
async def guarded(inner: Any, paths: Sequence[str] = ("/mcp",), **switches: Any) -> AsyncIterator[Guarded]:
    """Serve an application that wants tokens; its `url` is without a path."""
    authority = Authority(**switches)
    resource = Guarded(authority, inner, paths)
    async with serving(authority) as one, serving(resource) as two:
        authority.url, resource.url = one.removesuffix("/mcp"), two.removesuffix("/mcp")
        yield resource
