"""What names mean: constants, variables that are named like constants, and names that look like products."""

from typing import Any

import pytest

from dovetail.servers.calculator.failures import CalculatorError
from dovetail.servers.calculator.parsing import parse
from dovetail.servers.calculator.readings import read, read_equations, read_in
from tests.servers.calculator.test_calculator import asked

pytestmark = pytest.mark.timeout(60)


@pytest.mark.parametrize(
    ("tool", "arguments", "exact"),
    [
        ("integrate", {"expression": "sin(phi)", "variable": "phi", "lower": "0", "upper": "pi"}, "2"),
        ("differentiate", {"expression": "sin(phi)", "variable": "phi"}, "cos(phi)"),
        ("differentiate", {"expression": "exp(-t/tau)", "variable": "tau"}, "t*exp(-t/tau)/tau**2"),
        ("limit", {"expression": "sin(phi)/phi", "variable": "phi", "to": "0"}, "1"),
        ("integrate", {"expression": "i^2", "variable": "i", "lower": "0", "upper": "3"}, "9"),
        ("differentiate", {"expression": "e^3", "variable": "e"}, "3*e**2"),
    ],
)
async def test_a_name_that_is_given_as_the_variable_is_one_even_if_it_is_a_constant_otherwise(
    tool: str, arguments: dict[str, Any], exact: str
) -> None:
    found = await asked(tool, **arguments)
    assert found["exact"] == exact
    assert "is the variable here" in found["note"]


async def test_capital_letters_are_ordinary_names() -> None:
    integral = await asked("integrate", expression="I^2*R", variable="I", lower="0", upper="2")
    assert integral["exact"] == "8*R/3"

    async def solved(*equations: str, unknowns: list[str]) -> list[dict[str, str]]:
        found = await asked("solve", equations=list(equations), unknowns=unknowns)
        return [{name: value["exact"] for name, value in one["values"].items()} for one in found["solutions"]]

    assert await solved("P = I^2*R", unknowns=["R"]) == [{"R": "P/I**2"}]
    assert await solved("V = I*R", "P = V*I", unknowns=["V", "R"]) == [{"V": "P/I", "R": "P/I**2"}]
    assert {"v": "sqrt(2)*sqrt(E/m)"} in await solved("E = 1/2*m*v^2", unknowns=["v"])
    assert await solved("2*I + 3 = 7", unknowns=["I"]) == [{"I": "2"}]
    assert "The constant is written e" in await asked("calculate", expression="E + 1")


async def test_where_nothing_but_a_constant_can_be_meant_for_the_unknown_it_has_to_be_named() -> None:
    assert 'unknowns ["phi"]' in await asked("solve", equations=["sin(phi) = 1/2"])
    found = await asked("solve", equations=["sin(phi) = 1/2"], unknowns=["phi"])
    assert [one["values"]["phi"]["exact"] for one in found["solutions"]] == ["pi/6", "5*pi/6"]
    assert "there is no name" in await asked("solve", equations=["2^2 = 4"], unknowns=["x"])
    assert "phi is the golden ratio unless" in await asked("differentiate", expression="sin(phi)")


@pytest.mark.parametrize(
    ("tool", "arguments"),
    [
        ("solve", {"equations": ["x = 2*phi"]}),
        ("differentiate", {"expression": "x*sin(phi)"}),
        ("integrate", {"expression": "x*phi"}),
        ("limit", {"expression": "x*phi", "to": "0"}),
        ("simplify", {"expression": "x*phi + x"}),
        ("matrix", {"operation": "trace", "rows": [["phi", "x"], ["x", "1"]]}),
    ],
)
async def test_a_constant_that_may_have_been_meant_for_a_variable_is_named_in_a_note(
    tool: str, arguments: dict[str, Any]
) -> None:
    assert "phi is the golden ratio here" in (await asked(tool, **arguments))["note"]


async def test_an_answer_tells_a_variable_from_the_constant_of_its_name() -> None:
    found = await asked("differentiate", expression="2^e*exp(1)", variable="e")
    assert found["exact"] == "2**e*exp(1)*log(2)"


def test_constants_are_told_from_names_when_a_text_is_read() -> None:
    tree = parse("pi*e*i*phi*E*I + Pi + oo").tree
    assert list(tree.names()) == ["E", "I"]
    assert list(tree.constants()) == ["pi", "e", "i", "phi", "pi", "inf"]
    assert list(parse("pi*e*phi", ["e", "phi"]).tree.names()) == ["e", "phi"]


async def test_the_only_name_is_the_variable_and_of_several_without_x_one_has_to_be_given() -> None:
    given: list[tuple[str, dict[str, Any], str]] = [
        ("differentiate", {"expression": "t^2"}, "2*t"),
        ("limit", {"expression": "(1 + 1/n)^n", "to": "inf"}, "e"),
        ("integrate", {"expression": "t^2", "lower": "0", "upper": "3"}, "9"),
    ]
    for tool, arguments, exact in given:
        found = await asked(tool, **arguments)
        assert found["exact"] == exact
        assert "was taken for the variable" in found["note"]
    assert (await asked("differentiate", expression="a*x"))["exact"] == "a"
    assert "Give the variable" in await asked("differentiate", expression="a*t^2")
    assert "y does not occur" in (await asked("differentiate", expression="x^2", variable="y"))["note"]
    assert "no function that is known" in await asked("differentiate", expression="foo(3)")


async def test_letters_run_together_are_not_taken_for_a_name_without_a_word() -> None:
    assert "write x*y for a product" in await asked("solve", equations=["xy = 6", "x + y = 5"])
    assert "write x*y for a product" in await asked("simplify", expression="(x + y)^2 - 2xy")
    assert "write x*y for a product" in await asked("differentiate", expression="3xy^2")
    assert "Leave dx out" in await asked("integrate", expression="x^2 dx")
    assert "write k*t for a product" in await asked("differentiate", expression="t*exp(-kt)", variable="t")
    assert (await asked("differentiate", expression="t*sin(theta)", variable="t"))["note"] is None
    assert (await asked("solve", equations=["ab = 2*c"], unknowns=["ab"]))["solutions"]


@pytest.mark.parametrize(
    ("text", "variable", "written"),
    [
        ("x + sinx", None, "sin(x)"),
        ("x*lnx", None, "ln(x)"),
        ("xsinx", None, "x*sin(x)"),
        ("sinx", None, "sin(x)"),
        ("x + sin2x", None, "sin(2*x)"),
        ("x + logx", "x", "log(x)"),
        ("x + sqrty", "x", "sqrt(y)"),
        ("t + sinomegat", "t", "sin(omega*t)"),
        ("t*cost", "t", "cos(t)"),
        ("x + sin", None, "sin(...)"),
        ("t*cos(omegat)", "t", "omega*t"),
        ("t*exp(-lambdat)", "t", "lambda*t"),
        ("t*exp(-kt)", "t", "k*t"),
        ("t + ωt", "t", "ω*t"),
        ("x*pix", None, "pi*x"),
        ("axyz + x", None, "a*x*y*z"),
        ("prt", "t", "p*r*t"),
        ("width*xwidth", "x", "x*width"),
        ("omega*komega", "omega", "k*omega"),
        ("sin(kx)", None, "k*x"),
    ],
)
def test_a_name_that_may_be_a_function_or_a_product_with_the_variable_is_refused(
    text: str, variable: str | None, written: str
) -> None:
    with pytest.raises(CalculatorError) as caught:
        read_in([text], variable)
    assert f"write {written}" in str(caught.value)


@pytest.mark.parametrize("variable", ["x", "t", "a", "d", "r"])
def test_ordinary_names_are_not_taken_for_products(variable: str) -> None:
    words = "rate time area mass speed width total price tax max box text debt unit tangent section explicit second"
    marked = "x_0 x1 v_max sin_x kx_1 theta omega lambda Delta_t Δt"
    _, found = read_in(["*".join([variable, *words.split(), *marked.split()])], variable)
    assert found == variable
    read_in([f"cost*sine*{'x' if variable == 't' else variable}"], "x" if variable == "t" else variable)


@pytest.mark.parametrize(
    ("equations", "unknowns", "written"),
    [
        (["a*x^2 + bx + c = 0"], ["x"], "b*x"),
        (["x^2 + kx = 0"], ["x"], "k*x"),
        (["2xy = 6", "x = 1"], [], "x*y"),
        (["p*V = nRT"], ["T"], "n*R*T"),
        (["sinx = 1/2"], ["x"], "sin(x)"),
        (["sinx = 1/2"], [], "sin(x)"),
    ],
)
def test_equations_do_not_take_products_for_names_either(
    equations: list[str], unknowns: list[str], written: str
) -> None:
    with pytest.raises(CalculatorError) as caught:
        read_equations(equations, unknowns)
    assert f"write {written}" in str(caught.value)


@pytest.mark.parametrize(
    ("equation", "unknown", "names"),
    [
        ("PMT = P*r/(1-(1+r)^-n)", "P", ["PMT"]),
        ("EPS = NI/S", "S", ["EPS"]),
        ("GDP = C+I+G+NX", "G", ["GDP"]),
        ("pH = -log10(H)", "H", ["pH"]),
        ("vx = v*cos(theta)", "v", ["vx"]),
        ("v*cos(theta) = vx", "v", ["vx"]),
        ("vx^2+vy^2=v^2", "v", ["vx", "vy"]),
        ("Fx = F*cos(theta)", "F", ["Fx"]),
        ("Px*x+Py*y = M", "x", ["Px"]),
    ],
)
def test_everyday_names_are_names_and_the_answer_says_so(equation: str, unknown: str, names: list[str]) -> None:
    notes = "; ".join(read_equations([equation], [unknown]).notes)
    for name in names:
        assert f"{name} was read as one name; for a product, write {'*'.join(name)}" in notes


@pytest.mark.parametrize(
    ("equations", "unknowns"),
    [
        (["kx = F - x"], ["x"]),
        (["ax + by = c"], ["a"]),
        (["ax = a + b"], ["a"]),
        (["v = u + at"], ["t"]),
        (["at = v - t"], ["t"]),
        (["V = IRT"], ["T"]),
        (["PV = n*R*T"], ["V"]),
        (["Ax = 5", "A = 2"], []),
        (["ABC = 6", "A + B + C = 6"], []),
    ],
)
def test_what_is_a_product_to_people_stays_refused(equations: list[str], unknowns: list[str]) -> None:
    with pytest.raises(CalculatorError, match="was read as one name, not as a product"):
        read_equations(equations, unknowns)


def test_names_that_the_caller_names_are_theirs() -> None:
    read_equations(["2xy = 6", "x = 1"], ["xy", "x"])
    read_equations(["cost = 5*t", "t = 3"], [])
    read_equations(["cost = 5*t", "t = 3"], ["cost", "t"])
    read_in(["sinx^2"], "sinx")
    with pytest.raises(CalculatorError, match="write a"):
        read(["ax + x"])


@pytest.mark.parametrize(
    ("expression", "exact", "unit"),
    [
        ("45/60 in percent", "75", "percent"),
        ("0.25 in percent", "25", "percent"),
        ("pi/4 in degrees", "45", "degrees"),
        ("5 ft in cm", "762/5", "cm"),
        ("12 in to cm", "762/25", "cm"),
        ("3 in in cm", "381/50", "cm"),
        ("3 in * 2 in", "6", "in^2"),
        ("1/2 in", "1/2", "in"),
        ("30 cm in in", "1500/127", "in"),
        ("2 ft + 6 in in in", "30", "in"),
        ("10 m/s in (km/h)", "36", "km/h"),
        ("0.5 in %", "50", "percent"),
    ],
)
async def test_in_is_the_word_before_a_unit_that_fits_and_else_an_inch(expression: str, exact: str, unit: str) -> None:
    found = await asked("calculate", expression=expression)
    assert (found["exact"], found["unit"]) == (exact, unit)


async def test_where_in_can_be_read_in_two_ways_it_is_refused() -> None:
    for expression in (
        "12 in cm",
        "(5 ft in cm) * 2",
        "2 * (1/4 in percent)",
        "0.5 in in",
        "5 in (cm)",
        "(30 cm in in) * 2",
        "10 N*m in in lbf",
    ):
        assert "two ways" in await asked("calculate", expression=expression), expression
    assert (await asked("calculate", expression="5 in lbf to N*m"))["unit"] == "N*m"


@pytest.mark.parametrize(
    ("text", "written"),
    [("e^2x", "e^(2*x) or e^2*x"), ("2^3x", "2^(3*x) or 2^3*x"), ("e^-2x", "e^(-2*x) or e^-2*x")],
)
def test_a_name_run_together_with_an_exponent_is_refused(text: str, written: str) -> None:
    with pytest.raises(CalculatorError) as caught:
        read_in([text], "x")
    assert f"write {written}" in str(caught.value)
    for clear in ("e^2*x", "e^2 x", "e²x", "x^2y", "e^(2x)"):
        read_in([clear], "x")


@pytest.mark.parametrize("equation", ["dy/dx = 3", "d^2y/dx^2 = -y", "dy / dx = y"])
def test_differential_equations_are_refused_in_words(equation: str) -> None:
    with pytest.raises(CalculatorError, match="Differential equations are not solved"):
        read_equations([equation], [])
    read_equations(["dx/2 = 3"], ["dx"])


async def test_greek_letters_can_be_given_as_the_variable() -> None:
    assert (await asked("differentiate", expression="θ^2", variable="θ"))["exact"] == "2*θ"
    assert (await asked("solve", equations=["2*θ = 3"], unknowns=["θ"]))["complete"]
