"""What is logged: sent whatever it is, without its secrets, and never the end of the call that logs it."""

import dataclasses
import json
import math
from pathlib import PurePosixPath
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Raw

from dovetail import Context, Server
from dovetail.server.functions.logged import logged
from tests.server.peers import Conversation, text_of

CANARY = "c4n4ryc4n4ryc4n4ry"


class Text(str): ...


class Mute:
    def __str__(self) -> str:
        raise RuntimeError("no words")


class Wordy:
    def __str__(self) -> str:
        return "Bearer " + CANARY + " " + "x" * 10_000


@dataclasses.dataclass
class Login:
    user: str
    password: str
    error: Any = None


def shown(data: Any) -> Any:
    return json.loads(logged(data))


@pytest.mark.parametrize(
    ("data", "said"),
    [
        ("plain", "plain"),
        (Text("derived"), "derived"),
        (PurePosixPath("a/b"), "a/b"),
        (ValueError("x"), "ValueError: x"),
        ({"error": ValueError("x"), "n": 1}, {"error": "ValueError: x", "n": 1}),
        ([1, {"loss": math.nan}], [1, {"loss": "float: nan"}]),
        ({(1, 2): "a", 3: "b"}, {"tuple: (1, 2)": "a", "3": "b"}),
        ({1, 2}, [1, 2]),
        ("half \ud800", "half \\ud800"),
        ({"a": "half \ud800"}, {"a": "half \\ud800"}),
        ([Mute(), 1], ["Mute", 1]),
        (Raw(b'{"a": 1}'), {"a": 1}),
        ({"in": Raw(b'{"a":')}, {"in": "(Raw that is not one JSON value in UTF-8: it could not be shown)"}),
    ],
)
def test_what_json_has_no_words_for_is_said_as_text_and_the_rest_as_it_is(data: Any, said: Any) -> None:
    assert shown(data) == said


@pytest.mark.req("S-23")
def test_secrets_are_found_in_what_is_sent_wherever_they_stood() -> None:
    for data in (
        Login("ada", CANARY),
        [Login("ada", CANARY, ValueError("x"))],
        ValueError(f"token={CANARY}"),
        Raw(b'{"password": "%b"}' % CANARY.encode()),
        {ValueError(f"token={CANARY}"): 1},
    ):
        assert CANARY not in json.dumps(shown(data))


def test_what_an_object_says_of_itself_is_bounded_and_redacted_before_it_is_cut() -> None:
    said = shown(Wordy())
    assert len(said) < 2_100
    assert said.startswith("Wordy: [redacted] xxx")


def test_data_that_holds_itself_is_said_in_bounds() -> None:
    loop: list[Any] = []
    loop += [loop, loop]
    assert len(logged(loop)) < 1_000_000


@given(st.recursive(st.none() | st.floats() | st.text() | st.builds(object) | st.binary().map(Raw), st.lists))
def test_whatever_is_logged_is_one_json_value(data: Any) -> None:
    shown(data)


@pytest.mark.parametrize("level", ["debug", "error"])
async def test_a_call_ends_alike_at_every_level_that_its_client_asked_for(level: str) -> None:
    app = Server("logs")

    @app.tool
    async def work(ctx: Context) -> str:
        await ctx.log.debug(ValueError("x"), logger=Text("mine \ud800"))
        await ctx.progress(1, message=Text("half way"))
        return "done"

    client = Conversation(app)
    await client.open("2025-11-25")
    await client.call("logging/setLevel", level=level)
    answer = await client.call("tools/call", name="work", arguments={}, _meta={"progressToken": 1})
    heard = [message["params"] for message in client.seen if "method" in message]
    await client.close()
    assert text_of(answer) == "done"
    told = [{"level": "debug", "data": "ValueError: x", "logger": "mine \\ud800"}] if level == "debug" else []
    assert [params for params in heard if "level" in params] == told
    assert [params["message"] for params in heard if "progress" in params] == ["half way"]


class Closed(dict[str, Any]):
    def items(self) -> Any:
        raise ValueError("closed")


class Gone(list[Any]):
    def __iter__(self) -> Any:
        raise ValueError("gone")


class Nothing:
    @property
    def __class__(self) -> Any:
        raise RuntimeError("no class")

    @__class__.setter
    def __class__(self, kind: Any) -> None: ...


@pytest.mark.parametrize("kind", [Closed, Gone, Nothing])
def test_what_fails_when_it_is_looked_into_is_said_by_its_kind(kind: type) -> None:
    odd = kind() if kind is Nothing else kind([("a", object())])
    assert type(odd).__name__ in json.dumps(json.loads(logged(odd)))
    assert json.loads(logged({"in": [odd]}))
