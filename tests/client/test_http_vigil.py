"""Streams on which nothing comes: who is not there any more is noticed, and who is there is left alone."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from dovetail import Client
from dovetail.client.http_vigil import Vigil
from dovetail.errors import Disconnected, PeerError
from tests.client.serving import serving
from tests.client.test_client import shop


class Silent:
    """A response of which a chunk comes when a test says so."""

    def __init__(self) -> None:
        self.chunks: asyncio.Queue[bytes] = asyncio.Queue()

    async def chunk(self) -> bytes:
        return await self.chunks.get()


def answers(error: Exception | None, then: Callable[[], None] = lambda: None) -> Any:
    async def ask() -> None:
        then()
        if error is not None:
            raise error

    return ask


@pytest.mark.req("R-09")
@pytest.mark.parametrize("error", [None, PeerError(-32601, "no ping here")])
async def test_a_silent_stream_whose_server_answers_is_held(error: Exception | None) -> None:
    response: Any = Silent()
    asked = 0

    def note() -> None:
        nonlocal asked
        asked += 1
        if asked == 3:
            response.chunks.put_nowait(b"at last")

    assert await Vigil(answers(error, note), 0.001).chunk(response) == b"at last"
    assert asked == 3


@pytest.mark.req("R-09")
async def test_a_silent_stream_whose_server_does_not_answer_is_broken() -> None:
    response: Any = Silent()
    with pytest.raises(Disconnected, match="silent"):
        await Vigil(answers(Disconnected("gone")), 0.001).chunk(response)
    with pytest.raises(Disconnected, match="silent"):
        await Vigil(lambda: asyncio.Event().wait(), 0.001).chunk(response)


@pytest.mark.req("R-09")
@pytest.mark.parametrize("version", ["2025-11-25", "2026-07-28"])
async def test_who_listens_to_a_server_that_fell_silent_is_told_once_it_is_back(version: str) -> None:
    app = shop()
    black_hole = False
    inner = app.asgi()

    async def through(scope: Any, receive: Any, send: Any) -> None:
        async def lost(message: Any) -> None:
            if not black_hole:
                await send(message)

        await inner(scope, receive, lost)

    async with (
        serving(through) as url,
        Client(url, revision=version, opening=1.0) as client,
        client.listen(tools=True) as changes,
        asyncio.timeout(9),
    ):
        link: Any = await client._conversation.connection.link()
        broken = asyncio.Event()
        black_hole = True

        async def sign() -> None:
            broken.set()
            await asyncio.Event().wait()

        link._vigil._seconds, link._vigil._ask = 0.05, sign
        app.remove_tool("add")  # nobody hears of it
        heard = asyncio.create_task(anext(changes))
        await broken.wait()
        black_hole = False
        assert (await heard).kind in ("reopened", "tools")
