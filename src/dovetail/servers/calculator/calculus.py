"""Derivatives and limits: of real variables, and checked against the expression's own values.

A variable that goes between real bounds is a real one: `sqrt(x^2)` is `abs(x)`. What a formula gives has to agree with
numbers computed from what was asked; if it does not, it is refused. Loaded only in a computing process.
"""

from functools import partial
from typing import Final

import sympy  # type: ignore[import-untyped]

from dovetail.servers.calculator.answers import Job, Reply
from dovetail.servers.calculator.domains import defined
from dovetail.servers.calculator.failures import CalculatorError
from dovetail.servers.calculator.roots import RealRoot, by_sign
from dovetail.servers.calculator.steps import derivative, jumps_at
from dovetail.servers.calculator.symbolic import UNDEFINED, Builder, Expr, answer_of
from dovetail.servers.calculator.tidying import tidy
from dovetail.servers.calculator.zeros import value_at

_NO_DERIVATIVE: Final = "There is no derivative there: it is another one from the left and from the right"
_GAP: Final = "The expression is not defined there as it was written, so it has no derivative; simplify it first"
_DIFFER: Final = "The limits from the left and from the right differ, so there is none; ask for one side"
_NO_LIMIT: Final = "There is no limit that could be found; the expression may oscillate"
_DOUBTFUL: Final = "The limit that was found does not agree with values nearby, so it is not given; ask for one side"
_NOT_REAL: Final = "There is no limit: near there the expression is not real, and it grows without bound"
_NEAR: Final = tuple(sympy.Rational(1, 10**power) for power in (20, 25, 30))
_STILL: Final = sympy.Rational(1, 10**8)
_OFF: Final = sympy.Rational(1, 1000)


def differentiate(job: Job) -> Reply:
    """A derivative; `names` holds the variable and the order, the second tree where it is wanted."""
    builder = Builder(symbols=True)
    inside = builder.build(job.trees[0])
    place = builder.build(job.trees[1]) if len(job.trees) > 1 else None
    variable, inside = real_variable(inside, job.names[0], [] if place is None else [place])
    found = derivative(inside, variable, int(job.names[1]))
    if found.has(sympy.Derivative, sympy.Subs):
        raise CalculatorError("The derivative of a function in this is not known; write it with other functions")
    if place is not None:
        if not defined(job.trees[:1], {sympy.Symbol(job.names[0]): place}):
            raise CalculatorError(_GAP)
        found = _value_of(found, inside, variable, place)
    return Reply(answer=answer_of(tidy(plain_variable(found, variable)), job.digits))


def _value_of(found: Expr, inside: Expr, variable: Expr, place: Expr) -> Expr:
    """Return a derivative's value; where a sign in it changes, both sides have to give the same."""

    def changes(expression: Expr) -> bool:
        inside = [one.args[0].subs(variable, place) for one in expression.atoms(sympy.sign)]
        return any(one.is_zero or value_at(one, {}) == 0 for one in inside)

    if jumps_at(inside, variable, place) or changes(inside):
        raise CalculatorError(_NO_DERIVATIVE)
    if not changes(found):
        return found.subs(variable, place)
    left, right = (_limit(found, variable, place, side) for side in "-+")
    if left != right or not left.is_finite:
        raise CalculatorError(_NO_DERIVATIVE)
    return left


def real_variable(inside: Expr, name: str, places: list[Expr]) -> tuple[Expr, Expr]:
    """Return a variable that is real if the places are where it goes to, and the expression with it."""
    plain = sympy.Symbol(name)
    if any(place.is_extended_real is False for place in places):
        return plain, inside
    variable = sympy.Symbol(name, real=True)
    return variable, inside.subs(plain, variable)


def plain_variable(found: Expr, variable: Expr) -> Expr:
    """Return an expression whose variable is any number, as callers write it."""
    return found.subs(variable, sympy.Symbol(variable.name))


def limit(job: Job) -> Reply:
    """A limit; `names` holds the variable and the side, the second tree what it goes to."""
    builder = Builder(symbols=True)
    inside, goal = builder.build(job.trees[0]), builder.build(job.trees[1])
    inside = inside.replace(sympy.sinc, lambda value: sympy.sin(value) / value)  # of which sympy has no limits
    variable, inside = real_variable(inside, job.names[0], [goal])
    endless = goal in (sympy.oo, -sympy.oo)
    if endless or job.names[1] != "+-":
        found = _one_side(inside, variable, goal, "-" if goal is sympy.oo else job.names[1].replace("+-", "+"))
    elif inside.has(RealRoot):
        left, found = (_one_side(inside, variable, goal, side) for side in "-+")
        apart = sympy.simplify(left - found) if left != found else sympy.S.Zero
        if apart != 0:
            raise CalculatorError(_NO_LIMIT if apart.free_symbols else _DIFFER)
    else:
        found = _limit(inside, variable, goal, "+-")
        for side in "-+":
            _check(found, inside, variable, goal, side)
    return Reply(answer=answer_of(found, job.digits))


def _one_side(inside: Expr, variable: Expr, goal: Expr, side: str) -> Expr:
    found = _limit(_powers(inside, variable, goal, side), variable, goal, side)
    _check(found, inside, variable, goal, side)
    return found


def _limit(inside: Expr, variable: Expr, goal: Expr, side: str) -> Expr:
    try:
        found = sympy.limit(inside, variable, goal, side)
    except ValueError:
        raise CalculatorError(_DIFFER) from None
    if found is sympy.zoo:
        raise CalculatorError("There is no limit: it grows without bound, with other signs from the left and the right")
    if found is sympy.nan:
        raise CalculatorError(UNDEFINED)
    if found.has(sympy.AccumBounds, sympy.Limit):
        raise CalculatorError(_NO_LIMIT)
    return found


def _nearby(goal: Expr, side: str) -> list[Expr]:
    """Return places close to what a variable goes to, closer and closer."""
    if goal in (sympy.oo, -sympy.oo):
        return [1 / near if goal is sympy.oo else -1 / near for near in _NEAR]
    return [goal + near if side == "+" else goal - near for near in _NEAR]


def _powers(inside: Expr, variable: Expr, goal: Expr, side: str) -> Expr:
    """Write real roots as powers, with the sign that what they are taken of has near the goal."""

    return inside.replace(RealRoot, partial(with_sign, variable, _nearby(goal, side)))


def with_sign(variable: Expr, places: list[Expr], value: Expr, degree: Expr) -> Expr:
    """Return a real root as a power, with the sign that what it is taken of has at some places."""
    values = [value_at(value, {variable: place}) for place in places]
    signs = {None if one is None or not one.is_real else int(sympy.sign(one)) for one in values}
    sign = signs.pop() if len(signs) == 1 else None
    if sign is None:
        return by_sign(RealRoot(value, degree))
    return sign * (sign * value) ** sympy.Rational(1, degree)


def _check(found: Expr, inside: Expr, variable: Expr, goal: Expr, side: str) -> None:
    """Refuse a limit that values nearby, which hardly change any more, do not come close to."""
    if inside.free_symbols <= {variable} and not goal.free_symbols and found.has(sympy.oo, -sympy.oo):
        values = [value_at(inside, {variable: place}) for place in _nearby(goal, side)]
        if any(value is not None and value.is_real is False for value in values):
            raise CalculatorError(_NOT_REAL)
        return
    if not found.is_finite or found.free_symbols or (inside.free_symbols - {variable}) or goal.free_symbols:
        return
    values = [value_at(inside, {variable: place}) for place in _nearby(goal, side)]
    numbers = [value for value in values if value is not None]
    if len(numbers) < len(values):
        return
    size = 1 + abs(numbers[-1])
    still = all(abs(value - numbers[-1]) < _STILL * size for value in numbers)
    if still and abs(numbers[-1] - found.evalf(15)) > _OFF * size:
        raise CalculatorError(_DOUBTFUL)
