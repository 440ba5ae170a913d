"""Contents for people: text as it is, everything else by what it is and how large."""

import binascii
import sys
from collections.abc import Iterable
from typing import Any

import msgspec

from dovetail.cli.tables import console
from dovetail.cli.terminal import shown
from dovetail.wire import (
    AudioContent,
    ContentBlock,
    EmbeddedResource,
    ImageContent,
    ResourceContents,
    ResourceLink,
    TextContent,
    sanitize_text,
)


def text_of(block: ContentBlock) -> str:
    """Return a block as text for people."""
    match block:
        case TextContent(text=text):
            return sanitize_text(text)
        case ImageContent(data=data, mime_type=kind):
            return f"[image, {shown(kind)}, {size_of(data)}]"
        case AudioContent(data=data, mime_type=kind):
            return f"[audio, {shown(kind)}, {size_of(data)}]"
        case ResourceLink(uri=uri, name=name):
            return f"[resource {shown(uri)}: {shown(name)}]"
        case EmbeddedResource(resource=resource):
            return resource_text(resource)


def resource_text(contents: ResourceContents) -> str:
    """Return a resource's contents as text for people."""
    if contents.text is not None:
        return sanitize_text(contents.text)
    kind = shown(contents.mime_type or "application/octet-stream")
    return f"[{shown(contents.uri)}, {kind}, {size_of(contents.blob or '')}]"


def size_of(base64: str) -> str:
    """Return how many bytes some base64 is, for people."""
    size = len(base64) * 3 // 4 - base64[-2:].count("=")
    return f"{size} bytes" if size < 10_000 else f"{size / 1024:,.0f} KiB"


def tool_text(content: Iterable[ContentBlock], structured: Any) -> str:
    """Return what a tool returned: its structured content once, in place of the text that repeats it."""
    blocks = list(content)
    if structured is not None:
        blocks = [block for block in blocks if not _repeats(block, structured)]
        inner = structured["result"] if isinstance(structured, dict) and structured.keys() == {"result"} else structured
        own = inner if isinstance(inner, str) else pretty(inner)
        return "\n".join([*map(text_of, blocks), sanitize_text(own)])
    return "\n".join(map(text_of, blocks))


def _repeats(block: ContentBlock, structured: Any) -> bool:
    """Tell whether a text is the structured content once more.

    "a tool that returns structured content SHOULD also return the serialized JSON in a TextContent block" (2025-06-18,
    Tools, Structured Content)
    """
    if not isinstance(block, TextContent):
        return False
    inner = structured.get("result") if isinstance(structured, dict) and structured.keys() == {"result"} else None
    if block.text in (structured, inner):
        return True
    try:
        value = msgspec.json.decode(block.text)
    except msgspec.DecodeError:
        return False
    return bool(value == structured or (inner is not None and value == inner))


def pretty(value: Any) -> str:
    """Return JSON for people, or for a program that people look at."""
    return msgspec.json.format(msgspec.json.encode(value)).decode()


def show_text(text: str) -> None:
    """Print text: wrapped at the edge of a terminal only by the terminal itself."""
    sys.stdout.write(text if text.endswith("\n") or not text else text + "\n")


def show_role(role: str) -> None:
    """Print who says what follows."""
    console().print(role, style="bold cyan", soft_wrap=True)


def write_raw(contents: Iterable[ResourceContents]) -> None:
    """Write a resource to stdout as it is, for a pipe or a file."""
    sys.stdout.flush()
    for each in contents:
        if each.text is not None:
            sys.stdout.buffer.write(each.text.encode("utf-8", "surrogatepass"))
        else:
            sys.stdout.buffer.write(binascii.a2b_base64(each.blob or ""))
    sys.stdout.buffer.flush()
