"""One request without an effect, to see what an endpoint answers before any client speaks with it."""

from collections.abc import Mapping
from typing import Final, NamedTuple

import msgspec

from dovetail.client import Login
from dovetail.errors import DovetailError
from dovetail.net import HttpClient, Response
from dovetail.revisions import NEWEST
from dovetail.wire import CLIENT_CAPABILITIES, CLIENT_INFO, PROTOCOL_VERSION

_TRIES: Final = 6
_MOST: Final = 1 << 20


class Answer(NamedTuple):
    """What answered.

    Attributes:
        status: The HTTP status.
        headers: The header fields.
        mcp: It may be an answer of MCP: JSON-RPC, or a stream of events.
    """

    status: int
    headers: Mapping[str, str]
    mcp: bool


class _Rpc(msgspec.Struct):
    jsonrpc: str


async def probe(http: HttpClient, url: str, headers: Mapping[str, str], login: Login | None = None) -> Answer:
    """Ask as a client of the newest revision does; a server of the older era answers, too, if only with an error.

    Args:
        http: Sends.
        url: The endpoint.
        headers: Header fields besides the usual ones.
        login: Gives credentials, and gets others when they are refused.

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
        answer = await _sent(http, url, {**fields, **await login.headers("POST", url, body)}, body)
        if answer.status not in (401, 403) or not await login.challenged("POST", url, answer.status, answer.headers):
            break
    return answer


async def _sent(http: HttpClient, url: str, headers: Mapping[str, str], body: bytes) -> Answer:
    response = await http.send("POST", url, headers, body)
    try:
        return Answer(response.status, response.headers, await _is_mcp(response))
    finally:
        await response.aclose()


async def _is_mcp(response: Response) -> bool:
    match response.headers.get("content-type", "").partition(";")[0].strip().lower():
        case "text/event-stream":
            return True
        case "application/json":
            try:
                return msgspec.json.decode(await response.read(_MOST), type=_Rpc).jsonrpc == "2.0"
            except (DovetailError, msgspec.DecodeError):
                return False
    return False
