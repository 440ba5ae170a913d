"""What prompts and resources return, as results of the protocol."""

from typing import Any, Final

import msgspec

from dovetail.errors import InvalidOutput
from dovetail.server.functions.blocks import block_of, is_block, text_block
from dovetail.server.functions.encoding import encoded
from dovetail.server.functions.media import BINARY, Audio, File, Image, base64_of, contents_of
from dovetail.wire import (
    BlobResourceContents,
    GetPromptResult,
    PromptMessage,
    ReadResourceResult,
    ResourceContents,
    TextResourceContents,
)

JSON: Final = "application/json"
TEXT: Final = "text/plain"
_BYTES: Final = (bytes, bytearray, memoryview)


def prompt_messages(value: Any, description: str | None = None) -> GetPromptResult:
    """Return what a prompt's function returned as its result.

    Args:
        value: A string, a block or what becomes one (a message of the user), a `PromptMessage`, a dict with `role` and
            `content`, a list of any of these, or a whole `GetPromptResult`.
        description: Goes into the result, unless that has one.

    Raises:
        InvalidOutput: Anything else; the place is named, the value is not.
    """
    if isinstance(value, GetPromptResult):
        if value.description is None and description is not None:
            return msgspec.structs.replace(value, description=description)
        return value
    values = value if isinstance(value, list | tuple) else [value]
    messages = [_message(item, f"$[{index}]") for index, item in enumerate(values)]
    return GetPromptResult(messages=messages, description=description)


def _message(value: Any, path: str) -> PromptMessage:
    if isinstance(value, PromptMessage):
        return value
    if isinstance(value, str) or is_block(value):
        return PromptMessage(role="user", content=block_of(value))
    if isinstance(value, dict) and "content" in value:
        content = value["content"]
        if isinstance(content, str) or is_block(content):
            role = value.get("role", "user")
            if role in ("user", "assistant"):
                return PromptMessage(role=role, content=block_of(content))
        else:
            try:
                return msgspec.convert(value, PromptMessage)
            except (msgspec.ValidationError, ValueError):
                pass
    said = "expected a message: text, a content block, or role (user, assistant) and content"
    raise InvalidOutput(path, said, declared=False)


def resource_contents(value: Any, uri: str, mime_type: str | None = None) -> ReadResourceResult:
    """Return what a resource's function returned as its result.

    Args:
        value: Text, bytes, a picture, sound or file, `ResourceContents`, a list with such things in it (other than text
            alone), a whole `ReadResourceResult`; anything else is sent as JSON. None is a resource with nothing in it.
        uri: What was read.
        mime_type: What the resource was declared to be; found out, when not given.

    Raises:
        InvalidOutput: JSON has no words for it.
    """
    if isinstance(value, ReadResourceResult):
        return value
    if value is None:
        return ReadResourceResult(contents=[])
    several = isinstance(value, list | tuple) and any(_is_contents(item) for item in value)
    return ReadResourceResult(contents=[_contents(item, uri, mime_type) for item in (value if several else [value])])


def _is_contents(value: Any) -> bool:
    return isinstance(value, (ResourceContents, Image, Audio, File, *_BYTES))


def _contents(value: Any, uri: str, mime_type: str | None) -> ResourceContents:
    if isinstance(value, ResourceContents):
        return value
    if isinstance(value, str):
        return TextResourceContents(uri, text_block(value).text, mime_type or TEXT)
    if isinstance(value, _BYTES):
        data = bytes(value)
        return contents_of(data, uri, mime_type) if mime_type else BlobResourceContents(uri, base64_of(data), BINARY)
    if isinstance(value, Image | Audio | File):
        data = value.read()
        found = mime_type or value.mime_type(data)
        return contents_of(data, value.uri if isinstance(value, File) else uri, found)
    return TextResourceContents(uri, encoded(value).decode(), mime_type or JSON)
