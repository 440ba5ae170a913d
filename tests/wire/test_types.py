"""Every construct of MCP decodes from a golden document, encodes back to it, and survives the unknown."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import msgspec
import pytest
from msgspec import UNSET, Raw

import dovetail.wire as wire
from dovetail.wire import (
    CallToolRequestParams,
    CallToolResult,
    CancelledNotificationParams,
    ClientCapabilities,
    CreateMessageResult,
    ElicitationCapability,
    EmbeddedResource,
    GetPromptRequestParams,
    ImageContent,
    LoggingMessageNotificationParams,
    ProgressNotificationParams,
    ReadResourceRequestParams,
    RequestMeta,
    RequestParams,
    ResourceContents,
    RootsCapability,
    SamplingMessage,
    TextContent,
    Tool,
    ToolResultContent,
    ToolUseContent,
    level_at_least,
)

GOLDEN: dict[str, dict[str, Any]] = json.loads(Path(__file__).with_name("golden.json").read_bytes())
"""A document with every field set, by type and variant."""

VARIANTS = {"text", "blob", "mode", "requestedSchema", "url", "elicitationId", "context", "resultType"}
"""Fields that only one variant of a type, or another revision, has."""


KINDS = ("ContentBlock: ImageContent", "SamplingContent: ToolUseContent", "SamplingContent: ToolResultContent")


def golden(name: str) -> tuple[Any, dict[str, Any]]:
    """Return a type and its document."""
    return getattr(wire, name.partition(":")[0]), GOLDEN[name]


def dump(value: Any) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode()


def raw(value: Any) -> bytes:
    assert isinstance(value, Raw)
    return bytes(value)


def reread(document: Any, type: Any) -> Any:
    return json.loads(msgspec.json.encode(msgspec.json.decode(dump(document), type=type)))


@pytest.mark.parametrize("name", GOLDEN)
def test_a_document_with_every_field_comes_back_as_it_was(name: str) -> None:
    type, document = golden(name)
    assert reread(document, type) == document


@pytest.mark.parametrize("name", GOLDEN)
def test_no_field_is_missing_in_a_golden_document(name: str) -> None:
    type, document = golden(name)
    message = msgspec.json.decode(dump(document), type=type)
    assert set(message.__struct_encode_fields__) - set(document) <= VARIANTS


def test_every_type_has_a_golden_document() -> None:
    decoded = [msgspec.json.decode(dump(GOLDEN[name]), type=golden(name)[0]) for name in GOLDEN]
    seen: set[type] = set()

    def see(value: Any) -> None:
        if isinstance(value, msgspec.Struct):
            seen.add(type(value))
            for field in value.__struct_fields__:
                see(getattr(value, field))
        elif isinstance(value, list | dict):
            for item in value.values() if isinstance(value, dict) else value:
                see(item)

    see(decoded)
    exported = [getattr(wire, name) for name in wire.__all__]
    structs = {value for value in exported if isinstance(value, type) and issubclass(value, wire.Wire)}
    bases = {wire.Wire, wire.CacheableResult, wire.ClientResult, wire.InputResponseRequestParams, wire.PaginatedResult}
    assert structs - bases <= seen


@pytest.mark.parametrize("name", GOLDEN)
@pytest.mark.req("W-07")
def test_unknown_fields_are_ignored(name: str) -> None:
    type, document = golden(name)
    assert reread({"unheardOf": {"a": [1]}, **document}, type) == document


@pytest.mark.parametrize("alias", ["Name", "name\x00", "\x00name", "nam\u212f", "NAME", "arguments\u017f", "_Meta"])
@pytest.mark.req("W-02")
def test_a_key_that_only_resembles_a_field_is_no_field(alias: str) -> None:
    params = msgspec.json.decode(dump({alias: {}, "name": "n"}), type=CallToolRequestParams)
    assert params == CallToolRequestParams(name="n")


@pytest.mark.parametrize("name", GOLDEN)
def test_optional_fields_may_be_null(name: str) -> None:
    type, document = golden(name)
    message = msgspec.json.decode(dump(document), type=type)
    fields = [field.encode_name for field in msgspec.structs.fields(message) if field.default is None]
    optional = set(fields) - {"text", "blob", "url", "requestedSchema"}
    emptied = {key: value for key, value in document.items() if key not in optional}
    assert reread(emptied | dict.fromkeys(optional), type) == emptied


def test_every_exported_name_exists() -> None:
    for name in wire.__all__:
        assert getattr(wire, name) is not None


def test_every_message_is_frozen_and_keyword_only_and_leaves_out_what_is_not_set() -> None:
    for name in wire.__all__:
        value = getattr(wire, name)
        if isinstance(value, type) and issubclass(value, wire.Wire):
            config = value.__struct_config__
            assert config.frozen and config.omit_defaults, name
            with pytest.raises(TypeError):
                value("positional")


@pytest.mark.parametrize("null_or_value", ["null", "0", "false", '""', "[]", "{}", " [ 1 , 1.0 ] "])
def test_structured_content_keeps_its_bytes_and_null_is_a_value(null_or_value: str) -> None:
    document = b'{"content":[],"structuredContent":%b}' % null_or_value.encode()
    result = msgspec.json.decode(document, type=CallToolResult)
    assert isinstance(result.structured_content, Raw)
    assert null_or_value.strip().encode() in msgspec.json.encode(result)


def test_structured_content_that_is_absent_stays_absent() -> None:
    result = msgspec.json.decode(b'{"content":[]}', type=CallToolResult)
    assert result.structured_content is UNSET
    assert msgspec.json.encode(result) == b'{"content":[]}'


def test_arguments_and_schemas_keep_their_bytes() -> None:
    params = msgspec.json.decode(
        b'{"name":"a","arguments":{ "x" : 1e2, "y":123456789012345678901234567890 }}', type=CallToolRequestParams
    )
    assert raw(params.arguments) == b'{ "x" : 1e2, "y":123456789012345678901234567890 }'
    tool = msgspec.json.decode(b'{"name":"a","inputSchema":{"type":"object", "$ref":"#/x"}}', type=Tool)
    assert bytes(tool.input_schema) == b'{"type":"object", "$ref":"#/x"}'


@pytest.mark.parametrize("identifier", ["1", '"1"', "1.0", "123456789012345678901234567890"])
@pytest.mark.req("W-03")
def test_the_id_of_a_cancelled_request_keeps_its_bytes(identifier: str) -> None:
    params = msgspec.json.decode(b'{"requestId":%b}' % identifier.encode(), type=CancelledNotificationParams)
    assert raw(params.request_id) == identifier.encode()


@pytest.mark.parametrize("token", ["1", '"1"', "0", '""', "-7", "123456789012345678901234567890"])
def test_a_progress_token_comes_back_exactly(token: str) -> None:
    params = msgspec.json.decode(b'{"_meta":{"progressToken":%b}}' % token.encode(), type=RequestParams)
    assert params.meta is not None and params.meta.progress_token is not None
    notice = ProgressNotificationParams(progress_token=params.meta.progress_token, progress=1)
    assert b'"progressToken":%b,' % token.encode() in msgspec.json.encode(notice)


@pytest.mark.parametrize("token", ["1.5", "true", "[]", "{}"])
def test_a_progress_token_is_a_string_or_an_integer(token: str) -> None:
    with pytest.raises(msgspec.ValidationError, match=r"\$\._meta\.progressToken"):
        msgspec.json.decode(b'{"_meta":{"progressToken":%b}}' % token.encode(), type=RequestParams)


@pytest.mark.parametrize("type", [CallToolRequestParams, GetPromptRequestParams, ReadResourceRequestParams])
@pytest.mark.req("S-08")
def test_one_decode_gives_typed_parameters_and_typed_meta(type: Any) -> None:
    document = GOLDEN["CallToolRequestParams"] | {"uri": "file:///a"}
    params = msgspec.json.decode(dump(document | {"arguments": {}}), type=type)
    assert isinstance(params.meta, RequestMeta)
    assert (params.meta.protocol_version, params.meta.progress_token, params.meta.log_level) == (
        "2026-07-28",
        "p",
        "info",
    )
    assert raw(params.meta.client_capabilities) == b'{"roots":{}}'
    assert bytes(params.input_responses["q"]) == b'{"action":"accept","content":{"a":1}}'


@pytest.mark.parametrize("key", ["clientInfo", "clientCapabilities"])
@pytest.mark.req("S-08")
def test_required_meta_that_is_absent_can_be_told_from_null(key: str) -> None:
    absent = msgspec.json.decode(b"{}", type=RequestMeta)
    null = msgspec.json.decode(b'{"io.modelcontextprotocol/%b":null}' % key.encode(), type=RequestMeta)
    name = "client_info" if key == "clientInfo" else "client_capabilities"
    assert getattr(absent, name) is UNSET
    assert raw(getattr(null, name)) == b"null"


def test_a_log_level_that_does_not_exist_is_refused() -> None:
    with pytest.raises(msgspec.ValidationError):
        msgspec.json.decode(b'{"io.modelcontextprotocol/logLevel":"loud"}', type=RequestMeta)


def test_representations_never_show_arguments_or_answers() -> None:
    params = msgspec.json.decode(
        b'{"name":"n","arguments":{"k":"secret"},"inputResponses":{"q":"secret"}}', type=CallToolRequestParams
    )
    assert "secret" not in repr(params)


@pytest.mark.parametrize("contents", ["{}", '{"text":"a","blob":"AA=="}', '{"text":null}'])
def test_resource_contents_are_text_or_bytes(contents: str) -> None:
    document = dump({"type": "resource", "resource": {"uri": "u"} | json.loads(contents)})
    with pytest.raises(msgspec.ValidationError, match=r"`text` and `blob`"):
        msgspec.json.decode(document, type=EmbeddedResource)


def test_resource_contents_know_their_official_name() -> None:
    assert wire.TextResourceContents("u", "", "text/plain").__wire_name__ == "TextResourceContents"
    assert wire.BlobResourceContents("u", "AA==").__wire_name__ == "BlobResourceContents"
    assert wire.BlobResourceContents("u", "AA==") == ResourceContents(uri="u", blob="AA==")


@pytest.mark.parametrize("role", ["user", "assistant"])
def test_a_message_to_a_model_holds_one_block_or_several(role: str) -> None:
    image, use, result = (GOLDEN[kind] for kind in KINDS)
    one = msgspec.json.decode(dump({"role": role, "content": image}), type=SamplingMessage)
    several = msgspec.json.decode(dump({"role": role, "content": [use, result]}), type=SamplingMessage)
    assert isinstance(one.content, ImageContent)
    assert isinstance(several.content, list)
    assert [type(block) for block in several.content] == [ToolUseContent, ToolResultContent]


@pytest.mark.parametrize("kind", ["resource_link", "resource", "video"])
def test_content_that_a_place_does_not_know_is_refused(kind: str) -> None:
    with pytest.raises(msgspec.ValidationError, match=r"\$\.content"):
        msgspec.json.decode(dump({"role": "user", "content": {"type": kind}}), type=SamplingMessage)
    with pytest.raises(msgspec.ValidationError, match=r"\$\.content"):
        msgspec.json.decode(dump({"role": "user", "model": "m", "content": [{"type": kind}]}), type=CreateMessageResult)


def test_an_empty_capability_is_declared_and_an_absent_one_is_not() -> None:
    capabilities = msgspec.json.decode(b'{"roots":{},"elicitation":{}}', type=ClientCapabilities)
    assert capabilities == ClientCapabilities(roots=RootsCapability(), elicitation=ElicitationCapability())
    assert msgspec.json.encode(capabilities) == b'{"roots":{},"elicitation":{}}'


def test_tasks_are_neither_read_nor_declared() -> None:
    document = b'{"tasks":{"list":{},"requests":{"tools":{"call":{}}}}}'
    assert msgspec.json.decode(document, type=ClientCapabilities) == ClientCapabilities()
    called = msgspec.json.decode(b'{"name":"n","task":{"ttl":1}}', type=CallToolRequestParams)
    assert called == CallToolRequestParams(name="n")


def test_log_data_may_be_null() -> None:
    params = msgspec.json.decode(b'{"level":"debug","data":null}', type=LoggingMessageNotificationParams)
    assert msgspec.json.encode(params) == b'{"level":"debug","data":null}'


def test_levels_are_ordered_as_rfc_5424_orders_them() -> None:
    assert wire.LEVELS[0] == "debug" and wire.LEVELS[-1] == "emergency"
    for at, level in enumerate(wire.LEVELS):
        reached = [minimum for minimum in wire.LEVELS if level_at_least(level, minimum)]
        assert reached == list(wire.LEVELS[: at + 1])


def test_a_message_that_was_built_encodes_with_wire_names() -> None:
    result = CallToolResult(content=[TextContent(text="hi")], structured_content=Raw(b'{"n":1}'), is_error=False)
    assert json.loads(msgspec.json.encode(result)) == {
        "content": [{"type": "text", "text": "hi"}],
        "structuredContent": {"n": 1},
        "isError": False,
    }


def test_a_feature_that_is_not_used_is_not_loaded() -> None:
    code = (
        "import sys, dovetail.wire.tools; print(*[name for name in sys.modules if name.startswith('dovetail.wire.')])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = {name.removeprefix("dovetail.wire.") for name in done.stdout.split()}
    assert loaded == {"base", "content", "envelope", "meta", "tools"}


def test_contents_may_have_meta() -> None:
    assert wire.TextResourceContents("x://a", "t", meta={"a": 1}).meta == {"a": 1}
    assert wire.BlobResourceContents("x://a", "dA==", meta={"a": 1}).meta == {"a": 1}
