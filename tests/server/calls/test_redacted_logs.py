"""What a tool logs reaches its client without what looks like a secret; `core.redaction` says what does."""

import json

import pytest

from dovetail import Context, Server
from tests.server.peers import Conversation

CANARY = "c4n4ryc4n4ryc4n4ry"


@pytest.mark.req("S-23")
async def test_a_log_message_of_a_tool_reaches_the_client_without_its_secrets() -> None:
    app = Server("logs")

    @app.tool
    async def work(ctx: Context) -> str:
        """Log something that should not be logged."""
        await ctx.log.info(f"calling with Bearer {CANARY}")
        await ctx.log.warning({"token": CANARY, "step": 2})
        return "done"

    client = Conversation(app)
    await client.open()
    await client.call("logging/setLevel", level="debug")
    await client.call("tools/call", name="work", arguments={})
    logged = [message["params"]["data"] for message in client.seen if message.get("method") == "notifications/message"]
    assert len(logged) == 2
    assert CANARY not in json.dumps(client.seen)
    assert logged[1]["step"] == 2
    await client.close()
