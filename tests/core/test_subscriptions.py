"""Who hears of which change: what is asked for, and nothing else."""

import json
from itertools import product
from typing import Any

import pytest

from dovetail.core.subscriptions import (
    PROMPTS_CHANGED,
    RESOURCES_CHANGED,
    TOOLS_CHANGED,
    Filter,
    resource_updated,
    why_not,
)
from dovetail.wire import DEFAULT_LIMITS, Limits, SubscriptionFilter

LISTS = {
    "tools_list_changed": TOOLS_CHANGED,
    "prompts_list_changed": PROMPTS_CHANGED,
    "resources_list_changed": RESOURCES_CHANGED,
}


def everything(uri: str) -> bool:
    return True


def params(frame: bytes) -> dict[str, Any]:
    value: dict[str, Any] = json.loads(frame)
    return dict(value["params"])


@pytest.mark.parametrize("wanted", list(product([True, False, None], repeat=3)))
def test_a_stream_carries_the_lists_that_were_asked_for(wanted: tuple[bool | None, ...]) -> None:
    wish = SubscriptionFilter(
        tools_list_changed=wanted[0], prompts_list_changed=wanted[1], resources_list_changed=wanted[2]
    )
    agreed = Filter(wish, everything, DEFAULT_LIMITS)
    for name, notice in LISTS.items():
        promised = bool(getattr(wish, name))
        assert agreed.wants(notice) is promised
        assert bool(getattr(agreed.agreed, name)) is promised
    assert not agreed.wants(resource_updated("a://b"))


def test_a_resource_is_heard_of_by_its_own_uri_only() -> None:
    agreed = Filter(SubscriptionFilter(resource_subscriptions=["a://b"]), everything, DEFAULT_LIMITS)
    assert agreed.wants(resource_updated("a://b"))
    assert not agreed.wants(resource_updated("a://b/c"))
    assert not agreed.wants(RESOURCES_CHANGED)


def test_a_notice_of_what_lies_below_a_uri_is_one_of_each_that_is_subscribed_to() -> None:
    held = ["a://b/c/d", "a://b", "a://bc", "a://b/c"]
    assert resource_updated("a://b", below=True).each(held) == [
        resource_updated("a://b"), resource_updated("a://b/c"), resource_updated("a://b/c/d"),
    ]  # fmt: skip
    assert resource_updated("a://b/", below=True).each(held) == [
        resource_updated("a://b/c"), resource_updated("a://b/c/d"),
    ]  # fmt: skip
    assert resource_updated("a://b").each([]) == [resource_updated("a://b")]


@pytest.mark.req("S-24")
def test_of_a_resource_that_a_client_does_not_see_it_hears_nothing() -> None:
    wish = SubscriptionFilter(resource_subscriptions=["a://b", "a://secret"])
    agreed = Filter(wish, lambda uri: uri != "a://secret", DEFAULT_LIMITS)
    assert agreed.agreed.resource_subscriptions == ["a://b"]
    assert agreed.wants(resource_updated("a://b"))
    assert not agreed.wants(resource_updated("a://secret"))
    assert Filter(wish, lambda uri: False, DEFAULT_LIMITS).agreed.resource_subscriptions is None
    assert Filter(wish, everything, Limits(subscriptions=1)).agreed.resource_subscriptions == ["a://b"], (
        "no more than the limit"
    )


def test_every_message_of_a_stream_names_its_subscription_as_the_id_was_written() -> None:
    agreed = Filter(
        SubscriptionFilter(tools_list_changed=True, resource_subscriptions=["a://b"]), everything, DEFAULT_LIMITS
    )
    key = "io.modelcontextprotocol/subscriptionId"
    for written, identifier in ((b"7", 7), (b'"7"', "7")):
        acknowledged = params(agreed.acknowledgement(written))
        assert acknowledged["_meta"] == {key: identifier}
        assert acknowledged["notifications"] == {"toolsListChanged": True, "resourceSubscriptions": ["a://b"]}
        assert params(TOOLS_CHANGED.tagged(written)) == {"_meta": {key: identifier}}
        assert params(resource_updated("a://b").tagged(written)) == {"_meta": {key: identifier}, "uri": "a://b"}


def test_a_notice_for_older_clients_carries_no_subscription() -> None:
    assert "params" not in json.loads(TOOLS_CHANGED.frame())
    assert params(resource_updated('a://"b"').frame()) == {"uri": 'a://"b"'}


@pytest.mark.req("W-06")
def test_the_uris_of_a_stream_are_bounded_each_and_together_and_what_is_over_is_not_agreed_to() -> None:
    limits = Limits(uri=6, subscription_bytes=10)
    wish = SubscriptionFilter(resource_subscriptions=["a://bb", "a://bb", "a://é", "a://ccc", "a://"])
    agreed = Filter(wish, everything, limits)
    assert agreed.agreed.resource_subscriptions == ["a://bb", "a://"], "6 bytes and 4; once each; 6 more, 7 are over"


@pytest.mark.req("W-06")
def test_a_subscription_is_refused_that_is_too_long_or_one_too_many_and_one_that_is_held_never() -> None:
    limits = Limits(uri=6, subscriptions=2, subscription_bytes=10)
    assert why_not("a://bb", [], limits) is None
    assert why_not("a://é", [], limits) is None
    assert "6 bytes" in str(why_not("a://bé", [], limits))
    assert why_not("a://", ["a://bb"], limits) is None, "10 bytes together"
    assert "as many" in str(why_not("a://b", ["a://bb"], limits)), "11"
    assert "as many" in str(why_not("c", ["a", "b"], limits))
    assert why_not("a", ["a", "b"], limits) is None
