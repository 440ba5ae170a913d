"""The server that the soak and load tests run: `python soak_program.py '{"transport": ...}'`, and a look into itself.

`gauge` tells everything that could grow: what the process has of the system, every object of ours that is alive, by
class, and every table that one of them holds, by class and attribute. Nothing is told by name: a table that is new is
seen, too.
"""

import asyncio
import gc
import json
import os
import sys
import threading
from collections import Counter
from pathlib import Path
from typing import Any

from dovetail import Context, Server
from dovetail.wire import Limits

SESSIONS = 200
"""As many as there may be: those that clients leave make room for others."""

LIMITS = Limits(sessions=SESSIONS, principal_sessions=SESSIONS, streams=20_000, session_seconds=1.0)
app = Server("soak", rate="100000/s", limits=LIMITS)


@app.resource("note://one")
def one() -> str:
    return "one"


@app.tool
async def echo(text: str) -> str:
    return text


@app.tool
def plain(text: str) -> str:
    """In a thread."""
    return text


@app.tool
async def fail() -> str:
    raise ValueError("as it should")


@app.tool
async def steps(ctx: Context) -> str:
    for number in range(3):
        await ctx.progress(number)
    return "done"


@app.tool
async def ask(ctx: Context) -> str:
    return str((await ctx.elicit("Go on?", str)).value)


@app.tool
async def wait(ctx: Context) -> str:
    await ctx.progress(1)
    await asyncio.Event().wait()
    return "never"


@app.tool
async def touch(ctx: Context) -> str:
    await ctx.notify.resource_updated("note://one")
    return "touched"


@app.tool
async def who() -> str:
    return str(os.getpid())


@app.tool
async def gauge() -> str:
    return json.dumps(measured())


def measured() -> dict[str, int]:
    """Return what this process holds."""
    gc.collect()
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    found = Counter(
        {
            "rss": pages * os.sysconf("SC_PAGESIZE"),
            "cpu": round(sum(os.times()[:2]) * 1000),
            "descriptors": len(os.listdir("/proc/self/fd")),
            # Those of the pool are started when one more is needed, at most `Server(threads=)`, and stay.
            "threads": sum(not thread.name.startswith("dovetail_") for thread in threading.enumerate()),
            "tasks": len(asyncio.all_tasks()),
        }
    )
    for thing in gc.get_objects():
        kind = type(thing)
        if not isinstance(kind, type) or not str(kind.__module__).startswith("dovetail."):
            continue
        name = f"{kind.__module__.removeprefix('dovetail.')}.{kind.__qualname__}"
        found[name] += 1
        for attribute, value in _attributes(thing):
            if isinstance(value, dict | list | set | Counter) or type(value).__name__ in ("deque", "OrderedDict"):
                found[f"{name}.{attribute}"] += len(value)
    return dict(found)


def _attributes(thing: Any) -> list[tuple[str, Any]]:
    names = [name for kind in type(thing).__mro__ for name in getattr(kind, "__slots__", ())]
    slots = [(name, getattr(thing, name, None)) for name in names if isinstance(name, str)]
    return [*slots, *getattr(thing, "__dict__", {}).items()]


if __name__ == "__main__":
    options = json.loads(sys.argv[1])
    app.run(options.pop("transport"), **options)
