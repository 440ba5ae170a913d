"""Tools that show what a result can be: every kind of content, structured results, metadata, errors."""

import asyncio
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from dovetail import Audio, Cache, Context, File, Image, Server, ToolError
from dovetail.errors import Busy, InvalidParams
from dovetail.servers.everything.media import picture, sound
from dovetail.servers.everything.showing import harmless, icons
from dovetail.wire import Annotations, CallToolResult, ResourceLink, TextContent

_DOCUMENT = "demo://resource/static/document/features.md"


class Weather(msgspec.Struct, frozen=True, kw_only=True):
    """What get-structured-content returns.

    Attributes:
        temperature: Degrees Celsius.
        conditions: In words.
        humidity: Percent.
    """

    temperature: float
    conditions: str
    humidity: Annotated[int, Meta(ge=0, le=100)]


def add_contents(app: Server) -> None:
    """Offer all of them."""
    for name, title, tool in (
        ("echo", "Echo", echo),
        ("get-structured-content", "Structured content", get_structured_content),
        ("get-any-structured-content", "Structured content that is no object", get_any_structured_content),
        ("get-tiny-image", "An image", get_tiny_image),
        ("get-tiny-audio", "Audio", get_tiny_audio),
        ("get-resource-reference", "An embedded resource", get_resource_reference),
        ("get-resource-links", "Links to resources", get_resource_links),
        ("get-annotated-message", "Annotated content", get_annotated_message),
        ("get-every-content", "Every kind of content at once", get_every_content),
        ("get-metadata", "Metadata", get_metadata),
    ):
        app.add_tool(tool, name=name, title=title, annotations=harmless(), icons=icons())
    app.add_tool(fail, name="fail", title="Errors", annotations=harmless(), icons=icons(), timeout=0.5)
    app.add_tool(
        get_sum,
        name="get-sum",
        title="Sum",
        annotations=harmless(),
        icons=icons(),
        cache=Cache(seconds=3600, scope="public"),
        version="1.0",
        meta={"com.example/pure": True},
    )


async def echo(message: str) -> str:
    """Return what was said.

    Shows text content (spec: Server Features, Tools, Text Content). Same on every revision.

    Args:
        message: What to say.
    """
    return f"Echo: {message}"


async def get_sum(a: float, b: float) -> float:
    """Add two numbers.

    Shows a structured result with an output schema that is no object, `_meta` of a tool, and a caching hint of a tool
    (spec: Server Features, Tools, Structured Content). Structured content may be any JSON since 2026-07-28; on
    2025-06-18 and 2025-11-25 it arrives as `{"value": ...}`, before that as text alone.

    Args:
        a: A number.
        b: Another.
    """
    total = a + b
    # 1 and 2 arrive as floats, too; beyond 2**53 a float is no whole number that anybody has given.
    return int(total) if total.is_integer() and abs(total) <= 2**53 else total


async def get_structured_content(location: Literal["New York", "Chicago", "Los Angeles"]) -> Weather:
    """Return invented weather.

    Shows structured content with an output schema (spec: Server Features, Tools, Output Schema). Since 2025-06-18;
    before, the same JSON is the text.

    Args:
        location: One of three cities: an enumeration in the input schema.
    """
    known = {"New York": (33.0, "Cloudy", 82), "Chicago": (36.0, "Light rain", 82), "Los Angeles": (73.0, "Sunny", 48)}
    temperature, conditions, humidity = known[location]
    return Weather(temperature=temperature, conditions=conditions, humidity=humidity)


async def get_any_structured_content(kind: Literal["object", "array", "number", "text", "null"]) -> Any:
    """Return structured content of a kind of your choice.

    Shows structured content that is any JSON value (spec: Server Features, Tools, Structured Content). Since
    2026-07-28; on 2025-06-18 and 2025-11-25 what is no object arrives as `{"value": ...}`; before, as text.

    Args:
        kind: Which.
    """
    values: dict[str, Any] = {"object": {"a": 1}, "array": [1, 2], "number": 3.5, "text": "words", "null": None}
    return CallToolResult(
        content=[TextContent(text=msgspec.json.encode(values[kind]).decode())],
        structured_content=msgspec.Raw(msgspec.json.encode(values[kind])),
    )


async def get_tiny_image() -> list[str | Image]:
    """Return a picture between two texts.

    Shows image content, base64 with a media type (spec: Server Features, Tools, Image Content). Same on every revision.
    """
    return ["Here is the picture:", Image(picture()), "That was the picture."]


async def get_tiny_audio() -> list[str | Audio]:
    """Return a short tone.

    Shows audio content (spec: Server Features, Tools, Audio Content). Since 2025-03-26; before, a text says that there
    was audio.
    """
    return ["Here is the tone:", Audio(sound())]


async def get_resource_reference(
    kind: Literal["text", "blob"] = "text", resource_id: Annotated[int, Meta(ge=1, le=100)] = 1
) -> File:
    """Return a resource with its contents.

    Shows an embedded resource, text or base64 (spec: Server Features, Tools, Embedded Resources). Same on every
    revision.

    Args:
        kind: Text or bytes.
        resource_id: Which one, 1 to 100.
    """
    uri = f"demo://resource/dynamic/{kind}/{resource_id}"
    if kind == "blob":
        return File(bytes([resource_id]) * 8, "application/octet-stream", name=f"{resource_id}.bin", uri=uri)
    return File(f"Resource {resource_id}: this is a text.".encode(), "text/plain", name=f"{resource_id}.txt", uri=uri)


async def get_resource_links(count: Annotated[int, Meta(ge=1, le=10)] = 3) -> list[str | ResourceLink]:
    """Return links to resources.

    Shows links that are read later, with title, size and icons (spec: Server Features, Tools, Resource Links). Since
    2025-06-18; before, a text names the link.

    Args:
        count: How many, 1 to 10.
    """
    links = [
        ResourceLink(
            uri=f"demo://resource/dynamic/text/{number}",
            name=f"text-{number}",
            title=f"Text {number}",
            description="Made when it is read.",
            mime_type="text/plain",
            icons=icons(),
        )
        for number in range(1, count + 1)
    ]
    return [f"Here are {count} links:", *links]


async def get_annotated_message(
    message_type: Literal["error", "success", "debug"], include_image: bool = False
) -> list[TextContent | Image]:
    """Return a text that says for whom it is, and how important.

    Shows annotations of content: audience, priority, last change (spec: Server Features, Resources, Annotations). Same
    on every revision; the time of the last change since 2025-06-18.

    Args:
        message_type: Errors are for both and matter most, debugging is for the model.
        include_image: With a picture for the user.
    """
    words: dict[str, tuple[str, list[Literal["user", "assistant"]], float]] = {
        "error": ("Error: the operation failed", ["user", "assistant"], 1.0),
        "success": ("The operation is done", ["user"], 0.7),
        "debug": ("Debug: 12 cache hits, 3 misses", ["assistant"], 0.3),
    }
    text, audience, priority = words[message_type]
    annotations = Annotations(audience=audience, priority=priority, last_modified="2026-01-12T15:00:58Z")
    shown: list[TextContent | Image] = [TextContent(text=text, annotations=annotations)]
    if include_image:
        shown.append(Image(picture(), annotations=Annotations(audience=["user"], priority=0.5)))
    return shown


async def get_every_content() -> list[Any]:
    """Return one of each kind of content.

    Shows a result of several blocks: text, image, audio, embedded text and bytes, a link (spec: Server Features, Tools,
    Tool Result). Audio since 2025-03-26, links since 2025-06-18; before, a text names the kind.
    """
    return [
        "A text",
        Image(picture()),
        Audio(sound()),
        File(b"# A document", "text/markdown", name="document.md", uri=_DOCUMENT),
        File(b"\x00\x01\x02", "application/octet-stream", name="bytes.bin", uri="demo://resource/dynamic/blob/1"),
        ResourceLink(uri="demo://counter", name="counter"),
    ]


async def get_metadata(ctx: Context) -> CallToolResult:
    """Return metadata, and the protocol's keys in the metadata of the request.

    Shows `_meta` of a request, a content block and a result (spec: Base Protocol, General fields, _meta). On every
    revision; on 2026-07-28 a request says there who sends it.
    """
    meta = getattr(ctx.call.params, "meta", None)
    known = msgspec.structs.fields(meta) if meta is not None else ()
    keys = sorted(key.encode_name for key in known if getattr(meta, key.name) not in (None, msgspec.UNSET))
    return CallToolResult(
        content=[
            TextContent(text=f"The request's _meta had: {', '.join(keys) or 'nothing'}", meta={"com.example/a": 1})
        ],
        meta={"com.example/answer": 42},
    )


async def fail(how: Literal["tool", "crash", "protocol", "busy", "timeout", "resource"], ctx: Context) -> str:
    """Fail, in a way of your choice.

    Shows the two kinds of errors (spec: Server Features, Tools, Error Handling): a result with `isError`, which the
    model reads (tool, crash, timeout), and an error of the protocol (protocol, busy, resource). Same on every revision,
    but for the code of a missing resource: -32602 on 2026-07-28, -32002 before.

    Args:
        how: tool (in the tool's words), crash (masked; only an id is told), protocol (-32602), busy (-32603), timeout,
            resource (one that there is not is read).
    """
    if how == "tool":
        raise ToolError("This tool failed, as you asked it to. Call it with another `how` to see another error.")
    if how == "protocol":
        raise InvalidParams("This is an error of the protocol, as you asked for", data={"how": how})
    if how == "busy":
        raise Busy("Too much to do, as you asked for; try again in a second")
    if how == "resource":
        await ctx.read_resource("demo://nothing/here")
    if how == "timeout":
        await asyncio.Event().wait()  # the tool's own `timeout=` ends it
    raise RuntimeError("an accident whose text stays in the server's log")
