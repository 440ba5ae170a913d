"""The tools: what a model sees and may ask. Thin: each checks what the types cannot, and hands it to the engine."""

from collections.abc import Callable
from typing import Annotated, Any, Literal

from msgspec import Meta

from dovetail import Context, Server, ToolAnnotations
from dovetail.servers.calculator.answers import Answer, Matrix, Solutions
from dovetail.servers.calculator.engine import Engine
from dovetail.servers.calculator.failures import CalculatorError
from dovetail.servers.calculator.summaries import Summary

Digits = Annotated[int, Meta(ge=1, le=1000, description="Significant digits of decimals.")]
Text = Annotated[str, Meta(max_length=10_000)]
Variable = Annotated[str, Meta(pattern=r"^[A-Za-zÀ-ɏͰ-Ͽ][A-Za-z0-9_À-ɏͰ-Ͽ]{0,31}$")]
Cells = Annotated[list[Annotated[list[Text | int | float], Meta(min_length=1, max_length=30)]], Meta(max_length=30)]


def _shown(title: str) -> ToolAnnotations:
    """Every tool computes and nothing else."""
    return ToolAnnotations(
        title=title, read_only_hint=True, destructive_hint=False, idempotent_hint=True, open_world_hint=False
    )


def add_tools(app: Server) -> None:
    """Offer all tools."""
    for title, tool in _TOOLS.items():
        app.add_tool(tool, title=title, annotations=_shown(title))


def _engine(ctx: Context) -> Engine:
    engine: Engine = ctx.lifespan
    return engine


async def calculate(expression: Text, ctx: Context, digits: Digits | None = None) -> Answer:
    """Compute an expression exactly, with or without units, and give it as a decimal, too.

    Use it for any arithmetic: never guess. Operators: + - * / ^ (or **), % (percent, or remainder before a number),
    //, !, comparisons. `200 + 10%` is 220, `20% of 50` is 10. Side by side means times and binds tighter than /:
    `10 km / 2 h`; but `1/3 cup` is a third. Functions: sqrt, root(x, n), exp, log (natural), log(x, base), log10, sin
    (radians; `sin(30 deg)` works), gcd, lcm, comb, perm, factorial, mean, median, stdev, round(x, places), isprime and
    more: see calculator://functions. Constants: pi, e, i, tau, phi. Units: `3 ft + 2 in to cm`, `25 degC to degF`,
    `5 kg * 9.81 m/s^2 to N`. Decimals are exact: 0.1 + 0.2 is 3/10. No variables: those belong into solve or simplify.
    Numbers of more than 100,000 digits, and what takes too long, are refused with a reason.

    Args:
        expression: Such as `2 * (3 + 4)^2`, `sqrt(2) / 3`, `comb(49, 6)` or `60 mph to km/h`.
        digits: Significant digits of the decimal.
    """
    return await _engine(ctx).calculate(expression, digits)


async def convert(
    value: Text | int | float, from_unit: Text, to_unit: Text, ctx: Context, digits: Digits | None = None
) -> Answer:
    """Convert a value from one unit to another of the same dimension, exactly where the units are defined exactly.

    Lengths, areas, volumes, masses, times, speeds, forces, pressures, energies, power, temperatures (degC, degF,
    kelvin), angles, data sizes and others; prefixes and plurals are understood. No currencies. See calculator://units.

    Args:
        value: A number, or an expression for one, such as `5/8`.
        from_unit: Such as `mile`, `kg*m/s^2`, `degF`.
        to_unit: Such as `km`, `N`, `degC`.
        digits: Significant digits of the decimal.
    """
    return await _engine(ctx).convert(_text(value), from_unit, to_unit, digits)


async def solve(
    equations: Annotated[list[Text], Meta(min_length=1, max_length=20)],
    ctx: Context,
    unknowns: Annotated[list[Variable], Meta(max_length=20)] | None = None,
    digits: Digits | None = None,
) -> Solutions:
    """Solve one equation or several together, exactly where possible; or inequalities in one unknown.

    Complex solutions are included. Where formulas may not be all, real solutions between -1,000 and 1,000 are searched
    for, and the answer says so; of many, it has those next to 0.

    Args:
        equations: Such as `["x^2 - 5x + 6 = 0"]`, `["x + y = 3", "x - y = 1"]`, `["x^2 < 4"]`. Without a sign, = 0.
        unknowns: What to solve for, such as `["x"]`; every name in the equations, when not given. pi, e, i, phi and tau
            are constants unless they are given here.
        digits: Significant digits of decimals.
    """
    return await _engine(ctx).solutions(equations, list(unknowns or ()), digits)


async def simplify(
    expression: Text,
    ctx: Context,
    form: Literal["simplify", "expand", "factor", "together", "apart", "cancel", "trigonometric"] = "simplify",
) -> Answer:
    """Write an expression with variables in another form; `factor` also factors whole numbers into primes.

    Args:
        expression: Such as `(x^2 - 1)/(x - 1)` or `360`.
        form: simplify, expand (multiply out), factor, together (one fraction), apart (partial fractions), cancel
            (common factors), trigonometric.
    """
    return await _engine(ctx).simplified(expression, form)


async def differentiate(
    expression: Text,
    ctx: Context,
    variable: Variable | None = None,
    order: Annotated[int, Meta(ge=1, le=20)] = 1,
    at: Text | None = None,
) -> Answer:
    """Differentiate an expression.

    Args:
        expression: Such as `x^3 * sin(x)`.
        variable: By what, such as `t` or `phi`; x, or the only name in the expression, when not given.
        order: How often.
        at: Where the derivative's value is wanted; the derivative itself, when not given.
    """
    texts = [expression] if at is None else [expression, at]
    return await _engine(ctx).about("differentiate", texts, variable, str(order))


async def integrate(
    expression: Text,
    ctx: Context,
    variable: Variable | None = None,
    lower: Text | None = None,
    upper: Text | None = None,
    digits: Digits | None = None,
) -> Answer:
    """Integrate an expression: an antiderivative, or with both bounds a definite integral.

    A definite integral without a closed form is computed as a number, and the note says so.

    Args:
        expression: Such as `exp(-x^2)`.
        variable: By what, such as `t` or `phi`; x, or the only name in the expression, when not given.
        lower: The lower bound, such as `0` or `-inf`.
        upper: The upper bound, such as `pi` or `inf`.
        digits: Significant digits of the decimal.
    """
    if (lower is None) != (upper is None):
        raise CalculatorError("A definite integral has both bounds: give lower and upper, or neither")
    texts = [expression] if lower is None or upper is None else [expression, lower, upper]
    return await _engine(ctx).integral(texts, variable, digits)


async def limit(
    expression: Text,
    to: Text,
    ctx: Context,
    variable: Variable | None = None,
    side: Literal["both", "left", "right"] = "both",
) -> Answer:
    """Find what an expression goes to.

    Args:
        expression: Such as `sin(x)/x`.
        to: What the variable goes to, such as `0` or `inf`.
        variable: Which one; x, or the only name in the expression, when not given.
        side: From where.
    """
    direction = {"both": "+-", "left": "-", "right": "+"}[side]
    return await _engine(ctx).about("limit", [expression, to], variable, direction)


async def matrix(
    operation: Literal[
        "determinant", "inverse", "transpose", "rank", "trace", "rref", "eigenvalues", "multiply", "add", "solve"
    ],
    rows: Cells,
    ctx: Context,
    other: Cells | None = None,
    digits: Digits | None = None,
) -> Matrix:
    """Compute with matrices of at most 30 by 30, exactly; cells may be expressions with variables.

    Args:
        operation: multiply, add and solve (rows * x = other) need `other`; the rest are of `rows` alone.
        rows: Row by row, such as `[[1, 2], [3, "1/2"]]`.
        other: The second matrix; for solve, the right side as a column, such as `[[5], [6]]`.
        digits: Significant digits of decimals.
    """
    two = operation in ("multiply", "add", "solve")
    if two != (other is not None):
        raise CalculatorError(
            f"{operation} takes {'two matrices: give other' if two else 'one matrix: leave out other'}"
        )
    matrices = [_cells(rows)] if other is None else [_cells(rows), _cells(other)]
    return await _engine(ctx).matrix(operation, matrices, digits)


async def statistics(
    values: Annotated[list[Text | int | float], Meta(min_length=1, max_length=10_000)],
    ctx: Context,
    digits: Digits | None = None,
) -> Summary:
    """Summarise numbers: count, sum, mean, median, modes, quartiles, variance and standard deviation.

    Exact up to the roots: what is a fraction is computed as one.

    Args:
        values: Such as `[1, 2.5, "7/3"]`; at most 10,000.
        digits: Significant digits of decimals.
    """
    return await _engine(ctx).summary([_text(value) for value in values], digits)


def _text(value: str | int | float) -> str:
    """A number as text: 0.1 is what the caller wrote, not the binary fraction next to it."""
    return value if isinstance(value, str) else repr(value)


def _cells(rows: Cells) -> list[list[str]]:
    if not rows or len({len(row) for row in rows}) != 1:
        raise CalculatorError("A matrix has one row or more, all of the same length")
    return [[_text(cell) for cell in row] for row in rows]


_TOOLS: dict[str, Callable[..., Any]] = {
    "Calculate": calculate,
    "Convert units": convert,
    "Solve equations": solve,
    "Simplify": simplify,
    "Differentiate": differentiate,
    "Integrate": integrate,
    "Limit": limit,
    "Matrices": matrix,
    "Statistics": statistics,
}
