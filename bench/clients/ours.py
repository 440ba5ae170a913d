"""Dovetail's client, all defaults on."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from timing import Add, main

from dovetail import Client


@asynccontextmanager
async def opened(target: Any) -> AsyncIterator[Add]:
    async with Client(target) as client:

        async def add(a: int, b: int) -> Any:
            return (await client.call_tool("add", {"a": a, "b": b})).data

        yield add


main(opened)
