"""Calls under way, both ways: an id is one call at a time, an answer reaches its own question, the end reaches all."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dovetail.core.endpoint import Endpoint
from dovetail.errors import InvalidRequest
from dovetail.wire import parse, result_frame
from dovetail.wire.frames import Answer, Request

Plain = Endpoint[str, str]


@pytest.mark.req("W-04", "R-27")
@pytest.mark.parametrize("again", [b'"a"', rb'"\u0061"'])
def test_a_second_call_with_an_id_in_flight_is_refused_and_the_first_goes_on(again: bytes) -> None:
    endpoint = Plain()
    endpoint.begin(b'"a"', "first")
    with pytest.raises(InvalidRequest):
        endpoint.begin(again, "second")
    assert endpoint.find(again) == "first"
    assert endpoint.finish(again) == "first"
    endpoint.begin(again, "third")
    assert endpoint.calls == ["third"]


@pytest.mark.req("W-04")
def test_an_id_is_under_way_in_every_spelling_until_its_call_has_ended() -> None:
    endpoint = Plain()
    seen = [endpoint.under_way(rb'"\u0061"')]
    endpoint.begin(b'"a"', "call")
    seen += [endpoint.under_way(identifier) for identifier in (b'"a"', rb'"\u0061"', b'"A"', b"1")]
    endpoint.finish(b'"a"')
    seen.append(endpoint.under_way(b'"a"'))
    assert seen == [False, True, True, False, False, False]


@pytest.mark.req("W-04", "R-27")
def test_ids_of_different_type_are_different_calls() -> None:
    endpoint = Plain()
    for identifier in (b"1", b'"1"', b'"01"', b"10"):
        endpoint.begin(identifier, identifier.decode())
    assert len(endpoint) == 4
    assert endpoint.finish(b'"1"') == '"1"'
    assert endpoint.find(b"1") == "1"
    assert endpoint.finish(b'"1"') is None


@pytest.mark.req("W-04")
@given(st.lists(st.tuples(st.sampled_from("ab"), st.sampled_from([b"1", b'"1"', b"2"]), st.booleans()), max_size=60))
def test_two_clients_with_the_same_ids_never_reach_each_other(steps: list[tuple[str, bytes, bool]]) -> None:
    endpoints = {"a": Plain(), "b": Plain()}
    open_calls: set[tuple[str, bytes]] = set()
    for client, identifier, begins in steps:
        endpoint = endpoints[client]
        if begins and (client, identifier) not in open_calls:
            endpoint.begin(identifier, client)
            open_calls.add((client, identifier))
        elif not begins:
            assert endpoint.finish(identifier) == (client if (client, identifier) in open_calls else None)
            open_calls.discard((client, identifier))
    assert all(endpoint.calls == [client] * len(endpoint) for client, endpoint in endpoints.items())


def test_an_answer_reaches_its_own_question_once() -> None:
    endpoint = Plain()
    first, frame = endpoint.ask("ping", None, "one")
    second, _ = endpoint.ask("roots/list", b"{}", "two")
    assert parse(frame) == Request(first, "ping", None)
    answer = parse(result_frame(second, b"{}"))
    assert isinstance(answer, Answer)
    assert endpoint.answered(answer.id) == "two"
    assert endpoint.answered(answer.id) is None
    assert endpoint.answered(first) == "one"
    assert (endpoint.idle, endpoint.dropped) == (True, 1)


@pytest.mark.parametrize("identifier", [None, b"0", b"2", b'"1"', b"01", b"1.0"])
def test_an_answer_that_nobody_waits_for_is_dropped_and_counted(identifier: bytes | None) -> None:
    endpoint = Plain()
    endpoint.ask("ping", None, "one")
    assert endpoint.answered(identifier) is None
    assert endpoint.dropped == 1
    assert not endpoint.idle


def test_a_question_that_was_withdrawn_hears_no_answer() -> None:
    endpoint = Plain()
    identifier, _ = endpoint.ask("ping", None, "one")
    endpoint.withdraw(identifier)
    assert endpoint.answered(identifier) is None
    assert endpoint.idle


def test_workers_of_one_session_ask_under_ids_of_their_own() -> None:
    asked = [Plain(prefix).ask("ping", None, "x")[0] for prefix in ("", "a-", "b-")]
    assert asked == [b"1", b'"a-1"', b'"b-1"']


def test_when_the_other_side_is_gone_everybody_hears_of_it_once() -> None:
    endpoint = Plain()
    endpoint.begin(b"1", "call")
    endpoint.ask("ping", None, "waiter")
    assert "1 calls, 1 questions" in repr(endpoint)
    assert endpoint.close() == (["call"], ["waiter"])
    assert endpoint.close() == ([], [])
    assert endpoint.closed
    assert "closed" in repr(endpoint)
    assert endpoint.answered(b"1") is None
