"""Logins under test: real servers on the loopback, requests as a link makes them, and the processes' program.

Run as `python -m tests.client.errands URL DIRECTORY COUNT`: logs in with the tokens of a shared store, makes that many
requests at once when told to, and says their statuses.
"""

import asyncio
import contextlib
import json
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from dovetail.auth import Means, TokenStore
from dovetail.client.browser import Headless, consenting
from dovetail.client.http_credentials import Credentialed
from dovetail.client.login import Authorizer
from dovetail.client.login_grants import oauth_login
from dovetail.client.login_keeper import Login
from dovetail.client.login_world import MEANS, LoginHttp
from dovetail.net import HttpClient
from dovetail.store import FileTokens, MemoryTokens
from tests.client.authority import Authority, Resource
from tests.client.serving import serving

ROOT = Path(__file__).parents[2]
REDIRECT_URI = "http://127.0.0.1:1/callback"


@dataclass
class Town:
    """A protected server and its authorization server."""

    authority: Authority
    resource: Resource

    @property
    def url(self) -> str:
        return f"{self.resource.url}/mcp"


@asynccontextmanager
async def town(authority: Authority | None = None, kind: type[Resource] = Resource) -> AsyncIterator[Town]:
    here = authority or Authority()
    resource = kind(here)
    async with serving(here) as one, serving(resource) as two:
        here.url, resource.url = one.removesuffix("/mcp"), two.removesuffix("/mcp")
        yield Town(here, resource)


def login(url: str, *, store: TokenStore | None = None, means: Means = MEANS, **options: Any) -> Login:
    """A login whose user agrees at once."""
    browser = Headless(REDIRECT_URI, consenting(partial(LoginHttp, url)))
    return oauth_login(url, **{"browser": browser, "store": store or MemoryTokens(), "means": means, **options})


async def request(authorizer: Authorizer, http: HttpClient, url: str, body: bytes = b"{}") -> int:
    """Make one request as a link does; return the last status."""
    response = await Credentialed(http, authorizer).send("POST", url, {}, body)
    await response.aclose()
    return response.status


@asynccontextmanager
async def pool() -> AsyncIterator[HttpClient]:
    async with contextlib.AsyncExitStack() as stack:
        http = HttpClient()
        stack.push_async_callback(http.aclose)
        yield http


async def main(url: str, directory: str, count: str) -> None:
    here = login(url, store=FileTokens(directory))
    async with pool() as http:
        print(json.dumps("ready"), flush=True)
        await asyncio.to_thread(sys.stdin.readline)
        print(json.dumps(await asyncio.gather(*[request(here, http, url) for _ in range(int(count))])), flush=True)


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
