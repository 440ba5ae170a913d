"""The table of revisions equals the official schemas: field by field, method by method, code by code."""

import json
from pathlib import Path
from typing import Any

import pytest

from dovetail.revisions import NEWEST, NEWEST_STATEFUL, OLDEST, REVISIONS, Asks, Revision, revision_for
from tests.spec.derive import derive

HERE = Path(__file__).parent
FACTS: dict[str, Any] = json.loads((HERE / "spec" / "facts.json").read_bytes())
OFFICIAL = HERE.parents[1] / "shared" / "spec"

PROSE_CODES = {
    "2024-11-05": {-32002},
    "2025-03-26": {-32002},
    "2025-06-18": {-32002},
    "2025-11-25": {-32002},
}
"""Codes that only the prose of a specification gives (Resources, Error Handling), by revision."""

JSON_RPC_CODES = {-32700, -32600, -32601, -32602, -32603}
"""Codes of JSON-RPC itself: all revisions have them, and only the newest schema names them."""

each_revision = pytest.mark.parametrize("revision", REVISIONS, ids=lambda revision: revision.version)


def facts(revision: Revision) -> dict[str, Any]:
    return FACTS[revision.version]  # type: ignore[no-any-return]


def shape(revision: Revision, name: str, field: str) -> str | None:
    record = facts(revision)["types"].get(name, {"fields": {}})
    return record["fields"].get(field)  # type: ignore[no-any-return]


def kinds(revision: Revision, union: str) -> set[str]:
    members = facts(revision)["unions"].get(union, [])
    tags = [shape(revision, member, "type") for member in members]
    told_apart = None not in tags and len(set(tags)) == len(tags)
    return {json.loads(str(tag)) for tag in tags} if told_apart else set(members)


@each_revision
def test_every_type_has_the_fields_of_the_official_schema(revision: Revision) -> None:
    assert dict(revision.fields) == {name: frozenset(it["fields"]) for name, it in facts(revision)["types"].items()}


@each_revision
def test_every_type_requires_what_the_official_schema_requires(revision: Revision) -> None:
    assert dict(revision.required) == {name: frozenset(it["required"]) for name, it in facts(revision)["types"].items()}


@each_revision
def test_every_union_has_the_kinds_of_the_official_schema(revision: Revision) -> None:
    assert dict(revision.unions) == {union: kinds(revision, union) for union in facts(revision)["unions"]}


@each_revision
def test_the_methods_are_those_of_the_official_schema_and_tasks_are_set_apart(revision: Revision) -> None:
    methods = facts(revision)["methods"]
    declared = {
        "ClientRequest": revision.client_requests,
        "ServerRequest": revision.server_requests,
        "ClientNotification": revision.client_notifications,
        "ServerNotification": revision.server_notifications,
    }
    for role, served in declared.items():
        assert served == set(methods[role]) - revision.unserved, role
        assert not served & revision.unserved
    official = {method for role in declared for method in methods[role]}
    assert {method for method in official if "task" in method} == revision.unserved
    assert all(revision.has(method) for method in official - revision.unserved)
    assert not any(revision.has(method) for method in revision.unserved)


@each_revision
def test_questions_travel_as_requests_or_inside_results(revision: Revision) -> None:
    methods = facts(revision)["methods"]
    carried = methods["InputRequest"] if revision.asks is Asks.PULL else methods["ServerRequest"]
    assert revision.questions == set(carried) - revision.unserved - {"ping"}


@each_revision
def test_the_error_codes_are_those_of_the_schema_and_the_reviewed_ones_of_the_prose(revision: Revision) -> None:
    official = set(facts(revision)["codes"].values()) - JSON_RPC_CODES
    assert revision.codes == official | PROSE_CODES.get(revision.version, set())


@each_revision
def test_behaviour_that_the_schema_shows_agrees_with_it(revision: Revision) -> None:
    types, methods = facts(revision)["types"], facts(revision)["methods"]
    assert revision.stateless is ("initialize" not in methods["ClientRequest"])
    assert revision.result_type is ("resultType" in types["Result"]["fields"])
    assert revision.cache_hints is ("ttlMs" in types["ListToolsResult"]["fields"])
    assert revision.server_info_in_meta is ("ResultMetaObject" in types)
    assert revision.open_meta is types["RequestMetaObject"]["open"]
    shown = {None: "none", "{any}": "object", "any": "any"}
    assert revision.structured_content == shown[shape(revision, "CallToolResult", "structuredContent")]
    assert revision.sampling_lists is ("[" in str(shape(revision, "SamplingMessage", "content")))
    assert revision.elicitation is ("ElicitRequestFormParams" in types)
    assert revision.multi_select is ("UntitledMultiSelectEnumSchema" in types)
    assert revision.url_elicitation is ("ElicitRequestURLParams" in types)
    assert revision.elicitation_ids is (shape(revision, "ElicitRequestURLParams", "elicitationId") is not None)
    assert revision.url_elicitation_required == facts(revision)["codes"].get("URLElicitationRequiredError")
    assert revision.resource_missing == (-32602 if revision.stateless else -32002)
    assert (revision.batch_limit > 0) is revision.batching


def test_facts_agree_with_the_official_schemas_where_these_lie() -> None:
    """The schemas are not part of the project; where they are absent, the facts stand for them."""
    fresh = derive(OFFICIAL)
    assert fresh in ({}, FACTS), "run `make facts`"


def test_there_is_one_set_of_facts_for_each_revision() -> None:
    assert [revision.version for revision in REVISIONS] == sorted(FACTS)
    assert [revision.index for revision in REVISIONS] == list(range(5))
    assert all(len(it["sha256"]) == 64 for it in FACTS.values())


def test_a_revision_is_found_by_its_date_alone() -> None:
    assert [revision_for(revision.version) for revision in REVISIONS] == list(REVISIONS)
    assert revision_for("2025-06-19") is None
    assert revision_for("") is None
    assert (OLDEST, NEWEST_STATEFUL, NEWEST) == (REVISIONS[0], REVISIONS[3], REVISIONS[4])
    assert not NEWEST_STATEFUL.stateless and NEWEST.stateless


def test_a_type_that_a_revision_lacks_has_no_fields() -> None:
    assert OLDEST.fields_of("ToolAnnotations") == frozenset()
    assert "title" in NEWEST.fields_of("ToolAnnotations")
    assert repr(OLDEST) == "<Revision 2024-11-05>"
