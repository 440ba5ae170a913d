"""One calculation from text to answer: read, units worked out, then computed in place or in a computing process."""

import asyncio
from collections.abc import Sequence
from typing import TypeVar

import msgspec

from dovetail.servers.calculator.answers import Answer, Job, Matrix, Reply, Solutions, rational
from dovetail.servers.calculator.exact import LARGE, SMALL, Arithmetic, compare, evaluate
from dovetail.servers.calculator.failures import CalculatorError, Irrational, TooLarge, TooMuch
from dovetail.servers.calculator.functions import call
from dovetail.servers.calculator.parsing import Expression, parse
from dovetail.servers.calculator.quantities import (
    as_written,
    check_unit,
    has_units,
    in_cycles,
    in_unit,
    quantity,
    wanted,
)
from dovetail.servers.calculator.readings import Reading, check_length, read, read_equations, read_in
from dovetail.servers.calculator.summaries import Summary
from dovetail.servers.calculator.tree import Tree
from dovetail.servers.calculator.units import joined, units
from dovetail.servers.calculator.workers import Expired, Stopped, Workers

_Told = TypeVar("_Told", Answer, Solutions, Matrix)
_FIRST_HALF = 0.6
_INCHES = (
    "`in` can be read in two ways here: write `to` to convert, as in `12 in to cm`, `30 cm to in` and `45/60 to "
    "percent`, and inch for the unit in a product, as in 12 inch*cm"
)


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
            if read.inches and value.dimensions != target.dimensions:
                raise CalculatorError(_INCHES)
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

    async def simplified(self, text: str, form: str) -> Answer:
        """Write an expression in another form."""
        return await self._answer("simplify", read([text]), [form])

    async def about(self, do: str, texts: Sequence[str], variable: str | None, option: str) -> Answer:
        """Do a job about an expression in one variable, which is the only name in it, or x, when not given."""
        found, variable = read_in(texts, variable)
        return await self._answer(do, found, [variable, option])

    async def _answer(self, do: str, found: Reading, names: list[str]) -> Answer:
        reply = await self.run(do, found.trees, names, self.digits)
        return _with_notes(reply.answer, found.notes)

    async def integral(self, texts: Sequence[str], variable: str | None, digits: int | None) -> Answer:
        """Integrate; a definite integral whose exact form takes too long is computed as a number."""
        found, variable = read_in(texts, variable)
        second = "quadrature" if len(texts) > 1 else None
        reply = await self._by_formula("integrate", second, found.trees, [variable], digits or self.digits)
        return _with_notes(reply.answer, found.notes)

    async def solutions(self, equations: Sequence[str], unknowns: list[str], digits: int | None) -> Solutions:
        """Solve equations; what formulas take too long for is searched for."""
        found = read_equations(equations, unknowns)
        alone = len(equations) == 1 == len({name for tree in found.trees for name in tree.names()})
        reply = await self._by_formula(
            "solve", "search" if alone else None, found.trees, unknowns, digits or self.digits
        )
        return _with_notes(reply.solutions, found.notes)

    async def matrix(self, operation: str, matrices: list[list[list[str]]], digits: int | None) -> Matrix:
        """Do an operation on matrices, given row by row."""
        shapes = [f"{len(rows)}x{len(rows[0])}" for rows in matrices]
        found = read([cell for rows in matrices for row in rows for cell in row])
        reply = await self.run("matrix", found.trees, [operation, *shapes], digits or self.digits)
        return _with_notes(reply.matrix, found.notes)

    async def summary(self, texts: Sequence[str], digits: int | None) -> Summary:
        """Summarise rational numbers, which the computing process reads itself: they may be many.

        Raises:
            CalculatorError: One is none, they are too long together, or this takes too long.
        """
        check_length(texts)
        reply = await self.run("statistics", [], list(texts), digits or self.digits)
        assert reply.summary is not None
        return reply.summary

    async def _by_formula(self, do: str, second: str | None, trees: list[Tree], names: list[str], digits: int) -> Reply:
        """Do a job, and if that takes more than its share of time or memory, a second one that needs no formulas."""
        if second is None:
            return await self.run(do, trees, names, digits)
        try:
            return await self.run(do, trees, names, digits, share=_FIRST_HALF)
        except Stopped:
            pass
        try:
            return await self.run(second, trees, names, digits, share=1 - _FIRST_HALF)
        except Expired:  # what the caller waited for is both
            raise Expired(self._workers.seconds) from None

    async def run(self, do: str, trees: list[Tree], names: list[str], digits: int, share: float = 1.0) -> Reply:
        """Do a job in a computing process.

        Raises:
            CalculatorError: It took too long, or has no answer.
        """
        seconds = self._workers.seconds * share
        return await self._workers.run(Job(do=do, trees=trees, names=names, digits=digits, seconds=seconds))


def _with_notes(found: _Told | None, notes: Sequence[str]) -> _Told:
    """Return what was found, with notes on how the texts were read."""
    assert found is not None
    return msgspec.structs.replace(found, note="; ".join(filter(None, [*notes, found.note])) or None)


def _in_place(tree: Tree, digits: int) -> Answer:
    """Compute what is small and rational at once."""
    arithmetic = Arithmetic(SMALL)
    if tree.kind == "compare":
        left, right = (evaluate(part, arithmetic, call) for part in tree.parts)
        return Answer(kind="boolean", exact=str(compare(left, tree.text, right)).lower())
    return rational(evaluate(tree, arithmetic, call), digits)
