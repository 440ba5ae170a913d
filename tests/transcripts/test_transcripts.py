"""Golden conversations, one file each: `tests/transcripts/<revision>/<scenario>.txt`.

A line that begins with `> ` is what the client sends, `< ` is what the server sends then, everything else is prose. The
same lines are sent again here, and the server must say the same, byte for byte. What is different every time (a sealed
state) is written as `{state}`. `make transcripts` writes the server's lines anew; read the difference then.
"""

import asyncio
import json
import re
from pathlib import Path

import pytest

from dovetail.revisions import REVISIONS, revision_for
from tests.transcripts.shop import shop

HERE = Path(__file__).parent
FILES = sorted(HERE.glob("*/*.txt"))
_STATE = re.compile(rb'(?<="requestState":")[^"]+(?=")')


def fence(revision: str) -> bytes:
    """A request that every client may send at any time: its answer comes after all that was caused before."""
    known = revision_for(revision)
    assert known is not None
    if not known.stateless:
        return b'{"jsonrpc":"2.0","id":"fence","method":"ping"}'
    meta = {
        "io.modelcontextprotocol/protocolVersion": revision,
        "io.modelcontextprotocol/clientCapabilities": {},
    }
    params = json.dumps({"_meta": meta}).encode()
    return b'{"jsonrpc":"2.0","id":"fence","method":"server/discover","params":%b}' % params


class Replay:
    """A client that sends a transcript's lines and notes what comes back, until each is answered and all is quiet."""

    def __init__(self, revision: str) -> None:
        self.channel = shop().connect()
        self.fence = fence(revision)
        self.waiting: set[str] = set()
        self.owed = 0  # errors without an id, and batches
        self.state = b""

    async def say(self, line: str) -> list[str]:
        """Send one line; return the server's."""
        self.channel.send(line.encode().replace(b"{state}", self.state))
        self.expect(line)
        heard: list[str] = []
        while self.waiting or self.owed:
            heard.append(await self.hear())
            if '"method":' in heard[-1] and '"id":' in heard[-1]:
                break  # the server asks
        for _ in range(3):
            self.channel.send(self.fence)
            while '"id":"fence"' not in (message := await self.hear()):
                heard.append(message)
        return heard

    def expect(self, line: str) -> None:
        """Note what must come back."""
        try:
            value = json.loads(line)
        except ValueError:
            value = None
        if isinstance(value, dict) and type(value.get("id")) in (int, str) and '"id":90,"id"' not in line:
            if "method" in value and value["method"] != "subscriptions/listen":
                self.waiting.add(json.dumps(value["id"]))
        elif not isinstance(value, dict) or "id" in value:
            self.owed += 1

    async def hear(self) -> str:
        """Receive one message."""
        data = await asyncio.wait_for(self.channel.receive(), 5)
        assert isinstance(data, bytes)
        if found := _STATE.search(data):
            self.state = found[0]
        value = json.loads(data)
        if isinstance(value, dict) and "id" in value:
            self.waiting.discard(json.dumps(value["id"]))
        elif isinstance(value, list) or "error" in value:
            self.owed -= 1
        return _STATE.sub(b"{state}", data).decode()


async def replayed(text: str, revision: str) -> str:
    """Return a transcript as it reads when its client's lines are sent now."""
    replay = Replay(revision)
    lines: list[str] = []
    for line in text.splitlines():
        if not line.startswith("< "):
            lines.append(line)
        if line.startswith("> "):
            lines += ["< " + heard for heard in await replay.say(line[2:])]
    await replay.channel.aclose()
    return "\n".join(lines) + "\n"


@pytest.mark.parametrize("path", FILES, ids=[f"{path.parent.name}-{path.stem}" for path in FILES])
def test_the_server_says_what_it_said(path: Path, request: pytest.FixtureRequest) -> None:
    then = path.read_text(encoding="utf-8")
    now = asyncio.run(replayed(then, path.parent.name))
    if request.config.getoption("--update"):
        path.write_text(now, encoding="utf-8")
    else:
        assert now == then


def test_every_revision_has_its_transcripts() -> None:
    scenarios = {path.stem for path in FILES}
    assert {path.parent.name for path in FILES} == {revision.version for revision in REVISIONS}
    assert len(FILES) >= len(scenarios) * (len(REVISIONS) - 1)
