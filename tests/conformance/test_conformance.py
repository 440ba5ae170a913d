"""The official conformance suite holds: in every scenario, on every leg, a success, no failure and no warning."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conformance.run import LEGS, OUR_SERVER, Leg, Scenario, failures, run_legs, said

pytestmark = pytest.mark.timeout(600)


@pytest.fixture(scope="module")
def legs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Leg]]:
    yield run_legs(list(LEGS), OUR_SERVER, Path(tmp_path_factory.mktemp("conformance")))


@pytest.mark.parametrize("leg", LEGS)
def test_every_scenario_of_the_official_suite_holds(legs: dict[str, Leg], leg: str) -> None:
    assert legs[leg]
    assert failures(legs[leg]) == {}


def test_a_scenario_without_a_success_does_not_hold() -> None:
    assert failures({"ping": said([]), "tasks-x": Scenario()}) == {"ping": []}


def test_a_warning_breaks_a_scenario_as_a_failure_does() -> None:
    good: dict[str, object] = {"id": "a", "status": "SUCCESS"}
    for status in ("WARNING", "FAILURE"):
        assert failures({"ping": said([good, {"id": "b", "status": status}])})
    assert said([good, {"id": "c", "status": "SKIPPED"}]).holds
