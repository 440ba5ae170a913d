"""What a computing process can be asked to do: one function a job, from trees to an answer."""

from collections.abc import Callable
from fractions import Fraction
from typing import Any, Final

import msgspec
import sympy  # type: ignore[import-untyped]
from sympy.core.evalf import PrecisionExhausted  # type: ignore[import-untyped]

from dovetail.servers.calculator.answers import Answer, Job, Matrix, Reply, rational
from dovetail.servers.calculator.calculus import differentiate, limit
from dovetail.servers.calculator.equations import search, solve
from dovetail.servers.calculator.exact import LARGE, Arithmetic, evaluate
from dovetail.servers.calculator.failures import CalculatorError, Irrational
from dovetail.servers.calculator.functions import call
from dovetail.servers.calculator.integrals import integrate, quadrature
from dovetail.servers.calculator.parsing import parse
from dovetail.servers.calculator.summaries import summary
from dovetail.servers.calculator.symbolic import Builder, Expr, answer_of
from dovetail.servers.calculator.tidying import shorter, tidy


def calculate(job: Job) -> Reply:
    """The value of an expression without variables."""
    try:
        value = Builder(symbols=False, digits=job.digits).build(job.trees[0])
        return Reply(answer=answer_of(shorter(value), job.digits))
    except PrecisionExhausted:
        raise CalculatorError("These numbers are too large for digits of this to be found; reduce them first") from None


def simplify(job: Job) -> Reply:
    """An expression in another form; `names` holds the form."""
    value = Builder(symbols=True).build(job.trees[0])
    if job.names[0] == "factor" and value.is_Rational:
        return Reply(answer=_primes(value, job.digits))
    return Reply(answer=answer_of(_FORMS[job.names[0]](value), job.digits))


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
    except sympy.matrices.exceptions.NonSquareMatrixError:
        raise CalculatorError(
            f"{job.names[0]} needs a square matrix, as many rows as columns; this one is {job.names[1]}"
        ) from None
    except sympy.matrices.exceptions.ShapeError:
        raise CalculatorError(
            f"The shapes do not fit this operation: {' and '.join(job.names[1:])}; "
            "check the numbers of rows and columns"
        ) from None
    except ValueError:  # NonInvertibleMatrixError
        raise CalculatorError("This matrix has no inverse: its determinant is 0") from None
    general = job.names[0] in _GENERIC and any(one.free_symbols for one in made)
    return _shown(found, job.digits, _IN_GENERAL if general else None)


def _shown(found: Any, digits: int, note: str | None) -> Reply:
    if isinstance(found, sympy.MatrixBase):
        rows = [[answer_of(tidy(cell), digits) for cell in row] for row in found.tolist()]
        return Reply(matrix=Matrix(rows=rows, note=note))
    if isinstance(found, list):
        return Reply(matrix=Matrix(values=[answer_of(tidy(value), digits) for value in found], note=note))
    return Reply(matrix=Matrix(value=answer_of(tidy(found), digits), note=note))


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
    if left.rows != right.rows:
        raise sympy.matrices.exceptions.ShapeError
    reduced, pivots = left.row_join(right).rref()
    if pivots and pivots[-1] >= left.cols:
        raise CalculatorError("This has no solution: some of the equations contradict each other")
    if len(pivots) < left.cols:
        raise CalculatorError(
            f"This has infinitely many solutions: the equations tell {len(pivots)} of {left.cols} unknowns apart. "
            "Write them as equations for solve, or take rref of the matrix with the right side as its last column"
        )
    return reduced[: left.cols, left.cols :]


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


_IN_GENERAL: Final = (
    "for general values of the names; where a divisor becomes 0, such as for two rows that are alike, it is another"
)
_GENERIC: Final = frozenset(["rref", "rank", "inverse", "solve"])
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
    "search": search,
    "matrix": matrix,
    "statistics": statistics,
}
