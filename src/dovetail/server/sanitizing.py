"""`app.use(sanitized)`: what tools, prompts and resources return is shown without what is read and not seen (S-29).

Control characters, terminal escapes, bidirectional overrides, zero-width characters, Unicode tags and runs of variation
selectors can tell a model what its user does not see. A middleware like any other: off unless it is used.
"""

from collections.abc import Callable, Coroutine
from typing import Any

import msgspec

from dovetail.core import Call
from dovetail.server.calls.context import Context
from dovetail.wire import (
    CallToolResult,
    EmbeddedResource,
    GetPromptResult,
    ReadResourceResult,
    ResourceContents,
    TextContent,
    sanitize_text,
)

Method = Callable[[Call, Context], Coroutine[Any, Any, Any]]


def sanitized(handler: Method) -> Method:
    """Wrap every call: texts of results leave without invisible characters; structured content, too."""

    async def serve(call: Call, context: Context) -> Any:
        return _clean(await handler(call, context))

    return serve


def _clean(result: Any) -> Any:
    replace = msgspec.structs.replace
    match result:
        case CallToolResult():
            return _clean_call(result)
        case GetPromptResult():
            messages = [replace(message, content=_clean(message.content)) for message in result.messages]
            return replace(result, messages=messages)
        case ReadResourceResult():
            return replace(result, contents=[_clean(contents) for contents in result.contents])
        case EmbeddedResource():
            return replace(result, resource=_clean(result.resource))
        case TextContent():
            return replace(result, text=sanitize_text(result.text))
        case ResourceContents() if result.text is not None:
            return replace(result, text=sanitize_text(result.text))
        case _:
            return result


def _clean_call(result: CallToolResult) -> CallToolResult:
    replace, structured, mirrored = msgspec.structs.replace, result.structured_content, ""
    if structured is not msgspec.UNSET:
        mirrored = bytes(structured).decode()
        structured = msgspec.Raw(msgspec.json.encode(_clean_json(msgspec.json.decode(structured))))
    content = []
    for block in result.content:
        if isinstance(block, TextContent) and mirrored and block.text == mirrored:
            # The text that repeats the structured content: escapes hide there what the text itself does not hold.
            content.append(replace(block, text=bytes(structured).decode()))  # type: ignore[arg-type]
        else:
            content.append(_clean(block))
    return replace(result, content=content, structured_content=structured)


def _clean_json(value: Any) -> Any:
    if isinstance(value, str):
        return sanitize_text(value)
    if isinstance(value, dict):
        return {sanitize_text(key): _clean_json(item) for key, item in value.items()}
    return [_clean_json(item) for item in value] if isinstance(value, list) else value
