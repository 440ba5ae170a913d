"""The ask ledger: which question is which, which answers are kept, and when a handler is on known ground."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dovetail.core.asks import (
    KEEP_ABOVE,
    AskLedger,
    Given,
    State,
    digest_of,
    read_state,
    without_values,
    write_state,
)
from dovetail.errors import RoundsExceeded, StateRefused

FORM = "elicitation/create"
ROUNDS = 10


def anything(value: bytes) -> bool:
    return True


def turn(state: State, **responses: bytes) -> AskLedger:
    """Start a turn from a state that went through the client, with the client's answers."""
    return AskLedger(read_state(write_state(state)), responses)


def asked(state: State, *keys: str, params: bytes = b"{}") -> tuple[State, list[bytes | None]]:
    ledger = turn(state)
    answers = [ledger.ask(key, FORM, params, anything) for key in keys]
    return ledger.next_state(ROUNDS), answers


FRESH = State("c" * 32, 0)


def test_a_first_question_ends_the_turn_and_its_answer_is_there_in_the_next() -> None:
    state, answers = asked(FRESH, "name")
    assert answers == [None]
    assert (state.round, [question.key for question in state.open]) == (1, ["name"])
    ledger = turn(state, name=b'"Ada"')
    before, answer, after = ledger.replaying, ledger.ask("name", FORM, b"{}", anything), ledger.replaying
    assert (before, answer, after) == (True, b'"Ada"', False)
    assert ledger.call == FRESH.call


def test_answers_come_back_in_every_later_turn() -> None:
    state, _ = asked(FRESH, "a")
    ledger = turn(state, a=b"1")
    assert [ledger.ask(key, FORM, b"{}", anything) for key in ("a", "b")] == [b"1", None]
    assert not ledger.replaying
    ledger = turn(ledger.next_state(ROUNDS), b=b"2")
    assert [ledger.ask(key, FORM, b"{}", anything) for key in ("a", "b")] == [b"1", b"2"]
    assert not ledger.pending


def test_answers_that_are_missing_are_asked_again_and_the_others_kept() -> None:
    state, _ = asked(FRESH, "a", "b", "c")
    ledger = turn(state, a=b"1", c=b"3")
    assert [ledger.ask(key, FORM, b"{}", anything) for key in "abc"] == [b"1", None, b"3"]
    assert list(ledger.pending) == ["b"]
    ledger = turn(ledger.next_state(ROUNDS), b=b"2")
    assert [ledger.ask(key, FORM, b"{}", anything) for key in "abc"] == [b"1", b"2", b"3"]


def test_an_answer_that_the_question_does_not_accept_is_asked_for_again() -> None:
    state, _ = asked(FRESH, "a", "b")
    ledger = turn(state, a=b'"no number"', b=b"2")
    assert ledger.ask("a", FORM, b"{}", bytes.isdigit) is None
    assert ledger.ask("b", FORM, b"{}", bytes.isdigit) == b"2"
    assert list(ledger.pending) == ["a"]


def test_an_answer_is_never_given_to_another_question() -> None:
    state, _ = asked(FRESH, "a", "b", "c")
    ledger = turn(state, a=b"1", b=b"2", c=b"3")
    assert ledger.ask("a", FORM, b"{}", anything) == b"1"
    assert ledger.ask("b", FORM, b'{"other":1}', anything) is None
    assert ledger.ask("c", FORM, b"{}", anything) is None, "and all later ones are dropped, too"
    assert list(ledger.pending) == ["b", "c"]
    assert [given.key for given in ledger.next_state(ROUNDS).given] == ["a"]


def test_later_answers_are_dropped_also_when_they_came_earlier() -> None:
    state, _ = asked(FRESH, "a", "b", "c")
    ledger = turn(state, a=b"1", c=b"3")
    assert [ledger.ask(key, FORM, b"{}", anything) for key in "abc"] == [b"1", None, b"3"]
    ledger = turn(ledger.next_state(ROUNDS), b=b"2")
    asks = [ledger.ask(key, FORM, params, anything) for key, params in (("a", b"{}"), ("b", b"[]"), ("c", b"{}"))]
    assert asks == [b"1", None, None]


def test_the_same_parameters_of_another_method_are_another_question() -> None:
    assert digest_of("a", b"b") != digest_of("ab", b"")
    state, _ = asked(FRESH, "a")
    assert turn(state, a=b"1").ask("a", "roots/list", b"{}", anything) is None


def test_a_key_that_nobody_asked_for_is_ignored() -> None:
    state, _ = asked(FRESH, "a")
    ledger = turn(state, wrong=b"1", extra=b"2")
    assert ledger.ask("wrong", FORM, b"{}", anything) is None


def test_an_answer_that_comes_before_any_question_is_taken_by_its_key_once_and_if_it_fits() -> None:
    ledger = turn(FRESH, a=b"1", b=b'"no number"', c=b"3")
    assert not ledger.replaying
    assert [ledger.ask(key, FORM, b"{}", bytes.isdigit) for key in ("a", "b")] == [b"1", None]
    state = ledger.next_state(ROUNDS)
    assert [given.key for given in state.given] == ["a"]
    assert turn(state, a=b"9", b=b"2").ask("a", FORM, b"{}", anything) == b"1", "a settled answer stays as it was"
    assert turn(state, c=b"3").ask("c", FORM, b"{}", anything) is None, "later, only what was asked may be answered"


def test_questions_at_one_site_are_told_apart_by_their_order() -> None:
    ledger = turn(FRESH)
    assert [ledger.name(site) for site in ("f:3", "f:3", "g:1", "f:3")] == ["f:3", "f:3#2", "g:1", "f:3#3"]


@pytest.mark.parametrize("limit", [1, 3])
def test_rounds_are_capped(limit: int) -> None:
    state = FRESH
    for _ in range(limit):
        ledger = turn(state)
        ledger.ask("a", FORM, b"{}", anything)
        state = ledger.next_state(limit)
    ledger = turn(state)
    ledger.ask("a", FORM, b"{}", anything)
    with pytest.raises(RoundsExceeded):
        ledger.next_state(limit)


def test_large_answers_leave_the_state_and_are_asked_for_again_when_the_store_lost_them() -> None:
    large = b'"' + b"x" * KEEP_ABOVE + b'"'
    state, _ = asked(FRESH, "a", "b")
    ledger = turn(state, a=large, b=b"2")
    ledger.ask("c", FORM, b"{}", anything)
    assert [given.key for given in ledger.oversize()] == ["a"]
    kept = without_values(ledger.next_state(ROUNDS))
    assert [len(given.value) for given in kept.given] == [0, 1]
    for found, expected in ((large, large), (None, None)):
        later = turn(kept, c=b"3")
        assert later.stored() == ["a"]
        later.load("a", found)
        assert later.ask("a", FORM, b"{}", anything) == expected


def test_bytes_that_are_no_state_are_refused_without_a_word_of_why() -> None:
    for data in (b"", b"\xc1", write_state(FRESH)[:-1], b"\x93\x01\x02\x03"):
        with pytest.raises(StateRefused, match=r"^requestState is not valid for this request$"):
            read_state(data)


def test_a_state_is_read_as_it_was_written() -> None:
    state, _ = asked(State("id", 3, (), (Given("k", b"d" * 16, b"{}"),)), "a", "b")
    assert read_state(write_state(state)) == state


def test_a_ledger_shows_how_far_it_is() -> None:
    state, _ = asked(FRESH, "a", "b")
    assert repr(turn(state, a=b"1")) == "<AskLedger round 1, 1 answers, 0 open>"


# Whatever handlers ask and clients answer, over several turns. An answer says which question it was made for.

STEP = st.tuples(st.sampled_from("abc"), st.sampled_from([b"{}", b'{"m":1}']))
TURN = st.tuples(st.lists(STEP, max_size=6), st.lists(st.sampled_from(["good", "bad", "none", "stray"]), min_size=6))


def made_for(key: str, params: bytes, kind: str) -> bytes:
    return json.dumps([key, params.decode(), kind]).encode()


def is_good(answer: bytes) -> bool:
    return bool(json.loads(answer)[2] == "good")


def play(state: State, steps: list[tuple[str, bytes]], responses: dict[str, bytes]) -> tuple[AskLedger, list[Any]]:
    ledger = turn(state, **responses)
    played = []
    for site, params in steps:
        key = ledger.name(site)
        played.append((key, params, ledger.ask(key, FORM, params, is_good)))
    return ledger, played


@pytest.mark.req("S-14")
@given(st.lists(TURN, max_size=6))
def test_an_answer_only_ever_reaches_the_question_that_it_was_made_for(turns: list[Any]) -> None:
    state, responses = FRESH, dict[str, bytes]()
    for steps, kinds in turns:
        ledger, played = play(state, steps, responses)
        keys = [key for key, _, _ in played]
        assert len(set(keys)) == len(keys), "every question has a key of its own"
        for key, params, answer in played:
            assert answer is None or answer == made_for(key, params, "good")
            assert (answer is None) is (key in ledger.pending)
        if any(answer is None for _, _, answer in played):
            assert not ledger.replaying
        state = ledger.next_state(ROUNDS)
        responses = {
            key if kind != "stray" else key + "!": made_for(key, params, kind)
            for (key, (_, params, _)), kind in zip(ledger.pending.items(), kinds, strict=False)
            if kind != "none"
        }


@given(st.lists(STEP, min_size=1, max_size=6), st.lists(st.sets(st.integers(0, 5)), max_size=5))
def test_a_handler_that_asks_the_same_keeps_every_answer_and_is_asked_for_the_missing_ones_only(
    steps: list[tuple[str, bytes]], rounds: list[set[int]]
) -> None:
    state, responses, settled = FRESH, dict[str, bytes](), set[str]()
    for chosen in [*rounds, set(range(6))]:
        ledger, played = play(state, steps, responses)
        settled |= set(responses)
        assert {key for key, _, answer in played if answer is not None} == settled
        assert set(ledger.pending) == {key for key, _, _ in played} - settled
        state = ledger.next_state(ROUNDS)
        open_questions = list(ledger.pending.items())
        responses = {
            key: made_for(key, params, "good")
            for place, (key, (_, params, _)) in enumerate(open_questions)
            if place in chosen
        }
    ledger, played = play(state, steps, responses)
    assert all(answer is not None for _, _, answer in played)
    assert not ledger.pending
    assert not ledger.replaying
