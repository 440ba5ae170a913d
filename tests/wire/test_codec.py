"""What is written for a revision has no field and no kind that the revision lacks, and loses nothing that it has."""

import json
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import Raw

import dovetail.wire as wire
from dovetail.errors import InvalidParams, MalformedJSON, Unsayable
from dovetail.revisions import NEWEST, NEWEST_STATEFUL, OLDEST, REVISIONS, Revision
from dovetail.wire import METHODS, Method, codec, decode, encode, encode_result
from tests.wire import strategies
from tests.wire.closed import SOURCES

NOVEMBER_24, MARCH, JUNE, NOVEMBER, JULY_26 = REVISIONS
INFO = b'{"name":"n","version":"1"}'

MODEST = settings(max_examples=settings().max_examples // 5)
"""Several hundred properties share the time that one would take; the nightly run tries each harder."""

PARAMS = [
    (revision, METHODS[name])
    for revision in REVISIONS
    for name in sorted(METHODS)
    if revision.has(name) or name in revision.questions
]
RESULTS = [(revision, method) for revision, method in PARAMS if method.result is not None]


def spoken(value: object) -> str:
    return value.version if isinstance(value, Revision) else value.name if isinstance(value, Method) else ""


def official_name(message: Any, revision: Revision, method: Method) -> str:
    if method.name == "roots/list" and method.name not in revision.server_requests:
        return "ListRootsRequestParams"
    return str(getattr(message, "__wire_name__", type(message).__name__))


@pytest.mark.parametrize(("revision", "method"), PARAMS, ids=spoken)
@pytest.mark.timeout(60)
def test_parameters_hold_only_what_the_revision_has(revision: Revision, method: Method) -> None:
    sources = [source(revision.version) for source in SOURCES]

    @given(message=strategies.messages(method.params, revision))
    @MODEST
    def check(message: Any) -> None:
        data = json.loads(encode(message, revision))
        name = official_name(message, revision, method)
        assert not [error for source in sources for error in source.params(method.name, name, data)]

    check()


@pytest.mark.parametrize(("revision", "method"), RESULTS, ids=spoken)
@pytest.mark.timeout(60)
def test_results_hold_only_what_the_revision_has(revision: Revision, method: Method) -> None:
    sources = [source(revision.version) for source in SOURCES]
    kinds = [method.result, wire.InputRequiredResult] if method.may_ask and revision.stateless else [method.result]

    @given(message=st.one_of([strategies.messages(kind, revision) for kind in kinds if kind is not None]))
    @MODEST
    def check(message: Any) -> None:
        data = json.loads(encode_result(message, revision, server_info=INFO))
        name = str(getattr(message, "__wire_name__", type(message).__name__))
        assert not [error for source in sources for error in source.errors(name, data)]

    check()


EXACT = sorted(
    {(revision.index, kind) for revision, method in PARAMS for kind in (method.params, method.result) if kind}, key=str
)


@pytest.mark.parametrize(("index", "kind"), EXACT, ids=lambda it: str(getattr(it, "__name__", it)))
@pytest.mark.timeout(60)
def test_nothing_is_lost_that_the_revision_can_say(index: int, kind: type[msgspec.Struct]) -> None:
    revision = REVISIONS[index]

    @given(message=strategies.messages(kind, revision, exact=True))
    @MODEST
    def check(message: Any) -> None:
        heard = decode(encode(message, revision), kind)
        assert heard == stamped(message, revision)

    check()


def stamped(message: Any, revision: Revision) -> Any:
    if not isinstance(message, wire.Result) or not revision.result_type:
        return message
    if message.result_type is None:
        message = msgspec.structs.replace(message, result_type=wire.COMPLETE)
    if isinstance(message, wire.CacheableResult) and "ttlMs" in revision.fields_of(type(message).__name__):
        hints = {"ttl_ms": message.ttl_ms or 0, "cache_scope": message.cache_scope or "private"}
        message = msgspec.structs.replace(message, **hints)
    return message


# Stamps: what every result says.


def test_a_stateless_result_says_that_it_is_complete_and_who_answers() -> None:
    done = wire.CallToolResult(content=[])
    assert encode_result(done, JULY_26, server_info=INFO) == (
        b'{"content":[],"resultType":"complete","_meta":{"io.modelcontextprotocol/serverInfo":' + INFO + b"}}"
    )
    assert json.loads(encode(done, JULY_26)) == {"content": [], "resultType": "complete"}
    for revision in REVISIONS[:4]:
        assert encode_result(done, revision, server_info=INFO) == b'{"content":[]}'


def test_an_empty_result_takes_its_stamps_too() -> None:
    assert json.loads(encode_result(wire.Result(), JULY_26)) == {"resultType": "complete"}
    assert encode_result(wire.Result(), NOVEMBER, server_info=INFO) == b"{}"


def test_a_result_that_asks_says_so() -> None:
    asks = wire.InputRequiredResult(request_state="s")
    assert json.loads(encode(asks, JULY_26)) == {"requestState": "s", "resultType": "input_required"}
    with pytest.raises(Unsayable, match="InputRequiredResult does not exist in 2025-11-25"):
        encode(asks, NOVEMBER)


def test_lists_are_private_and_not_cached_unless_they_say_otherwise() -> None:
    page = wire.ListToolsResult(tools=[])
    assert json.loads(encode(page, JULY_26)) == {
        "tools": [], "resultType": "complete", "ttlMs": 0, "cacheScope": "private",
    }  # fmt: skip
    page = wire.ListToolsResult(tools=[], ttl_ms=9, cache_scope="public", result_type="complete")
    assert json.loads(encode(page, JULY_26)) == {
        "tools": [], "resultType": "complete", "ttlMs": 9, "cacheScope": "public",
    }  # fmt: skip
    partly = json.loads(encode_result(wire.ListToolsResult(tools=[], ttl_ms=9), JULY_26, server_info=INFO))
    assert (partly["ttlMs"], partly["cacheScope"], len(partly["_meta"])) == (9, "private", 1)
    assert encode(page, NOVEMBER) == b'{"tools":[]}'


def test_meta_of_a_result_is_kept_and_the_server_it_names_stands() -> None:
    key = wire.SERVER_INFO
    mine = wire.CallToolResult(content=[], meta={"a": 1})
    assert json.loads(encode_result(mine, JULY_26, server_info=INFO))["_meta"] == {"a": 1, key: json.loads(INFO)}
    named = wire.CallToolResult(content=[], meta={key: {"name": "other", "version": "2"}})
    assert json.loads(encode_result(named, JULY_26, server_info=INFO))["_meta"][key]["name"] == "other"
    assert mine.meta == {"a": 1}


def test_a_clients_answers_carry_no_stamps() -> None:
    assert json.loads(encode_result(wire.ElicitResult(action="decline"), JULY_26, server_info=INFO)) == {
        "action": "decline"
    }


# Extensions.


class Skills(wire.Result, frozen=True, kw_only=True):
    skills: list[wire.Implementation]


class Loose(msgspec.Struct):
    a: int


class Mixed(msgspec.Struct):
    parts: list[str | wire.Implementation]


def test_an_extensions_result_keeps_its_own_fields_and_takes_the_stamps() -> None:
    skills = Skills(skills=[wire.Implementation(name="n", version="v", title="t")], result_type="task")
    assert json.loads(encode(skills, JULY_26))["resultType"] == "task"
    assert json.loads(encode(skills, MARCH)) == {"skills": [{"name": "n", "version": "v"}]}
    assert encode(Loose(a=1), JULY_26) == b'{"a":1}'
    mixed = Mixed(parts=["a", wire.Implementation(name="n", version="v", title="t")])
    assert json.loads(encode(mixed, MARCH)) == {"parts": ["a", {"name": "n", "version": "v"}]}
    assert json.loads(encode_result({"a": 1}, JULY_26)) == {"a": 1, "resultType": "complete"}
    both = encode_result({"a": 1, "_meta": {"b": 2}}, JULY_26, server_info=INFO)
    assert json.loads(both)["_meta"] == {"b": 2, wire.SERVER_INFO: json.loads(INFO)}
    assert encode_result({"a": 1}, NOVEMBER, server_info=INFO) == b'{"a":1}'


@pytest.mark.parametrize("revision", REVISIONS, ids=repr)
def test_raw_results_are_sent_as_they_are(revision: Revision) -> None:
    assert encode_result(Raw(b'{ "x": 1 }'), revision, server_info=INFO) == b'{ "x": 1 }'


# What has no words, and what is required.


@pytest.mark.parametrize(
    ("message", "revision"),
    [
        (wire.DiscoverResult(supported_versions=[], capabilities=wire.ServerCapabilities()), NEWEST_STATEFUL),
        (wire.SubscribeRequestParams(uri="a:b"), NEWEST),
        (wire.SetLevelRequestParams(level="info"), NEWEST),
        (wire.ElicitResult(action="accept"), OLDEST),
        (wire.ElicitationCompleteNotificationParams(elicitation_id="1"), JUNE),
        (wire.ToolAnnotations(), OLDEST),
    ],
)
def test_a_message_that_a_revision_lacks_is_unsayable(message: Any, revision: Revision) -> None:
    with pytest.raises(Unsayable, match=f"{type(message).__name__} does not exist in {revision.version}"):
        encode(message, revision)


def test_what_a_revision_requires_has_to_be_set() -> None:
    with pytest.raises(Unsayable, match="CallToolRequestParams needs `_meta` in 2026-07-28"):
        encode(wire.CallToolRequestParams(name="a"), JULY_26)
    with pytest.raises(Unsayable, match=r"RequestMetaObject needs `io.+/clientCapabilities`"):
        encode(wire.CallToolRequestParams(name="a", meta=wire.RequestMeta(protocol_version="v")), JULY_26)
    with pytest.raises(Unsayable, match="needs `requestId` in 2025-06-18"):
        encode(wire.CancelledNotificationParams(), JUNE)
    with pytest.raises(Unsayable, match="SubscriptionsListenResult needs `_meta`"):
        encode(wire.SubscriptionsListenResult(), JULY_26)
    assert encode(wire.CancelledNotificationParams(), NOVEMBER) == b"{}"
    assert encode(wire.RequestParams(), JULY_26) == b"{}"  # roots/list inside a result


def test_request_meta_says_to_each_revision_what_it_knows() -> None:
    meta = wire.RequestMeta(
        progress_token=1,
        protocol_version=JULY_26.version,
        client_capabilities=Raw(b"{}"),
        client_info=Raw(b'{"name":"n","version":"v"}'),
        log_level="info",
        subscription_id=Raw(b"1"),
        traceparent="00-1-2-01",
        baggage="a=b",
    )
    heard = [json.loads(encode(wire.RequestParams(meta=meta), revision))["_meta"] for revision in REVISIONS]
    assert heard[0] == heard[1] == {"progressToken": 1}
    assert heard[2] == heard[3] == {"progressToken": 1, "traceparent": "00-1-2-01", "baggage": "a=b"}
    assert set(heard[4]) == set(heard[3]) | {
        wire.PROTOCOL_VERSION, wire.CLIENT_CAPABILITIES, wire.CLIENT_INFO, wire.LOG_LEVEL,
    }  # fmt: skip


# The price.


def test_what_needs_no_change_is_shared_and_the_message_stays_as_it_was() -> None:
    text = wire.TextContent(text="a")
    result = wire.CallToolResult(content=[text, wire.ResourceLink(uri="u:x", name="x")])
    before = msgspec.json.encode(result)
    for revision in REVISIONS:
        encode(result, revision)
    assert msgspec.json.encode(result) == before and result.content[0] is text


def test_plans_that_change_nothing_cost_no_visit() -> None:
    assert plan_of(wire.CallToolResult, JULY_26).clean
    assert not plan_of(wire.CallToolResult, NOVEMBER).parts
    assert plan_of(wire.EmbeddedResource, JUNE).clean
    assert plan_of(wire.CallToolResult, JUNE).parts == ["content"]
    assert repr(plan_of(wire.Tool, JULY_26)) == "<Plan Tool for 2026-07-28: drops 1, visits 0>"
    assert repr(plan_of(wire.Icon, JULY_26)) == "<Plan Icon for 2026-07-28: as it is>"


def plan_of(kind: type[msgspec.Struct], revision: Revision) -> codec.Plan:
    return codec._plan_of(kind, kind.__name__, revision)


def test_tails_of_many_servers_do_not_pile_up() -> None:
    done = wire.CallToolResult(content=[])
    for number in range(200):
        info = b'{"name":"%d","version":"1"}' % number
        assert info in encode_result(done, JULY_26, server_info=info)
    assert len(plan_of(wire.CallToolResult, JULY_26).tails) <= 64


# Reading.


@pytest.mark.req("W-12")
@pytest.mark.parametrize(
    ("kind", "data", "text"),
    [
        (wire.CallToolRequestParams, b"{}", "$.name: required"),
        (wire.CallToolRequestParams, b'{"name":5}', "$.name: expected string, got integer"),
        (wire.CallToolRequestParams, b'["secret"]', "$: expected object, got array"),
        (wire.GetPromptRequestParams, b'{"name":"a","arguments":{"of":"","city":1}}',
         "$.arguments['city']: expected string, got integer"),
        (wire.CompleteRequestParams,
         b'{"ref":{"type":"ref/prompt","name":"a"},"argument":{"name":"a","value":""},"context":{"arguments":{"b":[]}}}',
         "$.context.arguments['b']: expected string, got array"),
        (wire.ElicitResult, b'{"action":"accept","content":{"secret":{}}}', "$.content[...]: expected "),
        (wire.PaginatedRequestParams, b'{"cursor":true}', "$.cursor: expected string or null, got boolean"),
        (wire.SetLevelRequestParams, b'{"level":"secret"}', "$.level: expected one of 'alert', 'critical', 'debug', "),
        (wire.CompleteRequestParams, b'{"ref":{"type":"secret"}}',
         "$.ref.type: expected one of 'ref/prompt', 'ref/resource'"),
        (wire.CompleteRequestParams, b'{"ref":{}}', "$.ref.type: required"),
        (wire.GetPromptResult, b'{"messages":[{"role":"secret"}]}',
         "$.messages[0].role: expected one of 'assistant', 'user'"),
        (wire.CallToolResult, b'{"content":[{"type":"secret"}]}',
         "$.content[0].type: expected one of 'audio', 'image', "),
        (wire.ElicitRequestParams, b'{"message":"secret","mode":"url"}', "$: expected url in mode url"),
        (wire.ElicitRequestParams,
         b'{"message":"m","requestedSchema":{"type":"object","properties":{"secret":{"type":"secret"}}}}',
         "$.requestedSchema.properties[...].type: expected one of 'array', 'boolean', "),
        (wire.ElicitRequestParams, b'{"message":"m","requestedSchema":{"type":"secret","properties":{}}}',
         "$.requestedSchema.type: expected one of 'object'"),
        (wire.ProgressNotificationParams, b'{"progressToken":"t","progress":1e999}', "$.progress"),
    ],
)  # fmt: skip
def test_a_wrong_shape_is_refused_by_field_and_expectation_and_never_echoed(
    kind: type[msgspec.Struct], data: bytes, text: str
) -> None:
    with pytest.raises(InvalidParams) as refused:
        decode(data, kind)
    assert refused.value.message.startswith(text)
    assert "secret" not in refused.value.message and len(refused.value.message) <= 256
    assert refused.value.code == -32602 and refused.value.__cause__ is None


@pytest.mark.parametrize("data", [b"", b"{", b"\xff", b'{"name":"\xff"}'])
def test_what_is_not_json_is_malformed(data: bytes) -> None:
    with pytest.raises(MalformedJSON):
        decode(data, wire.CallToolRequestParams)


def test_raw_json_is_read_like_bytes_and_unknown_fields_are_ignored() -> None:
    assert decode(Raw(b'{"uri":"a:b","new":1}'), wire.ReadResourceRequestParams).uri == "a:b"


def test_json_nested_too_deeply_is_refused_and_no_error_of_the_interpreter() -> None:
    deep = b'{"level":"info","data":' + b"[" * 100_000 + b"]" * 100_000 + b"}"
    with pytest.raises(InvalidParams, match="nested too deeply"):
        decode(deep, wire.LoggingMessageNotificationParams)
