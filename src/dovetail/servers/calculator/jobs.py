"""What a computing process can be asked to do: one function a job, from trees to an answer."""

from collections.abc import Callable
from fractions import Fraction
from typing import Any, Final

import msgspec
import sympy  # type: ignore[import-untyped]
from sympy.core.evalf import PrecisionExhausted  # type: ignore[import-untyped]

from dovetail.servers.calculator.answers import Answer, Job, Matrix, Reply, rational
from dovetail.servers.calculator.certainty import contradicted
from dovetail.servers.calculator.equations import solve
from dovetail.servers.calculator.exact import LARGE, Arithmetic, evaluate
from dovetail.servers.calculator.failures import CalculatorError, Irrational
from dovetail.servers.calculator.functions import call
from dovetail.servers.calculator.parsing import parse
from dovetail.servers.calculator.summaries import summary
from dovetail.servers.calculator.symbolic import Builder, Expr, answer_of, numeric

_TIDY: Final = 200
"""Operations up to which a result is simplified on its own."""


def calculate(job: Job) -> Reply:
    """The value of an expression without variables."""
    try:
        value = Builder(symbols=False, digits=job.digits).build(job.trees[0])
        return Reply(answer=answer_of(_shorter(value), job.digits))
    except PrecisionExhausted:
        raise CalculatorError("These numbers are too large for digits of this to be found; reduce them first") from None


def simplify(job: Job) -> Reply:
    """An expression in another form; `names` holds the form."""
    value = Builder(symbols=True).build(job.trees[0])
    if job.names[0] == "factor" and value.is_Rational:
        return Reply(answer=_primes(value, job.digits))
    return Reply(answer=answer_of(_FORMS[job.names[0]](value), job.digits))


def differentiate(job: Job) -> Reply:
    """A derivative; `names` holds the variable and the order, the second tree where it is wanted."""
    builder = Builder(symbols=True)
    variable = sympy.Symbol(job.names[0])
    derivative = sympy.diff(builder.build(job.trees[0]), variable, int(job.names[1]))
    if len(job.trees) > 1:
        place = builder.build(job.trees[1])
        if any(step.args[0].subs(variable, place).is_zero for step in derivative.atoms(sympy.Heaviside, sympy.sign)):
            raise CalculatorError("There is no derivative there: it is another one from the left and from the right")
        derivative = derivative.subs(variable, place)
    return Reply(answer=answer_of(_tidy(derivative), job.digits))


def integrate(job: Job) -> Reply:
    """An integral; `names` holds the variable, the other two trees the bounds."""
    inside, variable, bounds = _integral(job)
    if bounds is None:
        found = sympy.integrate(inside, variable)
        if found.has(sympy.Integral):
            raise CalculatorError(
                "No antiderivative in known functions was found; give lower and upper for a definite integral, "
                "which can be computed as a number"
            )
        return Reply(answer=answer_of(_tidy(found), job.digits, "plus any constant"))
    found = sympy.integrate(inside, (variable, *bounds))
    if found.has(sympy.nan, sympy.zoo):
        raise CalculatorError("This integral diverges between these bounds; leave out where the integrand is infinite")
    if found.has(sympy.Integral):
        return quadrature(job)
    if contradicted(found, inside, variable, bounds):
        raise CalculatorError(
            "The formula that was found does not agree with the integrand between these bounds, which jumps there or "
            "is infinite; integrate piece by piece, from jump to jump"
        )
    return Reply(answer=answer_of(_tidy(found), job.digits))


def quadrature(job: Job) -> Reply:
    """A definite integral as a number."""
    inside, variable, bounds = _integral(job)
    if bounds is None or (inside.free_symbols - {variable}):
        raise CalculatorError("Only a definite integral without other variables can be computed as a number")
    try:
        real, imaginary = numeric(sympy.Integral(inside, (variable, *bounds)), min(job.digits, 30))
    except PrecisionExhausted:
        real = imaginary = None
    if real is None or imaginary is not None:
        raise CalculatorError("This integral has no value that could be found; it may diverge. Try other bounds")
    return Reply(answer=Answer(kind="real", decimal=real, note="computed as a number; no exact form was found"))


def _integral(job: Job) -> tuple[Expr, Expr, tuple[Expr, Expr] | None]:
    builder = Builder(symbols=True)
    inside, *bounds = [builder.build(tree) for tree in job.trees]
    return inside, sympy.Symbol(job.names[0]), (bounds[0], bounds[1]) if bounds else None


def limit(job: Job) -> Reply:
    """A limit; `names` holds the variable and the side, the second tree what it goes to."""
    builder = Builder(symbols=True)
    inside, goal = builder.build(job.trees[0]), builder.build(job.trees[1])
    try:
        found = sympy.limit(inside, sympy.Symbol(job.names[0]), goal, job.names[1])
    except ValueError:
        raise CalculatorError(
            "The limits from the left and from the right differ, so there is none; ask for one side"
        ) from None
    if found is sympy.zoo:
        raise CalculatorError("There is no limit: it grows without bound, with other signs from the left and the right")
    if isinstance(found, sympy.AccumBounds) or found.has(sympy.Limit):
        raise CalculatorError("There is no limit that could be found; the expression may oscillate")
    return Reply(answer=answer_of(found, job.digits))


def matrix(job: Job) -> Reply:
    """An operation on a matrix; `names` holds the operation and the shape of each, the trees their cells."""
    builder = Builder(symbols=True)
    cells = [builder.build(tree) for tree in job.trees]
    made = []
    for shape in job.names[1:]:
        height, width = (int(part) for part in shape.split("x"))
        made.append(sympy.Matrix(height, width, cells[: height * width]))
        del cells[: height * width]
    try:
        found = _MATRIX[job.names[0]](*made)
    except (sympy.matrices.exceptions.NonSquareMatrixError, sympy.matrices.exceptions.ShapeError):
        raise CalculatorError("The shapes do not fit this operation; check the numbers of rows and columns") from None
    except ValueError:  # NonInvertibleMatrixError
        raise CalculatorError("This matrix has no inverse: its determinant is 0") from None
    if isinstance(found, sympy.MatrixBase):
        rows = [[answer_of(_tidy(cell), job.digits) for cell in row] for row in found.tolist()]
        return Reply(matrix=Matrix(rows=rows))
    if isinstance(found, list):
        return Reply(matrix=Matrix(values=[answer_of(_tidy(value), job.digits) for value in found]))
    return Reply(matrix=Matrix(value=answer_of(_tidy(found), job.digits)))


def statistics(job: Job) -> Reply:
    """A summary of the numbers whose texts `names` holds."""
    arithmetic = Arithmetic(LARGE)
    values = []
    for place, text in enumerate(job.names):
        read = parse(text)
        if read.unit is not None:
            raise CalculatorError("Units are for calculate and convert; leave them out here")
        try:
            values.append(evaluate(read.tree, arithmetic, call))
        except Irrational:
            raise CalculatorError(f"Number {place + 1} is not rational: write it as 12, 1.5 or 2/3") from None
    return Reply(summary=summary(values, job.digits))


def _solved(left: Any, right: Any) -> Any:
    return left.LUsolve(right)


def _eigenvalues(square: Any) -> list[Any]:
    return [value for value, times in square.eigenvals().items() for _ in range(times)]


def _primes(value: Expr, digits: int) -> Answer:
    """Factor a whole number, or a fraction: 2**3*3**2*5, -5/(2*3**2)."""
    found = rational(Fraction(int(value.p), int(value.q)), digits)
    above, below = _product(sympy.factorint(abs(value.p))), _product(sympy.factorint(value.q))
    text = f"{'-' if value < 0 else ''}{above}" + (f"/({below})" if value.q > 1 else "")
    return msgspec.structs.replace(found, exact=text)


def _product(factors: dict[Any, int]) -> str:
    return "*".join(f"{prime}**{power}" if power > 1 else str(prime) for prime, power in sorted(factors.items())) or "1"


def _shorter(value: Expr) -> Expr:
    """Multiply out what is a number, where that is no longer: (1 + sqrt(2))*(1 - sqrt(2)) is -1."""
    powers = value.atoms(sympy.Pow)
    if value.is_Rational or not value.is_number or sympy.count_ops(value) > _TIDY or any(map(_long, powers)):
        return value
    expanded = sympy.radsimp(sympy.expand(value))
    return expanded if sympy.count_ops(expanded) <= sympy.count_ops(value) else value


def _long(power: Expr) -> bool:
    """Tell whether a power would be long when multiplied out."""
    return bool(power.base.is_Add and power.exp.is_Rational and abs(power.exp) > 12)


def _tidy(value: Expr) -> Expr:
    if not hasattr(value, "free_symbols") or value.is_Rational or sympy.count_ops(value) > _TIDY:
        return value
    simpler = sympy.simplify(value)
    return simpler if sympy.count_ops(simpler) <= sympy.count_ops(value) else value


_FORMS: Final[dict[str, Callable[[Expr], Expr]]] = {
    "simplify": sympy.simplify,
    "expand": sympy.expand,
    "factor": sympy.factor,
    "together": sympy.together,
    "apart": sympy.apart,
    "cancel": sympy.cancel,
    "trigonometric": sympy.trigsimp,
}
_MATRIX: Final[dict[str, Callable[..., Any]]] = {
    "determinant": lambda one: one.det(),
    "inverse": lambda one: one.inv(),
    "transpose": lambda one: one.T,
    "rank": lambda one: sympy.Integer(one.rank()),
    "trace": lambda one: one.trace(),
    "rref": lambda one: one.rref()[0],
    "eigenvalues": _eigenvalues,
    "multiply": lambda left, right: left * right,
    "add": lambda left, right: left + right,
    "solve": _solved,
}
JOBS: Final[dict[str, Callable[[Job], Reply]]] = {
    "calculate": calculate,
    "simplify": simplify,
    "differentiate": differentiate,
    "integrate": integrate,
    "quadrature": quadrature,
    "limit": limit,
    "solve": solve,
    "matrix": matrix,
    "statistics": statistics,
}
