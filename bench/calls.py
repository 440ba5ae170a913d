"""The requests that all sides get, as bytes with places for numbers, and what a correct answer to each looks like."""

import json
from typing import Any

MODERN = "2026-07-28"
STATEFUL = "2025-11-25"
_META = {
    "io.modelcontextprotocol/protocolVersion": MODERN,
    "io.modelcontextprotocol/clientInfo": {"name": "bench", "version": "1.0.0"},
    "io.modelcontextprotocol/clientCapabilities": {},
}
FIRST = 100_000_000
"""Ids count up from here, so that all have the same number of digits and a request has a constant length."""


def modern(method: str, params: dict[str, Any]) -> dict[str, Any]:
    return {"jsonrpc": "2.0", "id": 0, "method": method, "params": {**params, "_meta": _META}}


def stateful(method: str, params: dict[str, Any]) -> dict[str, Any]:
    return {"jsonrpc": "2.0", "id": 0, "method": method, "params": params}


def call(revision: str, tool: str = "add", a: int = 2, b: int = 1) -> dict[str, Any]:
    build = modern if revision == MODERN else stateful
    return build("tools/call", {"name": tool, "arguments": {"a": a, "b": b}})


def template(message: dict[str, Any], *, argument: bool = True) -> bytes:
    """Bytes to be completed by `% (id, a)`, or `% id` where no argument varies."""
    message = {**message, "id": "#id"}
    if argument:
        params = message["params"]
        message["params"] = {**params, "arguments": {**params["arguments"], "a": "#a"}}
    data = json.dumps(message, separators=(",", ":")).encode()
    return data.replace(b'"#id"', b"%d").replace(b'"#a"', b"%d")


INITIALIZE = stateful(
    "initialize",
    {"protocolVersion": STATEFUL, "capabilities": {}, "clientInfo": {"name": "bench", "version": "1.0.0"}},
)
INITIALIZED = {"jsonrpc": "2.0", "method": "notifications/initialized"}


def headers(revision: str, message: dict[str, Any], session: str = "", **more: str) -> dict[str, str]:
    """The header fields that the revision requires of a POST."""
    fields = {"Content-Type": "application/json", "Accept": "application/json, text/event-stream"}
    if message.get("method") != "initialize":
        fields["MCP-Protocol-Version"] = revision
    if revision == MODERN:
        fields["Mcp-Method"] = message["method"]
        if "name" in message["params"]:
            fields["Mcp-Name"] = message["params"]["name"]
    if session:
        fields["Mcp-Session-Id"] = session
    return fields | {name.replace("_", "-"): value for name, value in more.items()}


def post(port: int, fields: dict[str, str], length: int, path: str = "/mcp") -> bytes:
    """The head of an HTTP request."""
    lines = [f"POST {path} HTTP/1.1", f"Host: 127.0.0.1:{port}"]
    lines += [f"{name}: {value}" for name, value in fields.items()]
    return "\r\n".join([*lines, f"Content-Length: {length}", "", ""]).encode()


def _structured(total: int, revision: str) -> tuple[Any, ...]:
    """What an integer may look like as structured content: the stateful revisions want an object around it."""
    wrapped: tuple[Any, ...] = ({"result": total}, {"value": total})
    return (*wrapped, total) if revision == MODERN else wrapped


def check_sum(answer: Any, identifier: int, total: int, revision: str = MODERN) -> None:
    """Raise unless this is the right answer to a call of `add`, in the shape of its revision."""
    try:
        assert answer["jsonrpc"] == "2.0" and answer["id"] == identifier
        result = answer["result"]
        assert result["content"] == [{"type": "text", "text": str(total)}]
        assert result["structuredContent"] in _structured(total, revision)
        assert not result.get("isError", False)
        if revision == MODERN:
            assert result["resultType"] == "complete"
            assert result["_meta"]["io.modelcontextprotocol/serverInfo"]["name"] == "bench"
    except (AssertionError, KeyError, TypeError) as error:
        raise ValueError(f"a wrong answer: {json.dumps(answer)[:300]}") from error
