"""What waits for a client that does not read: bounded, and nothing that matters is lost."""

import asyncio
import json
from collections import Counter
from typing import Any

import pytest

from dovetail import Server
from dovetail.net import memory_pair
from dovetail.server.transports.backlog import Backlog
from dovetail.wire import DEFAULT_LIMITS, Limits
from tests.server.peers import Conversation, Json, meta

LIMITS = Limits(stream_messages=20)


async def settle() -> None:
    for _ in range(20):
        await asyncio.sleep(0)


class Told:
    """A backlog on a pair in memory, and the client's end."""

    def __init__(self, limits: Limits = DEFAULT_LIMITS) -> None:
        near, self.far = memory_pair()
        self.ended: list[bytes] = []
        self.tasks: list[asyncio.Task[None]] = []
        self.backlog = Backlog(near, limits, say=near.send, spawn=self.spawn, overflow=self.overflow)

    def spawn(self, work: Any) -> None:
        self.tasks.append(asyncio.get_running_loop().create_task(work))

    def overflow(self, stream: bytes) -> None:
        self.ended.append(stream)
        self.backlog.forget(stream)

    async def read(self) -> list[bytes]:
        """Everything that comes until nobody waits to say more."""
        read: list[bytes] = []
        while True:
            await settle()
            try:
                async with asyncio.timeout(0.05):
                    read.append(await self.far.receive())  # type: ignore[arg-type]
            except TimeoutError:
                if all(task.done() for task in self.tasks):
                    return read


def notice(number: int) -> bytes:
    return b"%06d" % number + b"x" * 2_000


async def test_a_client_that_reads_hears_each_notice_as_often_as_it_is_said() -> None:
    told = Told()
    for _ in range(3):
        for number in range(20):
            told.backlog.tell(notice(number))
        await settle()
    assert Counter(await told.read()) == Counter({notice(number): 3 for number in range(20)})


async def test_while_nobody_reads_a_notice_waits_once() -> None:
    told = Told()
    for _ in range(5):
        for number in range(1_500):
            told.backlog.tell(notice(number))
        await settle()
    heard = Counter(await told.read())
    assert set(heard) == {notice(number) for number in range(1_500)}
    assert max(heard.values()) <= 3  # what was sent before it was seen that nobody reads, and once more
    told.backlog.tell(b"{}")
    assert await told.read() == [b"{}"]


async def test_a_stream_for_which_too_much_waits_is_ended_and_others_go_on() -> None:
    told = Told(LIMITS)
    numbers = iter(range(1_500))
    while not told.ended:
        told.backlog.tell(notice(next(numbers)), b"1")
    told.backlog.tell(b"other", b"2")
    assert told.ended == [b"1"]
    assert (await told.read())[-1] == b"other"


async def test_a_client_that_leaves_ends_the_wait() -> None:
    told = Told()
    for number in range(1_500):
        told.backlog.tell(notice(number))
    await settle()
    await told.far.aclose()
    await asyncio.gather(*told.tasks)
    assert repr(told.backlog) == "<Backlog 0 notices>"


@pytest.mark.parametrize("stateless", [True, False])
async def test_a_conversation_that_is_not_read_holds_no_more_than_its_limits(stateless: bool) -> None:
    app = Server("chatty", limits=Limits(stream_messages=20))

    @app.resource("r://{name}")
    def read(name: str) -> str:
        return name

    uris = [f"r://{number}{'x' * 1_000}" for number in range(100)]
    client = Conversation(app)
    channel = client.channel
    if stateless:
        client.begin("subscriptions/listen", {"notifications": {"resourceSubscriptions": uris}, "_meta": meta()})
        assert (await client.receive())["method"] == "notifications/subscriptions/acknowledged"
    else:
        await client.open("2025-11-25")
        for uri in uris:
            await client.call("resources/subscribe", uri=uri)
    for _ in range(40):
        for uri in uris:
            app.notify.resource_updated(uri)
        await settle()
    heard: list[Json] = []
    while len(heard) < 40 * len(uris):
        await settle()
        try:
            async with asyncio.timeout(0.05):
                heard.append(json.loads(await channel.receive()))  # type: ignore[arg-type]
        except TimeoutError:
            break
    assert len(heard) < 2_000
    if stateless:
        assert heard[-2] == {
            "jsonrpc": "2.0",
            "method": "notifications/cancelled",
            "params": {"requestId": 1},
        }
        assert heard[-1]["id"] == 1 and heard[-1]["result"]["resultType"] == "complete"
    else:
        assert {message["params"]["uri"] for message in heard} == set(uris)
    await channel.aclose()
