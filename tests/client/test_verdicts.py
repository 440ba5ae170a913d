"""What an endpoint turned out to be is remembered, for a while, and forgotten when it proves wrong."""

from typing import Any

from dovetail import Client
from dovetail.client.verdicts import SECONDS, VERDICTS, Verdicts
from tests.client.serving import serving
from tests.client.test_client import VERSIONS, shop


def test_a_verdict_expires() -> None:
    now = [0.0]
    verdicts = Verdicts(lambda: now[0])
    verdicts.note("a", stateless=False)
    verdicts.note("b", stateless=True)
    assert verdicts.legacy("a")
    assert not verdicts.legacy("b")
    now[0] = SECONDS
    assert not verdicts.legacy("a")


def test_verdicts_are_bounded() -> None:
    verdicts = Verdicts()
    for number in range(2000):
        verdicts.note(str(number), stateless=False)
    assert not verdicts.legacy("0")
    assert verdicts.legacy("1999")


class Counting:
    """Counts the methods that an application is asked for, and may hide that it speaks the stateless era."""

    def __init__(self, old: bool) -> None:
        self.app = shop().asgi()
        self.old = old
        self.methods: list[str] = []

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        fields = dict(scope.get("headers", ()))
        if b"mcp-method" in fields:
            self.methods.append(fields[b"mcp-method"].decode())
            if self.old:
                await send({"type": "http.response.start", "status": 400, "headers": []})
                await send({"type": "http.response.body", "body": b"Bad Request"})
                return
        await self.app(scope, receive, send)


async def test_an_old_server_is_probed_once_and_a_verdict_that_proves_wrong_is_forgotten() -> None:
    app = Counting(old=True)
    async with serving(app) as url:
        for _ in range(2):
            async with Client(url) as client:
                assert client.server.revision.version == VERSIONS[-2]
        assert app.methods == ["server/discover"]
        assert VERDICTS.legacy(url)
        VERDICTS.forget(url)
        app.old = False
        async with Client(url) as client:
            assert client.server.revision.version == VERSIONS[-1]
        assert not VERDICTS.legacy(url)
