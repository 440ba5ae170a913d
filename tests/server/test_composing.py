"""What a server is composed of: middleware answers for what it returns, extensions have methods of their own."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Annotated, Any

import pytest

from dovetail import Client, Complete, Server
from dovetail.errors import DefinitionError, InvalidParams, PeerError
from dovetail.wire import PromptReference
from tests.server.peers import Conversation, Http, Json, text_of


def forgetful(returned: Any) -> Callable[[Any], Any]:
    def forgets(handler: Any) -> Any:
        async def handle(call: Any, ctx: Any) -> Any:
            result = await handler(call, ctx)
            return returned if call.method in ("tools/call", "prompts/get") else result

        return handle

    return forgets


def careful(handler: Any) -> Any:
    async def handle(call: Any, ctx: Any) -> Any:
        return await handler(call, ctx)

    return handle


@pytest.mark.req("S-25")
@pytest.mark.parametrize("returned", [None, "text", 5, ["a"]])
@pytest.mark.parametrize("mounted", [False, True])
async def test_middleware_that_returns_no_result_fails_the_call_and_is_named_in_the_log(
    returned: Any, mounted: bool, caplog: pytest.LogCaptureFixture
) -> None:
    inner = Server("inner")
    inner.use(careful)
    inner.use(forgetful(returned))
    inner.add_tool(lambda: "x", name="work")
    inner.add_prompt(lambda: "x", name="say")
    app = inner
    if mounted:
        app = Server("outer")
        app.use(careful)
        app.mount(inner)
    client = Conversation(app)
    await client.open()
    assert "Internal error" in text_of(await client.call("tools/call", name="work", arguments={}))
    assert "reference" in (await client.call("prompts/get", name="say"))["error"]["data"]
    assert f"Middleware forgetful.<locals>.forgets returned a {type(returned).__name__}" in caplog.text
    await client.close()


async def test_middleware_may_answer_with_a_dict_of_its_own() -> None:
    app = Server("own")
    app.add_tool(lambda: "x", name="work")
    app.use(forgetful({"content": [{"type": "text", "text": "mine"}]}))
    client = Conversation(app)
    await client.open()
    assert text_of(await client.call("tools/call", name="work", arguments={})) == "mine"
    await client.close()


async def nothing(call: Any, ctx: Any) -> Any:
    return call.params.body.get("give")


async def test_a_method_of_an_extension_gets_its_parameters_as_they_came_and_answers_with_a_result(
    caplog: pytest.LogCaptureFixture,
) -> None:
    app = Server("extended")
    app.extension("com.example/x", {}, {"com.example/do": nothing})
    http = Http(app.asgi())

    async def ask(**params: Any) -> Json:
        capabilities: Json = {"extensions": {"com.example/x": {}}}
        found: Json = (await http.modern("com.example/do", params, capabilities=capabilities)).json
        return found

    assert (await ask(give={"a": 1}))["result"]["a"] == 1
    assert "Internal error" in (await ask())["error"]["message"]
    assert "The handler of com.example/do returned a NoneType" in caplog.text


@pytest.mark.parametrize("method", ["tools/list", "initialize", "ping", "notifications/progress", "elicitation/create"])
def test_an_extension_cannot_take_the_place_of_a_method_of_the_protocol(method: str) -> None:
    app = Server("extended")
    with pytest.raises(DefinitionError, match="the protocol's own"):
        app.extension("com.example/evil", {}, {method: nothing})
    assert app.extensions == {}


@pytest.mark.parametrize("method", ["x", "do/it", "com.example", "com.example/", "com.examples/do", 5])
def test_a_method_of_an_extension_has_the_prefix_of_the_extension(method: Any) -> None:
    app = Server("extended")
    with pytest.raises(DefinitionError, match=r"lacks the extension's prefix: name it com\.example/NAME"):
        app.extension("com.example/x", {}, {method: nothing})
    assert app.extensions == {}


def test_the_methods_of_an_extension_of_mcp_are_named_by_its_specification() -> None:
    app = Server("extended")
    app.extension("io.modelcontextprotocol/things", None, {"things/get": nothing})
    assert list(app.extension_methods) == ["things/get"]


@pytest.mark.parametrize("given", [(5,), ("com.example/x", 5), ("com.example/x", None, ["do"])])
def test_what_an_extension_is_declared_with_is_checked(given: Any) -> None:
    app = Server("extended")
    with pytest.raises(DefinitionError, match=r"not int|not list"):
        app.extension(*given)
    assert app.extensions == {}


def test_a_method_of_an_extension_has_one_handler() -> None:
    app = Server("extended")
    app.extension("com.example/one", {}, {"com.example/do": nothing})
    with pytest.raises(DefinitionError, match="served already"):
        app.extension("com.example/two", {}, {"com.example/do": nothing})
    with pytest.raises(DefinitionError, match="needs a handler"):
        app.extension("com.example/two", {}, {"com.example/other": None})  # type: ignore[dict-item]


async def test_the_extensions_of_what_is_mounted_are_offered_inside_its_middleware_and_lifespan() -> None:
    passed: list[str] = []

    def passing(name: str) -> Callable[[Any], Any]:
        def layer(handler: Any) -> Any:
            async def handle(call: Any, ctx: Any) -> Any:
                passed.append(name)
                return await handler(call, ctx)

            return handle

        return layer

    @asynccontextmanager
    async def database(server: Server) -> AsyncIterator[str]:
        yield f"database of {server.name}"

    async def work(call: Any, ctx: Any) -> Json:
        return {"lifespan": ctx.lifespan}

    inner, middle, app = Server("inner", lifespan=database), Server("middle"), Server("outer", lifespan=database)
    for server in (inner, middle, app):
        server.use(passing(server.name))
    inner.extension("com.example/work", {"size": 1}, {"com.example/work": work})
    middle.mount(inner)
    app.mount(middle)
    client = Conversation(app)
    await client.open("2025-11-25", {"extensions": {"com.example/work": {}}})
    assert app.capabilities().extensions == {"com.example/work": {"size": 1}}
    passed.clear()
    assert (await client.call("com.example/work"))["result"]["lifespan"] == "database of inner"
    assert passed == ["outer", "middle", "inner"]
    await client.close()


def test_a_mounted_extension_does_not_take_the_place_of_another_method() -> None:
    inner, app = Server("inner"), Server("outer")
    for server in (inner, app):
        server.extension("com.example/work", None, {"com.example/work": nothing})
    with pytest.raises(DefinitionError, match=r"com\.example/work is served already"):
        app.mount(inner)


async def test_a_server_with_a_lifespan_is_mounted_before_the_other_runs() -> None:
    @asynccontextmanager
    async def database(server: Server) -> AsyncIterator[None]:
        yield

    app = Server("outer")
    client = Conversation(app)
    await client.open()
    with pytest.raises(DefinitionError, match="mount it before outer runs"):
        app.mount(Server("late", lifespan=database))
    app.mount(Server("plain"))
    await client.close()


async def test_what_is_mounted_keeps_its_middleware_around_completion_too() -> None:
    inner, outer = Server("inner"), Server("outer")
    completed: list[str] = []

    def names(typed: str) -> list[str]:
        completed.append(typed)
        return ["secret"]

    @inner.prompt
    def greet(name: Annotated[str, Complete(names)]) -> str:
        return name

    @inner.use
    def closed(handler: Any) -> Any:
        async def refuse(call: Any, ctx: Any) -> Any:
            raise InvalidParams("closed")

        return refuse

    outer.mount(inner)
    async with Client(outer) as client:
        (prompt,) = await client.list_prompts()
        with pytest.raises(PeerError, match="closed"):
            await client.complete(PromptReference(name=prompt.name), "name", "s")
    assert completed == []
