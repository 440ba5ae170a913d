"""The units that there are: names, sizes and dimensions, from pint's tables. A name is looked up, and never evaluated.

Pint reads unit expressions with a tokenizer of its own; none of its readers sees what a caller wrote. A name that is
made of letters is split into prefix, unit and plural by pint's tables, and everything else is arithmetic of ours.
"""

from collections.abc import Mapping
from fractions import Fraction
from functools import lru_cache
from threading import Lock
from typing import Any, Final

import msgspec

from dovetail.servers.calculator.failures import CalculatorError

Dimensions = tuple[tuple[str, Fraction], ...]
_PLAIN_ANGLES: Final = frozenset({"radian"})
_OFFSETS: Final = {
    "degree_Celsius": (Fraction(1), Fraction(27315, 100)),
    "degree_Fahrenheit": (Fraction(5, 9), Fraction(45967, 180)),
    "degree_Reaumur": (Fraction(5, 4), Fraction(27315, 100)),
}
"""Scale and offset to kelvin: kelvin = scale * value + offset."""
_EXACT: Final = 10**30
_OF_LAND: Final = {
    **dict.fromkeys(("link", "fathom", "rod", "chain", "furlong", "cables_length", "league"), 1),
    **dict.fromkeys(("square_rod", "acre", "square_league"), 2),
    "acre_foot": 3,
}
"""Units that pint makes of survey feet, which were given up in 2023, and in which power."""
_SINCE_2023: Final = Fraction(3048, 10_000) / Fraction(1200, 3937)
"""A foot, in survey feet."""


class Unit(msgspec.Struct, frozen=True):
    """A unit.

    Attributes:
        name: Its full name, prefix and all.
        factor: How many base units (meter, gram, second, ampere, kelvin, mole, candela, bit) it is, pi left out.
        turns: To which power pi stands in it: 1 for a degree.
        dimensions: Base units and their powers; an angle has none.
        offset: What is added on the way to kelvin; None for what is a plain multiple.
        angles: To which power an angle stands in it: 1 for a degree, and for rpm.
    """

    name: str
    factor: Fraction
    turns: int
    dimensions: Dimensions
    offset: Fraction | None = None
    angles: Fraction = Fraction(0)


_ALSO: Final = {"°": "degree", "fl_oz": "fluid_ounce", "sqft": "square_foot", "kmh": "kilometer_per_hour"}
"""Names that pint does not know, and what they mean."""
_CURRENCIES: Final = frozenset(
    "usd eur gbp jpy chf cny inr cad aud dollar dollars euro euros pound_sterling yen".split()
)


class Units:
    """Looks units up. Made once: pint's tables take half a second to read."""

    def __init__(self) -> None:
        """Read the tables.

        Raises:
            ModuleNotFoundError: pint is not installed.
        """
        import pint

        self._registry: Any = pint.UnitRegistry(non_int_type=Fraction, cache_folder=None)
        self._registry.define("dozen = 12")
        self._container = pint.util.UnitsContainer
        self._pi = self._root("pi")[0]
        self.find = lru_cache(maxsize=1024)(self._find)

    def __repr__(self) -> str:
        return "<Units>"

    def _find(self, name: str) -> Unit | None:
        """Return a unit by name, symbol or alias, with prefix and plural; None if there is none."""
        if not 0 < len(name) <= 64 or not (name == "°" or name.lstrip("°").replace("_", "").isalnum()):
            return None
        found = self._registry.parse_unit_name(_ALSO.get(name, name))
        if not found:
            return None
        full = found[0][0] + found[0][1]
        if self.logarithmic(name):
            return None
        if full in _OFFSETS:
            scale, offset = _OFFSETS[full]
            return Unit(full, scale, 0, (("kelvin", Fraction(1)),), offset)
        factor, root = self._root(full)
        if factor is None:
            return None
        factor, turns = self._without_pi(factor * _SINCE_2023 ** _OF_LAND.get(found[0][1], 0))
        dimensions = tuple((base, power) for base, power in root if base not in _PLAIN_ANGLES)
        angles = sum((power for base, power in root if base in _PLAIN_ANGLES), Fraction(0))
        return Unit(full, factor, turns, dimensions, angles=angles)

    def logarithmic(self, name: str) -> bool:
        """Tell whether a unit is on a logarithmic scale, as dBm is; pint takes these for plain ones."""
        found = self._registry.parse_unit_name(name) if name.isidentifier() else ()
        return any(self._registry._units[one[1]].converter.is_logarithmic for one in found)

    def _root(self, full: str) -> tuple[Any, Dimensions]:
        """Return the size in base units, angles among them; None where it is no fraction, as for logarithmic units."""
        container = self._container({full: Fraction(1)}, non_int_type=Fraction)
        try:
            factor, units = self._registry.get_root_units(container, check_nonmult=True)
            dimensions = tuple(sorted((base, Fraction(power)) for base, power in units._units.items()))
        except Exception:  # pint has errors of many kinds for units that have no size
            return None, ()
        return (Fraction(factor) if isinstance(factor, int | Fraction) else None), dimensions

    def _without_pi(self, factor: Fraction) -> tuple[Fraction, int]:
        """Take pi out of a factor: pint has 50 digits of it, and we have pi itself."""
        if factor.denominator < _EXACT and factor.numerator < _EXACT:
            return factor, 0
        for turns in (1, -1, 2, -2):
            rest = factor / self._pi**turns
            if rest.denominator < _EXACT and rest.numerator < _EXACT:
                return rest, turns
        return factor, 0

    def names(self) -> tuple[str, ...]:
        """Return the full names of all units, without prefixes, in order."""
        return _listed(self)

    def like(self, dimensions: Dimensions) -> list[str]:
        """Return the full names of the units with these dimensions."""
        return [name for name in self.names() if (unit := self.find(name)) and unit.dimensions == dimensions]


@lru_cache(maxsize=4)
def _listed(units: Units) -> tuple[str, ...]:
    spelled = (name for name in dir(units._registry) if name.replace("_", "").isalnum() and not name.startswith("_"))
    found = {unit.name for name in spelled if (unit := units.find(name)) is not None}
    return tuple(sorted(name for name in found if name != "pi"))


_LOCK: Final = Lock()
_MADE: Final[list[Units]] = []


def units() -> Units:
    """Return the units; reads the tables the first time, and may be called from any thread."""
    with _LOCK:
        if not _MADE:
            _MADE.append(Units())
        return _MADE[0]


def spelled(dimensions: Dimensions) -> str:
    """Return dimensions for people, such as `gram * meter / second^2`."""
    if not dimensions:
        return "a plain number"
    return joined(dict(dimensions))


def joined(powers: Mapping[str, Fraction]) -> str:
    """Return a product of units as text: `km/h`, `kg*m/s^2`."""
    above = [_power(name, power) for name, power in powers.items() if power > 0]
    below = [_power(name, -power) for name, power in powers.items() if power < 0]
    text = "*".join(above) or "1"
    return f"{text}/{below[0]}" if len(below) == 1 else f"{text}/({'*'.join(below)})" if below else text


def _power(name: str, power: Fraction) -> str:
    if power == 1:
        return name
    return f"{name}^{power}" if power.denominator == 1 else f"{name}^({power})"


def unknown(name: str) -> CalculatorError:
    """Return the error for a name that is nothing here."""
    from difflib import get_close_matches

    if units().logarithmic(name):
        return CalculatorError(
            f"{name} is a unit on a logarithmic scale, and these are not converted here; compute with powers of ten or "
            "with log10: 30 dBm is 1 mW * 10^(30/10), 5 mW is 10*log10(5 mW/(1 mW)) dBm, 1 Np is 20/log(10) dB"
        )
    if name.lower() in ("e", "i"):
        return CalculatorError(f"{name!r} is no constant, function or unit. The constant is written {name.lower()}")
    if name.lower() in _CURRENCIES:
        return CalculatorError(f"{name} is a currency, and rates are not known here: compute with plain numbers")
    if name.lower() == "mpg":
        return CalculatorError("mpg is not known, as there are two gallons: write mile/gallon, or mile/imperial_gallon")
    if name in ("KB", "Kb"):
        return CalculatorError(
            f"{name} is not known, as there are two: write k{name[1]} for 1000, or Ki{name[1]} for 1024"
        )
    close = get_close_matches(name, units().names(), 3)
    hint = f" Did you mean {', '.join(close)}?" if close else ""
    return CalculatorError(
        f"{name!r} is no constant, function or unit.{hint} Unknowns belong into solve, simplify, differentiate, ..."
    )
