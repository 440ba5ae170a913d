"""What a client can make a server keep, or say again, has a size: at the limit it passes, one more does not."""

from typing import Any

import pytest

from dovetail import Context, Limits, Server
from tests.server.peers import Conversation, Http, meta

app = Server("bounds", rate="1000/s burst 2000", limits=Limits(uri=64, subscription_bytes=128))


@app.tool
async def tick(ctx: Context) -> str:
    """Report progress."""
    await ctx.progress(1)
    return "done"


@app.resource("note://{name}")
async def note(name: str) -> str:
    """Read a note."""
    return name


def sized(size: int, letter: str = "n") -> str:
    return "note://".ljust(size, letter)


TOKENS: list[tuple[str | int, bool]] = [
    ("t" * 256, True),
    ("t" * 257, False),
    ("é" * 128, True),
    ("é" * 129, False),
    (10**255, True),
    (10**256, False),
    (-(10**254), True),
    (-(10**255), False),
]


@pytest.mark.req("W-06")
@pytest.mark.parametrize(("token", "passes"), TOKENS)
async def test_a_progress_token_is_bounded_in_both_eras(token: str | int, passes: bool) -> None:
    http = Http(app.asgi())
    response = await http.modern("tools/call", {"name": "tick"}, meta={"progressToken": token})
    headers = await http.session()
    params = {"name": "tick", "_meta": {"progressToken": token}}
    old = await http.request(
        body={"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params}, headers=headers
    )
    client = Conversation(app)
    on_channel = await client.call("tools/call", name="tick", _meta=meta(progressToken=token))
    await client.close()
    if passes:
        for events in (response.events, [event for event in old.events if event]):
            assert events[0]["params"]["progressToken"] == token
            assert "result" in events[1]
        assert "result" in on_channel
        return
    assert response.status == 400
    for answer in (response.json, old.json, on_channel):
        assert answer["error"]["code"] == -32600
        assert "progressToken" in answer["error"]["message"] and len(answer["error"]["message"]) < 256


@pytest.mark.req("W-06")
async def test_the_uri_of_a_subscription_is_bounded_and_so_are_all_of_a_session() -> None:
    client = Conversation(app)
    await client.open()

    async def subscribe(uri: str) -> Any:
        answer = await client.call("resources/subscribe", uri=uri)
        return answer.get("error", {}).get("code")

    assert await subscribe(sized(65)) == -32602
    assert await subscribe(sized(64, "a")) is None
    assert await subscribe(sized(63, "b")) is None
    assert await subscribe("note://cc") == -32602, "136 bytes together"
    assert await subscribe(sized(64, "a")) is None, "it is there already"
    await client.call("resources/unsubscribe", uri=sized(64, "a"))
    assert await subscribe("note://cc") is None
    await client.close()


@pytest.mark.req("W-06")
async def test_a_listen_stream_agrees_to_the_uris_that_are_within_the_limits() -> None:
    client = Conversation(app)
    uris = [sized(65), sized(64, "a"), sized(63, "b"), "note://cc"]
    client.begin("subscriptions/listen", {"notifications": {"resourceSubscriptions": uris}, "_meta": meta()})
    agreed = (await client.receive())["params"]["notifications"]
    assert agreed["resourceSubscriptions"] == [sized(64, "a"), sized(63, "b")]
    await client.close()
