"""The client that the official conformance suite drives: `python tests/conformance/client.py URL`.

The suite says in environment variables which scenario it plays and which revision its server speaks. Everything here is
written on the public API, as a user would write it.
"""

import asyncio
import json
import os
import sys
from collections.abc import Awaitable, Callable
from typing import Any

from dovetail import Client
from dovetail.errors import DovetailError, PeerError
from dovetail.wire import ElicitRequestParams, Tool
from tests.conformance.logins import login

SCENARIO = os.environ.get("MCP_CONFORMANCE_SCENARIO", "")
VERSION = os.environ.get("MCP_CONFORMANCE_PROTOCOL_VERSION")
CONTEXT: dict[str, Any] = json.loads(os.environ.get("MCP_CONFORMANCE_CONTEXT") or "{}")

Scenario = Callable[[Client], Awaitable[None]]


async def on_elicit(question: ElicitRequestParams) -> dict[str, Any]:
    """Accept; the form's defaults are filled in by the client."""
    form = question.requested_schema
    wanted = form.required or [] if form is not None else []
    return {"confirmed": True} if "confirmed" in wanted or (form and "confirmed" in form.properties) else {}


def sample(_: Any) -> str:
    """Be a model."""
    return "Hello."


def example(schema: dict[str, Any]) -> Any:
    """Return a value that fits a schema, for a tool that wants arguments."""
    if "default" in schema:
        return schema["default"]
    if "enum" in schema:
        return schema["enum"][0]
    match schema.get("type"):
        case "integer" | "number":
            return 5
        case "boolean":
            return True
        case "array":
            return []
        case "object":
            return {name: example(schema["properties"][name]) for name in schema.get("required", ())}
    return "text"


async def call(client: Client, tool: Tool) -> None:
    """Call a tool with arguments that it takes."""
    await client.call_tool(tool.name, example(json.loads(bytes(tool.input_schema))) or {})


async def everything(client: Client) -> None:
    """Use each kind of thing that the server offers."""
    tools = await client.list_tools()
    for tool in tools:
        await call(client, tool)
    for listing in (client.list_resources, client.list_resource_templates, client.list_prompts):
        try:
            await listing()
        except PeerError:
            continue
    try:
        for resource in await client.list_resources():
            await client.read_resource(resource.uri)
        for prompt in await client.list_prompts():
            await client.get_prompt(prompt.name, {item.name: "text" for item in prompt.arguments or ()})
    except PeerError:
        return


async def listed(client: Client) -> None:
    """List the tools, and no more."""
    await client.list_tools()


async def first_tool(client: Client) -> None:
    """Call the first tool, as the authorization scenarios want."""
    tools = await client.list_tools()
    if tools:
        await call(client, tools[0])


async def replayed(client: Client) -> None:
    """Call the tools that the suite says, with the arguments that it says."""
    await client.list_tools()
    for wanted in CONTEXT.get("toolCalls", ()):
        await client.call_tool(wanted["name"], wanted.get("arguments"))


async def surfaced(client: Client) -> None:
    """Call each tool that the client lets through."""
    for tool in await client.list_tools():
        try:
            await call(client, tool)
        except PeerError:
            continue


async def preserved(client: Client) -> None:
    """Send a tool's schema back as it came."""
    tools = {tool.name: tool for tool in await client.list_tools()}
    schema = json.loads(bytes(tools["json_schema_2020_12_tool"].input_schema))
    await client.call_tool("json_schema_echo", {"schema": schema})


async def states(client: Client) -> None:
    """Call the tools that ask in rounds."""
    await client.list_tools()
    for name in ("test_mrtr_echo_state", "test_mrtr_unrelated", "test_mrtr_no_state", "test_mrtr_no_result_type"):
        await client.call_tool(name, {})


async def calls(client: Client) -> None:
    """Add two numbers, which stand for any call."""
    await client.list_tools()
    await client.call_tool("add_numbers", {"a": 5, "b": 3})


SCENARIOS: dict[str, Scenario] = {
    "initialize": listed,
    "tools_call": calls,
    "elicitation-sep1034-client-defaults": surfaced,
    "sse-retry": surfaced,
    "request-metadata": listed,
    "sep-2322-client-request-state": states,
    "http-standard-headers": everything,
    "http-custom-headers": replayed,
    "http-invalid-tool-headers": surfaced,
    "json-schema-ref-no-deref": listed,
    "json-schema-2020-12-preservation": preserved,
}


async def main(url: str) -> None:
    """Play one scenario."""
    options: dict[str, Any] = {"on_elicit": on_elicit, "on_sample": sample, "roots": ["/tmp"], "timeout": 20.0}
    if VERSION is not None:
        options["revision"] = VERSION
    if SCENARIO.startswith("auth/"):
        options["auth"] = login(url, SCENARIO, CONTEXT)
    async with Client(url, **options) as client:
        await SCENARIOS.get(SCENARIO, first_tool)(client)


if __name__ == "__main__":
    try:
        asyncio.run(main(sys.argv[-1]))
    except DovetailError as error:
        sys.exit(f"{type(error).__name__}: {error}")
