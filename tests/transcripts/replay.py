"""Say a transcript's client lines again, and note what the server says now. No sockets, no clock: in memory.

A client's line is followed by what the server says until every request of it is answered, the server asks something, or
there is nothing to wait for; a fence of requests that are answered at once then shows that nothing else was on its way.
What is different every time is written as a word in braces, and a client says it back by that word.
"""

import asyncio
import json
import re
from typing import Any

from dovetail.revisions import revision_for
from tests.transcripts.shop import shop

FRESH = {
    b"{state}": re.compile(rb'(?<="requestState":")[^"]+(?=")'),
    b"{elicitation}": re.compile(rb'(?<="elicitationId":")[0-9a-f]{32}(?=")'),
    b"{reference}": re.compile(rb'(?<="reference":")[0-9a-f]{12}(?=")|(?<=the server\'s log for )[0-9a-f]{12}'),
}


def once_only(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Refuse a key that stands twice, as the server does."""
    if len(dict(pairs)) < len(pairs):
        raise ValueError("a key stands twice")
    return dict(pairs)


def read(line: str) -> Any:
    """Return a line's message; None when it is no JSON that a server takes."""
    try:
        return json.loads(line, object_pairs_hook=once_only)
    except ValueError:
        return None


def fence(version: str) -> bytes:
    """A request that every client may send at any time: its answer comes after all that was caused before."""
    revision = revision_for(version)
    assert revision is not None
    if not revision.stateless:
        return b'{"jsonrpc":"2.0","id":"fence","method":"ping"}'
    meta = {"io.modelcontextprotocol/protocolVersion": version, "io.modelcontextprotocol/clientCapabilities": {}}
    params = json.dumps({"_meta": meta}).encode()
    return b'{"jsonrpc":"2.0","id":"fence","method":"server/discover","params":%b}' % params


def never_answered(lines: list[str]) -> set[str]:
    """The ids of requests that the client cancels, and of streams."""
    found = set()
    for message in map(read, lines):
        if isinstance(message, dict) and message.get("method") == "notifications/cancelled":
            found.add(json.dumps(message["params"].get("requestId")))
        elif isinstance(message, dict) and message.get("method") == "subscriptions/listen":
            found.add(json.dumps(message["id"]))
    return found


class Replay:
    """A client that says a transcript's lines, and notes what it hears."""

    def __init__(self, version: str, unanswered: set[str]) -> None:
        self.channel = shop().connect()
        self.version = version
        self.unanswered = unanswered
        self.waiting: set[str] = set()
        self.owed = 0  # errors without an id, and answers to batches
        self.asked: set[str] = set()  # questions of the server: while one is open, calls may wait for its answer
        self.said: dict[bytes, bytes] = {}

    async def say(self, line: str) -> list[str]:
        """Say one line; return the server's."""
        data = line.encode()
        for word, value in self.said.items():
            data = data.replace(word, value)
        self.channel.send(data)
        self.expect(read(line))
        heard: list[str] = []
        while (self.waiting or self.owed) and not self.asked:
            heard.append(await self.hear())
        for _ in range(3):
            self.channel.send(fence(self.version))
            while '"id":"fence"' not in (message := await self.hear()):
                heard.append(message)
        return heard

    def expect(self, message: Any) -> None:
        """Note what must come back."""
        revision = revision_for(self.version)
        assert revision is not None
        if isinstance(message, list) and message and revision.batching:
            self.owed += any("id" in item or "method" not in item for item in message)
        elif not isinstance(message, dict):
            self.owed += 1
        elif type(message.get("id")) not in (int, str):
            self.owed += "id" in message
        elif "method" not in message:
            self.asked.discard(json.dumps(message["id"]))
        elif json.dumps(message["id"]) not in self.unanswered:
            self.waiting.add(json.dumps(message["id"]))

    async def hear(self) -> str:
        """Receive one message."""
        data = await asyncio.wait_for(self.channel.receive(), 5)
        assert isinstance(data, bytes)
        message = json.loads(data)
        if isinstance(message, list) or ("error" in message and "id" not in message):
            self.owed -= 1
        elif "method" not in message:
            self.waiting.discard(json.dumps(message["id"]))
        elif "id" in message:
            self.asked.add(json.dumps(message["id"]))
        elif message["method"] == "notifications/cancelled":
            self.asked.discard(json.dumps(message["params"]["requestId"]))
        for word, pattern in FRESH.items():
            if found := pattern.search(data):
                self.said[word] = found[0]
                data = pattern.sub(word, data)
        return data.decode()


async def replayed(text: str, version: str) -> str:
    """Return a transcript as it reads when its client's lines are said now."""
    said = [line[2:] for line in text.splitlines() if line.startswith("> ")]
    replay = Replay(version, never_answered(said))
    lines: list[str] = []
    for line in text.splitlines():
        if not line.startswith("< "):
            lines.append(line)
        if line.startswith("> "):
            lines += ["< " + heard for heard in await replay.say(line[2:])]
    await replay.channel.aclose()
    return "\n".join(lines) + "\n"
