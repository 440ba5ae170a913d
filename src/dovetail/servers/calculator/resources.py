"""The resources: constants, units and functions, as tables and one by one; and the prompts."""

from typing import Annotated

import msgspec

from dovetail import Cache, Complete, Server
from dovetail.errors import ResourceNotFound
from dovetail.servers.calculator.functions import FUNCTIONS, KNOWN
from dovetail.servers.calculator.units import joined, spelled, units

_FOR_EVER = Cache(seconds=86_400, scope="public")


class Constant(msgspec.Struct, frozen=True, kw_only=True):
    """A constant: how to write it, what it is, and its value."""

    name: str
    about: str
    value: str
    unit: str | None = None


class UnitRecord(msgspec.Struct, frozen=True, kw_only=True):
    """A unit: what it measures, its size, and what can be converted into it."""

    name: str
    measures: str
    size: str
    like: list[str]


_MATHEMATICAL = (
    Constant(name="pi", about="circumference by diameter", value="3.14159265358979323846264338328"),
    Constant(
        name="tau", about="2 pi, unless it is given as a variable or unknown", value="6.28318530717958647692528676656"
    ),
    Constant(
        name="e",
        about="base of the natural logarithm, unless it is given as a variable or unknown; E is an ordinary name",
        value="2.71828182845904523536028747135",
    ),
    Constant(
        name="phi",
        about="golden ratio, unless it is given as a variable or unknown",
        value="1.61803398874989484820458683437",
    ),
    Constant(name="euler_gamma", about="Euler's constant", value="0.57721566490153286060651209008"),
    Constant(name="catalan", about="Catalan's constant", value="0.915965594177219015054603514932"),
    Constant(
        name="i",
        about="imaginary unit, unless it is given as a variable or unknown; I is an ordinary name",
        value="sqrt(-1)",
    ),
    Constant(name="inf", about="infinity, as a bound or a goal", value="inf"),
)
_PHYSICAL = {
    "speed_of_light": "in vacuum, exact by definition of the metre",
    "planck_constant": "exact by definition of the kilogram",
    "elementary_charge": "exact by definition of the ampere",
    "boltzmann_constant": "exact by definition of the kelvin",
    "avogadro_number": "exact by definition of the mole",
    "gravitational_constant": "measured",
    "standard_gravity": "exact by agreement",
    "electron_mass": "measured",
    "proton_mass": "measured",
    "molar_gas_constant": "exact: Avogadro's number times Boltzmann's constant",
    "stefan_boltzmann_constant": "exact, from the others",
    "standard_atmosphere": "exact by agreement",
}


def constants() -> list[Constant]:
    """Return the constants: mathematical ones, and physical ones with their units."""
    from dovetail.servers.calculator.rendering import decimal_text

    found = list(_MATHEMATICAL)
    for name, about in _PHYSICAL.items():
        unit = units().find(name)
        if unit is not None:
            text = decimal_text(unit.factor, 15) + (f"*pi^{unit.turns}" if unit.turns else "")
            found.append(Constant(name=name, about=about, value=text, unit=spelled(unit.dimensions)))
    return found


def add_resources(app: Server) -> None:
    """Offer all resources and prompts."""
    for uri, name, title, function in (
        ("calculator://constants", "constants", "Constants", _all_constants),
        ("calculator://constants/{name}", "constant", "A constant", _one_constant),
        ("calculator://units", "units", "Units", _all_units),
        ("calculator://units/{name}", "unit", "A unit", _one_unit),
        ("calculator://functions", "functions", "Functions", _functions),
    ):
        app.add_resource(uri, function, name=name, title=title, mime_type="application/json", cache=_FOR_EVER)
    app.add_prompt(word_problem, title="Solve a word problem")
    app.add_prompt(check_numbers, title="Check the numbers of a text")


def _all_constants() -> list[Constant]:
    """Constants that expressions may name: mathematical ones, and physical ones with units."""
    return constants()


def _constant_names(typed: str) -> list[str]:
    return [each.name for each in constants() if each.name.startswith(typed.lower())]


def _one_constant(name: Annotated[str, Complete(_constant_names)]) -> Constant:
    """One constant, by its name."""
    for each in constants():
        if each.name == name:
            return each
    raise ResourceNotFound(f"calculator://constants/{name}")


def _all_units() -> dict[str, list[str]]:
    """The units, by what they measure; prefixes such as kilo or k, plurals and symbols are understood besides."""
    found: dict[str, list[str]] = {}
    for name in units().names():
        unit = units().find(name)
        if unit is not None:
            found.setdefault(spelled(unit.dimensions), []).append(name)
    return dict(sorted(found.items()))


def _unit_names(typed: str) -> list[str]:
    return [name for name in units().names() if name.lower().startswith(typed.lower())]


def _one_unit(name: Annotated[str, Complete(_unit_names)]) -> UnitRecord:
    """One unit, by its name or symbol: its size in base units, and the units that it converts into."""
    unit = units().find(name)
    if unit is None:
        raise ResourceNotFound(f"calculator://units/{name}")
    size = f"{unit.factor}" + (f"*pi^{unit.turns}" if unit.turns else "")
    base = joined(dict(unit.dimensions)) if unit.dimensions else "1"
    if unit.offset is not None:
        size = f"{unit.factor} * reading + {unit.offset}"
    return UnitRecord(
        name=unit.name, measures=spelled(unit.dimensions), size=f"{size} {base}", like=units().like(unit.dimensions)
    )


def _functions() -> dict[str, str]:
    """The functions that expressions may call."""
    also: dict[str, list[str]] = {}
    for spelling, name in KNOWN.items():
        if spelling != name:
            also.setdefault(name, []).append(spelling)
    return {
        name: known.about + (f" (also {', '.join(also[name])})" if name in also else "")
        for name, known in FUNCTIONS.items()
    }


def word_problem(problem: str) -> str:
    """Solve a word problem step by step, with every number computed by the calculator.

    Args:
        problem: The problem, in words.
    """
    return (
        f"Solve this problem:\n\n{problem}\n\n"
        "First write what is known, with units, and what is asked. Then set up the equations. Compute every number "
        "with the calculator's tools (calculate, convert, solve), units included, and never in your head. Check the "
        "result by putting it back into the problem, then give it with its unit, rounded sensibly."
    )


def check_numbers(text: str) -> str:
    """Check every calculation in a text: sums, percentages, conversions.

    Args:
        text: The text.
    """
    return (
        f"Check the numbers in this text:\n\n{text}\n\n"
        "List each statement that follows from other numbers in it (sums, differences, percentages, averages, rates, "
        "converted units). Recompute each with the calculator's tools. Then list what is wrong: as written, as "
        "computed, and by how much it is off; and say what could not be checked."
    )
