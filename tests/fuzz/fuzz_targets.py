"""Fuzz target: whatever names a server is one, or is refused by its type; a command line likewise."""

import contextlib
import json

from dovetail.cli.options import Usage
from dovetail.cli.targets import pairs, targeted, url_of
from dovetail.client.target import Address, Program, target_of
from dovetail.errors import DefinitionError

SEEDS = [
    b'{"mcpServers":{"a":{"command":"npx","args":["-y","x"],"env":{"A":"1"}}}}',
    b'{"servers":{"a":{"type":"sse","url":"http://127.0.0.1:1/sse","headers":{"a":"b"}}}}',
    b'{"url":"https://a/mcp","transport":"http"}',
    b'["python","-m","server"]',
    b"server.py:app",
    b"mcp.json:name",
    b"X-Key: value",
]


def fuzz(data: bytes) -> None:
    text = data.decode("utf-8", "replace").replace("\x00", "")
    try:
        given = json.loads(text)
    except (ValueError, RecursionError):
        given = text
    for one in (given, text):
        with contextlib.suppress(DefinitionError):
            target = target_of(one)
            assert isinstance(target, Address | Program)
            assert str(target)
            if isinstance(target, Address):
                assert target.url.startswith(("http://", "https://"))
                assert all(isinstance(each, str) for pair in target.headers.items() for each in pair)
            else:
                assert target.argv and all(isinstance(word, str) for word in target.argv)
    with contextlib.suppress(Usage, DefinitionError):
        chosen, rest = targeted([text], [])
        assert not rest
        url = url_of(chosen)
        assert url is None or isinstance(url, str)
    with contextlib.suppress(Usage):
        assert all(name for name in pairs([text]))
