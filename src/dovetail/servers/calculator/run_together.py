"""Names that may have been meant for products or functions without their signs: `xy`, `omegat`, `sinx`.

Asked for every name that the caller of a tool did not name as the variable or an unknown. What is told here is refused
by whoever asks: such a name would be a constant, and the answer wrong without a word. Names with an underscore are
names as they are, and so are words that are related to nothing else in the call; `PMT`, `pH` and `vx` may be (`own`).
"""

from collections.abc import Collection, Iterator
from typing import Final

import msgspec

from dovetail.servers.calculator.tree import Tree

_FUNCTIONS: Final = (
    "arcsin arccos arctan asinh acosh atanh asin acos atan sinh cosh tanh sin cos tan cot sec csc log10 log2 log ln "
    "exp sqrt cbrt abs erf"
).split()
"""Functions that stand without brackets in many books; the longer first."""
_GREEK: Final = frozenset(
    "alpha beta gamma delta epsilon zeta eta theta iota kappa lambda mu nu xi omicron pi rho sigma tau upsilon phi chi "
    "psi omega varphi".split()
)
_WORDS: Final = frozenset(
    "cost tank tang tans sect secs sine sins sing sink logo logs expo blog clog flog slog basin cosy".split()
)
"""Words that read like a function of a letter, which they are only where that is the variable."""
_VOWELS: Final = frozenset("aeiou")
_CHANGES: Final = ("Δ", "∆", "δ")
_BRIEF: Final = 4
_INDICES: Final = frozenset("xyz")
_ACRONYM: Final = 3


class Parts(msgspec.Struct, frozen=True):
    """What a name may have been meant for.

    Attributes:
        factors: The factors, as they are to be written.
        function: Whether there is a function among them.
    """

    factors: tuple[str, ...]
    function: bool = False


def parts_of(word: str, variables: Collection[str], others: Collection[str]) -> Parts | None:
    """Return what a name may have been meant for; None where it is a name.

    Args:
        word: The name, none of the variables.
        variables: What it may be a product with: the variable, or the unknowns. Without any, each other name may be.
        others: The other names of the call.
    """
    if "_" in word or len(word) < 2 or word.lower() in _GREEK:
        return None
    return _of_functions(word, variables, others) or _of_product(word, variables, others)


def own(word: str, parts: Parts, variables: Collection[str], trees: Collection[Tree]) -> bool:
    """Tell whether people write what may be a product for a name: `PMT`, `pH = ...`, `vx = ...`, `vx^2 + vy^2`.

    Not where a variable of the product stands nowhere else, for which nothing could be solved then.

    Args:
        word: The name.
        parts: What it may have been meant for.
        variables: As for `parts_of`.
        trees: All that was read.
    """
    names = {name for tree in trees for name in tree.names()} - {word}
    if parts.function or not {one for one in parts.factors if one in variables} <= names:
        return False
    if word.isupper() and len(word) >= _ACRONYM:
        return True
    sides = [side for tree in trees for side in _opposite(word, tree)]
    told = [side for side in sides if not set(parts.factors).isdisjoint(side.names())]
    if not (len(word) == len(parts.factors) == 2 and word[1] in _INDICES):
        return bool(told) and word != word.lower()
    companion = any(len(one) == len(word) and one[0] == word[0] and one[1] in _INDICES for one in names)
    if word[1] in names:
        return companion and word[0].isupper() and word[0] not in names
    return companion or any(side.kind != "add" for side in told)  # a factor on both sides would cancel out


def _opposite(word: str, tree: Tree) -> Iterator[Tree]:
    """Return the other side of an equation on one side of which a name stands alone."""
    if tree.kind == "compare":
        for here, there in (tree.parts, tree.parts[::-1]):
            if here.kind == "name" and here.text == word:
                yield there


def _of_functions(word: str, variables: Collection[str], others: Collection[str]) -> Parts | None:
    for function, at in _places(word):
        before, inside = word[:at], word[at + len(function) :]
        related = before in variables or inside in variables
        if word.rstrip("0123456789").lower() in _WORDS and not related:
            continue
        if before and not _is_factor(before, variables, others):
            continue
        number, argument = _digits(inside)
        factors = _argument(argument, variables, others)
        if argument and not factors:
            continue
        shown = "*".join(filter(None, [number, *factors])) or "..."
        return Parts((*filter(None, [before]), f"{function}({shown})"), function=True)
    return None


def _argument(text: str, variables: Collection[str], others: Collection[str]) -> tuple[str, ...]:
    """Return the factors of what may be a function's argument; none where it is not."""
    if _is_factor(text, variables, others):
        return (text,)
    vowels = not _VOWELS.isdisjoint(text.lower())  # `second` is no function of o*n*d
    product = _of_product(text, variables, others)
    if product is None or (vowels and _GREEK.isdisjoint(product.factors)):
        return ()
    return product.factors


def _places(word: str) -> Iterator[tuple[str, int]]:
    for function in _FUNCTIONS:
        at = word.lower().find(function)
        if at >= 0:
            yield function, at


def _digits(text: str) -> tuple[str, str]:
    rest = text.lstrip("0123456789")
    return text[: len(text) - len(rest)], rest


def _is_factor(text: str, variables: Collection[str], others: Collection[str]) -> bool:
    return (len(text) == 1 and text.isalpha()) or text in _GREEK or text in variables or text in others


def _of_product(word: str, variables: Collection[str], others: Collection[str]) -> Parts | None:
    if not word.isalpha() or word in _GREEK:
        return None
    variables = variables or others
    for variable in variables:
        for rest, factors in (
            (word.removesuffix(variable), (word.removesuffix(variable), variable)),
            (word.removeprefix(variable), (variable, word.removeprefix(variable))),
        ):
            if rest and rest != word and _is_rest(rest, variable, variables, others):
                return Parts(factors)
    letters = [one for one in variables if len(one) == 1]
    if any(letter in word for letter in letters) and _unpronounceable(word):
        return Parts(tuple(word))
    return None


def _is_rest(rest: str, variable: str, variables: Collection[str], others: Collection[str]) -> bool:
    if rest in _CHANGES:
        return False
    if len(rest) == 1:
        return len(variable) == 1 or variable in _GREEK or rest in others or rest in variables
    return rest in _GREEK or rest in variables or rest in others


def _unpronounceable(word: str) -> bool:
    """Tell whether no word is spelled like this: no vowels, or in a short one none but the first letter."""
    vowels = [place for place, letter in enumerate(word.lower()) if letter in _VOWELS]
    return word.isascii() and (not vowels or (vowels == [0] and len(word) <= _BRIEF))
