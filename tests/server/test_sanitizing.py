"""What is read and not seen does not leave a server that says so."""

import pytest

from dovetail import Server
from dovetail.server import sanitized
from tests.server.peers import Conversation, text_of

HIDDEN = "a\u202eb\u200bc\x1b[31md\U000e0041e\x07f"


@pytest.mark.req("S-29")
async def test_results_of_every_kind_leave_without_hidden_characters() -> None:
    app = Server("clean")
    app.use(sanitized)

    @app.tool
    async def text() -> str:
        return HIDDEN

    @app.tool
    async def data() -> dict[str, list[str]]:
        return {"k": [HIDDEN]}

    @app.resource("note://one")
    def note() -> str:
        return HIDDEN

    @app.prompt
    def say() -> str:
        return HIDDEN

    client = Conversation(app)
    await client.open()
    assert text_of(await client.call("tools/call", name="text", arguments={})) == "abcdef"
    structured = await client.call("tools/call", name="data", arguments={})
    assert structured["result"]["structuredContent"] == {"k": ["abcdef"]}
    assert "abcdef" in text_of(structured)
    read = await client.call("resources/read", uri="note://one")
    assert read["result"]["contents"][0]["text"] == "abcdef"
    said = await client.call("prompts/get", name="say", arguments={})
    assert said["result"]["messages"][0]["content"]["text"] == "abcdef"
    await client.close()
