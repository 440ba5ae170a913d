"""The server that the official conformance suite tests: `python tests/conformance/server.py --port N`.

It is written on the public API alone. Names, texts and schemas are the fixture contract of the suite; what they mean
for a protocol revision is the business of the library, which is why the same handlers serve both eras.
"""

import argparse
import asyncio
import base64
from typing import Any

from dovetail import Context, Server, ToolError
from dovetail.errors import CapabilityMissing
from dovetail.wire import (
    AudioContent,
    ContentBlock,
    EmbeddedResource,
    GetPromptResult,
    ImageContent,
    PromptMessage,
    TextContent,
    TextResourceContents,
)

PNG = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mP8z8DwHwAFBQIAX8jx0gAAAABJRU5ErkJggg=="
WAV = base64.b64encode(b"RIFF$\0\0\0WAVEfmt \x10\0\0\0\1\0\1\0@\x1f\0\0@\x1f\0\0\1\0\x08\0data\0\0\0\0").decode()

app = Server("everything", version="1.0.0", instructions="A server with one of each, for the conformance suite.")


def form(**fields: dict[str, Any]) -> dict[str, Any]:
    return {"type": "object", "properties": fields, "required": []}


NAME = {"type": "object", "properties": {"name": {"type": "string"}}, "required": ["name"]}


# Tools that return content of every kind.


@app.tool
def test_simple_text() -> str:
    """Return a text."""
    return "This is a simple text response for testing."


@app.tool
def test_image_content() -> ImageContent:
    """Return a picture."""
    return ImageContent(data=PNG, mime_type="image/png")


@app.tool
def test_audio_content() -> AudioContent:
    """Return a sound."""
    return AudioContent(data=WAV, mime_type="audio/wav")


@app.tool
def test_embedded_resource() -> EmbeddedResource:
    """Return a resource's contents."""
    contents = TextResourceContents("test://embedded-resource", "This is an embedded resource content.", "text/plain")
    return EmbeddedResource(resource=contents)


@app.tool
def test_multiple_content_types() -> list[ContentBlock]:
    """Return a text, a picture and a resource."""
    contents = TextResourceContents("test://mixed-content-resource", '{"test":"data","value":123}', "application/json")
    return [
        TextContent(text="Multiple content types test:"),
        ImageContent(data=PNG, mime_type="image/png"),
        EmbeddedResource(resource=contents),
    ]


@app.tool
def test_error_handling() -> str:
    """Fail, in words that a model should read."""
    raise ToolError("This tool intentionally returns an error for testing")


# Tools that tell something on the way.


@app.tool
async def test_tool_with_progress(ctx: Context) -> str:
    """Report progress three times."""
    for done in (0, 50, 100):
        await ctx.progress(done, 100, f"Completed step {done} of 100")
        await asyncio.sleep(0)
    return "progress-complete"


@app.tool
async def test_tool_with_logging(ctx: Context) -> str:
    """Log three messages."""
    await ctx.log.info("Tool execution started")
    await ctx.log.info("Tool processing data")
    await ctx.log.info("Tool execution completed")
    return "logged"


@app.tool
async def test_logging_tool(ctx: Context) -> str:
    """Log a message, which nobody sees who did not ask for logs."""
    await ctx.log.info("Only for those who asked")
    return "logged"


@app.tool
async def test_reconnection(ctx: Context) -> str:
    """Close the stream in the middle of the call; the result waits for the client to come back."""
    await ctx.close_stream(retry=0.5)
    return "Reconnection test completed successfully."


# Tools that ask the client. The same line is a request on the back-channel, or a round trip.


@app.tool
async def test_sampling(prompt: str, ctx: Context) -> str:
    """Have the client's model answer a prompt."""
    answer = await ctx.sample(prompt, max_tokens=100)
    return f"LLM response: {answer.content}"


@app.tool
async def test_elicitation(message: str, ctx: Context) -> str:
    """Ask the user for a name and an address."""
    text = {"type": "string", "description": "User's response"}
    answer = await ctx.elicit(message, form(username=text, email={**text, "format": "email"}))
    return f"User response: {answer.action}, {answer.value}"


@app.tool
async def test_elicitation_sep1034_defaults(ctx: Context) -> str:
    """Ask with a default in every kind of field."""
    fields = form(
        name={"type": "string", "default": "John Doe"},
        age={"type": "integer", "default": 30},
        score={"type": "number", "default": 95.5},
        status={"type": "string", "enum": ["active", "inactive", "pending"], "default": "active"},
        verified={"type": "boolean", "default": True},
    )
    answer = await ctx.elicit("Please review and update the form fields with defaults", fields)
    return f"Elicitation completed: {answer.action}, {answer.value}"


@app.tool
async def test_elicitation_sep1330_enums(ctx: Context) -> str:
    """Ask with every kind of choice."""
    options = ["option1", "option2", "option3"]
    titled = [
        {"const": f"value{n}", "title": f"{word} Option"} for n, word in enumerate(("First", "Second", "Third"), 1)
    ]
    fields = form(
        untitledSingle={"type": "string", "enum": options},
        titledSingle={"type": "string", "oneOf": titled},
        legacyEnum={"type": "string", "enum": ["opt1", "opt2"], "enumNames": ["Option One", "Option Two"]},
        untitledMulti={"type": "array", "items": {"type": "string", "enum": options}},
        titledMulti={"type": "array", "items": {"anyOf": titled}},
    )
    answer = await ctx.elicit("Please select options from the enum fields", fields)
    return f"Elicitation completed: {answer.action}, {answer.value}"


@app.tool
async def test_missing_capability(ctx: Context) -> str:
    """Need sampling."""
    answer = await ctx.sample("Say hello")
    return f"{answer.content}"


@app.tool
async def test_streaming_elicitation(ctx: Context) -> str:
    """Report progress, then ask."""
    await ctx.progress(1, 2)
    answer = await ctx.elicit("Go on?", form(ok={"type": "boolean"}))
    return answer.action


@app.tool
async def test_input_required_result_elicitation(ctx: Context) -> str:
    """Ask for a name."""
    answer = await ctx.elicit("What is your name?", NAME, key="user_name")
    said = answer.value or {"name": "stranger"}
    return f"Hello, {said['name']}!"


@app.tool
async def test_input_required_result_sampling(ctx: Context) -> str:
    """Ask the client's model."""
    answer = await ctx.sample("What is the capital of France?", max_tokens=100, key="capital")
    return f"The model said: {answer.content}"


@app.tool
async def test_input_required_result_list_roots(ctx: Context) -> str:
    """Ask for the roots."""
    return f"{[root.uri for root in await ctx.roots(key='client_roots')]}"


@app.tool
async def test_input_required_result_request_state(ctx: Context) -> str:
    """Ask for a confirmation; the state comes back with the answer."""
    answer = await ctx.elicit("Please confirm", form(ok={"type": "boolean"}), key="confirm")
    return f"state-ok: {answer.action}"


@app.tool
async def test_input_required_result_multiple_inputs(ctx: Context) -> str:
    """Ask three things at once."""
    name, greeting, roots = await asyncio.gather(
        ctx.elicit("What is your name?", NAME, key="user_name"),
        ctx.sample("Generate a greeting", max_tokens=50, key="greeting"),
        ctx.roots(key="client_roots"),
    )
    return f"{name.value}, {greeting.content}, {len(roots)} roots"


@app.tool
async def test_input_required_result_multi_round(ctx: Context) -> str:
    """Ask one thing after the other."""
    name = await ctx.elicit("What is your name?", NAME, key="step1")
    color = await ctx.elicit("What is your favorite color?", form(color={"type": "string"}), key="step2")
    return f"{name.value}, {color.value}"


@app.tool
async def test_input_required_result_tampered_state(ctx: Context) -> str:
    """Ask for a confirmation; a state that was tampered with is refused."""
    answer = await ctx.elicit("Please confirm", form(ok={"type": "boolean"}), key="confirm")
    return f"confirmed: {answer.action}"


@app.tool
async def test_input_required_result_capabilities(ctx: Context) -> str:
    """Ask a form where the client has forms, and its model where it has one."""
    said = []
    try:
        said.append((await ctx.elicit("Pick a name", NAME, key="name")).action)
    except CapabilityMissing:
        said.append("no forms")
    return f"{said}, {(await ctx.sample('Say something', key='model')).content}"


# Tools whose schema is given verbatim.


JSON_SCHEMA = {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "type": "object",
    "$defs": {
        "address": {
            "$anchor": "addressDef",
            "type": "object",
            "properties": {"street": {"type": "string"}, "city": {"type": "string"}},
        }
    },
    "properties": {
        "name": {"type": "string"},
        "address": {"$ref": "#/$defs/address"},
        "contactMethod": {"type": "string", "enum": ["phone", "email"]},
        "phone": {"type": "string"},
        "email": {"type": "string"},
    },
    "allOf": [{"anyOf": [{"required": ["phone"]}, {"required": ["email"]}]}],
    "if": {"properties": {"contactMethod": {"const": "phone"}}, "required": ["contactMethod"]},
    "then": {"required": ["phone"]},
    "else": {"required": ["email"]},
    "additionalProperties": False,
}


@app.tool(input_schema=JSON_SCHEMA)
def json_schema_2020_12_tool(**arguments: Any) -> str:
    """Take arguments that a JSON Schema with all the trimmings describes."""
    return f"Got {sorted(arguments)}"


REGION = {"type": "string", "description": "Mirrored in a header", "x-mcp-header": "Region"}


@app.tool(input_schema={"type": "object", "properties": {"region": REGION}, "required": ["region"]})
def test_x_mcp_header(region: str) -> str:
    """Take an argument that a header repeats."""
    return f"Region: {region}"


# Tools that change what is offered.


def added_tool() -> str:
    """Come and go."""
    return "here"


def added_prompt() -> str:
    """Come and go."""
    return "here"


offered = {"tool": False, "prompt": False}


@app.tool
def test_trigger_tool_change() -> str:
    """Offer a tool more, or one less."""
    offered["tool"] = not offered["tool"]
    if offered["tool"]:
        app.add_tool(added_tool)
    else:
        app.remove_tool("added_tool")
    return "tools changed"


@app.tool
def test_trigger_prompt_change() -> str:
    """Offer a prompt more, or one less."""
    offered["prompt"] = not offered["prompt"]
    if offered["prompt"]:
        app.add_prompt(added_prompt)
    else:
        app.remove_prompt("added_prompt")
    return "prompts changed"


# Resources.


@app.resource("test://static-text", name="Static text", mime_type="text/plain")
def static_text() -> str:
    """A text that never changes."""
    return "This is the content of the static text resource."


@app.resource("test://static-binary", name="Static binary", mime_type="image/png")
def static_binary() -> bytes:
    """A picture that never changes."""
    return base64.b64decode(PNG)


@app.resource("test://watched-resource", name="Watched resource", mime_type="text/plain")
def watched() -> str:
    """A text to subscribe to."""
    return "Watched resource content"


@app.resource("test://template/{id}/data", name="Template", mime_type="application/json")
def template(id: str) -> str:
    """Data by id."""
    return f'{{"id":"{id}","templateTest":true,"data":"Data for ID: {id}"}}'


# Prompts.


def message(content: ContentBlock) -> GetPromptResult:
    return GetPromptResult(messages=[PromptMessage(role="user", content=content)])


@app.prompt
def test_simple_prompt() -> str:
    """A prompt without arguments."""
    return "This is a simple prompt for testing."


@app.prompt
def test_prompt_with_arguments(arg1: str, arg2: str) -> str:
    """A prompt with two arguments."""
    return f"Prompt with arguments: arg1='{arg1}', arg2='{arg2}'"


@app.prompt
def test_prompt_with_embedded_resource(resourceUri: str) -> GetPromptResult:
    """A prompt that holds a resource."""
    contents = TextResourceContents(resourceUri, "Embedded resource content for testing.", "text/plain")
    return message(EmbeddedResource(resource=contents))


@app.prompt
def test_prompt_with_image() -> GetPromptResult:
    """A prompt that holds a picture."""
    return message(ImageContent(data=PNG, mime_type="image/png"))


@app.prompt
async def test_input_required_result_prompt(ctx: Context) -> str:
    """A prompt that asks before it answers."""
    answer = await ctx.elicit("What context should the prompt use?", form(context={"type": "string"}), key="context")
    return f"Use this context: {answer.value}"


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Serve one of each, for the conformance suite.")
    parser.add_argument("--port", type=int, default=3000)
    app.run("http", port=parser.parse_args().port)
