"""The server that is killed, and run by two workers, in `test_restart`."""

import asyncio
import os
from pathlib import Path

from dovetail import Context, Server

app = Server("restart", rate="10000/s")


@app.resource("note://one")
def one() -> str:
    return "one"


@app.resource("note://two")
def two() -> str:
    return "two"


@app.resource("page://{number}")
def page(number: str) -> str:
    return number


@app.tool
async def touch(ctx: Context, uri: str) -> str:
    await ctx.notify.resource_updated(uri)
    return "touched"


@app.tool
async def say(ctx: Context) -> str:
    await ctx.progress(1)
    await ctx.log.info("quiet")
    await ctx.log.error("loud")
    return "said"


@app.tool
async def who() -> str:
    return str(os.getpid())


@app.tool
async def ask(ctx: Context) -> str:
    answer = await ctx.elicit("Go on?", str)
    return str(answer.value)


@app.tool
async def wait(ctx: Context) -> str:
    await ctx.progress(1)
    await asyncio.Event().wait()
    return "never"


def charge(order: str) -> str:
    journal = Path(os.environ["TMPDIR"]) / "charged"
    with journal.open("a") as file:
        file.write("x")
    return f"paid {journal.stat().st_size}"


@app.tool
async def pay(ctx: Context, order: str) -> str:
    await ctx.elicit("Pay?", str)
    receipt: str = await ctx.once("charge", charge, order)
    return receipt
