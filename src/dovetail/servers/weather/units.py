"""Units, converted exactly: as fractions, rounded once, at the end. No I/O."""

import math
import re
from fractions import Fraction
from typing import Final, Literal

import msgspec

System = Literal["metric", "imperial"]
Quantity = Literal["temperature", "speed", "pressure", "distance", "depth"]

# What one of a unit is in the metric unit of its quantity: °C, km/h, hPa, km, mm. Defined values, all of them.
_MILE: Final = Fraction(1_609_344, 1_000_000)
_FACTORS: Final[dict[str, Fraction]] = {
    "km/h": Fraction(1), "m/s": Fraction(36, 10), "mph": _MILE, "kt": Fraction(1_852, 1_000),
    "hPa": Fraction(1), "Pa": Fraction(1, 100), "inHg": Fraction(3_386_389, 100_000),
    "km": Fraction(1), "m": Fraction(1, 1_000), "mi": _MILE, "mm": Fraction(1), "in": Fraction(254, 10),
}  # fmt: skip
_UNITS: Final[dict[System, dict[Quantity, str]]] = {
    "metric": {"temperature": "°C", "speed": "km/h", "pressure": "hPa", "distance": "km", "depth": "mm"},
    "imperial": {"temperature": "°F", "speed": "mph", "pressure": "inHg", "distance": "mi", "depth": "in"},
}
_DIGITS: Final[dict[str, int]] = {"inHg": 2, "in": 2}
_SPELLINGS: Final = {
    "F": "°F", "C": "°C", "K": "K", "degC": "°C", "degF": "°F", "km_h-1": "km/h", "m_s-1": "m/s", "knots": "kt",
    "kts": "kt", "unit:degC": "°C", "unit:km_h-1": "km/h",
}  # fmt: skip
_SPEED: Final = r"([0-9]{1,3}(?:\.[0-9]{1,3})?)"
_WIND: Final = re.compile(rf"(?<![0-9.,-]){_SPEED}(?:(?: to |-){_SPEED})? ?(mph|km/h|kts?|knots|m/s)(?![\w/])")
_MOST: Final = 1e9
"""Nothing on Earth is more, in any unit."""
_POINTS: Final = "N NNE NE ENE E ESE SE SSE S SSW SW WSW W WNW NW NNW".split()


class Units(msgspec.Struct, frozen=True):
    """The units of an answer: temperature, (wind) speed, pressure, distance, depth (of rain)."""

    temperature: str
    speed: str
    pressure: str
    distance: str
    depth: str


def units_of(system: System) -> Units:
    """Return the units of a system."""
    return Units(**_UNITS[system])


def spelled(code: str) -> str:
    """Return a unit as it is written here, from how a service writes it (`wmoUnit:degC`, `F`)."""
    name = code.removeprefix("wmoUnit:")
    return _SPELLINGS.get(name, name)


def converted(value: float | None, unit: str, quantity: Quantity, system: System) -> float | None:
    """Return a value in the unit that a system has for its quantity; None for one that is none, or of no known unit.

    Args:
        value: A finite number; None when it was not measured.
        unit: Its unit, as written here.
        quantity: What it measures.
        system: What it shall be in.
    """
    if value is None or not math.isfinite(value) or abs(value) > _MOST:
        return None
    goal = _UNITS[system][quantity]
    exact = Fraction(repr(value)) if isinstance(value, float) else Fraction(value)
    found = _temperature(exact, unit, goal) if quantity == "temperature" else _scaled(exact, unit, goal)
    if found is None:
        return None
    rounded = round(found, _DIGITS.get(goal, 1))
    return float(rounded) or 0.0


def wind(text: str, system: System) -> tuple[float | None, float | None]:
    """Read `10 mph` or `10 to 15 mph`; both None where it is something else."""
    match = _WIND.search(text)
    if match is None:
        return None, None
    low, high, unit = float(match[1]), float(match[2] or match[1]), spelled(match[3])
    return converted(low, unit, "speed", system), converted(high, unit, "speed", system)


def compass(degrees: float | None) -> str:
    """Return the point of the compass for a direction; empty for none."""
    if degrees is None or not math.isfinite(degrees):
        return ""
    return _POINTS[math.floor((degrees % 360) / 22.5 + 0.5) % 16]


def _temperature(value: Fraction, unit: str, goal: str) -> Fraction | None:
    match unit:
        case "°C":
            celsius = value
        case "°F":
            celsius = (value - 32) * Fraction(5, 9)
        case "K":
            celsius = value - Fraction(27_315, 100)
        case _:
            return None
    return celsius * Fraction(9, 5) + 32 if goal == "°F" else celsius


def _scaled(value: Fraction, unit: str, goal: str) -> Fraction | None:
    if unit not in _FACTORS:
        return None
    return value * _FACTORS[unit] / _FACTORS[goal]
