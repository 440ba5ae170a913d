"""Solving equations: what sympy finds is put in and checked, and called complete only where that can be counted.

Loaded only in a computing process.
"""

from collections.abc import Callable, Iterator
from itertools import product
from typing import Any, Final

import sympy  # type: ignore[import-untyped]
from sympy.functions.elementary.trigonometric import TrigonometricFunction  # type: ignore[import-untyped]

from dovetail.servers.calculator.answers import Job, Reply, Solution, Solutions
from dovetail.servers.calculator.domains import LEFT_OUT, defined
from dovetail.servers.calculator.failures import CalculatorError
from dovetail.servers.calculator.inequalities import inequality
from dovetail.servers.calculator.isolating import isolated
from dovetail.servers.calculator.polynomials import Roots, roots_without_formula
from dovetail.servers.calculator.roots import RealRoot, as_polynomials
from dovetail.servers.calculator.searching import MOST, Found, real_zeros
from dovetail.servers.calculator.symbolic import Builder, Expr, answer_of, rounded_answer
from dovetail.servers.calculator.systems import by_one_root
from dovetail.servers.calculator.writing import without_formula, written
from dovetail.servers.calculator.zeros import fulfils, identical, value_at

_MOST: Final = 100
_SHOWN_DEGREE: Final = 40
_MONOMIALS: Final = 400
_LONG_NUMBER: Final = 300
_SHORT_NUMBER: Final = 100
_TRIED: Final = 6
"""Sets of numbers that are put in place of other names."""
_COMPARED: Final = 6
_CLOSE: Final = sympy.Rational(1, 10**12)
_ANYTHING: Final = "the equations hold whatever the unknowns are, wherever they are defined"
_SEARCHED: Final = (
    "found by a search for real solutions between -1,000 and 1,000; there may be others, such as two close together"
)
_NEAREST: Final = f"these are {MOST} next to 0, found by a search for real solutions; there are signs of more"
_UNFOUND: Final = "none was found, by formulas or by a search for real ones between -1,000 and 1,000; there may be some"
_NONE_FOUND: Final = (
    "none was found, though there may be some; solve one equation for one unknown, put it into the others, or give "
    "numbers for some of the names"
)
_ONLY_REAL: Final = "these are all real solutions; there are complex ones besides"
_NO_TIME: Final = (
    "No formula for this was found in time; solve for one unknown at a time, or give numbers for the other names"
)
_INTERVALS: Final = "it holds on whole intervals, of which these are not all: try an inequality, or plot it"
_PERIODIC: Final = "there may be others, such as with multiples of a period added"
_SOME: Final = "each holds for some values of the other names only: put these in, and try which one does"
_OTHERS: Final = "there may be others, complex ones among them"
_GENERAL: Final = "for general values of the other names; where a divisor becomes 0, for instance, there may be others"


def solve(job: Job) -> Reply:
    """The solutions of equations for the unknowns in `names`, or for all names in them."""
    return _reply(job, _equations)


def search(job: Job) -> Reply:
    """The same, where there is no time for formulas: real solutions of one equation."""
    return _reply(job, _without_formulas)


def _reply(job: Job, how: Callable[[list[Expr], list[Expr], Job], Solutions]) -> Reply:
    builder = Builder(symbols=True)
    built = [builder.build(tree) for tree in job.trees]
    named = {name for tree in job.trees for name in tree.names()}
    for name in job.names:
        if name not in named:
            others = f"the names are {', '.join(sorted(named)[:20])}" if named else "there is no name in the equations"
            raise CalculatorError(f"The unknown {name} does not occur; {others}")
    if any(one is sympy.false for one in built):
        return Reply(solutions=Solutions(solutions=[], note="an equation is false whatever the unknowns are"))
    equations = [one for one in built if one is not sympy.true and not _identity(one)]
    if named and not equations:
        return Reply(solutions=Solutions(solutions=[], complete=False, note=_ANYTHING))
    free = sorted({symbol for one in equations for symbol in one.free_symbols}, key=lambda symbol: str(symbol.name))
    unknowns = [sympy.Symbol(name) for name in job.names] or free
    if not unknowns:
        raise CalculatorError("There is no unknown to solve for; an equation has one, such as x^2 = 2")
    for unknown in unknowns:
        if unknown not in free:
            raise CalculatorError(f"{unknown.name} cancels out of the equations: they say nothing about it")
    if any(one.is_Relational and not isinstance(one, sympy.Eq) for one in equations):
        return Reply(solutions=inequality(equations, unknowns, job.trees))
    return Reply(solutions=how([_difference(one) for one in equations], unknowns, job))


def _without_formulas(zeros: list[Expr], unknowns: list[Expr], job: Job) -> Solutions:
    if len(zeros) > 1 or zeros[0].free_symbols != set(unknowns):
        raise CalculatorError(_NO_TIME)
    return _searched(zeros[0], unknowns[0], job, [], known=True)


def _identity(one: Expr) -> bool:
    if one.is_Relational and not isinstance(one, sympy.Eq):
        return False
    return identical(_difference(one))


def _difference(equation: Expr) -> Expr:
    return equation.lhs - equation.rhs if isinstance(equation, sympy.Eq) else equation


def _equations(zeros: list[Expr], unknowns: list[Expr], job: Job) -> Solutions:
    """Solve expressions that shall be 0."""
    alone = len(zeros) == len(unknowns) == 1
    roots = roots_without_formula(zeros[0], unknowns[0], job.digits) if alone else None
    if roots is not None:
        return _of_roots(roots, unknowns[0], job)
    undone = _in_one_place(zeros, unknowns)
    found = undone if undone and _is_heavy(zeros[0], unknowns[0]) else _formulas(zeros, unknowns)
    good = _fitting(zeros, found or [])
    if undone and (not good or (_in_exponent(zeros[0], unknowns[0]) and _length(undone) <= _length(good))):
        found = good = undone
    if not good and len(zeros) > 1:
        found = by_one_root(zeros, unknowns) or found
        good = _fitting(zeros, found or [])
    alone = alone and zeros[0].free_symbols == set(unknowns)
    complete = found is not None and len(found) <= _MOST and _complete(zeros, unknowns, len(good))
    if found is None and not alone:
        raise CalculatorError("No way to solve this is known; try fewer unknowns, or give numbers for some of them")
    periodic = any(one.has(TrigonometricFunction) for one in zeros)
    counted = alone and zeros[0].is_rational_function(*unknowns)  # formulas gave what there is, or the first of it
    if alone and not complete and not (good and (periodic or counted)):
        return _searched(_once(zeros[0]), unknowns[0], job, good, known=found is not None)
    kept = [one for one in good if defined(job.trees, one)]
    solutions = [
        Solution(values={str(unknown.name): answer_of(value, job.digits) for unknown, value in one.items()})
        for one in kept
    ]
    note = None if complete else _why(zeros, unknowns) if kept else _NONE_FOUND
    if not complete and _depends(zeros, kept):
        note = f"{_SOME}; {note}"
    return Solutions(solutions=solutions, complete=complete, note=_with_left_out(note, len(kept) < len(good)))


def _of_roots(found: Roots, unknown: Expr, job: Job) -> Solutions:
    kept = [one for one in found.roots if defined(job.trees, {unknown: one.value})]
    answers = [
        answer_of(one.value, job.digits)
        if one.exact
        else rounded_answer(one.value, job.digits, _why_rounded(one.of, unknown))
        for one in kept
    ]
    return Solutions(
        solutions=[Solution(values={str(unknown.name): one}) for one in answers],
        complete=not found.real,
        note=_with_left_out(_ONLY_REAL if found.real else None, len(kept) < len(found.roots)),
    )


def _why_rounded(polynomial: Expr, unknown: Expr) -> str:
    degree = sympy.degree(polynomial, unknown)
    text = written(polynomial) if degree <= _SHOWN_DEGREE else None
    return without_formula([text or f"a polynomial of degree {degree}"])


def _with_left_out(note: str | None, left_out: bool) -> str | None:
    if not left_out:
        return note
    return f"{note}; {LEFT_OUT}" if note else LEFT_OUT


def _formulas(zeros: list[Expr], unknowns: list[Expr]) -> list[dict[Expr, Expr]] | None:
    """Return what sympy finds; None where it has no way."""
    if any(one.has(RealRoot) for one in zeros):
        zeros, roots = as_polynomials(zeros)
    else:
        roots = []
    zeros, constants = _with_short_numbers(zeros, unknowns)
    try:
        found = sympy.solve(zeros[0] if len(zeros) == 1 else zeros, [*unknowns, *roots], dict=True)
    except (RuntimeError, TypeError):  # sympy says so where it has no way, by a kind of the first
        return None
    found = [{name: value.xreplace(constants) for name, value in one.items()} for one in found]
    kept = [{name: value for name, value in one.items() if name not in roots} for one in found]
    if any(value.has(*roots) for one in kept for value in one.values() if roots):
        return None
    return [one for place, one in enumerate(kept) if one and one not in kept[:place]]


def _in_one_place(zeros: list[Expr], unknowns: list[Expr]) -> list[dict[Expr, Expr]]:
    """Return what is undone step by step, as far as it fits: an exponent, or the base of a power."""
    if len(zeros) > 1 or len(unknowns) > 1 or zeros[0].has(RealRoot):
        return []
    zero, unknown = zeros[0], unknowns[0]
    if not any(one.has(unknown) for one in zero.atoms(sympy.Pow, sympy.exp)):
        return []
    values = [one for one in isolated(zero, unknown) or [] if not one.has(sympy.zoo, sympy.oo, sympy.nan)]
    return _fitting(zeros, [{unknown: value} for value in values])


def _is_heavy(zero: Expr, unknown: Expr) -> bool:
    """Tell whether sympy is to be spared a power: it makes others as high as the numbers in it are long, or many."""
    if _in_exponent(zero, unknown) and zero.free_symbols == {unknown}:
        if any(max(abs(one.p), one.q) > _SHORT_NUMBER for one in zero.atoms(sympy.Rational)):
            return True
    for one in zero.atoms(sympy.Pow, sympy.exp):
        if one.base.has(unknown) and (one.exp.free_symbols or (one.exp.is_Rational and one.exp.q > 2)):
            return True
    return False


def _in_exponent(zero: Expr, unknown: Expr) -> bool:
    return any(one.exp.has(unknown) for one in zero.atoms(sympy.Pow, sympy.exp))


def _length(solutions: list[dict[Expr, Expr]]) -> int:
    return int(sum(sympy.count_ops(value) for one in solutions for value in one.values()))


def _with_short_numbers(zeros: list[Expr], unknowns: list[Expr]) -> tuple[list[Expr], dict[Expr, Expr]]:
    """Put names for long numbers where an unknown is in an exponent: sympy makes powers as high as these are long."""
    if all(one.is_algebraic_expr(*unknowns) for one in zeros):
        return zeros, {}
    numbers = {one for zero in zeros for one in zero.atoms(sympy.Rational) if max(abs(one.p), one.q) > _LONG_NUMBER}
    names = {abs(one): sympy.Dummy(positive=True) for one in sorted(numbers)}
    named = {one: names[abs(one)] * sympy.sign(one) for one in numbers}
    return [zero.xreplace(named) for zero in zeros], {name: one for one, name in names.items()}


def _why(zeros: list[Expr], unknowns: list[Expr]) -> str:
    if any(one.has(TrigonometricFunction) for one in zeros):
        return _PERIODIC
    return _GENERAL if any(one.free_symbols - set(unknowns) for one in zeros) else _OTHERS


def _searched(zero: Expr, unknown: Expr, job: Job, good: list[dict[Expr, Expr]], known: bool) -> Solutions:
    """Add what a search finds to what formulas gave: these may be one branch of several."""
    searched = real_zeros(zero, unknown, job.digits)
    if not searched.zeros and not searched.interval and not good:
        if not known:
            raise CalculatorError(
                "No way to solve this is known, and no real solution between -1,000 and 1,000 was found"
            )
        return Solutions(solutions=[], complete=False, note=_UNFOUND)
    exact = [one[unknown] for one in good]
    new = [place for place, at in enumerate(searched.places) if not any(_same(value, at) for value in exact)]
    old = [value for value in exact if not any(_same(value, sympy.S.Zero) and at == 0 for at in searched.places)]
    if len(old) < len(exact):  # a formula for 0 that is not seen to be 0 is left to what the search says
        new = sorted({*new, *(place for place, at in enumerate(searched.places) if at == 0)})
    answers = [(value, answer_of(value, job.digits)) for value in old]
    answers += [(searched.places[place], searched.zeros[place]) for place in new]
    if new:
        answers.sort(key=lambda one: complex(one[0]).real)
    name = str(unknown.name)
    kept = [one for value, one in answers if defined(job.trees, {unknown: value})]
    return Solutions(
        solutions=[Solution(values={name: one}) for one in kept],
        complete=False,
        note=_with_left_out(_said(searched, bool(new) or not good), len(kept) < len(answers)),
    )


def _same(value: Expr, place: Any) -> bool:
    near = value_at(value - place, {})
    return near is not None and bool(abs(near) < _CLOSE * (1 + abs(place)))


def _said(searched: Found, used: bool) -> str:
    if searched.interval:
        return _INTERVALS
    if searched.more:
        return _NEAREST
    return _SEARCHED if used else _OTHERS


def _once(zero: Expr) -> Expr:
    """Return an expression with the same zeros in which none is a double one, as far as its factors show."""
    factors = sympy.Mul.make_args(sympy.factor(zero))
    return sympy.Mul(*[one.base if one.is_Pow and one.exp.is_Integer and one.exp > 0 else one for one in factors])


def _fitting(zeros: list[Expr], found: list[dict[Expr, Expr]]) -> list[dict[Expr, Expr]]:
    """Return the solutions that lie in the domain and fulfil what they were found for.

    Those that have other names in them are tried with numbers in their place: `x = a^2` solves `sqrt(x) = a` for some.
    With positive ones first: names in formulas mostly stand for such, and what fits none is a branch that is not meant.
    """
    for signs in ((1, 1), (1, -1)):
        good = [one for one in found[:_MOST] if any(fits for fits in _fits(zeros, one, signs))]
        if good:
            return good
    return []


def _depends(zeros: list[Expr], solutions: list[dict[Expr, Expr]]) -> bool:
    """Tell whether one of some solutions does not hold where another does: which holds, the other names decide."""
    if not 0 < len(solutions) <= _COMPARED:
        return False
    held = [tuple(_fits(zeros, one, (1, 1))) for one in solutions]
    return any(any(at) and not all(at) for at in zip(*held, strict=True))


def _fits(zeros: list[Expr], values: dict[Expr, Expr], signs: tuple[int, int]) -> Iterator[bool]:
    """Yield whether a solution holds, for some numbers in the place of other names; once, where there is none."""
    others = sorted(set().union(*(one.free_symbols for one in zeros)) - set(values), key=str)
    for start in range(_TRIED if others else 1):
        numbers = {
            other: sympy.Rational((place + 2) * (start * 691 + 397) % 4001 + 203, 1000) * signs[(place + start) % 2]
            for place, other in enumerate(others)
        }
        # As decimals: powers of fractions are taken exactly, by their factors, which may take for ever.
        here = {unknown: value.evalf(60, subs=numbers) if others else value for unknown, value in values.items()}
        yield fulfils(zeros, {**numbers, **here})


def _complete(zeros: list[Expr], unknowns: list[Expr], count: int) -> bool:
    """Tell whether so many solutions are known to be all: of what is rational in the unknowns, they can be counted."""
    if any(one.free_symbols - set(unknowns) or not one.is_rational_function(*unknowns) for one in zeros):
        return False
    try:
        numerators = [sympy.Poly(sympy.numer(sympy.together(one)), *unknowns) for one in zeros]
        if len(unknowns) == len(numerators) == 1:
            return _distinct(numerators[0], zeros[0], unknowns[0]) == count
        if all(one.is_polynomial(*unknowns) for one in zeros) and all(one.total_degree() <= 1 for one in numerators):
            return True
        return _dimension(numerators, unknowns) == count
    except (RuntimeError, sympy.polys.polyerrors.BasePolynomialError):
        return False


def _distinct(numerator: Any, zero: Expr, unknown: Expr) -> int:
    """Count the distinct zeros of a numerator that are zeros of no divisor."""
    left = numerator.sqf_part()
    for power in zero.atoms(sympy.Pow):
        if power.exp.is_negative and power.base.has(unknown):
            divisor = sympy.Poly(sympy.numer(sympy.together(power.base)), unknown)
            left = left.quo(left.gcd(divisor))
    return int(left.degree())


def _dimension(polynomials: list[Any], unknowns: list[Expr]) -> int | None:
    """Count the solutions of polynomials with their multiplicities; None where they are endless, or too many."""
    basis = sympy.groebner(polynomials, *unknowns, order="grevlex")
    leading = [one.monoms(order="grevlex")[0] for one in basis.polys]
    if any(not any(monomial) for monomial in leading):
        return 0
    if not basis.is_zero_dimensional:
        return None
    bounds = [
        min(monomial[place] for monomial in leading if sum(monomial) == monomial[place])
        for place in range(len(unknowns))
    ]
    if sympy.prod(bounds) > _MONOMIALS:
        return None
    return sum(
        not any(all(have >= need for have, need in zip(each, monomial, strict=True)) for monomial in leading)
        for each in product(*map(range, bounds))
    )
