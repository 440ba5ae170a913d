"""What an expression is, once it is read: a small tree that is all that other processes get to see of it.

A tree is plain data. Whoever works on it looks its kinds up in tables of their own, so nothing in it can name anything
that the calculator did not put there.
"""

from collections.abc import Iterator
from typing import Literal

import msgspec

from dovetail.servers.calculator.failures import CalculatorError

Kind = Literal[
    "number", "constant", "name", "add", "negative", "multiply", "invert", "power", "modulo", "percent", "factorial",
    "call", "list", "compare",
]  # fmt: skip
DEEPEST = 128
"""How deep a tree may be."""


class Tree(msgspec.Struct, frozen=True, array_like=True):
    """A node and what is below it.

    Attributes:
        kind: What it is.
        text: The digits of a number (or a fraction, `1/3`), the name of a constant, a name or a called function, the
            sign of a comparison.
        parts: What it is made of, in order.
        depth: 0 for a leaf, else one more than its deepest part.
    """

    kind: Kind
    text: str = ""
    parts: tuple["Tree", ...] = ()
    depth: int = 0

    def names(self) -> Iterator[str]:
        """Yield the names in it, constants and functions not counted, as often as they occur."""
        return self._texts("name")

    def constants(self) -> Iterator[str]:
        """Yield the constants in it."""
        return self._texts("constant")

    def called(self) -> Iterator[str]:
        """Yield the functions in it."""
        return self._texts("call")

    def _texts(self, kind: Kind) -> Iterator[str]:
        if self.kind == kind:
            yield self.text
        for part in self.parts:
            yield from part._texts(kind)


def number(text: str | int) -> Tree:
    """Return a number."""
    return Tree("number", str(text))


def constant(text: str) -> Tree:
    """Return a constant."""
    return Tree("constant", text)


def name(text: str) -> Tree:
    """Return a name that is no constant: a variable or a unit."""
    return Tree("name", text)


def node(kind: Kind, *parts: Tree, text: str = "") -> Tree:
    """Return a tree of parts.

    Raises:
        CalculatorError: It would be too deep.
    """
    depth = 1 + max((part.depth for part in parts), default=0)
    if depth > DEEPEST:
        raise CalculatorError(f"This is nested deeper than {DEEPEST} levels; compute parts of it one by one")
    return Tree(kind, text, parts, depth)
