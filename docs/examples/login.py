"""Logging in to a server that wants credentials."""

# region imports
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from dovetail import Client
from dovetail.auth import Client as Registered
from dovetail.client import Headless, Login, credentials_login, oauth_login, workload_login
from dovetail.store import FileTokens, MemoryTokens

# endregion


# region simple
async def simple(url: str) -> Any:
    async with Client(url, auth="oauth") as client:  # opens the browser when the server asks for it, and remembers
        return await client.list_tools()


# endregion


# region told
def told(url: str, directory: Path) -> Login:
    return oauth_login(url, name="Invoice agent", scopes=("invoices:read",), store=FileTokens(directory))


# endregion


# region headless
def headless(url: str, visit: Callable[[str], Awaitable[str]]) -> Login:
    """`visit` is given the URL that the user has to open, and returns the one that the user came back with."""
    return oauth_login(url, browser=Headless("https://agents.example.com/callback", visit), store=MemoryTokens())


# endregion


# region service
def service(url: str, secret: str) -> Login:
    return credentials_login(url, Registered(client_id="nightly-report", secret=secret))


# endregion


# region workload
def workload(url: str, token: Path) -> Login:
    return workload_login(url, token.read_text)  # what the platform says of us; read anew each time


# endregion


# region many
async def many(url: str, tokens: dict[str, str]) -> dict[str, str]:
    async with Client(url) as client:
        return {
            user: (await client.call_tool("who", principal=user, auth=token)).text for user, token in tokens.items()
        }


# endregion
