"""One request without an effect, to see what an endpoint answers before any client speaks with it."""

from collections.abc import Mapping
from typing import Final

import msgspec

from dovetail.client import Login
from dovetail.net import HttpClient
from dovetail.revisions import NEWEST
from dovetail.wire import CLIENT_CAPABILITIES, CLIENT_INFO, PROTOCOL_VERSION

_TRIES: Final = 6
Answer = tuple[int, Mapping[str, str]]


async def probe(http: HttpClient, url: str, headers: Mapping[str, str], login: Login | None = None) -> Answer:
    """Ask as a client of the newest revision does; a server of the older era answers, too, if only with an error.

    Args:
        http: Sends.
        url: The endpoint.
        headers: Header fields besides the usual ones.
        login: Gives credentials, and gets others when they are refused.

    Returns:
        The status and the header fields of the answer.

    Raises:
        AuthRequired: The login cannot give what is demanded.
    """
    meta = {
        PROTOCOL_VERSION: NEWEST.version,
        CLIENT_INFO: {"name": "dovetail-cli", "version": "0"},
        CLIENT_CAPABILITIES: {},
    }
    message = {"jsonrpc": "2.0", "id": 1, "method": "server/discover", "params": {"_meta": meta}}
    fields = {
        "content-type": "application/json",
        "accept": "application/json, text/event-stream",
        "mcp-protocol-version": NEWEST.version,
        "mcp-method": "server/discover",
        **headers,
    }
    body = msgspec.json.encode(message)
    if login is None:
        return await _sent(http, url, fields, body)
    for _ in range(_TRIES):
        status, answered = await _sent(http, url, {**fields, **await login.headers("POST", url, body)}, body)
        if status not in (401, 403) or not await login.challenged("POST", url, status, answered):
            break
    return status, answered


async def _sent(http: HttpClient, url: str, headers: Mapping[str, str], body: bytes) -> Answer:
    response = await http.send("POST", url, headers, body)
    await response.aclose()
    return response.status, response.headers
