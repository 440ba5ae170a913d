"""robots.txt: what a site's answer means, and that no file of it costs more than it should."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dovetail.servers.fetch.robots import LARGEST, product_token, relevant, rules_of

US = "Dovetail-Fetch"
URL = "https://e.com/private/page?x=1"


@pytest.mark.parametrize(
    ("allowed", "text"),
    [
        (True, ""),
        (True, "User-agent: *\nDisallow:"),
        (False, "User-agent: *\nDisallow: /"),
        (False, "User-agent: *\nDisallow: /private"),
        (True, "User-agent: *\nDisallow: /private\nAllow: /private/page"),
        (True, "User-agent: *\nDisallow: /\n\nUser-agent: dovetail-fetch\nAllow: /"),
        (False, "User-agent: *\nAllow: /\n\nUser-agent: DOVETAIL-FETCH/2.0\nDisallow: /private"),
        (True, "User-agent: other\nDisallow: /"),
        (False, "User-agent: other\nUser-agent: dovetail-fetch\nDisallow: /"),
        (True, "User-agent: fetch\nDisallow: /"),
        (False, "\ufeffUser-agent: *\r\nDisallow: /*page\r\n"),
        (True, "User-agent: *\nDisallow: /*page$"),
        (False, "User-agent: * # all\nDisallow: /private # here"),
        (True, "Disallow: /"),
        (False, "<html>\nuser-agent:*\ndisallow:/"),
    ],
)
def test_rules_are_those_of_our_group_or_of_everybody(allowed: bool, text: str) -> None:
    assert rules_of(200, text.encode(), US).allow(URL) is allowed


@pytest.mark.parametrize("status", [300, 304, 400, 401, 403, 404, 410, 418])
def test_a_site_without_rules_forbids_nothing(status: int) -> None:
    assert rules_of(status, b"User-agent: *\nDisallow: /", US).allow(URL)


@pytest.mark.parametrize("status", [100, 429, 500, 502, 503, 599])
def test_a_site_that_cannot_tell_its_rules_forbids_everything(status: int) -> None:
    rules = rules_of(status, b"", US)
    assert rules.unreachable and not rules.allow(URL)


def test_the_name_is_what_the_agent_begins_with() -> None:
    assert product_token("Dovetail-Fetch/1.0 (autonomous)") == US
    assert product_token("???") == "*"


def test_groups_for_others_are_one_so_that_no_file_costs_the_product_of_its_parts() -> None:
    agents = "".join(f"User-agent: a{i}\n" for i in range(10_000))
    text = (agents + "Disallow: /x\n" * 25_000).encode()
    assert len(text) < LARGEST
    begun = time.process_time()
    assert rules_of(200, text, US).allow(URL)
    assert time.process_time() - begun < 5


def test_wildcards_cost_no_more_than_their_length() -> None:
    text = ("User-agent: *\n" + ("Disallow: /" + "*a" * 200 + "b$\n") * 1_000).encode()
    begun = time.process_time()
    assert rules_of(200, text, US).allow("https://e.com/" + "a" * 7_000)
    assert time.process_time() - begun < 5


def test_what_follows_the_limit_is_overlooked_by_whole_lines() -> None:
    text = b"User-agent: *\n" + b"#" * (LARGEST - 20) + b"\nDisallow: /private\n"
    assert rules_of(200, text, US).allow(URL)
    assert relevant(b"User-agent: *\nDisallow: /" + b"a" * LARGEST, US).endswith("User-agent: *\n")


@given(st.binary(max_size=300), st.text(max_size=40))
def test_any_file_is_decided_on(body: bytes, path: str) -> None:
    assert rules_of(200, b"user-agent: *\n" + body, US).allow(f"https://e.com/{path}") in (True, False)
