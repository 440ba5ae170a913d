"""The texts of one call about variables, read: which name is the variable, and what is to be said of the others.

What would give a wrong answer without a word, such as `xy` for a product, is refused here or told in a note.
"""

from collections import Counter
from collections.abc import Sequence
from difflib import get_close_matches
from re import compile as pattern
from typing import Final

import msgspec

from dovetail.errors import quote
from dovetail.servers.calculator.failures import CalculatorError
from dovetail.servers.calculator.functions import KNOWN
from dovetail.servers.calculator.names import LETTERS, is_product, taken
from dovetail.servers.calculator.parsing import Expression, parse
from dovetail.servers.calculator.run_together import Parts, own, parts_of
from dovetail.servers.calculator.tree import Tree

_TOGETHER: Final = 200_000
"""Characters that all expressions of one call may have."""
_USUAL: Final = "x"
_DIFFERENTIAL: Final = pattern(r"(?<!\w)d(?:\^\d)?[A-Za-z] ?/ ?\(?d[A-Za-z](?!\w)")
_NAMED: Final = "or name it as the variable or among the unknowns, where the tool takes these"


class Reading(msgspec.Struct, frozen=True):
    """What was read.

    Attributes:
        trees: The expressions.
        notes: What is to be said with the answer.
    """

    trees: list[Tree]
    notes: tuple[str, ...] = ()


def read(texts: Sequence[str], variables: Sequence[str] = (), guessed: str | None = None) -> Reading:
    """Read expressions; a name before a bracket is a factor only if it is a variable, and else an unknown function.

    Args:
        texts: The expressions.
        variables: The names that the caller named as variables or unknowns; without any, each name may be one.
        guessed: The variable, if it is one that the caller did not name.

    Raises:
        CalculatorError: One cannot be read, has a unit, an unknown function or a product without a sign in it.
    """
    check_length(texts)
    named = [*variables, *([] if guessed is None else [guessed])]
    expressions = [parse(text, named) for text in texts]
    if any(one.unit is not None for one in expressions):
        raise CalculatorError("Units are for calculate and convert; leave them out here")
    beside = next((text for one in expressions for text in one.beside_exponents), None)
    if beside is not None:
        power, name = f"{beside[0]}^{beside[1]}", beside[2]
        inside = f"{beside[0]}^({beside[1]}*{name})"
        raise CalculatorError(f"{power}{name} can be read in two ways: write {inside} or {power}*{name}")
    trees = [one.tree for one in expressions]
    _check_functions(_called(expressions), named)
    names = {name for tree in trees for name in tree.names()}
    alone = {*names, *named, *(word for tree in trees for word in tree.constants())}
    notes = [_of_constant(word) for word in taken(trees)]
    for name in sorted(names - set(variables)):
        if is_product(name, alone):
            raise CalculatorError(_one_name(name, Parts(tuple(name))))
        parts = parts_of(name, [one for one in named if one != name], names - {name})
        if parts is not None and not own(name, parts, named, trees):
            raise CalculatorError(_one_name(name, parts))
        if parts is not None:
            notes.append(f"{name} was read as one name; for a product, write {'*'.join(parts.factors)}")
    return Reading(trees, tuple(notes))


def read_equations(texts: Sequence[str], unknowns: Sequence[str]) -> Reading:
    """Read equations; where nothing is unknown but what is a constant, too, it has to be named.

    Raises:
        CalculatorError: See `read`.
    """
    check_length(texts)
    if any(_DIFFERENTIAL.search(text) for text in texts) and not any(name.startswith("d") for name in unknowns):
        raise CalculatorError(
            "Differential equations are not solved here; of dy/dx = f(x), integrate gives y. If these are names, write "
            "other ones, such as d_y and d_x"
        )
    found = read(texts, unknowns)
    constants = taken(found.trees)
    if constants and not any(True for tree in found.trees for _ in tree.names()):
        word = constants[0]
        raise CalculatorError(
            f"There is no unknown in this: {word} is {LETTERS[word]} here. To solve for it, name it: unknowns "
            f'["{word}"]; to compare two values, use calculate'
        )
    return found


def read_in(texts: Sequence[str], given: str | None) -> tuple[Reading, str]:
    """Read an expression in one variable, and what else belongs to it, such as bounds.

    Args:
        texts: The expression first.
        given: The variable; None for the only name in the expression, or x.

    Returns:
        What was read, and the variable.

    Raises:
        CalculatorError: See `read`; or the variable is not named, and cannot be told.
    """
    check_length(texts)
    variable = given or _variable(texts[0])
    _check_differential(texts[0], variable)
    found = read(texts, [given]) if given else read(texts, guessed=variable)
    notes = [*_of_variable(found.trees[0], variable, given), *found.notes]
    return Reading(found.trees, tuple(notes)), variable


def _variable(text: str) -> str:
    """Return the variable of an expression for which none was given."""
    expression = parse(text)
    unknown = _called([expression])
    names = sorted(set(expression.tree.names()) - set(unknown))
    if _USUAL in names or unknown or any(parts_of(name, [_USUAL], ()) for name in names):
        return _USUAL
    if len(names) > 1:
        shown = ", ".join(quote(name, 64) for name in names[:20])
        raise CalculatorError(f"Give the variable: x does not occur in the expression, and its names are {shown}")
    constants = taken([expression.tree])
    if not names and constants:
        word = constants[0]
        raise CalculatorError(f"Give the variable: {word} is {LETTERS[word]} unless it is given as the variable")
    return names[0] if names else _USUAL


def _of_variable(inside: Tree, variable: str, given: str | None) -> list[str]:
    if variable not in inside.names():
        return [] if given is None else [f"{variable} does not occur in the expression"]
    if given is None and variable != _USUAL:
        return [f"{variable}, the only name in the expression, was taken for the variable"]
    if given is not None and parse(given).tree.kind == "constant":
        return [f"{variable} is the variable here, not the constant of that name"]
    return []


def _check_differential(text: str, variable: str) -> None:
    if f"d{variable}" in parse(text).tree.names():
        raise CalculatorError(f"Leave d{variable} out: the variable is {variable}. It was read as a name of its own")


def _one_name(name: str, parts: Parts) -> str:
    written = "*".join(parts.factors)
    if parts.function:
        return f"{name} was read as one name, not as a function: write {written}, or {name}_1 if it is a name"
    return (
        f"{name} was read as one name, not as a product: write {written} for a product; if it is a name, write "
        f"{'_'.join(parts.factors)}, {_NAMED}"
    )


def _of_constant(word: str) -> str:
    return f"{word} is {LETTERS[word]} here; for a variable, write another name, such as {word}_1, {_NAMED}"


def _called(expressions: Sequence[Expression]) -> list[str]:
    """Return the names that stand before brackets only: as functions do."""
    before = Counter(name for one in expressions for name in one.before_brackets)
    named = Counter(name for one in expressions for name in one.tree.names())
    return [name for name, times in before.items() if times == named[name]]


def _check_functions(called: Sequence[str], variables: Sequence[str]) -> None:
    for name in called:
        if name in variables:
            continue
        close = get_close_matches(name.lower(), KNOWN, 3)
        hint = f" Did you mean {', '.join(close)}?" if close else ""
        raise CalculatorError(
            f"{quote(name, 64)} is no function that is known here.{hint} If a product was meant, write "
            f"{quote(name, 64)}*(...); see calculator://functions"
        )


def check_length(texts: Sequence[str]) -> None:
    """Refuse texts that are too long together.

    Raises:
        CalculatorError: They are.
    """
    length = sum(map(len, texts))
    if length > _TOGETHER:
        raise CalculatorError(
            f"Together these have {length:,} characters, and at most {_TOGETHER:,} are read in a call"
        )
