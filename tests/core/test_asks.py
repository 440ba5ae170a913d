"""The ask ledger: which question is which, which answers are kept, and when a handler is on known ground."""

import pytest

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
from dovetail.errors import InvalidParams, RoundsExceeded

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
        with pytest.raises(InvalidParams, match="requestState"):
            read_state(data)


def test_a_state_is_read_as_it_was_written() -> None:
    state, _ = asked(State("id", 3, (), (Given("k", b"d" * 16, b"{}"),)), "a", "b")
    assert read_state(write_state(state)) == state
