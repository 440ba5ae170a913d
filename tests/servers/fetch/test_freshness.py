"""RFC 9111: what may be kept, what may be used, what is asked."""

from email.utils import formatdate

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dovetail.servers.fetch import freshness
from dovetail.servers.fetch.entries import Entry

NOW = 1_700_000_000.0


def date(offset: float) -> str:
    return formatdate(NOW + offset, usegmt=True)


def entry(status: int = 200, **fields: str) -> Entry:
    headers = {name.replace("_", "-"): value for name, value in fields.items()}
    return Entry("https://e.com/", status, headers, b"body", NOW, NOW, freshness.varying(headers, {"accept": "x"}))


@pytest.mark.parametrize(
    ("kept", "fields"),
    [
        (True, {"cache_control": "max-age=60"}),
        (True, {"cache_control": "public, max-age=60"}),
        (True, {"expires": date(60), "date": date(0)}),
        (True, {"etag": '"a"'}),
        (True, {"last_modified": date(-1000)}),
        (True, {"cache_control": "no-cache", "etag": '"a"'}),
        (True, {"cache_control": "s-maxage=5, max-age=0"}),
        (False, {}),
        (False, {"cache_control": "no-store, max-age=60"}),
        (False, {"cache_control": "NO-STORE", "etag": '"a"'}),
        (False, {"cache_control": 'private="x", max-age=60'}),
        (False, {"cache_control": "private, max-age=60"}),
        (False, {"cache_control": "max-age=60", "vary": "*"}),
        (False, {"cache_control": "max-age=60", "vary": "accept, *"}),
        (False, {"cache_control": "max-age=0"}),
        (False, {"cache_control": "max-age=soon"}),
    ],
)
def test_what_may_be_kept(kept: bool, fields: dict[str, str]) -> None:
    assert freshness.storable(entry(200, **fields)) is kept


@pytest.mark.parametrize("status", [201, 206, 302, 303, 307, 304, 400, 401, 403, 429, 500, 503])
def test_an_answer_that_is_no_final_one_is_not_kept(status: int) -> None:
    assert not freshness.storable(entry(status, cache_control="max-age=60"))


@pytest.mark.parametrize("status", [200, 301, 308, 404, 410])
def test_final_answers_are_kept(status: int) -> None:
    assert freshness.storable(entry(status, cache_control="max-age=60"))


@pytest.mark.parametrize(
    ("seconds", "fields"),
    [
        (60, {"cache_control": "max-age=60"}),
        (60, {"cache_control": 'max-age="60"'}),
        (5, {"cache_control": "s-maxage=5, max-age=60"}),
        (60, {"cache_control": "max-age=60", "expires": date(5)}),
        (10, {"cache_control": "max-age=60, max-age=10"}),
        (0, {"cache_control": "no-cache, max-age=60"}),
        (0, {"cache_control": "max-age=-1"}),
        (0, {"cache_control": "max-age=1e3"}),
        (30, {"expires": date(30), "date": date(0)}),
        (30, {"expires": date(30)}),
        (0, {"expires": "0", "last_modified": date(-1000)}),
        (0, {"expires": date(-5), "date": date(0)}),
        (100, {"last_modified": date(-1000), "date": date(0)}),
        (86_400, {"last_modified": date(-(10**9)), "date": date(0)}),
        (0, {"last_modified": date(1000), "date": date(0)}),
        (0, {"last_modified": "yesterday"}),
        (0, {"pragma": "no-cache", "last_modified": date(-1000)}),
        (31_536_000, {"cache_control": "max-age=9999999999"}),
        (0, {"cache_control": "max-age=99999999999999999999"}),
    ],
)
def test_for_how_long_an_answer_is_fresh(seconds: float, fields: dict[str, str]) -> None:
    assert freshness.lifetime(entry(200, **fields)) == pytest.approx(seconds)


def test_an_answer_grows_old_from_where_it_was_made() -> None:
    assert freshness.age(entry(), NOW + 7) == 7
    assert freshness.age(entry(age="30"), NOW + 7) == 37
    assert freshness.age(entry(date=date(-50)), NOW + 7) == 57
    assert freshness.age(entry(date=date(-50), age="100"), NOW) == 100
    assert freshness.age(entry(date=date(50)), NOW) == 0
    assert freshness.age(entry(age="old"), NOW) == 0
    slow = Entry("u", 200, {}, b"", NOW - 3, NOW, {})
    assert freshness.age(slow, NOW) == 3


def test_an_answer_is_used_until_it_is_stale_and_not_when_the_clock_went_back() -> None:
    found = entry(cache_control="max-age=60", age="10")
    assert freshness.fresh(found, NOW + 49)
    assert not freshness.fresh(found, NOW + 50)
    assert not freshness.fresh(found, NOW - 1)


def test_an_answer_is_one_to_requests_that_are_alike_where_it_varies() -> None:
    found = entry(vary="Accept, Accept-Encoding, User-Agent")
    assert found.vary == {"accept": "x", "user-agent": ""}
    assert freshness.selected(found, {"accept": "x"})
    assert not freshness.selected(found, {"accept": "y"})
    assert not freshness.selected(found, {"accept": "x", "user-agent": "me"})


def test_a_stale_answer_is_asked_for_by_what_it_is_known_by() -> None:
    assert freshness.conditions(entry(etag='W/"a"', last_modified=date(-5))) == {
        "if-none-match": 'W/"a"',
        "if-modified-since": date(-5),
    }
    assert freshness.conditions(entry(etag='"\x80"')) == {}
    assert freshness.conditions(entry()) == {}


def test_a_confirmed_answer_has_its_body_and_what_was_said_anew() -> None:
    old = entry(etag='"a"', cache_control="max-age=1", age="9", content_type="text/plain")
    new = freshness.confirmed(
        old, {"etag": '"a"', "cache-control": "max-age=99", "content-type": "x"}, NOW + 5, NOW + 6
    )
    assert new is not None and new.body == b"body"
    assert new.headers == {"etag": '"a"', "cache-control": "max-age=99", "content-type": "text/plain"}
    assert freshness.fresh(new, NOW + 50)
    assert freshness.confirmed(old, {"etag": '"b"'}, NOW, NOW) is None
    assert freshness.confirmed(old, {}, NOW, NOW) is not None


@given(st.dictionaries(st.sampled_from(["cache-control", "expires", "date", "age", "last-modified", "vary", "etag",
                                        "pragma"]), st.text(max_size=60)))  # fmt: skip
def test_whatever_a_server_says_is_decided_on_within_bounds(headers: dict[str, str]) -> None:
    found = Entry("u", 200, headers, b"", NOW, NOW, freshness.varying(headers, {}))
    assert 0 <= freshness.lifetime(found) <= 365 * 86_400
    assert freshness.age(found, NOW) >= 0
    assert isinstance(freshness.storable(found), bool) and isinstance(freshness.fresh(found, NOW), bool)
    assert all(value.isascii() for value in freshness.conditions(found).values())
