"""What a revision has no words for becomes something defined, and never a field that it does not know."""

import json
from typing import Any

import jsonschema_rs
import pytest
from msgspec import Raw

import dovetail.wire as wire
from dovetail.errors import Unsayable
from dovetail.revisions import REVISIONS, Revision
from dovetail.wire import encode
from dovetail.wire.degrade import object_schema

NOVEMBER_24, MARCH, JUNE, NOVEMBER, JULY_26 = REVISIONS
STATEFUL = REVISIONS[:4]
BEFORE_NOVEMBER = REVISIONS[:3]


def said(message: Any, revision: Revision) -> Any:
    return json.loads(encode(message, revision))


def told(*content: Any, **more: Any) -> wire.CallToolResult:
    return wire.CallToolResult(content=list(content), **more)


def test_sound_becomes_text_where_there_is_no_sound() -> None:
    sound = wire.AudioContent(data="AAAA", mime_type="audio/wav", annotations=wire.Annotations(priority=1))
    (heard,) = said(told(sound), NOVEMBER_24)["content"]
    assert heard == {"type": "text", "text": "[audio audio/wav]", "annotations": {"priority": 1.0}}
    assert said(told(sound), MARCH)["content"][0]["type"] == "audio"


def test_a_link_becomes_text_that_still_says_where_it_leads() -> None:
    link = wire.ResourceLink(uri="file:///a", name="a", icons=[wire.Icon(src="https://i")], meta={"k": 1})
    for revision in (NOVEMBER_24, MARCH):
        (heard,) = said(told(link), revision)["content"]
        assert heard == {"type": "text", "text": "[resource_link a] file:///a"}
    assert said(told(link), JUNE)["content"][0] == {
        "type": "resource_link",
        "uri": "file:///a",
        "name": "a",
        "_meta": {"k": 1},
    }
    assert "icons" in said(told(link), NOVEMBER)["content"][0]


def test_prompts_degrade_like_tools() -> None:
    message = wire.PromptMessage(role="user", content=wire.AudioContent(data="", mime_type="audio/mp3"))
    heard = said(wire.GetPromptResult(messages=[message]), NOVEMBER_24)
    assert heard["messages"][0]["content"] == {"type": "text", "text": "[audio audio/mp3]"}


USE = wire.ToolUseContent(id="1", name="find", input={"q": 1})
RESULT = wire.ToolResultContent(
    tool_use_id="1",
    content=[wire.TextContent(text="found"), wire.ResourceLink(uri="u:x", name="x")],
    structured_content=Raw(b"[1]"),
)


def ask(*content: Any) -> wire.CreateMessageRequestParams:
    messages: Any = [wire.SamplingMessage(role="user", content=it) for it in content]
    return wire.CreateMessageRequestParams(messages=messages, max_tokens=1)


@pytest.mark.parametrize("revision", BEFORE_NOVEMBER, ids=repr)
def test_several_blocks_become_several_messages_before_2025_11_25(revision: Revision) -> None:
    heard = said(ask([wire.TextContent(text="a"), USE, RESULT], wire.TextContent(text="b"), []), revision)
    assert heard["messages"] == [
        {"role": "user", "content": {"type": "text", "text": text}}
        for text in ("a", "[tool_use find]", "[tool_result 1] found\n[resource_link x] u:x", "b", "")
    ]


def test_tool_results_inside_a_conversation_keep_their_structure_from_2025_11_25() -> None:
    (message,) = said(ask([RESULT]), NOVEMBER)["messages"]
    assert message["content"][0]["structuredContent"] == {"value": [1]}
    assert message["content"][0]["_meta"] == {"dovetail/wrapped": True}
    (message,) = said(ask([RESULT]), JULY_26)["messages"]
    assert message["content"][0]["structuredContent"] == [1]


@pytest.mark.parametrize("revision", BEFORE_NOVEMBER, ids=repr)
def test_a_models_answer_is_one_block_before_2025_11_25(revision: Revision) -> None:
    def answer(*content: Any) -> Any:
        result = wire.CreateMessageResult(role="assistant", content=list(content), model="m")
        return said(result, revision)["content"]

    image = wire.ImageContent(data="AA", mime_type="image/png")
    assert answer(image)["type"] == "image"
    assert answer(wire.TextContent(text="a"), image) == {"type": "text", "text": "a\n[image]"}
    assert answer() == {"type": "text", "text": ""}


@pytest.mark.parametrize("value", [b"null", b"3", b'"x"', b"[1, 2]", b" [{}]"])
@pytest.mark.parametrize("revision", [JUNE, NOVEMBER], ids=repr)
def test_structured_content_is_wrapped_where_it_must_be_an_object(value: bytes, revision: Revision) -> None:
    heard = said(told(structured_content=Raw(value), meta={"mine": 1}), revision)
    assert heard["structuredContent"] == {"value": json.loads(value)}
    assert heard["_meta"] == {"mine": 1, "dovetail/wrapped": True}
    heard = said(told(structured_content=Raw(value)), JULY_26)
    assert heard["structuredContent"] == json.loads(value) and "_meta" not in heard


@pytest.mark.parametrize("value", [b"{}", b'{"a":1}', b'\n {"a":1}'])
def test_an_object_is_never_wrapped(value: bytes) -> None:
    for revision in (JUNE, NOVEMBER, JULY_26):
        heard = said(told(structured_content=Raw(value)), revision)
        assert heard["structuredContent"] == json.loads(value) and "_meta" not in heard


@pytest.mark.parametrize("revision", [NOVEMBER_24, MARCH], ids=repr)
def test_structured_content_becomes_text_only_where_nothing_else_was_said(revision: Revision) -> None:
    assert said(told(structured_content=Raw(b'{"a":1}')), revision) == {
        "content": [{"type": "text", "text": '{"a":1}'}]
    }
    both = told(wire.TextContent(text="one"), structured_content=Raw(b'{"a":1}'))
    assert said(both, revision) == {"content": [{"type": "text", "text": "one"}]}


def tool(output: Any) -> wire.Tool:
    return wire.Tool(
        name="t",
        input_schema=Raw(b'{"type":"object","x-kept":1}'),
        output_schema=Raw(json.dumps(output).encode()),
        annotations=wire.ToolAnnotations(read_only_hint=True),
        execution=wire.ToolExecution(task_support="optional"),
        icons=[wire.Icon(src="https://i")],
        title="T",
    )


def listed(output: Any, revision: Revision) -> Any:
    (heard,) = said(wire.ListToolsResult(tools=[tool(output)]), revision)["tools"]
    return heard


def test_each_revision_hears_of_a_tool_what_it_knows() -> None:
    keys = [set(listed({"type": "object"}, revision)) for revision in REVISIONS]
    assert keys[0] == {"name", "inputSchema"}
    assert keys[1] - keys[0] == {"annotations"}
    assert keys[2] - keys[1] == {"title", "outputSchema"}
    assert keys[3] - keys[2] == {"icons", "execution"}
    assert keys[3] - keys[4] == {"execution"} and not keys[4] - keys[3]


SCHEMAS: list[tuple[Any, list[Any], list[Any]]] = [
    ({"type": "array", "items": {"type": "integer"}}, [[], [1]], [["a"], 1]),
    ({"type": ["object", "null"], "required": ["a"]}, [None, {"a": 1}], [{}, 3]),
    ({"anyOf": [{"$ref": "#/$defs/P"}, {"type": "null"}], "$defs": {"P": {"type": "object", "required": ["x"]}}},
     [None, {"x": 1}], [{}, []]),
    ({"enum": ["a", "b"]}, ["a"], ["c"]),
    ({"type": "string", "$schema": "https://json-schema.org/draft/2020-12/schema"}, ["a"], [1, {}]),
    ({"allOf": [{"$ref": "#/definitions/N"}], "definitions": {"N": {"type": "number"}}}, [1], ["a"]),
]  # fmt: skip


@pytest.mark.parametrize(("schema", "right", "wrong"), SCHEMAS)
@pytest.mark.parametrize("revision", [JUNE, NOVEMBER], ids=repr)
def test_the_promised_schema_fits_the_content_as_it_is_sent(
    schema: Any, right: list[Any], wrong: list[Any], revision: Revision
) -> None:
    promised = listed(schema, revision)["outputSchema"]
    assert promised["type"] == "object"
    validator = jsonschema_rs.Draft202012Validator(promised)
    for value in right:
        sent = said(told(structured_content=Raw(json.dumps(value).encode())), revision)["structuredContent"]
        assert validator.is_valid(sent), value
    for value in wrong:
        sent = said(told(structured_content=Raw(json.dumps(value).encode())), revision)["structuredContent"]
        assert not validator.is_valid(sent), value
    assert listed(schema, JULY_26)["outputSchema"] == schema


@pytest.mark.parametrize(
    "schema",
    [
        {"type": "array", "items": {"$ref": "#"}},
        {"type": "array", "items": {"$ref": "#/items"}, "$defs": {}},
        {"type": "array", "items": [{"$dynamicRef": "#node"}]},
        {"$id": "urn:a", "type": "array"},
    ],
)
def test_a_schema_that_cannot_move_is_left_out(schema: Any) -> None:
    assert object_schema(schema) is None
    assert "outputSchema" not in listed(schema, NOVEMBER)
    assert listed(schema, JULY_26)["outputSchema"] == schema


def test_a_schema_of_an_object_stays_byte_for_byte() -> None:
    text = b'{ "type" : "object", "properties": {"a": {"$ref": "#"}} }'
    one = wire.Tool(name="t", input_schema=Raw(text), output_schema=Raw(text))
    for revision in (JUNE, NOVEMBER, JULY_26):
        assert encode(wire.ListToolsResult(tools=[one]), revision).count(text) == 2


def form(**properties: Any) -> wire.ElicitRequestParams:
    return wire.ElicitRequestFormParams("m", wire.RequestedSchema(properties=properties, dialect="d"))


def test_a_titled_choice_becomes_the_legacy_style_in_2025_06_18() -> None:
    titled = wire.TitledSingleSelectEnumSchema({"r": "Red", "g": "Green"}, default="r", title="Colour")
    heard = said(form(c=titled), JUNE)["requestedSchema"]
    assert heard == {
        "type": "object",
        "properties": {"c": {"type": "string", "title": "Colour", "enum": ["r", "g"], "enumNames": ["Red", "Green"]}},
    }
    assert "oneOf" in said(form(c=titled), NOVEMBER)["requestedSchema"]["properties"]["c"]


def test_an_untitled_choice_and_plain_fields_lose_only_their_default_in_2025_06_18() -> None:
    fields = said(
        form(
            a=wire.UntitledSingleSelectEnumSchema(["x"], default="x"),
            b=wire.StringSchema(min_length=1, format="email", default="d"),
            c=wire.IntegerSchema(minimum=1, default=2),
            d=wire.BooleanSchema(default=True),
        ),
        JUNE,
    )["requestedSchema"]["properties"]
    assert fields == {
        "a": {"type": "string", "enum": ["x"]},
        "b": {"type": "string", "minLength": 1, "format": "email"},
        "c": {"type": "integer", "minimum": 1},
        "d": {"type": "boolean", "default": True},
    }


def test_a_choice_loses_what_only_plain_text_has() -> None:
    choice = wire.StringSchema(enum=["x"], min_length=1, format="uri")
    assert said(form(a=choice), JULY_26)["requestedSchema"]["properties"]["a"] == {"type": "string", "enum": ["x"]}


@pytest.mark.parametrize(
    "field", [wire.UntitledMultiSelectEnumSchema(["a"]), wire.TitledMultiSelectEnumSchema({"a": "A"})]
)
def test_a_multiple_choice_is_unsayable_in_2025_06_18(field: Any) -> None:
    with pytest.raises(Unsayable, match="MultiSelectEnumSchema does not exist in 2025-06-18"):
        encode(form(a=field), JUNE)
    assert encode(form(a=field), NOVEMBER)


def test_a_url_to_visit_is_unsayable_before_2025_11_25_and_needs_an_id_there() -> None:
    visit = wire.ElicitRequestURLParams("m", "https://a", "7")
    with pytest.raises(Unsayable):
        encode(visit, JUNE)
    assert said(visit, NOVEMBER) == {"mode": "url", "message": "m", "url": "https://a", "elicitationId": "7"}
    assert said(visit, JULY_26) == {"mode": "url", "message": "m", "url": "https://a"}
    with pytest.raises(Unsayable, match="ElicitRequestURLParams needs `elicitationId` in 2025-11-25"):
        encode(wire.ElicitRequestURLParams("m", "https://a"), NOVEMBER)


def test_several_answers_to_one_question_are_joined_in_2025_06_18() -> None:
    result = wire.ElicitResult(action="accept", content={"a": ["x", "y"], "b": 1})
    assert said(result, JUNE)["content"] == {"a": "x, y", "b": 1}
    assert said(result, NOVEMBER)["content"] == {"a": ["x", "y"], "b": 1}


def test_a_client_that_only_visits_urls_promises_no_forms_to_2025_06_18() -> None:
    def declared(elicitation: wire.ElicitationCapability, revision: Revision) -> Any:
        params = wire.InitializeRequestParams(
            protocol_version=revision.version,
            capabilities=wire.ClientCapabilities(
                elicitation=elicitation, sampling=wire.SamplingCapability(tools={}), extensions={"a/b": {}}
            ),
            client_info=wire.Implementation(name="n", version="v", title="T", website_url="https://w"),
        )
        return said(params, revision)["capabilities"]

    assert declared(wire.ElicitationCapability(url={}), JUNE) == {"sampling": {}}
    assert declared(wire.ElicitationCapability(url={}, form={}), JUNE) == {"sampling": {}, "elicitation": {}}
    assert declared(wire.ElicitationCapability(), JUNE) == {"sampling": {}, "elicitation": {}}
    assert declared(wire.ElicitationCapability(url={}), NOVEMBER_24) == {"sampling": {}}
    assert declared(wire.ElicitationCapability(url={}), NOVEMBER) == {
        "sampling": {"tools": {}},
        "elicitation": {"url": {}},
    }


@pytest.mark.parametrize("revision", REVISIONS, ids=repr)
def test_no_revision_hears_more_than_a_hundred_completions(revision: Revision) -> None:
    def completed(count: int, **more: Any) -> Any:
        completion = wire.Completion(values=[str(n) for n in range(count)], **more)
        return said(wire.CompleteResult(completion=completion), revision)["completion"]

    assert len(completed(100)["values"]) == 100 and "hasMore" not in completed(100)
    heard = completed(101)
    assert (len(heard["values"]), heard["values"][99], heard["total"], heard["hasMore"]) == (100, "99", 101, True)
    assert completed(101, total=5000)["total"] == 5000
