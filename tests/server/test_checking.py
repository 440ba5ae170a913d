"""Options and misuse: what is misspelt, of the wrong kind or in the wrong place is refused where it is written."""

from collections.abc import Callable
from typing import Any

import pytest

from dovetail import Cache, Server
from dovetail.errors import DefinitionError
from dovetail.server.checking import CHECKS
from dovetail.server.options import PromptOptions, ResourceOptions, ServerOptions, ToolOptions
from dovetail.server.transports.run_http import HttpOptions
from dovetail.wire import Icon, ToolAnnotations


def look_up(order_id: str) -> str:
    """Look something up."""
    return order_id


def offer(**options: Any) -> Any:
    app = Server("shop")
    app.add_tool(look_up, **options)
    return app.catalogue.tools.get(options.get("name") or "look_up")


@pytest.mark.parametrize("kind", [ServerOptions, ToolOptions, ResourceOptions, PromptOptions, HttpOptions])
def test_every_option_is_checked(kind: Any) -> None:
    assert set(kind.__annotations__) <= set(CHECKS)


@pytest.mark.parametrize(
    ("define", "named"),
    [
        (lambda: offer(desciption="x"), r"look_up: there is no option 'desciption'; did you mean 'description'\?"),
        (lambda: offer(mime_type="x"), "there is no option 'mime_type'"),
        (lambda: offer(readOnlyHint=True), "there is no option 'readOnlyHint'$"),
        (lambda: Server("shop", instruction="x"), r"Server\('shop'\): there is no .*'instructions'\?"),  # type: ignore[call-arg]
        (lambda: Server("shop").tool(descripton="x")(look_up), "did you mean 'description'"),  # type: ignore[call-overload]
        (lambda: Server("shop").add_prompt(look_up, titel="x"), "did you mean 'title'"),  # type: ignore[call-arg]
        (lambda: Server("shop").add_resource("a://b", look_up, mimetype="x"), "did you mean 'mime_type'"),  # type: ignore[call-arg]
    ],
)
def test_an_option_that_there_is_not_is_refused_with_the_one_that_was_meant(
    define: Callable[[], Any], named: str
) -> None:
    with pytest.raises(DefinitionError, match=named):
        define()


@pytest.mark.req("S-25")
@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("scopes", "admin", r"scopes='admin': expected several strings, such as \[\"one\"\]"),
        ("tags", [1], "tags=list: expected several strings"),
        ("timeout", "5", "timeout='5': expected seconds above 0"),
        ("timeout", 0, "timeout=0: expected"),
        ("timeout", True, "timeout=True: expected"),
        ("timeout", float("nan"), "timeout=nan: expected"),
        ("concurrency", 0, "concurrency=0: expected a whole number, 1 or more"),
        ("concurrency", 1.5, "concurrency=1.5: expected"),
        ("limit", 10, 'limit=10: expected a rate such as "10/s"'),
        ("limit", "10", "is not a rate"),
        ("icons", "http://x", "icons='http://x': expected icons, such as"),
        ("icons", ["http://x"], r"icons='http://x': expected Icon\(src=..., ...\)"),
        ("icons", [{"src": 5}], "icons: Expected `str`"),
        ("icons", Icon(src="http://x"), "icons=Icon: expected icons, such as"),
        ("title", 5, "title=5: expected a string"),
        ("name", 5, "name=5: expected a string"),
        ("annotations", True, r"annotations=True: expected ToolAnnotations\(title=..., ...\)"),
        ("annotations", {"readOnly": True}, "there is no 'readOnly' in ToolAnnotations; did you mean 'readOnlyHint'"),
        ("cache", 60, r"cache=60: expected Cache\(seconds=60\)"),
        ("cache", Cache(seconds=-1), "cache=Cache: expected"),
        ("input_schema", "{}", "input_schema='{}': expected a JSON Schema"),
        ("structured", "no", "structured='no': expected True or False"),
        ("meta", [("a/b", 1)], "meta=list: expected a mapping"),
        ("version", 1, "version=1: expected a string"),
    ],
)
def test_a_value_that_a_tools_option_cannot_have_is_refused_by_its_name(name: str, value: Any, expected: str) -> None:
    with pytest.raises(DefinitionError, match=expected):
        offer(**{name: value})


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("page_size", 0),
        ("page_size", -1),
        ("page_size", "5"),
        ("threads", 0),
        ("allowed_hosts", "example.com"),
        ("rate", 5),
        ("cache", 5),
        ("limits", {}),
        ("stores", "memory"),
        ("version", 1),
        ("single_use", 1),
    ],
)
def test_a_value_that_a_servers_option_cannot_have_is_refused_by_its_name(name: str, value: Any) -> None:
    with pytest.raises(DefinitionError, match=rf"Server\('shop'\): {name}=.*: expected"):
        Server("shop", **{name: value})


@pytest.mark.parametrize("name", ["", None, 5, Server("shop")])
def test_a_server_has_a_name_that_is_text(name: Any) -> None:
    with pytest.raises(DefinitionError, match="needs a name"):
        Server(name)


def test_none_is_an_option_that_was_not_given() -> None:
    entry = offer(**{**dict.fromkeys(ToolOptions.__annotations__), "name": "look_up"})
    assert entry.definition == offer().definition
    assert Server("shop", version=None, threads=None).info.version == "0.0.0"  # type: ignore[arg-type]


def test_hints_and_icons_may_be_written_as_they_stand_on_the_wire() -> None:
    entry = offer(annotations={"readOnlyHint": True}, icons=[{"src": "https://x", "mimeType": "image/png"}])
    assert entry.definition.annotations == ToolAnnotations(read_only_hint=True)
    assert entry.definition.icons == [Icon(src="https://x", mime_type="image/png")]


class Shop:
    def look_up(self, order_id: str) -> str:
        return order_id

    @classmethod
    def named(cls) -> str:
        return cls.__name__

    @staticmethod
    def plain(self: str) -> str:
        return self


def test_a_method_that_nothing_is_bound_to_is_refused_and_a_bound_one_is_not() -> None:
    app = Server("shop")
    with pytest.raises(DefinitionError, match=r"look_up is a method of Shop.*app.add_tool\(Shop\(\).look_up\)"):

        class Body:
            __qualname__ = "Shop"
            app.tool(Shop.look_up)

    for add in (app.add_prompt, lambda function: app.add_resource("a://{order_id}", function)):
        with pytest.raises(DefinitionError, match="is a method of Shop"):
            add(Shop.look_up)
    for function in (Shop().look_up, Shop.named, Shop.plain):
        app.add_tool(function)


@pytest.mark.parametrize(
    ("define", "named"),
    [
        (lambda app: app.resource(look_up), r'@app.resource needs a URI: write @app.resource\("data://look_up"\)'),
        (lambda app: app.resource(), "uri"),
        (lambda app: app.tool("find"), r"write @app.tool\(name='find'\)"),
        (lambda app: app.prompt("find"), r"write @app.prompt\(name='find'\)"),
        (lambda app: app.tool(5), "A function is offered, not int"),
        (lambda app: app.add_resource("a://b", "text"), "A function is offered, not str"),
        (lambda app: app.mount("other"), "A server is mounted, not str"),
    ],
)
def test_a_decorator_that_is_written_wrongly_says_what_to_write(define: Callable[[Any], Any], named: str) -> None:
    with pytest.raises((DefinitionError, TypeError), match=named):
        define(Server("shop"))


@pytest.mark.parametrize("uri", ["x", "/etc/hosts", "docs/{name}", "1a://x", "{+path}"])
def test_the_uri_of_a_resource_has_a_scheme(uri: str) -> None:
    app = Server("shop")
    if uri.startswith("{"):
        app.add_resource(uri, lambda path: path, name="any")
        return
    function: Any = (lambda name: name) if "{" in uri else (lambda: "x")
    with pytest.raises(DefinitionError, match="is no URI: it begins with a scheme, such as 'data://'"):
        app.add_resource(uri, function, name="any")


def test_an_empty_host_is_every_address() -> None:
    assert CHECKS["host"].holds("")
