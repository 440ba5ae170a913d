"""`app.run()` and `app.connect()`: a server on a transport, until it ends. Loaded when something is to run."""

import asyncio
import contextlib
import os
import signal
import threading
from collections.abc import Callable, Generator, Mapping
from types import FrameType
from typing import TYPE_CHECKING, Any, TypedDict
from weakref import WeakKeyDictionary

from dovetail.core import Principal
from dovetail.errors import DefinitionError
from dovetail.server.checking import checked
from dovetail.server.runtime import Runtime
from dovetail.server.transports.connection import Connection

if TYPE_CHECKING:
    from dovetail.core import Stores
    from dovetail.net import Channel
    from dovetail.server.app import Server
    from dovetail.wire import Limits

LOCAL = Principal(key="", bucket="local")
"""Who speaks on stdio or in memory: whoever started the process."""


def stores_at(state: str | os.PathLike[str] | None, limits: "Limits") -> "Stores":
    """Return stores in a state directory, or in memory without one, of a server with such limits."""
    if state is None:
        from dovetail.store import MemoryStores

        return MemoryStores(max_bytes=limits.memory_bytes)
    from dovetail.store import SqliteStores

    return SqliteStores(state, max_bytes=limits.state_bytes)


PARTING_SECONDS = 5.0
"""How long a client in memory waits at the end for its server: for its clean-up, and its lifespan where it was the
last."""

_LAST_SECONDS = 0.25
"""How long what will not end is waited for, at each step of the end, once stdio's client has left (R-05)."""

LEAVING_SECONDS = 1.0
"""How long calls under way on stdio may take to finish once SIGTERM came: a client that sent it kills soon after."""


def stores_for(server: "Server", state: str | os.PathLike[str] | None) -> "Stores":
    """Return the stores of a server: its own, or those of a state directory.

    Raises:
        DefinitionError: There are both.
    """
    if server.stores is None:
        return stores_at(state, server.limits)
    if state is not None:
        raise DefinitionError("state: this server has its own stores, Server(stores=...): name one place, not both")
    return server.stores


class StdioOptions(TypedDict, total=False):
    """Options of `run("stdio")`."""

    state: str | os.PathLike[str] | None
    """Directory for sessions, events, claims and keys; memory without one."""


def run(server: "Server", transport: str, options: dict[str, Any]) -> None:
    """Serve until stopped. See `Server.run`."""
    _refuse_running_loop()
    match transport:
        case "stdio":
            from dovetail.net import check_streams, run_to_end

            _refuse_http_options(options)
            options = checked('run("stdio")', StdioOptions, options)
            check_streams()
            with contextlib.suppress(KeyboardInterrupt):
                run_to_end(serve_stdio(server, **options), _loop_factory(), patience=_LAST_SECONDS)
        case "http":
            try:
                from dovetail.server.transports.run_http import run_http
            except ModuleNotFoundError as error:
                if error.name not in ("uvicorn", "httptools"):
                    raise
                raise DefinitionError('HTTP needs the "http" extra: pip install "dovetail-mcp[http]"') from None
            run_http(server, **options)
        case _:
            raise DefinitionError(f"There is no transport {transport!r}: expected 'stdio' or 'http'")


def _refuse_running_loop() -> None:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return
    raise DefinitionError(
        "app.run() starts an event loop, and one is running here: call it from plain code, or serve app.asgi()"
    )


def _refuse_http_options(options: Mapping[str, Any]) -> None:
    for name in ("host", "port", "path", "workers", "allowed_hosts", "allowed_origins"):
        if name in options:
            raise DefinitionError(f'stdio has no {name}: write app.run("http", {name}=...)')


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop]:
    """Return uvloop's, where it is installed: a round trip over pipes takes a third of the time (bench, stdio)."""
    try:
        import uvloop
    except ImportError:
        return asyncio.new_event_loop
    factory: Callable[[], asyncio.AbstractEventLoop] = uvloop.new_event_loop
    return factory


async def serve_stdio(server: "Server", *, state: str | os.PathLike[str] | None = None) -> None:
    """Serve this process's standard streams until the client closes them."""
    from dovetail.net import open_stdio

    runtime = Runtime(server, stores_for(server, state))
    channel = await open_stdio(server.limits, restore=False)
    try:
        if not await _started(runtime):
            return
        connection = Connection(runtime, channel, LOCAL)
        with _leaving_on_signals(connection, channel.give_up):
            await connection.serve()
    finally:
        await runtime.stop(_LAST_SECONDS, grace=_LAST_SECONDS)
        await channel.aclose()


async def _started(runtime: Runtime) -> bool:
    """Start a runtime; False when SIGTERM came first: the lifespan has cleaned up then, as on Ctrl-C."""
    if threading.current_thread() is not threading.main_thread():
        await runtime.start()
        return True
    loop, task, told = asyncio.get_running_loop(), asyncio.current_task(), False
    assert task is not None

    def leave() -> None:
        nonlocal told
        told = True
        task.cancel()

    terminated = signal.signal(signal.SIGTERM, lambda number, frame: loop.call_soon_threadsafe(leave))
    try:
        await runtime.start()
    except asyncio.CancelledError:
        if not told:
            raise
        task.uncancel()
        return False
    finally:
        signal.signal(signal.SIGTERM, terminated)
    return True


@contextlib.contextmanager
def _leaving_on_signals(connection: Connection, give_up: Callable[[], None]) -> Generator[None, None, None]:
    """Take SIGTERM as a wish to leave: calls finish, or are cancelled a moment later, and all is released.

    A client that does not read is waited for a moment more, on Ctrl-C too; from the second signal on, nobody is.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    loop = asyncio.get_running_loop()

    signals = 0

    def leave() -> None:
        nonlocal signals
        signals += 1
        if signals > 1:
            connection.lost()
            give_up()
            return
        connection.runtime.drain()
        connection.leave()
        loop.call_later(LEAVING_SECONDS, connection.lost)
        loop.call_later(2 * LEAVING_SECONDS, give_up)

    def interrupt(number: int, frame: FrameType | None) -> None:
        loop.call_soon_threadsafe(loop.call_later, LEAVING_SECONDS, give_up)
        cancelling(number, frame)

    terminated = signal.signal(signal.SIGTERM, lambda number, frame: loop.call_soon_threadsafe(leave))
    cancelling: Any = signal.getsignal(signal.SIGINT)  # the runner's
    if callable(cancelling):  # else it is ignored
        signal.signal(signal.SIGINT, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, terminated)
        if callable(cancelling):
            signal.signal(signal.SIGINT, cancelling)


def connect(server: "Server", principal: Principal = LOCAL) -> "Channel":
    """Return the client's end of an in-memory connection. See `Server.connect`."""
    from dovetail.net import memory_pair

    near, far = memory_pair(server.limits)
    task = asyncio.get_running_loop().create_task(_serve_channel(server, far, principal))
    _serving.add(task)
    task.add_done_callback(_served)
    near.parting = lambda: asyncio.wait({task}, timeout=PARTING_SECONDS)
    return near


_serving: set["asyncio.Task[None]"] = set()


def _served(task: "asyncio.Task[None]") -> None:
    _serving.discard(task)
    if not task.cancelled() and (error := task.exception()) is not None:
        told = {"message": "A server in memory failed", "exception": error, "task": task}
        task.get_loop().call_exception_handler(told)


async def _serve_channel(server: "Server", channel: "Channel", principal: Principal) -> None:
    try:
        runtime = await shared_runtime(server)
    except BaseException:
        await channel.aclose()  # who waits for an answer hears that none will come
        raise
    try:
        await Connection(runtime, channel, principal).serve()
    finally:
        if not runtime.connections:
            await runtime.stop()


async def shared_runtime(server: "Server") -> Runtime:
    """Return the runtime that in-memory connections of one server and event loop share; only one starts it."""
    loop = asyncio.get_running_loop()
    async with _starting.setdefault(loop, WeakKeyDictionary()).setdefault(server, asyncio.Lock()):
        for runtime in server.running:
            if runtime.loop is loop:
                return runtime
        runtime = Runtime(server, server.stores or stores_at(None, server.limits))
        await runtime.start()
        return runtime


_starting: WeakKeyDictionary[asyncio.AbstractEventLoop, WeakKeyDictionary["Server", asyncio.Lock]] = WeakKeyDictionary()
