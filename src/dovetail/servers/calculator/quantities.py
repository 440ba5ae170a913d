"""Expressions with units become expressions without: dimensions are worked out here, numbers are left to arithmetic.

`3 km + 200 m` becomes the tree `3*1000 + 200` and the dimension meter; what computes it knows nothing of units.
"""

from collections.abc import Callable
from fractions import Fraction
from typing import Final, Literal

import msgspec

from dovetail.servers.calculator.exact import SMALL, Arithmetic, evaluate
from dovetail.servers.calculator.failures import CalculatorError, Irrational, TooLarge, TooMuch
from dovetail.servers.calculator.functions import call
from dovetail.servers.calculator.tree import Tree, constant, node, number
from dovetail.servers.calculator.units import Dimensions, Unit, joined, spelled, unknown

Find = Callable[[str], Unit | None]
Scale = Literal["plain", "absolute", "difference"]
_ALIKE: Final = frozenset(["min", "max", "sum", "mean", "median", "stdev", "pstdev"])
"""Functions of several values of one dimension, whose result has it, too."""


_ALONE: Final = (
    "A temperature like 20 degC is a reading: add differences to it (delta_degC), subtract another, or use kelvin"
)


_NONE: Final = Unit("", Fraction(1), 0, ())
_TEMPERATURE: Final = (("kelvin", Fraction(1)),)
_SUM: Final = Tree("add")
"""Stands for a sum while its terms are looked at."""


class Quantity(msgspec.Struct, frozen=True):
    """A value with a dimension.

    Attributes:
        tree: The value in base units, without units in it.
        dimensions: Its dimensions.
        shown: The units that it was written in, and their powers.
        factor: What one of those is in base units, as a tree; None for 1.
        scale: What a temperature is on: a thermometer (`absolute`), a difference of two, or nothing of the kind.
        offset: What is added on the way to kelvin, when it is on a thermometer.
        counted: Whether a reading has its number: `degC` alone has none yet.
    """

    tree: Tree
    dimensions: Dimensions = ()
    shown: tuple[tuple[str, Fraction], ...] = ()
    factor: Tree | None = None
    scale: Scale = "plain"
    offset: Fraction | None = None
    counted: bool = True


def has_units(tree: Tree) -> bool:
    """Tell whether there are names in it that are no constants."""
    return any(True for _ in tree.names())


def quantity(tree: Tree, find: Find) -> Quantity:
    """Work out an expression's dimensions.

    Raises:
        CalculatorError: A name is unknown, or the dimensions do not fit.
    """
    reader = _READERS.get(tree.kind)
    if reader is not None:
        return reader(tree, find)
    parts = [_plain(quantity(part, find), tree.kind) for part in tree.parts]
    return Quantity(node(tree.kind, *parts, text=tree.text) if parts else tree)


def in_unit(value: Quantity, target: Quantity, text: str) -> Tree:
    """Return the tree of a value in the unit that was asked for.

    Raises:
        CalculatorError: The dimensions differ, or the target is no unit.
    """
    if _negated(value):
        raise CalculatorError(_ALONE)
    if value.scale == "absolute" or (target.offset is not None and value.scale != "difference"):
        _check_warmth(value)
    if value.dimensions != target.dimensions:
        raise CalculatorError(
            f"A value in {spelled(value.dimensions)} cannot be given in {text}, which is {spelled(target.dimensions)}"
            + _of_warmth(value, target)
        )
    if value.scale == "absolute" and target.scale == "difference":
        raise CalculatorError(f"A reading of a thermometer is no difference in {text}; subtract another reading first")
    if target.offset is not None:
        if value.scale == "difference":
            raise CalculatorError(f"A difference of temperatures is no reading in {text}; use delta_{text}")
        return node("multiply", node("add", value.tree, number(str(-target.offset))), node("invert", _factor(target)))
    return node("multiply", value.tree, node("invert", _factor(target)))


def _of_warmth(value: Quantity, target: Quantity) -> str:
    """Return what to write where F and C, a farad and a coulomb, may have been meant for temperatures."""
    named = {name for unit in (value, target) for name, _ in unit.shown} & {"F", "C"}
    return "; F is farad and C is coulomb: for temperatures write degF, degC or kelvin" if named else ""


def _check_warmth(value: Quantity) -> None:
    try:
        kelvins = evaluate(value.tree, Arithmetic(SMALL), call)
    except (Irrational, TooLarge, TooMuch):
        return
    if kelvins < 0 and value.dimensions == _TEMPERATURE:
        raise CalculatorError(
            "This is below absolute zero (0 K, -273.15 degC, -459.67 degF); check the value and its unit, and write a "
            "difference as delta_degC"
        )


def wanted(tree: Tree, find: Find) -> Quantity:
    """Read the unit that a value is wanted in.

    Raises:
        CalculatorError: It is more than names, their products and powers.
    """
    check_unit(tree)
    return quantity(tree, find)


def check_unit(tree: Tree) -> None:
    """Refuse what is no unit.

    Raises:
        CalculatorError: It is more than names, their products and powers.
    """
    if not _is_unit(tree):
        raise CalculatorError(
            "A unit is written like km/h or kg*m/s^2: names, their products and powers, without numbers before it and "
            "without sums"
        )


def in_cycles(value: Quantity, target: Quantity, find: Find) -> Quantity:
    """Return a value for a target that counts cycles where it counts angles, or the other way: 60 rpm are 1 Hz."""
    share = _cycles(target, find) - _cycles(value, find)
    angles = _angles(value, find) - _angles(target, find)
    if not share or share != angles:
        return value
    turn = node("power", node("multiply", number(2), constant("pi")), number(str(-share)))
    return _with(value, node("multiply", value.tree, turn))


def _cycles(value: Quantity, find: Find) -> Fraction:
    return sum((power for unit, power in value.shown if (find(unit) or _NONE).name.endswith("hertz")), Fraction(0))


def _angles(value: Quantity, find: Find) -> Fraction:
    return sum(((find(unit) or _NONE).angles * power for unit, power in value.shown), Fraction(0))


def _is_unit(tree: Tree) -> bool:
    if tree.kind in ("multiply", "invert"):
        return all(_is_unit(part) for part in tree.parts)
    if tree.kind == "power":
        return _is_unit(tree.parts[0])
    return tree.kind == "name" or (tree.kind == "number" and tree.text == "1")


def _negated(value: Quantity) -> bool:
    return value.scale == "absolute" and value.tree.kind == "negative"


def _factor(value: Quantity) -> Tree:
    return value.factor or number(1)


def as_written(value: Quantity) -> tuple[Tree, str | None]:
    """Return the tree of a value in the units that it was written in, and those as text."""
    if not value.shown:
        return value.tree, None
    unit = joined(dict(value.shown))
    return in_unit(value, value, unit), unit


def _named(tree: Tree, find: Find) -> Quantity:
    unit = find(tree.text)
    if unit is None:
        raise unknown(tree.text)
    factor = number(str(unit.factor))
    if unit.turns:
        factor = node("multiply", factor, node("power", constant("pi"), number(unit.turns)))
    shown = ((tree.text, Fraction(1)),)
    if unit.offset is not None:
        value = node("add", factor, number(str(unit.offset)))
        return Quantity(value, unit.dimensions, shown, factor, "absolute", unit.offset, counted=False)
    return Quantity(factor, unit.dimensions, shown, factor, "difference" if unit.name.startswith("delta_") else "plain")


def _with(value: Quantity, tree: Tree) -> Quantity:
    return msgspec.structs.replace(value, tree=tree, counted=True)


def _scale(dimensions: Dimensions, parts: list[Quantity]) -> Scale:
    """Return what a product is on: what differences are multiplied into stays one, as long as kelvins are in it."""
    warm = any(base == "kelvin" for base, _ in dimensions)
    return "difference" if warm and any(part.scale == "difference" for part in parts) else "plain"


def _difference(shown: tuple[tuple[str, Fraction], ...]) -> tuple[tuple[str, Fraction], ...]:
    return tuple((f"delta_{unit.replace('°', 'deg')}", power) for unit, power in shown)


def _plain(value: Quantity, where: str) -> Tree:
    if value.dimensions or value.offset is not None:
        raise CalculatorError(f"{where} takes plain numbers, not a value in {spelled(value.dimensions)}")
    return value.tree


def _check_alike(left: Quantity, right: Quantity) -> None:
    if left.dimensions != right.dimensions:
        raise CalculatorError(
            f"{spelled(left.dimensions)} and {spelled(right.dimensions)} cannot be added or compared; check the units"
        )


def _sum(left: Quantity, right: Quantity) -> Quantity:
    _check_alike(left, right)
    tree = _SUM
    shape = left if left.shown else right
    if "absolute" not in (left.scale, right.scale):
        scale = _scale(left.dimensions, [left, right])
        return msgspec.structs.replace(shape, tree=tree, scale=scale, offset=None)
    if left.scale == right.scale == "absolute":
        subtracted = right.tree.kind == "negative"
        if not subtracted:
            raise CalculatorError("Two thermometer readings cannot be added; add a difference, such as 5 delta_degC")
        shown = _difference(left.shown)
        return msgspec.structs.replace(left, tree=tree, shown=shown, scale="difference", offset=None)
    reading = left if left.scale == "absolute" else right
    if _negated(reading):
        raise CalculatorError(_ALONE)
    return msgspec.structs.replace(reading, tree=tree)


def _product(tree: Tree, find: Find) -> Quantity:
    parts = [quantity(part, find) for part in tree.parts]
    if any(part.offset is not None for part in parts):
        return _reading(parts)
    shown: dict[str, Fraction] = {}
    dimensions: dict[str, Fraction] = {}
    for part in parts:
        for unit, power in part.shown:
            shown[unit] = shown.get(unit, Fraction(0)) + power
        for base, power in part.dimensions:
            dimensions[base] = dimensions.get(base, Fraction(0)) + power
    factors = [part.factor for part in parts if part.factor is not None]
    left = _tidy(dimensions)
    return Quantity(
        node("multiply", *[part.tree for part in parts]),
        left,
        tuple((unit, power) for unit, power in shown.items() if power),
        node("multiply", *factors) if factors else None,
        _scale(left, parts),
    )


def _tidy(powers: dict[str, Fraction]) -> Dimensions:
    return tuple(sorted((base, power) for base, power in powers.items() if power))


def _reading(parts: list[Quantity]) -> Quantity:
    """Make a thermometer reading: a plain number times one unit with an offset."""
    last = parts[-1]
    bare = last.offset is not None and not last.counted and len(parts) > 1
    if not bare or any(part.dimensions or part.offset is not None for part in parts[:-1]):
        raise CalculatorError(_ALONE)
    count = parts[0].tree if len(parts) == 2 else node("multiply", *[part.tree for part in parts[:-1]])
    value = node("add", node("multiply", count, _factor(last)), number(str(last.offset)))
    return _with(last, value)


def _power(value: Quantity, power: Fraction) -> Quantity:
    if value.offset is not None:
        raise CalculatorError(_ALONE)
    exponent = number(str(power))
    dimensions = tuple((base, have * power) for base, have in value.dimensions if power)
    return Quantity(
        node("invert", value.tree) if power == -1 else node("power", value.tree, exponent),
        dimensions,
        tuple((unit, have * power) for unit, have in value.shown if power),
        None if value.factor is None else node("power", value.factor, exponent),
        _scale(dimensions, [value]),
    )


def _raised(tree: Tree, find: Find) -> Quantity:
    base, exponent = (quantity(part, find) for part in tree.parts)
    raised = _plain(exponent, "An exponent")
    if not base.shown and base.factor is None:
        return Quantity(node("power", base.tree, raised))
    try:
        power = evaluate(raised, Arithmetic(SMALL), call)
    except Irrational:
        raise CalculatorError("A unit is raised to whole or rational powers only") from None
    if abs(power) > 100:
        raise CalculatorError("A unit is raised to powers between -100 and 100 only")
    return _power(base, power)


def _called(tree: Tree, find: Find) -> Quantity:
    arguments = tree.parts[0].parts if len(tree.parts) == 1 and tree.parts[0].kind == "list" else tree.parts
    parts = [quantity(part, find) for part in arguments]
    roots = {"sqrt": Fraction(1, 2), "cbrt": Fraction(1, 3)}
    if tree.text in roots and parts and parts[0].dimensions:
        root = _power(parts[0], roots[tree.text])
        return _with(root, node("call", parts[0].tree, text=tree.text))
    if tree.text in _ALIKE and parts and any(part.dimensions for part in parts):
        parts = [parts[0], *[in_cycles(part, parts[0], find) for part in parts[1:]]]
        for part in parts[1:]:
            _check_alike(parts[0], part)
        if any(part.offset is not None for part in parts):
            raise CalculatorError(f"{tree.text} takes temperatures in kelvin only")
        found = node("call", *[part.tree for part in parts], text=tree.text)
        return msgspec.structs.replace(parts[0], tree=found, scale=_scale(parts[0].dimensions, parts))
    if tree.text in ("abs", "sign") and len(parts) == 1 and parts[0].offset is None:
        inside = node("call", parts[0].tree, text=tree.text)
        return Quantity(inside) if tree.text == "sign" else _with(parts[0], inside)
    return Quantity(node("call", *[_plain(part, tree.text) for part in parts], text=tree.text))


def _added(tree: Tree, find: Find) -> Quantity:
    terms = [quantity(part, find) for part in tree.parts]
    total = terms[0]
    for place, term in enumerate(terms[1:], start=1):
        terms[place] = in_cycles(term, terms[0], find)
        total = _sum(total, terms[place])
    return _with(total, node("add", *[term.tree for term in terms]))


def _negative(tree: Tree, find: Find) -> Quantity:
    inside = quantity(tree.parts[0], find)
    return _with(inside, node("negative", inside.tree))


def _compared(tree: Tree, find: Find) -> Quantity:
    left, right = (quantity(part, find) for part in tree.parts)
    _check_alike(left, right)
    left = in_cycles(left, right, find)  # as `to` does: 60 rpm are 1 Hz
    if {left.scale, right.scale} == {"absolute", "difference"} or _negated(left) or _negated(right):
        raise CalculatorError(_ALONE)
    return Quantity(node("compare", left.tree, right.tree, text=tree.text))


_READERS: Final[dict[str, Callable[[Tree, Find], Quantity]]] = {
    "name": _named,
    "add": _added,
    "negative": _negative,
    "multiply": _product,
    "invert": lambda tree, find: _power(quantity(tree.parts[0], find), Fraction(-1)),
    "power": _raised,
    "call": _called,
    "compare": _compared,
}
