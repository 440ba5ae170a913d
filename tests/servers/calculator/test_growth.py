"""Formulas of growth and loans: an unknown that stands in one place is isolated, and what cannot be is searched for."""

import pytest
import sympy  # type: ignore[import-untyped]

from dovetail.servers.calculator.answers import Job, Reply
from dovetail.servers.calculator.engine import Engine
from dovetail.servers.calculator.failures import CalculatorError
from dovetail.servers.calculator.workers import Stopped, Workers
from tests.servers.calculator.test_calculator import asked

pytestmark = pytest.mark.timeout(60)


@pytest.mark.parametrize(
    ("equation", "unknown", "exact"),
    [
        ("A = 5000*(1+r)^t", "t", "log(A/5000)/log(r + 1)"),
        ("1000*(1+r)^n = 2000", "n", "log(2)/log(r + 1)"),
        ("P = 1000*1.05^n", "n", "log(P/1000)/log(21/20)"),
        ("V = 20000*0.85^n", "n", "log(V/20000)/log(17/20)"),
        ("principal*(1+rate)^years = 2000", "years", "log(2000/principal)/log(rate + 1)"),
        ("F = P*(1+r)^5", "r", "(F/P)**(1/5) - 1"),
        ("9 = 100*(1/2)^(t/h)", "t", "-h*log(9/100)/log(2)"),
        ("P*(1+r/12)^(12*t) = A", "r", "12*(A/P)**(1/(12*t)) - 12"),
        ("P*(1+r/12)^(12*t) = A", "t", "log(A/P)/(12*log(r/12 + 1))"),
        ("A = P*(1+r/n)^(n*t)", "r", "n*((A/P)**(1/(n*t)) - 1)"),
        ("P1*V1^1.4 = P2*V2^1.4", "V2", "(P1*V1**(7/5)/P2)**(5/7)"),
        ("E = z*s/sqrt(n)", "n", "s**2*z**2/E**2"),
        ("Q = (1/n)*A*R^(2/3)*S^(1/2)", "S", "Q**2*n**2/(A**2*R**(4/3))"),
        ("Q = m*B*H^(3/2)", "H", "(Q/(B*m))**(2/3)"),
        ("9^x = 27", "x", "3/2"),
        ("2^x*3^x = 36", "x", "2"),
        ("a^x = a^3", "x", "3"),
        ("10^x = 10^(2y)", "x", "2*y"),
        ("50 = 100*e^(-k*5)", "k", "log(2)/5"),
    ],
)
async def test_formulas_of_every_day_are_solved_for_their_names(equation: str, unknown: str, exact: str) -> None:
    found = await asked("solve", equations=[equation], unknowns=[unknown])
    assert [one["values"][unknown]["exact"] for one in found["solutions"]] == [exact]
    assert not found["complete"]


@pytest.mark.parametrize(("equation", "root"), [("(x+1)^3 = a^3", "a - 1"), ("x^5 = a^5", "a")])
async def test_a_root_that_sympy_knows_in_short_is_kept(equation: str, root: str) -> None:
    found = await asked("solve", equations=[equation], unknowns=["x"])
    assert root in [one["values"]["x"]["exact"] for one in found["solutions"]]


async def test_the_branch_that_holds_for_positive_names_is_given_whatever_their_letters_are() -> None:
    for equation, clock, start in (("T-t = h/c+sqrt(2*h/g)", "T", "t"), ("t-T = h/c+sqrt(2*h/g)", "t", "T")):
        found = await asked("solve", equations=[equation], unknowns=["h"])
        values = [one["values"]["h"]["exact"] for one in found["solutions"]]
        numbers = {clock: 3, start: 1, "c": 1, "g": 2}
        assert [sympy.sympify(value).subs(numbers) for value in values] == [1]


async def test_solutions_of_which_other_names_decide_are_said_to_be_such() -> None:
    found = await asked("solve", equations=["sqrt(a*x^2) = b*x + c"], unknowns=["x"])
    assert len(found["solutions"]) == 2 and "each holds for some values of the other names only" in found["note"]


async def test_the_rate_of_a_loan_by_the_month_is_found() -> None:
    async with Workers(processes=1, memory=512, seconds=60) as workers:
        found = await Engine(workers, 15).solutions(["300000*r/12/(1-(1+r/12)^-360) = 2000"], [], None)
    assert found.solutions[-1].values["r"].decimal == "0.0702030405211159"


@pytest.mark.parametrize(
    ("equation", "decimal"),
    [
        ("300000*0.004/(1-1.004^-n)=2000", "229.530523513549"),
        ("2000*(1-1.004^-n)/0.004 = 300000 + 10*n", "232.459122813292"),
    ],
)
async def test_decimals_under_an_exponent_are_solved_in_time(equation: str, decimal: str) -> None:
    found = await asked("solve", equations=[equation])
    assert [one["values"]["n"]["decimal"] for one in found["solutions"]] == [decimal]


async def test_what_formulas_take_too_much_memory_for_is_searched_for() -> None:
    class Short(Engine):
        async def run(self, do: str, trees: object, names: object, digits: int, share: float = 1.0) -> Reply:
            if do == "solve":
                raise Stopped("This needs more memory than a calculation may have; use smaller numbers")
            return await super().run(do, trees, names, digits, share)  # type: ignore[arg-type]

    async with Workers(processes=1, memory=512, seconds=30) as workers:
        found = await Short(workers, 15).solutions(["x*1.07^x = 12345.678"], [], None)
    assert [one.values["x"].decimal for one in found.solutions] == ["75.3603576258584"]


async def test_a_job_that_runs_out_of_memory_is_told_from_one_that_fails() -> None:
    class Spent(Workers):
        async def _reply(self, job: Job) -> Reply | None:
            return Reply(error="words", spent=job.do == "solve")

    async with Spent(processes=1, memory=512, seconds=1) as workers:
        for do, kind in (("solve", Stopped), ("limit", CalculatorError)):
            with pytest.raises(CalculatorError, match="words") as caught:
                await workers.run(Job(do=do, trees=[], names=[], digits=15, seconds=1))
            assert type(caught.value) is kind
