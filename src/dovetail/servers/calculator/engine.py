"""One calculation from text to answer: read, units worked out, then computed in place or in a computing process."""

import asyncio
from collections import Counter
from collections.abc import Sequence
from difflib import get_close_matches

import msgspec

from dovetail.errors import quote
from dovetail.servers.calculator.answers import Answer, Job, Matrix, Reply, Solutions, rational
from dovetail.servers.calculator.exact import LARGE, SMALL, Arithmetic, compare, evaluate
from dovetail.servers.calculator.failures import CalculatorError, Irrational, TooLarge, TooMuch
from dovetail.servers.calculator.functions import KNOWN, call
from dovetail.servers.calculator.parsing import Expression, parse
from dovetail.servers.calculator.quantities import (
    CONSTANT_NAMES,
    as_written,
    check_unit,
    has_units,
    in_cycles,
    in_unit,
    quantity,
    wanted,
)
from dovetail.servers.calculator.summaries import Summary
from dovetail.servers.calculator.tree import Tree
from dovetail.servers.calculator.units import joined, units
from dovetail.servers.calculator.workers import Expired, Workers

_FIRST_HALF = 0.6
_TOGETHER = 200_000
"""Characters that all expressions of one call may have."""


class Engine:
    """What the tools share; see the module."""

    def __init__(self, workers: Workers, digits: int) -> None:
        """Make an engine.

        Args:
            workers: Computing processes.
            digits: Of decimals, where a call does not say.
        """
        self._workers = workers
        self.digits = digits

    def __repr__(self) -> str:
        return f"<Engine on {self._workers!r}>"

    async def calculate(self, text: str, digits: int | None = None) -> Answer:
        """Compute an expression without unknowns.

        Raises:
            CalculatorError: See its text.
        """
        read = parse(text)
        if read.unit is None and not has_units(read.tree):
            return await self._value(read.tree, digits or self.digits)
        await asyncio.to_thread(units)
        return await self._measured(read, digits or self.digits)

    async def convert(self, value: str, given: str, wanted: str, digits: int | None = None) -> Answer:
        """Convert a value from one unit to another.

        Raises:
            CalculatorError: No such unit, or one of another dimension.
        """
        number, source, target = parse(value), parse(given), parse(wanted)
        if number.unit or source.unit or target.unit:
            raise CalculatorError("Give the units as from_unit and to_unit, without `to`")
        check_unit(source.tree)
        tree = Tree("multiply", "", (number.tree, source.tree), 1 + max(number.tree.depth, source.tree.depth))
        if has_units(number.tree):
            raise CalculatorError("The value is a number without a unit; its unit is from_unit")
        await asyncio.to_thread(units)
        return await self._measured(Expression(tree, target.tree), digits or self.digits)

    async def _measured(self, read: Expression, digits: int) -> Answer:
        find = units().find
        value = quantity(read.tree, find)
        if read.unit is None:
            tree, unit = as_written(value)
        else:
            target = wanted(read.unit, find)
            unit = joined(dict(target.shown)) if target.shown else "1"
            tree = in_unit(in_cycles(value, target, find), target, unit)
        found = await self._value(tree, digits)
        return msgspec.structs.replace(found, unit=unit) if found.kind != "boolean" else found

    async def _value(self, tree: Tree, digits: int) -> Answer:
        try:
            return _in_place(tree, digits)
        except TooLarge as error:
            if error.bits > LARGE.bits:
                raise
        except (Irrational, TooMuch):
            pass
        reply = await self.run("calculate", [tree], [], digits)
        assert reply.answer is not None
        return reply.answer

    async def answer(self, do: str, texts: Sequence[str], names: list[str], digits: int | None) -> Answer:
        """Do a job that has one answer."""
        reply = await self.run(do, _trees(texts, names), names, digits or self.digits)
        assert reply.answer is not None
        return reply.answer

    async def integral(self, texts: Sequence[str], variable: str, digits: int | None) -> Answer:
        """Integrate; a definite integral whose exact form takes too long is computed as a number."""
        trees, digits = _trees(texts, [variable]), digits or self.digits
        if len(trees) == 1:
            reply = await self.run("integrate", trees, [variable], digits)
        else:
            try:
                reply = await self.run("integrate", trees, [variable], digits, share=_FIRST_HALF)
            except Expired:
                reply = await self.run("quadrature", trees, [variable], digits, share=1 - _FIRST_HALF)
        assert reply.answer is not None
        return reply.answer

    async def solutions(self, equations: Sequence[str], unknowns: list[str], digits: int | None) -> Solutions:
        """Solve equations."""
        reply = await self.run("solve", _trees(equations, unknowns), unknowns, digits or self.digits)
        assert reply.solutions is not None
        return reply.solutions

    async def matrix(self, operation: str, matrices: list[list[list[str]]], digits: int | None) -> Matrix:
        """Do an operation on matrices, given row by row."""
        shapes = [f"{len(rows)}x{len(rows[0])}" for rows in matrices]
        cells = _trees([cell for rows in matrices for row in rows for cell in row])
        reply = await self.run("matrix", cells, [operation, *shapes], digits or self.digits)
        assert reply.matrix is not None
        return reply.matrix

    async def summary(self, texts: Sequence[str], digits: int | None) -> Summary:
        """Summarise rational numbers, which the computing process reads itself: they may be many.

        Raises:
            CalculatorError: One is none, they are too long together, or this takes too long.
        """
        _check_length(texts)
        reply = await self.run("statistics", [], list(texts), digits or self.digits)
        assert reply.summary is not None
        return reply.summary

    async def run(self, do: str, trees: list[Tree], names: list[str], digits: int, share: float = 1.0) -> Reply:
        """Do a job in a computing process.

        Raises:
            CalculatorError: It took too long, or has no answer.
        """
        seconds = self._workers.seconds * share
        return await self._workers.run(Job(do=do, trees=trees, names=names, digits=digits, seconds=seconds))


def _trees(texts: Sequence[str], variables: Sequence[str] = ()) -> list[Tree]:
    """Read expressions; a name before a bracket is a factor only if it is a variable, and else an unknown function.

    Raises:
        CalculatorError: One cannot be read, or has a unit or an unknown function in it.
    """
    _check_length(texts)
    read = [parse(text) for text in texts]
    if any(one.unit is not None for one in read):
        raise CalculatorError("Units are for calculate and convert; leave them out here")
    before = Counter(name for one in read for name in one.before_brackets)
    named = Counter(name for one in read for name in one.tree.names())
    for name, times in before.items():
        if name not in variables and name not in CONSTANT_NAMES and times == named[name]:
            close = get_close_matches(name.lower(), KNOWN, 3)
            hint = f" Did you mean {', '.join(close)}?" if close else ""
            raise CalculatorError(
                f"{quote(name, 64)} is no function that is known here.{hint} If a product was meant, write "
                f"{quote(name, 64)}*(...); see calculator://functions"
            )
    return [one.tree for one in read]


def _check_length(texts: Sequence[str]) -> None:
    length = sum(map(len, texts))
    if length > _TOGETHER:
        raise CalculatorError(
            f"Together these have {length:,} characters, and at most {_TOGETHER:,} are read in a call"
        )


def _in_place(tree: Tree, digits: int) -> Answer:
    """Compute what is small and rational at once."""
    arithmetic = Arithmetic(SMALL)
    if tree.kind == "compare":
        left, right = (evaluate(part, arithmetic, call) for part in tree.parts)
        return Answer(kind="boolean", exact=str(compare(left, tree.text, right)).lower())
    return rational(evaluate(tree, arithmetic, call), digits)
