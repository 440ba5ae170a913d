"""The client without `async`."""

import asyncio
import contextlib
import gc
import os
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from typing import Any

import pytest

from dovetail import Client, Context, Server
from dovetail.client import SyncClient, portal
from dovetail.errors import DefinitionError, Disconnected, Timeout
from tests.client.test_client import shop
from tests.client.test_stdio import QUICKSTART


def test_plain_calls_work_and_raise_the_same_errors() -> None:
    with Client.connect_sync(shop()) as client:
        assert client.server.info is not None
        assert client.call_tool("add", {"a": 1, "b": 2}).text == "3"
        assert len(client.list_tools()) == 6
        assert client.read_resource("note://one").contents[0].text == "One."
        assert list(client.read_resources(["note://one", "note://two"])) == ["note://one", "note://two"]
        client.ping()
        with pytest.raises(Timeout):
            client.call_tool("slow", timeout=0.05)
    with pytest.raises(Disconnected):
        client.ping()
    client.close()


def test_changes_are_a_plain_iterator() -> None:
    app = shop()
    with Client.connect_sync(app) as client, client.listen(tools=True) as changes:
        client._loop.call_soon_threadsafe(app.remove_tool, "slow")
        assert next(changes).kind == "tools"
        assert changes.granted.tools


async def test_it_works_where_another_loop_runs() -> None:
    def inside() -> str:
        with Client.connect_sync(shop()) as client:
            return client.call_tool("add", {"a": 2, "b": 2}).text

    assert inside() == "4"
    assert await asyncio.to_thread(inside) == "4"


def telling() -> Server:
    app = Server("telling")

    @app.tool
    async def tell(ctx: Context) -> str:
        """Report progress, a log message, and where the client works."""
        await ctx.progress(1, 2)
        await ctx.log.info("i")
        await ctx.roots()
        return "told"

    return app


class Caught:
    """A callback that uses the client it belongs to."""

    def __init__(self, use: Callable[[SyncClient], Any]) -> None:
        self.errors: list[Exception] = []
        self.client: SyncClient
        self._use = use

    def __call__(self, *heard: Any) -> list[str]:
        try:
            self._use(self.client)
        except Exception as error:
            self.errors.append(error)
        return []


@pytest.mark.parametrize("use", [SyncClient.list_tools, SyncClient.ping, SyncClient.close])
@pytest.mark.parametrize("callback", ["on_progress", "on_log"])
def test_a_callback_that_uses_its_own_client_is_refused_at_once(
    callback: str, use: Callable[[SyncClient], Any]
) -> None:
    caught = Caught(use)
    options: dict[str, Any] = {"roots": [], callback: caught}
    with Client.connect_sync(telling(), **options) as client:
        caught.client = client
        assert client.call_tool("tell").text == "told"
        assert client.call_tool("tell").text == "told"
    assert [type(error) for error in caught.errors] == [DefinitionError] * 2
    assert "one of its own callbacks" in str(caught.errors[0])


def test_a_callback_that_runs_in_a_thread_may_use_its_client() -> None:
    app = Server("asking")

    @app.tool
    async def ask(ctx: Context) -> str:
        """Ask."""
        return str((await ctx.elicit("How many?", int)).value)

    def on_elicit(question: Any) -> dict[str, int]:
        return {"value": len(client.list_tools())}

    with Client.connect_sync(app, on_elicit=on_elicit) as client:
        assert client.call_tool("ask").text == "1"


def test_a_function_for_roots_may_use_its_client_too() -> None:
    app = Server("asking")

    @app.tool
    async def where(ctx: Context) -> str:
        """Ask where the client works."""
        return str([root.uri for root in await ctx.roots()])

    def roots() -> list[str]:
        return [f"file:///{tool.name}" for tool in client.list_tools()]

    with Client.connect_sync(app, roots=roots) as client:
        assert client.call_tool("where").text == "['file:///where']"


def test_the_level_of_log_messages_and_the_roots_can_be_changed() -> None:
    heard: list[Any] = []
    with Client.connect_sync(telling(), on_log=lambda each: heard.append(each.data), roots=[]) as client:
        client.set_log_level("error")
        client.call_tool("tell")
        assert heard == []
        client.set_log_level("info")
        client.call_tool("tell")
        assert heard == ["i"]


def test_the_iterator_of_changes_ends_with_its_block() -> None:
    with Client.connect_sync(shop()) as client:
        with client.listen(tools=True) as changes:
            pass
        assert list(changes) == []
        with pytest.raises(StopIteration):
            next(changes)


def test_who_waits_for_a_change_hears_that_another_thread_closed_the_client() -> None:
    client = Client.connect_sync(shop())
    outcome: list[Exception] = []
    began = threading.Event()

    def waiting(changes: Iterator[Any]) -> None:
        began.set()
        try:
            next(changes)
        except Exception as error:
            outcome.append(error)

    with client.listen(tools=True) as changes:
        thread = threading.Thread(target=waiting, args=[changes], daemon=True)
        thread.start()
        began.wait()
        client.close()
        thread.join(5)
    assert [type(error) for error in outcome] == [Disconnected]


def test_a_call_under_way_ends_when_another_thread_closes_the_client() -> None:
    app, began, outcome = Server("slow"), threading.Event(), []

    @app.tool
    async def wait() -> str:
        """Wait for ever."""
        began.set()
        await asyncio.Event().wait()
        return ""

    client = Client.connect_sync(app)

    def waiting() -> None:
        try:
            client.call_tool("wait")
        except Disconnected as error:
            outcome.append(error)

    thread = threading.Thread(target=waiting, daemon=True)
    thread.start()
    began.wait()
    client.close()
    thread.join(5)
    assert len(outcome) == 1


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")
def test_after_a_fork_a_call_says_so_instead_of_waiting() -> None:
    with Client.connect_sync(shop()) as client:
        child = os.fork()
        if child == 0:
            try:
                client.ping()
            except Disconnected as error:
                client.close()  # which is the parent's to do
                os._exit(7 if "another process" in str(error) else 1)
            finally:
                os._exit(1)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7


def forgotten() -> tuple[threading.Thread, Any]:
    """Use a client and forget it; return what stood behind it."""
    client = Client.connect_sync(QUICKSTART)
    text = client.call_tool("add", {"a": 1, "b": 2}).text
    assert text == "3"
    link: Any = client._client._conversation.connection.live
    return client._thread, link._channel


def test_a_client_that_nobody_has_any_more_leaves_no_thread_and_no_program() -> None:
    thread, child = forgotten()
    gc.collect()
    thread.join(5)
    assert not thread.is_alive()
    assert child.exit is not None


def test_two_threads_that_close_a_client_both_return_when_it_is_closed() -> None:
    ending, go = threading.Event(), threading.Event()

    @asynccontextmanager
    async def lifespan(app: Server) -> AsyncIterator[None]:
        yield
        ending.set()
        assert await asyncio.to_thread(go.wait, 5)

    client = Client.connect_sync(Server("slow", lifespan=lifespan))
    with ThreadPoolExecutor() as pool:
        first = pool.submit(client.close)
        assert ending.wait(5)
        second = pool.submit(client.close)
        assert not first.done() and not second.done()
        go.set()
        assert [first.result(5), second.result(5)] == [None, None]


def test_a_handler_that_swallows_its_cancellation_does_not_keep_a_client_from_closing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(portal, "_PATIENCE", 0.05)
    app, asked = Server("asks"), threading.Event()

    @app.tool
    async def ask(ctx: Context) -> str:
        return (await ctx.elicit("Which?", int)).action

    async def on_elicit(question: object) -> None:
        asked.set()
        for _ in range(5):  # as often as it may be cancelled before it is left behind
            with contextlib.suppress(asyncio.CancelledError):
                await asyncio.Event().wait()

    client = Client.connect_sync(app, on_elicit=on_elicit, revision="2026-07-28")
    with ThreadPoolExecutor() as pool:
        call = pool.submit(client.call_tool, "ask")
        assert asked.wait(5)
        client.close()
        assert isinstance(call.exception(5), Disconnected)
