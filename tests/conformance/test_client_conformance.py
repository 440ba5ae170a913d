"""The official suite's client half holds: in every scenario a success, no failure, no warning, and exit code 0."""

import shlex
import sys
from pathlib import Path

import pytest

from tests.conformance.run import CLIENT_LEGS, OUR_CLIENT, Leg, failures, run_client_leg, run_legs

pytestmark = pytest.mark.timeout(1000)


@pytest.fixture(scope="module")
def legs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Leg]:
    return run_legs(list(CLIENT_LEGS), "", Path(tmp_path_factory.mktemp("conformance")), OUR_CLIENT)


@pytest.mark.parametrize(("leg", "count"), list(zip(CLIENT_LEGS, (25, 39, 48), strict=True)))
def test_every_scenario_of_the_client_half_holds(legs: dict[str, Leg], leg: str, count: int) -> None:
    assert len(legs[leg]) == count
    assert failures(legs[leg]) == {}


def test_a_client_that_does_nothing_holds_in_no_scenario(tmp_path: Path) -> None:
    leg = run_client_leg("client required 2025-11-25", f"{shlex.quote(sys.executable)} -I -c pass", tmp_path)
    assert not any(scenario.holds for scenario in leg.values())


def test_a_client_that_ends_with_an_error_does_not_hold(tmp_path: Path) -> None:
    failing = f"{shlex.quote(sys.executable)} -I -c 'raise SystemExit(3)'"
    leg = run_client_leg("client required 2025-11-25", failing, tmp_path)
    assert "FAILURE exit: the client ended with 3" in leg["initialize"].problems
