"""Solving inequalities in one unknown: what sympy finds is tried at many points before it is given.

Loaded only in a computing process.
"""

from typing import Any, Final

import sympy  # type: ignore[import-untyped]
from sympy.functions.elementary.trigonometric import TrigonometricFunction  # type: ignore[import-untyped]

from dovetail.servers.calculator.answers import Solutions
from dovetail.servers.calculator.boundaries import conditions
from dovetail.servers.calculator.domains import gaps
from dovetail.servers.calculator.failures import CalculatorError
from dovetail.servers.calculator.roots import RealRoot
from dovetail.servers.calculator.searching import real_zeros
from dovetail.servers.calculator.symbolic import Expr
from dovetail.servers.calculator.tree import Tree
from dovetail.servers.calculator.writing import named_roots, written
from dovetail.servers.calculator.zeros import value_at

_PERIODIC: Final = "there may be others, such as with multiples of a period added"
_OTHERS: Final = "there may be others"
_ALWAYS: Final = "true for all real numbers"
_NEVER: Final = "true for no real number"
_SEEN: Final = "as far as points between -1,000 and 1,000 show, which were tried without a formula"
_UNKNOWN: Final = (
    "No way to solve this inequality is known; solve it as an equation, and try a point between its solutions"
)
_DISAGREES: Final = (
    "The conditions that were found do not agree with the inequality at some points, so they are not given; solve it "
    "as an equation, and try a point between its solutions"
)
_POINTS: Final = [
    *(sympy.Rational(step, 4) + sympy.Rational(1, 1009) for step in range(-48, 49)),
    *(sign * sympy.Integer(10) ** power for sign in (1, -1) for power in (2, 3, 6)),
]
_STEP: Final = sympy.Rational(1, 1000)
_DIGITS: Final = 15


def inequality(relations: list[Expr], unknowns: list[Expr], trees: list[Tree]) -> Solutions:
    """Find the conditions under which relations hold together, and are defined as they were written."""
    if len(unknowns) != 1 or any(relation.free_symbols != set(unknowns) for relation in relations):
        raise CalculatorError("Inequalities are solved for one unknown, without other variables")
    unknown = unknowns[0]
    reduced = _reduced(relations, unknown)
    if reduced is None:
        return _tried(relations, unknown)
    found = _with_valid_points(reduced, relations, unknown)
    sides = [side for one in relations for side in (one.args if one.is_Relational else (one,))]
    known = all(side.replace(sympy.Abs, lambda inside: inside).is_rational_function(unknown) for side in sides)
    periodic = any(side.has(TrigonometricFunction) for side in sides)
    if _contradicted(found, relations, unknown, periodic):
        raise CalculatorError(_DISAGREES)
    places, all_known = gaps(trees, unknown)
    found = sympy.And(
        found, *[sympy.Ne(unknown, place) for place in places if found.subs(unknown, place) is not sympy.false]
    )
    known = known and all_known
    note = None if known else _PERIODIC if periodic else _OTHERS
    if found in (sympy.true, sympy.false):
        return Solutions(complete=known, note=_ALWAYS if found is sympy.true else _NEVER)
    roots = named_roots(found)
    if roots:
        found = found.xreplace({root: root.evalf(_DIGITS) for root in found.atoms(sympy.CRootOf)})
        note = f"{note}; {roots}, rounded" if note else f"{roots}, rounded"
    return Solutions(conditions=written(found), complete=known, note=note)


def _tried(relations: list[Expr], unknown: Expr) -> Solutions:
    """Return conditions where no formula is known."""
    differences = [one.args[0] - one.args[1] for one in relations if one.is_Relational]
    try:
        zeros = [real_zeros(one, unknown, _DIGITS) for one in differences if not one.has(sympy.floor, sympy.ceiling)]
    except (RuntimeError, TypeError):
        raise CalculatorError(_UNKNOWN) from None

    def holds(point: Any) -> bool:
        return all(_holds(one, unknown, point) is True for one in relations)

    closed = not any(one.is_Relational and one.rel_op in ("<", ">", "!=") for one in relations)
    made = conditions(holds, unknown, [place for one in zeros for place in one.places if place.is_Rational], closed)
    if made is None or any(one.more or one.interval for one in zeros):
        raise CalculatorError(_UNKNOWN)
    found, rounded = _finite(made[0]), made[1]
    if _contradicted(found, relations, unknown, periodic=False):
        raise CalculatorError(_DISAGREES)
    if found in (sympy.true, sympy.false):
        return Solutions(complete=False, note=f"{_ALWAYS if found is sympy.true else _NEVER}, {_SEEN}")
    return Solutions(conditions=written(found), complete=False, note=f"ends rounded; {_SEEN}" if rounded else _SEEN)


def _reduced(relations: list[Expr], unknown: Expr) -> Expr | None:
    """Return what sympy finds; None where it has no way."""
    try:
        if any(one.has(RealRoot) for one in relations):
            return _of_roots(relations, unknown)
        return _finite(sympy.reduce_inequalities(relations, unknown))
    except (RuntimeError, TypeError):  # sympy says so where it has no way, by a kind of the first
        return None


def _of_roots(relations: list[Expr], unknown: Expr) -> Expr:
    """Solve for a root, which grows with what it is taken of: where one is less than 2, so is the other less than 8."""
    roots = sorted(set().union(*(one.atoms(RealRoot) for one in relations)), key=str)
    value, degree = roots[0].args
    slope = sympy.diff(value, unknown)
    if len(roots) != 1 or not slope.is_Rational:
        raise CalculatorError(_UNKNOWN)
    root = sympy.Symbol("root", real=True)
    at = (root**degree - value.subs(unknown, 0)) / slope
    asked = [one.xreplace({roots[0]: root}).subs(unknown, at) for one in relations]
    found = _finite(sympy.reduce_inequalities(asked, root))
    return found.replace(
        lambda one: one.is_Relational,
        lambda one: one.func(*[value if side == root else side**degree for side in one.args]),
    )


def _finite(found: Expr) -> Expr:
    """Leave out that the unknown is finite."""
    endless = {one: sympy.true for one in found.atoms(sympy.core.relational.Relational) if one.has(sympy.oo, -sympy.oo)}
    return found.xreplace(endless) if endless else found


def _with_valid_points(found: Expr, relations: list[Expr], unknown: Expr) -> Expr:
    """Put points back that were left out, although the relations hold there: atan(x) < 3 does at tan(3), too."""
    valid = {}
    for one in found.atoms(sympy.Ne):
        place = [side for side in one.args if side.is_number]
        if unknown in one.args and place and all(_holds(each, unknown, place[0]) for each in relations):
            valid[one] = sympy.true
    return found.xreplace(valid) if valid else found


def _contradicted(found: Expr, relations: list[Expr], unknown: Expr, periodic: bool) -> bool:
    """Tell whether conditions are not those of relations, by points; of a period that is left out, nothing is told."""
    ends = [side for one in found.atoms(sympy.core.relational.Relational) for side in one.args if side.is_number]
    real = [end for end in ends if end.is_real and end.is_finite]
    near = [end.evalf(20) + step for end in real for step in (_STEP, -_STEP)]
    exact = [end for end in real if not end.has(sympy.Float)]
    for point in [*_POINTS, *near, *exact]:
        claimed = found.subs(unknown, point)
        if claimed not in (sympy.true, sympy.false):
            continue
        each = [_holds(one, unknown, point) for one in relations]
        if claimed is sympy.true and False in each:
            return True
        if claimed is sympy.false and all(each) and (not periodic or found is sympy.false):
            return True
    return False


def _holds(relation: Expr, unknown: Expr, point: Any) -> bool | None:
    """Tell whether a relation holds at a point; None where that cannot be told."""
    left, right = relation.args if relation.is_Relational else (relation, sympy.S.Zero)
    value = _difference_at(left - right, unknown, point)
    if value is None or _divides_by_zero(left - right, unknown, point):
        return None
    kind = relation.func if relation.is_Relational else sympy.Eq
    return bool(kind(value, 0)) if value.is_real else kind is sympy.Ne


def _difference_at(difference: Expr, unknown: Expr, point: Any) -> Any:
    if point.is_Rational and difference.has(sympy.floor, sympy.ceiling):  # digits of steps are slow, fractions are not
        exact = difference.xreplace({unknown: point})
        if exact.is_Rational:
            return exact
    return value_at(difference, {unknown: point})


def _divides_by_zero(expression: Expr, unknown: Expr, point: Any) -> bool:
    powers = [
        one for one in expression.atoms(sympy.Pow) if one.exp.could_extract_minus_sign() and one.base.has(unknown)
    ]
    return any(value_at(one.base, {unknown: point}) == 0 for one in powers)
