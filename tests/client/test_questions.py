"""Questions of the stateful era whose callers gave up: the user is not asked further, and the server hears that."""

import asyncio
import json
from typing import Any

import pytest

from dovetail import Client, Context, Server
from dovetail.client.questions import MOST_QUESTIONS
from dovetail.errors import Disconnected, ProtocolViolation
from tests.client.hosted import Hosted, Send, Stream
from tests.client.scripted import Json, Scripted, text
from tests.client.serving import serving
from tests.net.raw_server import Visit, raw_server

QUESTION = {"message": "?", "requestedSchema": {"type": "object", "properties": {}}}
ASKED = {"jsonrpc": "2.0", "id": "q", "method": "elicitation/create", "params": QUESTION}
HELLO = {"protocolVersion": "2025-11-25", "capabilities": {}, "serverInfo": {"name": "x", "version": "1"}}


class User:
    """Thinks until it is told what to say."""

    def __init__(self) -> None:
        self.asked = asyncio.Event()
        self.left = asyncio.Event()
        self.answering: asyncio.Future[Json] = asyncio.get_running_loop().create_future()

    async def on_elicit(self, question: Any) -> Json:
        self.asked.set()
        try:
            return await self.answering
        finally:
            self.left.set()


def answers(server: Scripted) -> list[Json]:
    return [message for message in server.seen if message.get("id") == "q"]


async def until_answered(server: Scripted) -> Json:
    async with asyncio.timeout(5):
        while not answers(server):
            server.heard.clear()
            await server.heard.wait()
    return answers(server)[0]


async def given_up(call: "asyncio.Task[Any]") -> None:
    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call


async def test_a_question_ends_with_the_call_that_it_came_in() -> None:
    user = User()
    server = Scripted(tools_call=lambda server, request: server.say(ASKED))
    async with Client(server, revision="2025-11-25", on_elicit=user.on_elicit) as client:
        call = asyncio.create_task(client.call_tool("ask"))
        await user.asked.wait()
        await given_up(call)
        await user.left.wait()
        assert (await until_answered(server))["error"]["message"] == "Nobody waits for the answer any more"
        assert [message["params"] for message in server.of("notifications/cancelled")] == [
            {"requestId": server.of("tools/call")[0]["id"]}
        ]


async def test_a_question_goes_on_while_a_call_that_it_may_be_about_does() -> None:
    user = User()

    def reply(server: Scripted, request: Json) -> None:
        if request["params"]["name"] == "ask":
            server.say(ASKED)

    server = Scripted(tools_call=reply, ping=lambda server, request: server.answer(request, {}))
    async with Client(server, revision="2025-11-25", on_elicit=user.on_elicit) as client:
        calls = [asyncio.create_task(client.call_tool(name)) for name in ("wait", "ask")]
        await user.asked.wait()
        await given_up(calls[1])
        later = asyncio.create_task(client.ping())  # began after the question, and says nothing of it
        await later
        user.answering.set_result({})
        assert (await until_answered(server))["result"]["action"] == "accept"
        server.answer(server.of("tools/call")[0], text("done"))
        assert (await calls[0]).text == "done"


async def test_a_question_that_came_while_nothing_was_under_way_is_about_no_call() -> None:
    user = User()
    server = Scripted(tools_call=lambda server, request: None)
    async with Client(server, revision="2025-11-25", on_elicit=user.on_elicit) as client:
        server.say(ASKED)
        await user.asked.wait()
        call = asyncio.create_task(client.call_tool("wait"))
        await server.until("tools/call")
        await given_up(call)
        user.answering.set_result({})
        assert (await until_answered(server))["result"]["action"] == "accept"


async def test_over_http_the_server_hears_that_nobody_waits_for_the_answer() -> None:
    user = User()
    told: asyncio.Future[Json] = asyncio.get_running_loop().create_future()

    async def script(visit: Visit) -> None:
        while True:
            head, _, body = (await visit.request()).partition(b"\r\n\r\n")
            message = json.loads(body) if body else {}
            if head.startswith((b"GET", b"DELETE")):
                await visit.answer(b"", status=b"405 X")
            elif message.get("method") == "initialize":
                answer = json.dumps({"jsonrpc": "2.0", "id": message["id"], "result": HELLO}).encode()
                await visit.answer(answer, b"content-type: application/json")
            elif message.get("method") == "tools/call":
                await visit.say(b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\n")
                await visit.say(b"data: %b\n\n" % json.dumps(ASKED).encode())
                await visit.gone()
                return
            else:
                if message.get("id") == "q":
                    told.set_result(message)
                await visit.answer(b"", status=b"202 X")

    async with raw_server(script) as server:
        async with Client(server.url, revision="2025-11-25", on_elicit=user.on_elicit) as client:
            call = asyncio.create_task(client.call_tool("ask"))
            await user.asked.wait()
            await given_up(call)
            await user.left.wait()
            assert (await told)["error"]["message"] == "Nobody waits for the answer any more"


@pytest.mark.parametrize("version", ["2025-11-25", "2026-07-28"])
async def test_closing_the_client_ends_a_call_whose_question_is_open(version: str) -> None:
    app, user = Server("asks"), User()

    @app.tool
    async def ask(ctx: Context) -> str:
        return (await ctx.elicit("Which?", int)).action

    client = Client(app, revision=version, on_elicit=user.on_elicit)
    await client.connect()
    call = asyncio.create_task(client.call_tool("ask"))
    await user.asked.wait()
    async with asyncio.timeout(5):
        await client.aclose()
        with pytest.raises(Disconnected):
            await call
        await user.left.wait()


@pytest.mark.parametrize("version", ["2025-11-25", "2026-07-28"])
async def test_a_user_may_close_the_client_instead_of_an_answer(version: str) -> None:
    app = Server("asks")

    @app.tool
    async def ask(ctx: Context) -> str:
        return (await ctx.elicit("Which?", int)).action

    async def on_elicit(question: Any) -> None:
        await client.aclose()

    client = Client(app, revision=version, on_elicit=on_elicit)
    await client.connect()
    async with asyncio.timeout(5):
        with pytest.raises(Disconnected):
            await client.call_tool("ask")


# However many a server asks.


def asked(number: int) -> Json:
    return {**ASKED, "id": f"q{number}"}


class Counting(Hosted):
    """Asks on the stream of a call, and ends it when as many questions as it says were refused."""

    def __init__(self, questions: int, refused: int) -> None:
        super().__init__(self._ask)
        self._questions = questions
        self._refused = refused
        self.answers: asyncio.Queue[Json] = asyncio.Queue()
        self.takes = asyncio.Event()
        self.takes.set()

    async def _ask(self, server: Hosted, stream: Stream, request: Json) -> None:
        for number in range(self._questions):
            await stream.event(asked(number))
        for _ in range(self._refused):
            answer = await self.answers.get()
            assert answer["error"] == {"code": -32603, "message": "Too many requests at a time"}
        await stream.event({"jsonrpc": "2.0", "id": request["id"], "result": text("done")})

    async def _post(self, message: Json, session: str, send: Send) -> None:
        if "method" not in message:
            self.answers.put_nowait(message)
            await self.takes.wait()
        await super()._post(message, session, send)


async def test_over_http_only_so_many_questions_are_answered_at_a_time_and_more_are_refused() -> None:
    users: list[User] = []

    async def on_elicit(question: Any) -> Json:
        users.append(User())
        return await users[-1].on_elicit(question)

    server = Counting(MOST_QUESTIONS + 50, 50)
    async with serving(server) as url, Client(url, revision="2025-11-25", on_elicit=on_elicit) as client:
        async with asyncio.timeout(5):
            assert (await client.call_tool("ask")).text == "done"
            assert len(users) == MOST_QUESTIONS
            for user in users:
                user.answering.set_result({})
            answers = [await server.answers.get() for _ in users]
        assert {answer["id"] for answer in answers} == {f"q{number}" for number in range(MOST_QUESTIONS)}
        assert {answer["result"]["action"] for answer in answers} == {"accept"}


async def test_over_http_questions_that_are_not_even_refused_are_passed_over(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dovetail.client.http_link._MOST_REFUSED", 3)
    monkeypatch.setattr("dovetail.client.questions.MOST_QUESTIONS", 0)
    strays: list[str] = []
    server = Counting(4, 3)
    server.takes.clear()

    def on_stray(what: str) -> None:
        strays.append(what)
        server.takes.set()

    async with serving(server) as url, Client(url, revision="2025-11-25", on_stray=on_stray) as client:
        async with asyncio.timeout(5):
            assert (await client.call_tool("ask")).text == "done"
        assert strays == ["'elicitation/create: more requests than are even refused'"]


@pytest.mark.parametrize(("count", "fails"), [(MOST_QUESTIONS, False), (MOST_QUESTIONS + 1, True)])
async def test_a_round_of_too_many_questions_is_not_begun(count: int, fails: bool) -> None:
    now = most = 0

    async def on_elicit(question: Any) -> Json:
        nonlocal now, most
        now += 1
        most = max(now, most)
        await asyncio.sleep(0)
        now -= 1
        return {}

    def reply(server: Scripted, request: Json) -> None:
        questions = {f"{number}": {"method": "elicitation/create", "params": QUESTION} for number in range(count)}
        answered = request["params"].get("inputResponses")
        round_of = {"resultType": "input_required", "inputRequests": questions, "requestState": "s"}
        server.answer(request, round_of if answered is None else text(f"{len(answered)} answers"))

    async with Client(Scripted(tools_call=reply), on_elicit=on_elicit) as client:
        if fails:
            with pytest.raises(ProtocolViolation, match=f"asked {count} questions in one round, and at most 100"):
                await client.call_tool("ask")
            assert most == 0
            by_hand = await client.request("tools/call", {"name": "ask", "arguments": {}})
            assert len(by_hand["inputRequests"]) == count
        else:
            assert (await client.call_tool("ask")).text == f"{count} answers"
            assert most == count
