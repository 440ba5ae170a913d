"""What becomes of a message that an older revision has no words for.

Here live the changes that leaving out a field does not cover: kinds of content, structured content, styles of choice.
Never here: which revision has what (see `revisions`), or how a message is written (see `codec`).

| cannot be said                                  | becomes                                                        |
|-------------------------------------------------|----------------------------------------------------------------|
| a kind of content                               | text that names its kind, with the annotations it had          |
| several blocks in a message to a model          | several messages; in a model's answer, one block of text       |
| structured content that is not an object        | `{"value": ...}`, and `dovetail/wrapped` in `_meta`            |
| structured content, where `content` is empty    | text that holds the JSON                                       |
| an output schema that is not `type: object`     | one that allows both forms; left out where that is impossible  |
| a titled choice in a form                       | `enum` with `enumNames`                                        |
| the capability to visit URLs, without forms     | no elicitation at all (an empty one would promise forms)       |
| more than 100 completions                       | the first 100, and `hasMore`                                   |

Invariant: each function returns the very message that it was given if nothing has to change.
"""

from collections.abc import Callable
from typing import Any, Final

import msgspec
from msgspec import UNSET, Raw
from msgspec.structs import replace

from dovetail.revisions import Revision
from dovetail.wire.capabilities import ClientCapabilities
from dovetail.wire.completion import MAX_VALUES, Completion
from dovetail.wire.content import (
    AudioContent,
    Content,
    ResourceLink,
    TextContent,
    ToolResultContent,
    ToolUseContent,
)
from dovetail.wire.elicitation import ElicitResult, StringSchema
from dovetail.wire.sampling import CreateMessageRequestParams, CreateMessageResult, SamplingMessage
from dovetail.wire.tools import CallToolResult, Tool

WRAPPED: Final = "dovetail/wrapped"
"""The key in `_meta` that says: structured content stands in `value`."""

WRAPPED_VALUE: Final = "value"
"""Where structured content stands that is not an object itself."""

_YOUNGER: Final = frozenset({AudioContent, ResourceLink, ToolUseContent, ToolResultContent})
"""Content that some revision lacks."""

Change = Callable[[Any], Any]

_OBJECT: Final = ord("{")
_WRAPPING: Final = b'{"' + WRAPPED_VALUE.encode() + b'":'
_TOP: Final = ("$schema", "$defs", "definitions")
_BODY: Final = ("#/$defs/", "#/definitions/")


def reworded(message: msgspec.Struct, revision: Revision) -> msgspec.Struct:
    """Return a message under a name that the revision has, if there is one: text for content, a legacy choice."""
    kind = type(message)
    if kind in _YOUNGER and kind.__name__ not in revision.fields:
        return _as_text(message)
    if isinstance(message, StringSchema) and not revision.multi_select:
        return _legacy_style(message)
    return message


def _as_text(content: msgspec.Struct) -> TextContent:
    match content:
        case AudioContent(mime_type=mime):
            text = f"[audio {mime}]"
        case ResourceLink(name=name, uri=uri):
            text = f"[resource_link {name}] {uri}"
        case ToolUseContent(name=name):
            text = f"[tool_use {name}]"
        case ToolResultContent(tool_use_id=use):
            text = f"[tool_result {use}] {_joined(content.content)}".rstrip()
        case _:
            text = f"[{content.__struct_config__.tag}]"
    return TextContent(
        text=text,
        annotations=content.annotations if isinstance(content, Content) else None,
        meta=getattr(content, "meta", None),
    )


def _joined(blocks: list[Any]) -> str:
    return "\n".join(block.text if isinstance(block, TextContent) else _as_text(block).text for block in blocks)


def change_for(kind: type[msgspec.Struct], revision: Revision) -> Change | None:
    """Return what has to be done to a type's messages before fields are left out; None for nothing."""
    make = _CHANGES.get(kind)
    return make(revision) if make else None


# Structured content, and the schemas that promise it.


def _structured(revision: Revision) -> Change | None:
    return {"none": _told, "object": _objects_only, "any": None}[revision.structured_content]


def _told(message: Any) -> Any:
    # "a tool that returns structured content SHOULD also return the serialized JSON in a TextContent block" (Tools):
    # where only the structured form was given, the other takes its place.
    if message.structured_content is UNSET or message.content:
        return message
    return replace(message, content=[TextContent(text=_json(message.structured_content).decode())])


def _objects_only(message: Any) -> Any:
    raw = message.structured_content
    if raw is UNSET or (isinstance(raw, Raw) and memoryview(raw)[0] == _OBJECT):  # nothing is copied
        return message
    data = _json(raw)
    if data.lstrip()[:1] == b"{":
        return message
    meta = {**message.meta, WRAPPED: True} if message.meta else {WRAPPED: True}
    return replace(message, structured_content=Raw(_WRAPPING + data + b"}"), meta=meta)


def _json(value: Any) -> bytes:
    """Return what is sent as JSON: as it is, or, of a value that somebody put there, as the encoder would write it."""
    return bytes(value) if isinstance(value, Raw) else msgspec.json.encode(value)


def _output_schema(revision: Revision) -> Change | None:
    return _object_schema if revision.structured_content == "object" else None


def _object_schema(tool: Tool) -> Tool:
    if tool.output_schema is UNSET:
        return tool
    schema = msgspec.json.decode(_json(tool.output_schema))
    if isinstance(schema, dict) and schema.get("type") == "object":
        return tool
    both = object_schema(schema) if isinstance(schema, dict) else None
    return replace(tool, output_schema=UNSET if both is None else Raw(msgspec.json.encode(both)))


def object_schema(schema: dict[str, Any]) -> dict[str, Any] | None:
    """Return a schema with `type: object` for structured content as it is sent where an object is required.

    What is an object already is sent as it is, all else inside `value`: so the schema allows both, or only the second
    where its `type` rules objects out. Definitions move to the top, where references find them. None if a reference
    leads anywhere else: then no schema is better than a wrong one.
    """
    if "$id" in schema or not _refers_to_definitions(schema):
        return None
    top: dict[str, Any] = {key: schema[key] for key in _TOP if key in schema}
    inner = {key: value for key, value in schema.items() if key not in top}
    wrapper = {"properties": {WRAPPED_VALUE: inner}, "required": [WRAPPED_VALUE]}
    kinds = inner.get("type", ["object"])
    if "object" not in (kinds if isinstance(kinds, list) else [kinds]):
        return {**top, "type": "object", **wrapper}
    return {**top, "type": "object", "anyOf": [inner, wrapper]}


def _refers_to_definitions(node: Any) -> bool:
    if isinstance(node, list):
        return all(map(_refers_to_definitions, node))
    if not isinstance(node, dict):
        return True
    for key in ("$ref", "$dynamicRef"):
        if isinstance(target := node.get(key), str) and not target.startswith(_BODY):
            return False
    return all(map(_refers_to_definitions, node.values()))


# Conversations with a model.


def _messages(revision: Revision) -> Change | None:
    return None if revision.sampling_lists else _one_block_each


def _one_block_each(params: CreateMessageRequestParams) -> CreateMessageRequestParams:
    if not any(isinstance(message.content, list) for message in params.messages):
        return params
    messages: list[SamplingMessage] = []
    for message in params.messages:
        blocks = message.content if isinstance(message.content, list) else [message.content]
        messages += [replace(message, content=block) for block in blocks or [TextContent(text="")]]
    return replace(params, messages=messages)


def _answer(revision: Revision) -> Change | None:
    return None if revision.sampling_lists else _one_block


def _one_block(message: Any) -> Any:
    blocks = message.content
    if not isinstance(blocks, list):
        return message
    return replace(message, content=blocks[0] if len(blocks) == 1 else TextContent(text=_joined(blocks)))


# Forms.


def _legacy_style(field: StringSchema) -> StringSchema:
    if field.one_of is None:
        return field
    values, titles = [option.const for option in field.one_of], [option.title for option in field.one_of]
    return replace(field, one_of=None, enum=values, enum_names=titles)


def _answers(revision: Revision) -> Change | None:
    return None if revision.multi_select else _single_answers


def _single_answers(result: ElicitResult) -> ElicitResult:
    content = result.content or {}
    if not any(isinstance(value, list) for value in content.values()):
        return result
    plain = {name: ", ".join(value) if isinstance(value, list) else value for name, value in content.items()}
    return replace(result, content=plain)


def _form_capability(revision: Revision) -> Change | None:
    return None if revision.url_elicitation or not revision.elicitation else _forms_only


def _forms_only(capabilities: ClientCapabilities) -> ClientCapabilities:
    # "an empty capabilities object is equivalent to declaring support for form mode only" (2025-11-25, Elicitation)
    declared = capabilities.elicitation
    if declared is None or declared.url is None or declared.form is not None:
        return capabilities
    return replace(capabilities, elicitation=None)


# Completion.


def _first_values(completion: Completion) -> Completion:
    # "Servers return an array of values ranked by relevance, with: Maximum 100 items per response" (Completion)
    if len(completion.values) <= MAX_VALUES:
        return completion
    total = len(completion.values) if completion.total is None else completion.total
    return replace(completion, values=completion.values[:MAX_VALUES], total=total, has_more=True)


_CHANGES: Final[dict[type[msgspec.Struct], Callable[[Revision], Change | None]]] = {
    CallToolResult: _structured,
    ToolResultContent: _structured,
    Tool: _output_schema,
    CreateMessageRequestParams: _messages,
    CreateMessageResult: _answer,
    SamplingMessage: _answer,
    ElicitResult: _answers,
    ClientCapabilities: _form_capability,
    Completion: lambda _: _first_values,
}
