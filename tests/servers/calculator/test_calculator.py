"""The calculator as its clients see it: every tool, resource and prompt, what is refused, and how it is cut off."""

import asyncio
import json
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dovetail import Client
from dovetail.errors import PeerError
from dovetail.servers.calculator import Settings, make
from dovetail.servers.calculator.answers import Job
from dovetail.servers.calculator.failures import CalculatorError
from dovetail.servers.calculator.parsing import parse
from dovetail.servers.calculator.workers import Expired, Workers
from dovetail.wire import PromptReference, ResourceTemplateReference
from tests.house import ROOT

NEWEST, STATEFUL = "2026-07-28", "2025-11-25"
pytestmark = pytest.mark.timeout(60)


@asynccontextmanager
async def opened(given: Settings | None = None, **options: Any) -> AsyncIterator[Client]:
    """A client of a calculator in memory; afterwards, the calculator's end is awaited, too."""
    app = make(given or Settings())
    async with Client(app, **options) as client:
        yield client
    others = asyncio.all_tasks() - {asyncio.current_task()}
    if others:  # a client in memory does not wait for the server's lifespan to end
        await asyncio.wait(others, timeout=10)


async def asked(tool: str, revision: str = NEWEST, seconds: float = 10, **arguments: Any) -> Any:
    """What a tool answers, or the text of its error."""
    async with opened(Settings(seconds=seconds), revision=revision) as client:
        result = await client.call_tool(tool, arguments)
        return result.text if result.is_error else result.structured


EXPRESSIONS = [
    ("1/3 + 1/6", "1/2", "0.5", "rational"),
    ("2^10 > 1000", "true", None, "boolean"),
    ("sqrt(2)", "sqrt(2)", "1.4142135623731", "real"),
    ("sin(30 deg)", "1/2", "0.5", "rational"),
    ("(1 + sqrt(2)) * (1 - sqrt(2))", "-1", "-1", "integer"),
    ("e^(i*pi)", "-1", "-1", "integer"),
    ("360 deg to turn", "1", "1", "integer"),
    ("sqrt(-4)", "2*i", "2*i", "complex"),
    ("stdev(1, 2, 4)", "sqrt(21)/3", "1.52752523165195", "real"),
    ("isprime(2^61 - 1)", "1", "1", "integer"),
    ("1.0001^36500", None, "38.4676455311505", "real"),
    ("log(factorial(20000))", None, "178075.621737199", "real"),
    ("log(10^100, 10)", "100", "100", "integer"),
    ("sin(1)^2 + cos(1)^2 - 1", "0", "0", "integer"),
    ("mod(10, pi)", "10 - 3*pi", "0.57522203923062", "real"),
    ("(1 + sqrt(2))^5000", "(1 + sqrt(2))**5000", "7.55834461621497e1913", "real"),
    ("sin(10^1000) - sin(10^1000 - 2*pi)", "0", "0", "integer"),
    ("round(pi, 3)", "1571/500", "3.142", "rational"),
]


NEAR = [
    ("log(1 + 10^-30)", "1e-30"),
    ("10^30 * log(1 + 10^-30)", "1"),
    ("acos(1 - 10^-40)", "1.4142135623731e-20"),
    ("log(cos(10^-15))", "-5e-31"),
    ("floor(acos(1 - 10^-40) * 10^30)", "14142135623"),
    ("acos(1 - 10^-40) > 0", None),
    ("cbrt(-2)", "-1.25992104989487"),
    ("cbrt(-2 m^3)", "-1.25992104989487"),
    ("ceil(-pi)", "-3"),
    ("200 + -10%", "180"),
    ("1 + 10^-20*i", "1 + 1e-20*i"),
]


async def test_small_numbers_are_not_taken_for_0() -> None:
    async with opened() as client:
        for expression, decimal in NEAR:
            found = (await client.call_tool("calculate", {"expression": expression})).structured
            assert found["decimal"] == decimal, expression
            assert found["kind"] != "boolean" or found["exact"] == "true"


@pytest.mark.parametrize(
    ("expression", "told"),
    [
        ("1.0001^3000000 mod 1000", "needs all digits"),
        ("floor(1.0001^3000000)", "needs all digits"),
        ("sin(1.0001^3000000)", "needs all digits"),
        ("1.0001^3000000 - 1.0001^2999999*1.0001", "cancel each other"),
        ("e^(e^100)", "beyond all that can be computed"),
    ],
)
async def test_what_was_rounded_is_not_taken_for_exact(expression: str, told: str) -> None:
    assert told in await asked("calculate", expression=expression)


@pytest.mark.parametrize("revision", [STATEFUL, NEWEST])
async def test_calculate(revision: str) -> None:
    async with opened(revision=revision) as client:
        for expression, exact, decimal, kind in EXPRESSIONS:
            found = (await client.call_tool("calculate", {"expression": expression})).structured
            assert (found["exact"], found["decimal"], found["kind"]) == (exact, decimal, kind), expression


async def test_calculate_with_units_and_digits() -> None:
    found = await asked("calculate", expression="1 mile / 7 to km", digits=30)
    assert found["unit"] == "km"
    assert found["decimal"] == "0.229906285714285714285714285714"
    assert (await asked("calculate", expression="1 rpm to rad/s"))["exact"] == "pi/30"


async def test_convert() -> None:
    assert (await asked("convert", value=98.6, from_unit="degF", to_unit="degC"))["exact"] == "37"
    assert (await asked("convert", value="5/8", from_unit="inch", to_unit="mm"))["decimal"] == "15.875"
    assert "cannot be given in" in await asked("convert", value=1, from_unit="kg", to_unit="m")


async def test_solve() -> None:
    def values(found: Any, name: str = "x") -> list[str]:
        return [one["values"][name]["exact"] for one in found["solutions"]]

    assert values(await asked("solve", equations=["x^2 - 5x + 6 = 0"])) == ["2", "3"]
    assert values(await asked("solve", equations=["x + y = 3", "x - y = 1"]), "y") == ["1"]
    assert values(await asked("solve", equations=["a*x = b"], unknowns=["x"])) == ["b/a"]
    assert (await asked("solve", equations=["x^2 < 4"]))["conditions"] == "(-2 < x) & (x < 2)"
    assert values(await asked("solve", equations=["1 = 2"])) == []
    searched = await asked("solve", equations=["cos(x) = x"])
    assert searched["solutions"][0]["values"]["x"]["decimal"] == "0.739085133215161"
    assert searched["complete"] is False


async def test_what_holds_always_is_no_equation_without_solutions() -> None:
    for equation in ("x = x", "(x + 1)^2 = x^2 + 2x + 1", "sin(x)^2 + cos(x)^2 = 1", "x - x/2 = x/2"):
        found = await asked("solve", equations=[equation])
        assert (found["solutions"], found["complete"]) == ([], False), equation
        assert "whatever the unknowns are" in found["note"]
    for equation in ("floor(x) = 2", "abs(x) = x", "log(x^2) = 2*log(x)"):
        found = await asked("solve", equations=[equation])
        assert "on whole intervals" in found["note"], equation
        assert found["complete"] is False


async def test_an_unknown_that_does_not_occur_is_said_so() -> None:
    assert "y does not occur; the names are x" in await asked("solve", equations=["x^2 = 2"], unknowns=["y"])
    assert "y cancels out" in await asked("solve", equations=["0*y + x = 2"], unknowns=["y"])


@pytest.mark.parametrize(
    ("equations", "solutions", "complete"),
    [
        (["(x^2-1)/(x-1) = 2"], [], True),
        (["(x^2-1)/(x-1) = 0"], ["-1"], True),
        (["x^2 = 10^60 + 4*10^30 + 4"], ["-1" + "0" * 29 + "2", "1" + "0" * 29 + "2"], True),
        (["1/(x - 10^-30) = 10^30"], ["1/5" + "0" * 29], True),
        (["1/x = 0"], [], True),
        (["x^3 - 3x + 2 = 0"], ["-2", "1"], True),
        (["x^2 = 4", "y^2 = 9"], ["-2", "-2", "2", "2"], True),
        (["x^5 - x - 1 = 0", "y = x"], [None] * 5, True),
        (["tanh(x) = 1"], [], False),
        (["erf(x) = 1"], [], False),
        (["sqrt(x) = -1"], [], False),
        (["exp(x) = 1"], ["0"], False),
        (["e^x = -1"], ["i*pi"], False),
        (["sec(x) = 2"], ["-pi/3", "pi/3"], False),
        (["cot(x) = 1"], ["pi/4"], False),
        (["cosh(x) = 1"], ["0"], False),
        (["(x-1)^2 * (cos(x)-x) = 0"], [None, "1"], False),
    ],
)
async def test_solutions_solve_and_are_called_all_only_where_they_are(
    equations: list[str], solutions: list[str | None], complete: bool
) -> None:
    found = await asked("solve", equations=equations)
    assert [one["values"]["x"]["exact"] for one in found["solutions"]] == solutions
    assert found["complete"] is complete
    assert complete or found["note"]


async def test_a_step_is_no_solution() -> None:
    assert "no real solution" in await asked("solve", equations=["floor(x) = 5/2"])


async def test_all_zeros_of_a_polynomial_without_formulas_are_found() -> None:
    found = await asked("solve", equations=["x^5 - x - 1 = 0"])
    assert (len(found["solutions"]), found["complete"]) == (5, True)


async def test_a_periodic_inequality_is_not_solved_for_good() -> None:
    assert (await asked("solve", equations=["sin(x) > 1/2"]))["complete"] is False


async def test_the_forms_of_simplify() -> None:
    assert (await asked("simplify", expression="(x^2 - 1)/(x - 1)"))["exact"] == "x + 1"
    assert (await asked("simplify", expression="(x + 1)^2", form="expand"))["exact"] == "x**2 + 2*x + 1"
    assert (await asked("simplify", expression="-5/18", form="factor"))["exact"] == "-5/(2*3**2)"
    assert (await asked("simplify", expression="360", form="factor"))["exact"] == "2**3*3**2*5"


async def test_calculus() -> None:
    assert (await asked("differentiate", expression="x^3", order=2))["exact"] == "6*x"
    assert (await asked("differentiate", expression="x^3 * sin(x)", at="pi"))["exact"] == "-pi**3"
    assert (await asked("integrate", expression="2x"))["exact"] == "x**2"
    gauss = await asked("integrate", expression="exp(-x^2)", lower="-inf", upper="inf")
    assert gauss["exact"] == "sqrt(pi)"
    assert (await asked("limit", expression="(1 + 1/n)^n", variable="n", to="inf"))["exact"] == "e"
    assert (await asked("limit", expression="1/x", to="0", side="right"))["exact"] == "inf"


REFUSED: list[tuple[str, dict[str, Any], str]] = [
    ("integrate", {"expression": "x^x"}, "give lower and upper"),
    ("integrate", {"expression": "x", "lower": "0"}, "both bounds"),
    ("integrate", {"expression": "1/x", "lower": "-1", "upper": "1"}, "diverges"),
    ("integrate", {"expression": "atan(tan(x))", "lower": "0", "upper": "pi"}, "piece by piece"),
    ("differentiate", {"expression": "max(x, 2)", "at": "2"}, "no derivative there"),
    ("limit", {"expression": "1/x", "to": "0"}, "no limit"),
    ("solve", {"equations": ["2 + 2"]}, "no unknown to solve for"),
    ("matrix", {"operation": "inverse", "rows": [[1, 2], [2, 4]]}, "determinant is 0"),
    ("matrix", {"operation": "add", "rows": [[1]]}, "give other"),
    ("matrix", {"operation": "multiply", "rows": [[1, 2]], "other": [[1, 2]]}, "shapes do not fit"),
    ("matrix", {"operation": "trace", "rows": [[1, 2], [3]]}, "same length"),
    ("statistics", {"values": ["pi"]}, "is not rational"),
    ("simplify", {"expression": "x to km"}, "Units are for calculate"),
    ("calculate", {"expression": "x + 1"}, "no constant, function or unit"),
    ("calculate", {"expression": "tan(pi/2)"}, "not defined"),
    ("calculate", {"expression": "mod(10^50000, pi)"}, "too large for digits"),
    ("calculate", {"expression": "2^(10^9/3)"}, "at most 102,350"),
    ("calculate", {"expression": "exp(exp(exp(exp(10))))"}, "beyond all that can be computed"),
]


async def test_errors_say_what_to_do() -> None:
    async with opened() as client:
        for tool, arguments, told in REFUSED:
            result = await client.call_tool(tool, arguments)
            assert result.is_error and told in result.text, (tool, arguments, result.text)


async def test_a_definite_integral_without_a_form_is_a_number() -> None:
    found = await asked("integrate", expression="sin(sin(x))", lower="0", upper="1")
    assert (found["exact"], found["decimal"]) == (None, "0.430606103120691")
    assert "computed as a number" in found["note"]


async def test_matrices() -> None:
    inverse = await asked("matrix", operation="inverse", rows=[[1, 2], [3, 4]])
    assert [[cell["exact"] for cell in row] for row in inverse["rows"]] == [["-2", "1"], ["3/2", "-1/2"]]
    assert (await asked("matrix", operation="determinant", rows=[["a", "b"], ["c", "d"]]))["value"][
        "exact"
    ] == "a*d - b*c"
    eigen = await asked("matrix", operation="eigenvalues", rows=[[2, 0], [0, 2]])
    assert [value["exact"] for value in eigen["values"]] == ["2", "2"]


async def test_statistics() -> None:
    found = await asked("statistics", values=[1, 2, 2, 0.1, "7/3"])
    assert (found["count"], found["median"], found["modes"], found["minimum"]) == (5, "2", ["2"], "0.1")
    assert found["stdev"] == "0.922436387448419"


async def test_statistics_say_what_they_rounded() -> None:
    near = ["100000000000000000000", "100000000000000000001"]
    assert "maximum" in (await asked("statistics", values=near))["note"]
    assert (await asked("statistics", values=near, digits=30))["note"] is None


async def test_statistics_are_bounded_and_hold_nobody_up() -> None:
    """The server answers while a process works, and stops it when its time is over."""
    values = [f"1/(2^1000+{place})" for place in range(2_000)]
    async with opened(Settings(seconds=1)) as client:
        call = asyncio.create_task(client.call_tool("statistics", {"values": values}))
        assert (await client.call_tool("calculate", {"expression": "1/3 + 1/6"}, timeout=5)).data.exact == "1/2"
        assert not call.done()
        assert "Stopped after 1 s" in (await call).text


async def test_statistics_that_are_cancelled_end_their_process() -> None:
    values = [f"1/(2^1000+{place})" for place in range(2_000)]
    async with Workers(1, 512, 60) as workers:
        await workers.run(job("sqrt(2)", 60))
        worker = workers._idle[0]
        much = Job(do="statistics", trees=[], names=values, digits=15, seconds=60)
        task = asyncio.create_task(workers.run(much))
        while workers._idle:
            await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert await asyncio.wait_for(worker.process.wait(), 10) < 0


async def test_statistics_of_what_is_no_number_or_too_long_are_refused() -> None:
    assert "Number 2 is not rational" in await asked("statistics", values=[1, "sqrt(2)"])
    assert "Units are for calculate" in await asked("statistics", values=["1 km to m"])
    assert "at most 200,000 are read" in await asked("statistics", values=["1" * 1_000] * 201)
    assert "at most 10000 characters" in await asked("statistics", values=["1+" * 10_000])
    assert "at most 200,000 are read" in await asked("matrix", operation="rank", rows=[["1+" * 4_000 + "1"] * 30])


@pytest.mark.parametrize(
    "expression",
    ["9**9**9**9", "factorial(10**9)", "comb(10**9, 10**8)", "((2**1000)**1000)**1000", "1e999999999", "(" * 9_999],
)
async def test_what_would_run_for_ever_is_refused_before_it_starts(expression: str) -> None:
    """No computing process is started: `seconds` is less than one takes to start."""
    found = await asked("calculate", seconds=0.1, expression=expression)
    assert any(word in found for word in ("digits", "exponent", "deeper"))


async def test_input_of_a_megabyte_is_refused_by_the_schema() -> None:
    assert "at most 10000 characters" in await asked("calculate", expression="1+" * 500_000)


def job(text: str, seconds: float, do: str = "calculate", names: list[str] | None = None) -> Job:
    return Job(do=do, trees=[parse(text).tree], names=names or [], digits=15, seconds=seconds)


ENDLESS = "sqrt(tan(x))/(x^5+exp(x)+1)*log(sin(x))"


async def test_an_integral_that_never_ends_is_stopped_and_the_next_calculation_works() -> None:
    async with Workers(1, 512, 1) as workers:
        with pytest.raises(Expired, match=r"Stopped after 0\.5 s"):
            await workers.run(job(ENDLESS, 0.5, "integrate", ["x"]))
        reply = await workers.run(job("sqrt(2)", 10))
        assert reply.answer is not None and reply.answer.exact == "sqrt(2)"


async def test_what_needs_too_much_memory_is_stopped() -> None:
    async with Workers(1, 320, 20) as workers:
        with pytest.raises(CalculatorError, match="memory"):
            await workers.run(job("(x + 1)^100000", 20, "simplify", ["expand"]))
        assert (await workers.run(job("sqrt(3)", 10))).answer is not None


async def test_a_cancelled_calculation_ends_its_process() -> None:
    async with Workers(1, 512, 60) as workers:
        await workers.run(job("sqrt(2)", 60))
        worker = workers._idle[0]
        task = asyncio.create_task(workers.run(job(ENDLESS, 60, "integrate", ["x"])))
        while workers._idle:
            await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert await asyncio.wait_for(worker.process.wait(), 10) < 0


@pytest.mark.parametrize("revision", [STATEFUL, NEWEST])
async def test_a_client_that_gives_up_ends_the_calculation(revision: str) -> None:
    async with opened(Settings(seconds=600, processes=1), revision=revision) as client:
        call = asyncio.create_task(client.call_tool("integrate", {"expression": ENDLESS}))
        await client.call_tool("calculate", {"expression": "1 + 1"})
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call
        # With one process only, this would wait for ten minutes if the first calculation went on.
        assert (await client.call_tool("calculate", {"expression": "sqrt(2)"}, timeout=30)).data.exact == "sqrt(2)"


async def test_a_warm_process_is_used_again_and_all_end_with_the_server() -> None:
    async with Workers(2, 512, 10) as workers:
        await workers.run(job("sqrt(2)", 10))
        first = workers._idle[0]
        await workers.run(job("sqrt(3)", 10))
        assert workers._idle == [first]
    assert first.process.returncode is not None


@pytest.mark.parametrize("known", [True, False])
async def test_an_idle_process_that_was_killed_is_replaced_before_anybody_notices(known: bool) -> None:
    async with Workers(2, 512, 10) as workers:
        await asyncio.gather(workers.run(job("sqrt(2)", 10)), workers.run(job("sqrt(5)", 10)))
        killed = list(workers._idle)
        assert len(killed) == 2
        for one in killed:
            one.kill()
            if known:
                await one.process.wait()
        replies = await asyncio.gather(*(workers.run(job("sqrt(3)", 10)) for _ in range(3)))
        assert [reply.answer is not None and reply.answer.exact for reply in replies] == ["sqrt(3)"] * 3


async def test_processes_that_end_before_they_begin_are_told_as_such(monkeypatch: pytest.MonkeyPatch) -> None:
    async with Workers(1, 512, 10) as workers:
        monkeypatch.setattr("dovetail.servers.calculator.workers._PROGRAM", "dovetail.servers.nothing")
        monkeypatch.setattr("dovetail.servers.calculator.workers.READY", b"")
        with pytest.raises(CalculatorError, match="ended before it began"):
            await workers.run(job("sqrt(2)", 10))


async def test_a_computing_process_sees_nothing_of_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BANK_SECRET", "hunter2")
    async with Workers(1, 512, 10) as workers:
        await workers.run(job("sqrt(2)", 10))
        if sys.platform == "linux":
            with open(f"/proc/{workers._idle[0].process.pid}/environ") as file:  # noqa: ASYNC230
                assert "hunter2" not in file.read()


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(
        st.sampled_from([*"+-*/^()x1290.,!%", "sin(", "log(", "pi", "e", "i", "inf", "sqrt(", "mod", "="]), max_size=25
    )
)
def test_symbols_answer_any_expression_or_say_why_not(parts: list[str]) -> None:
    from dovetail.servers.calculator.computing import answered
    from dovetail.servers.calculator.symbolic import Builder, answer_of

    def built(asked: Job) -> Any:
        from dovetail.servers.calculator.answers import Reply

        return Reply(answer=answer_of(Builder(symbols=True).build(asked.trees[0]), 15))

    try:
        tree = parse("".join(parts)).tree
    except CalculatorError:
        return
    line = msgspec.json.encode(Job(do="built", trees=[tree], digits=15, seconds=1_000_000))
    reply = answered(line, {"built": built})
    assert (reply.answer is None) != (reply.error is None)


@pytest.mark.parametrize("revision", [STATEFUL, NEWEST])
async def test_resources_templates_and_completion(revision: str) -> None:
    async with opened(revision=revision) as client:

        async def read(uri: str) -> Any:
            contents = (await client.read_resource(uri)).contents[0]
            assert contents.text is not None
            return json.loads(contents.text)

        assert {"pi", "speed_of_light"} <= {each["name"] for each in await read("calculator://constants")}
        assert (await read("calculator://constants/speed_of_light"))["value"] == "299792458"
        assert "meter" in (await read("calculator://units"))["meter"]
        assert (await read("calculator://units/km"))["size"] == "1000 meter"
        assert "comb" in await read("calculator://functions")
        for uri in ("calculator://units/nonsense", "calculator://constants/nonsense"):
            with pytest.raises(PeerError, match="not found"):
                await client.read_resource(uri)
        template = ResourceTemplateReference(uri="calculator://units/{name}")
        assert "kilometer_per_hour" in (await client.complete(template, "name", "kilometer")).values
        constant = ResourceTemplateReference(uri="calculator://constants/{name}")
        assert (await client.complete(constant, "name", "speed")).values == ["speed_of_light"]


async def test_prompts() -> None:
    async with opened() as client:
        assert [prompt.name for prompt in await client.list_prompts()] == ["word_problem", "check_numbers"]
        found = await client.get_prompt("word_problem", {"problem": "Two trains meet."})
        assert "Two trains meet." in str(found.messages[0].content)
        assert (await client.complete(PromptReference(name="word_problem"), "problem", "T")).values == []


async def test_every_tool_says_that_it_only_computes() -> None:
    async with opened() as client:
        for tool in await client.list_tools():
            assert tool.annotations is not None
            assert (tool.annotations.read_only_hint, tool.annotations.open_world_hint) == (True, False)
            assert tool.output_schema is not None


@pytest.mark.parametrize("revision", [STATEFUL, NEWEST])
async def test_over_stdio_as_a_client_starts_it(revision: str) -> None:
    command = [sys.executable, "-m", "dovetail", "serve", "calculator", "--seconds", "5"]
    async with Client(command, revision=revision, env={"PYTHONPATH": str(ROOT / "src")}) as client:
        assert (await client.call_tool("calculate", {"expression": "3 km + 200 m to ft"})).data.unit == "ft"
        assert (await client.call_tool("solve", {"equations": ["x^2 = 2"]})).structured["complete"] is True


def test_nothing_here_hands_sympy_or_pint_a_text() -> None:
    from pathlib import Path

    import dovetail.servers.calculator.server as module

    folder = Path(module.__file__).parent
    banned = ("sympify(", "parse_expr(", "lambdify(", "nsolve(", "parse_expression", "parse_units", ".Quantity(", 'S("')
    for path in folder.glob("*.py"):
        code = "\n".join(line.partition("#")[0] for line in path.read_text().splitlines())
        for word in banned:
            assert word not in code, f"{path.name}: {word}"
