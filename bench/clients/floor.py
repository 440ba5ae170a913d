"""The floors: a bare aiohttp post of the same bytes, and a bare asyncio program on the pipes of a child."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from bench import calls
from timing import Add, main

_TEMPLATE = calls.template(calls.call(calls.MODERN))


@asynccontextmanager
async def opened(target: Any) -> AsyncIterator[Add]:
    async with posts(target) if isinstance(target, str) else pipes(target) as exchange:

        async def add(a: int, b: int) -> Any:
            answer = json.loads(await exchange(_TEMPLATE % (calls.FIRST + a, a)))
            return answer["result"]["structuredContent"] if answer["id"] == calls.FIRST + a else None

        yield add


@asynccontextmanager
async def posts(url: str) -> AsyncIterator[Any]:
    import aiohttp

    fields = calls.headers(calls.MODERN, calls.call(calls.MODERN))
    async with aiohttp.ClientSession() as session:

        async def exchange(body: bytes) -> bytes:
            async with session.post(url, data=body, headers=fields) as response:
                return await response.read()

        yield exchange


@asynccontextmanager
async def pipes(command: list[str]) -> AsyncIterator[Any]:
    process = await asyncio.create_subprocess_exec(
        *command, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE
    )
    assert process.stdin is not None and process.stdout is not None
    output, answers = process.stdin, process.stdout

    async def exchange(body: bytes) -> bytes:
        output.write(body + b"\n")
        return await answers.readline()

    yield exchange
    output.close()
    await process.wait()


main(opened)
