"""A template's variables stay in their place, unless a handler says that it copes."""

import pytest

from dovetail import Server
from dovetail.server.traversal import leaves_its_place
from tests.server.peers import Conversation

OUT = [
    "..",
    "../x",
    "a/../b",
    "a\\..\\b",
    "/etc/passwd",
    "\\\\host\\share",
    "C:\\x",
    "a.txt::$DATA",
    "c:x",
    "a\0b",
    "%2e%2e/x",
    "%2E%2e",
]
OUT += ["..%2fx", "a%2Fb", "%5c..", "a%00", "a/..", "..\\", "/", "\\"]
IN = [
    "a",
    "a/b",
    "a..b",
    "...",
    "a/...",
    ".hidden",
    "a.b/c.d",
    "2024:Q1",
    "ä/ö",
    "",
    "a b",
    "100%",
    "%zz",
    "..a",
    "b..",
]


@pytest.mark.req("S-19")
@pytest.mark.parametrize("value", OUT)
def test_a_value_that_leaves_is_known(value: str) -> None:
    assert leaves_its_place({"path": value, "other": "a"})


@pytest.mark.parametrize("value", IN)
def test_a_value_that_stays_is_let_pass(value: str) -> None:
    assert not leaves_its_place({"path": value})


@pytest.mark.req("S-19")
async def test_a_templated_resource_is_not_found_outside_its_place_by_default() -> None:
    app = Server("files")

    @app.resource("notes://{+path}")
    def read(path: str) -> str:
        return f"read {path}"

    @app.resource("raw://{+path}", any_path=True)
    def raw(path: str) -> str:
        return f"raw {path}"

    client = Conversation(app)
    await client.open()
    good = await client.call("resources/read", uri="notes://a/b.txt")
    assert good["result"]["contents"][0]["text"] == "read a/b.txt"
    for uri in (
        "notes://../x",
        "notes://a/%2e%2e/x",
        "notes:///etc/passwd",
        "notes://a%5c..%5cb",
        "notes://%252e%252e",
    ):
        refused = await client.call("resources/read", uri=uri)
        assert refused["error"]["code"] == -32002, uri
    assert (await client.call("resources/read", uri="raw://../x"))["result"]["contents"][0]["text"] == "raw ../x"
    await client.close()
