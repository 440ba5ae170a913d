"""What looks like a secret does not reach a log message, and what does not stays as it is."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dovetail import Context, Server
from dovetail.server.calls.redact import MARK, redact, redact_text
from tests.server.peers import Conversation

CANARY = "c4n4ryc4n4ryc4n4ry"


@pytest.mark.req("S-23")
@pytest.mark.parametrize(
    "text",
    [
        f"Authorization: Bearer {CANARY}",
        f"bearer {CANARY}",
        f"got DPoP {CANARY} from upstream",
        f"sk-{CANARY}",
        f"ghp_{CANARY}",
        f"token eyJhbGciOiJIUzI1NiJ9.{CANARY}.{CANARY}",
        f"GET https://example.com/cb?code={CANARY}&state=1",
        f"password={CANARY}",
        f'{{"client_secret": "{CANARY}"}}',
        f"Cookie: {CANARY}",
        f"refresh_token={CANARY}; next",
    ],
)
def test_a_text_loses_what_looks_like_a_credential(text: str) -> None:
    assert CANARY not in redact_text(text)
    assert MARK in redact_text(text)


@pytest.mark.parametrize(
    "text", ["Looked up order 17", "https://example.com/a/b", "The token count is fine", "", "a?b=c", "basic income"]
)
def test_a_text_without_a_credential_stays_as_it_is(text: str) -> None:
    assert redact_text(text) == text


@pytest.mark.req("S-23")
def test_a_value_under_a_name_of_a_secret_is_replaced_at_any_depth() -> None:
    data = {"user": "ada", "steps": [{"api_key": CANARY, "n": 1}, (f"Bearer {CANARY}",)], "password": {"old": CANARY}}
    shown = redact(data)
    assert CANARY not in json.dumps(shown)
    assert (shown["user"], shown["steps"][0]["n"]) == ("ada", 1)


@pytest.mark.req("S-23")
def test_what_nests_without_end_is_cut_off_and_not_shown() -> None:
    deep: list[object] = [CANARY]
    for _ in range(10_000):
        deep = [deep]
    assert CANARY not in json.dumps(redact(deep))


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(), lambda x: st.lists(x) | st.dictionaries(st.text(), x)
    )
)
def test_any_value_can_be_redacted_and_a_second_time_changes_nothing(value: object) -> None:
    once = redact(value)
    assert redact(once) == once


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
