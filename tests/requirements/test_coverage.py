"""No requirement without a test, no mark without a requirement, no guard that nobody would miss."""

import ast

import pytest

from tests.house import ROOT
from tests.requirements.ledger import Mutation, definition, marks, mutated, requirements, source_of

REQUIREMENTS = {requirement.id: requirement for requirement in requirements()}
MUTATIONS = [(name, mutation) for name, requirement in REQUIREMENTS.items() for mutation in requirement.mutation]


def test_an_id_stands_once() -> None:
    assert len(requirements()) == len(REQUIREMENTS)


def test_every_status_is_known_and_what_comes_later_says_why() -> None:
    assert {requirement.status for requirement in REQUIREMENTS.values()} <= {"proved", "open", "later"}
    assert not [r.id for r in REQUIREMENTS.values() if (r.status == "later") != bool(r.why)]


def test_no_test_proves_a_requirement_that_is_not_listed() -> None:
    unknown = {name: tests for name, tests in marks().items() if name not in REQUIREMENTS}
    assert not unknown


def test_exactly_the_requirements_that_tests_prove_are_listed_as_proved() -> None:
    marked = set(marks())
    assert {r.id for r in REQUIREMENTS.values() if r.status == "proved"} == marked


def test_every_proved_requirement_of_the_highest_priority_names_a_mutation_of_its_guard() -> None:
    missing = [r.id for r in REQUIREMENTS.values() if r.priority == "P0" and r.status == "proved" and not r.mutation]
    assert not missing


@pytest.mark.parametrize(("name", "mutation"), MUTATIONS, ids=[f"{n}-{m.guard}" for n, m in MUTATIONS])
def test_a_guard_stands_where_the_list_says(name: str, mutation: Mutation) -> None:
    guard = source_of(mutation)
    assert guard, f"{name}: there is no {mutation.guard}"
    assert guard.count(mutation.find) == 1, f"{name}: {mutation.find!r} must stand once in {mutation.guard}"
    ast.parse(mutated(mutation, mutation.path.read_text(encoding="utf-8")))
    path, _, test = mutation.test.partition("::")
    found = definition(ROOT / path, test.partition("[")[0])
    assert isinstance(found, ast.FunctionDef | ast.AsyncFunctionDef), f"{name}: there is no {mutation.test}"
