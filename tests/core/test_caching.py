"""What may be reused: exactly what the hints allow, for whom they allow it, and nothing that a notice made stale."""

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dovetail.core import Cached, CachePolicy, Freshness, Question
from dovetail.core.caching import (
    PUBLIC,
    cache_digest,
    cache_group,
    cache_place,
    is_cacheable,
    is_temporary,
    pack_pages,
    unpack_pages,
)
from dovetail.errors import (
    AuthRequired,
    Disconnected,
    HttpFailure,
    PeerError,
    ProtocolViolation,
    StoreUnusable,
    Timeout,
    Unsent,
)
from dovetail.wire import METHODS, Notification

TOOLS = Question("tools/list")
DAY = 86_400.0


def page(**hints: Any) -> bytes:
    return json.dumps({"tools": [], **hints}).encode()


def notice(method: str, **params: Any) -> Notification:
    return Notification(f"notifications/{method}", json.dumps(params).encode())


def kept(policy: CachePolicy, *pages: bytes, received: float = 10.0) -> Cached:
    keeping = policy.worth(TOOLS, pages, received, received)
    assert keeping is not None
    return keeping.cached


def test_the_results_of_six_methods_may_be_kept_and_of_no_other() -> None:
    assert {method for method in METHODS if is_cacheable(method)} == {
        "server/discover",
        "tools/list",
        "prompts/list",
        "resources/list",
        "resources/templates/list",
        "resources/read",
    }
    assert not is_cacheable("vendor/method")


@pytest.mark.req("C-10")
@pytest.mark.parametrize("ttl", [0, -1, None, "600", 1.5, True, [], 10**30 * -1])
def test_a_ttl_that_is_zero_negative_absent_or_no_number_keeps_nothing(ttl: Any) -> None:
    assert CachePolicy(DAY).worth(TOOLS, [page(ttlMs=ttl)], 0.0, 0.0) is None
    assert CachePolicy(DAY).worth(TOOLS, [page()], 0.0, 0.0) is None
    assert CachePolicy(DAY).worth(TOOLS, [], 0.0, 0.0) is None


def test_a_result_is_fresh_until_its_ttl_is_over_and_not_a_moment_longer() -> None:
    policy = CachePolicy(DAY)
    cached = kept(policy, page(ttlMs=2500))
    assert policy.state(TOOLS, cached, 10.0) is Freshness.FRESH
    assert policy.state(TOOLS, cached, 12.499) is Freshness.FRESH
    assert policy.state(TOOLS, cached, 12.5) is Freshness.OVER
    assert policy.state(TOOLS, None, 10.0) is Freshness.OVER


def test_what_was_received_in_the_future_is_not_believed() -> None:
    policy = CachePolicy(DAY)
    assert policy.state(TOOLS, kept(policy, page(ttlMs=2500)), 9.9) is Freshness.OVER


def test_no_ttl_is_longer_than_the_longest() -> None:
    policy = CachePolicy(60.0)
    cached = kept(policy, page(ttlMs=10**30))
    assert policy.state(TOOLS, cached, 69.9) is Freshness.FRESH
    assert policy.state(TOOLS, cached, 70.0) is Freshness.OVER
    by_another = Cached(10.0, 10**9, b"[]")
    assert policy.state(TOOLS, by_another, 70.0) is Freshness.OVER


def test_a_list_is_as_fresh_as_the_least_fresh_of_its_pages() -> None:
    policy = CachePolicy(DAY)
    cached = kept(policy, page(ttlMs=60_000), page(ttlMs=1_000), page(ttlMs=30_000))
    assert cached.seconds == 1.0
    assert policy.worth(TOOLS, [page(ttlMs=60_000), page(ttlMs=0)], 0.0, 0.0) is None


@pytest.mark.req("C-10")
def test_only_what_says_on_every_page_that_it_is_public_is_public() -> None:
    policy = CachePolicy(DAY)

    def public(*scopes: Any) -> bool:
        keeping = policy.worth(TOOLS, [page(ttlMs=1, cacheScope=scope) for scope in scopes], 0.0, 0.0)
        assert keeping is not None
        return keeping.public

    assert public("public")
    assert public("public", "public")
    for scope in ("private", None, "PUBLIC", "shared", 1, ["public"]):
        assert not public(scope)
        assert not public("public", scope)


@given(junk=st.binary(max_size=40) | st.sampled_from([b"5", b"[]", b"null", b'{"ttlMs":1e999}', b'{"ttlMs":[[]]}']))
@settings(max_examples=200, deadline=None)
def test_what_is_no_result_is_not_kept(junk: bytes) -> None:
    assert CachePolicy(DAY).worth(TOOLS, [page(ttlMs=1000), junk], 0.0, 0.0) is None


@pytest.mark.req("C-10")
def test_questions_and_unknown_kinds_of_results_are_not_kept() -> None:
    policy = CachePolicy(DAY)
    for kind in ("input_required", "task", 5):
        assert policy.worth(TOOLS, [page(ttlMs=1000, resultType=kind)], 0.0, 0.0) is None
    assert policy.worth(TOOLS, [page(ttlMs=1000, resultType="complete")], 0.0, 0.0) is not None


def test_stale_results_serve_for_as_long_as_was_asked_for() -> None:
    policy = CachePolicy(DAY, while_revalidating=5.0, if_error=20.0)
    keeping = policy.worth(TOOLS, [page(ttlMs=1000)], 10.0, 10.0)
    assert keeping is not None
    assert keeping.seconds == 21.0
    states = [policy.state(TOOLS, keeping.cached, now) for now in (10.9, 11.0, 15.9, 16.0, 30.9, 31.0)]
    fresh, aged, spare, over = Freshness.FRESH, Freshness.AGED, Freshness.SPARE, Freshness.OVER
    assert states == [fresh, aged, aged, spare, spare, over]


@pytest.mark.req("C-10")
@pytest.mark.parametrize(
    ("method", "stale"),
    [
        ("tools/list_changed", {"tools/list"}),
        ("prompts/list_changed", {"prompts/list"}),
        ("resources/list_changed", {"resources/list", "resources/templates/list"}),
        ("message", set()),
        ("resources/updated", set()),
    ],
)
def test_a_change_notice_makes_stale_what_it_is_about_and_nothing_else(method: str, stale: set[str]) -> None:
    policy = CachePolicy(DAY, 50.0, 50.0)
    policy.changed(notice(method), 10.0)
    for each in ("tools/list", "prompts/list", "resources/list", "resources/templates/list", "resources/read"):
        question = Question(each, uri="note://a" if each == "resources/read" else "")
        state = policy.state(question, Cached(10.0, 60.0, b""), 11.0)
        assert state is (Freshness.OVER if each in stale else Freshness.FRESH), each
        assert policy.state(question, Cached(10.1, 60.0, b""), 11.0) is Freshness.FRESH


@pytest.mark.req("C-10")
def test_what_was_asked_before_a_change_is_not_kept_when_it_comes_after_it() -> None:
    policy = CachePolicy(DAY)
    policy.changed(notice("tools/list_changed"), 10.0)
    assert policy.worth(TOOLS, [page(ttlMs=1000)], 9.0, 11.0) is None
    assert policy.worth(TOOLS, [page(ttlMs=1000)], 10.5, 11.0) is not None


def test_an_updated_resource_makes_itself_and_all_above_it_stale() -> None:
    policy = CachePolicy(DAY)
    stale = policy.changed(notice("resources/updated", uri="file:///a/b/c"), 10.0)
    assert {uri for _, uri in stale} >= {"file:///a/b/c", "file:///a/b", "file:///a/b/", "file:///a", "file:///a/"}
    assert ("resources/read", "file:///a/b/c/d") not in stale
    assert ("resources/read", "file:///a/bb") not in stale


@given(uri=st.text(max_size=200) | st.text("/a:", max_size=300))
@settings(max_examples=200, deadline=None)
def test_any_uri_makes_itself_stale_and_few_others(uri: str) -> None:
    stale = CachePolicy(DAY).changed(notice("resources/updated", uri=uri), 1.0)
    assert ("resources/read", uri) in stale
    assert len(stale) <= 64
    assert all(uri.startswith(above.rstrip("/")) for _, above in stale)


def test_when_notices_may_have_been_missed_everything_is_stale() -> None:
    policy = CachePolicy(DAY)
    cached = kept(policy, page(ttlMs=60_000))
    assert policy.changed(None, 10.0) == ()
    assert policy.state(TOOLS, cached, 11.0) is Freshness.OVER


def test_a_flood_of_notices_is_bounded_and_forgets_no_change() -> None:
    policy = CachePolicy(DAY)
    policy.changed(notice("tools/list_changed"), 10.0)
    for number in range(12_000):
        policy.changed(notice("resources/updated", uri=f"n:{number}"), 11.0)
    assert repr(policy).startswith("<CachePolicy, ")
    assert policy.state(TOOLS, Cached(10.0, 60.0, b""), 12.0) is Freshness.OVER
    assert policy.state(Question("resources/read", uri="n:3"), Cached(11.0, 60.0, b""), 12.0) is Freshness.OVER


def test_an_unexpected_refusal_makes_the_list_doubtful_that_the_call_relied_on() -> None:
    policy = CachePolicy(DAY)
    assert policy.suspected("tools/call", -32603, 10.0) == ()
    assert policy.suspected("completion/complete", -32602, 10.0) == ()
    assert policy.suspected("tools/call", -32602, 10.0) == (("tools/list", ""),)
    assert policy.state(TOOLS, Cached(10.0, 60.0, b""), 11.0) is Freshness.OVER


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (Disconnected("gone"), True),
        (Unsent("gone"), True),
        (Timeout("slow"), True),
        (HttpFailure(503), True),
        (HttpFailure(429), True),
        (PeerError(-32603, "Internal"), True),
        (HttpFailure(403), False),
        (PeerError(-32602, "No such resource"), False),
        (AuthRequired("log in"), False),
        (ProtocolViolation("nonsense"), False),
        (StoreUnusable("broken"), False),
        (KeyError("x"), False),
    ],
)
def test_only_failures_that_say_nothing_of_the_result_are_temporary(error: Exception, expected: bool) -> None:
    assert is_temporary(error) is expected


parts = st.binary(max_size=8)
questions = st.builds(
    Question,
    method=st.sampled_from(["tools/list", "resources/read"]),
    params=st.sampled_from([b"{}", b'{"uri":"a"}', b'{"uri":"b"}']),
    meta=st.sampled_from([b"", b'{"a":1}', b'{"b":1}']),
    uri=st.sampled_from(["", "a", "b"]),
)


@pytest.mark.req("C-10")
@given(one=st.tuples(parts, st.none() | parts, questions), other=st.tuples(parts, st.none() | parts, questions))
@settings(max_examples=200, deadline=None)
def test_a_key_is_that_of_one_server_context_and_question_only(one: Any, other: Any) -> None:
    first, second = cache_place(*one), cache_place(*other)
    assert (first.key == second.key) is (one == other)
    assert (first.realm == second.realm) is (one[0] == other[0])
    assert (first.group == second.group) is ((one[0], one[2].subject) == (other[0], other[2].subject))


@given(one=st.lists(parts, max_size=4), other=st.lists(parts, max_size=4))
@settings(max_examples=200, deadline=None)
def test_a_digest_is_that_of_one_sequence_only(one: list[bytes], other: list[bytes]) -> None:
    assert (cache_digest(*one) == cache_digest(*other)) is (one == other)


@pytest.mark.req("C-10")
def test_no_context_is_called_so_that_it_is_the_public_one() -> None:
    question = Question("tools/list")
    for context in (b"", b"public", b"None"):
        assert cache_place(b"s", context, question).key != cache_place(b"s", PUBLIC, question).key


def test_a_place_tells_nothing_of_what_is_kept_there() -> None:
    where = cache_place(b"https://secret.example", b"token", Question("resources/read", b'{"uri":"n:1"}', b"", "n:1"))
    for text in (where.key, where.realm, where.group):
        assert len(text) == 64
        int(text, 16)
    assert where.group == cache_group(where.realm, ("resources/read", "n:1"))


def test_pages_come_back_as_they_were_and_damage_is_noticed() -> None:
    pages = [b'{"a": 1}', b'{"b":\n2}']
    assert unpack_pages(pack_pages(pages)) == pages
    for damaged in (b"", b"[", b"{}", b"[]", b'[{"a":}]', b"\xff"):
        assert unpack_pages(damaged) is None
