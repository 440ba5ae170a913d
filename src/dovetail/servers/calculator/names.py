"""What a name means: a constant, or else a variable or a unit. Decided here, once, while a text is read.

A leaf of a tree is a `constant` or a `name`, and whoever works on trees goes by that alone: nobody else asks how a name
is spelled. A name that a call gives as its variable or unknown is a `name` in that call, whatever it is otherwise.
"""

from collections.abc import Collection, Iterable
from typing import Final

from dovetail.servers.calculator.tree import Tree, constant, name

CONSTANTS: Final = ("pi", "tau", "e", "phi", "euler_gamma", "catalan", "i", "inf")
_SPELLED: Final = {"Pi": "pi", "PI": "pi", "oo": "inf", "infinity": "inf"}
LETTERS: Final = {"i": "the imaginary unit", "phi": "the golden ratio", "tau": "2*pi"}
"""Constants that many write for something else."""


def leaf(word: str, variables: Collection[str]) -> Tree:
    """Return what a word is in a call with such variables."""
    spelled = _SPELLED.get(word, word)
    return constant(spelled) if spelled in CONSTANTS and word not in variables else name(word)


def taken(trees: Iterable[Tree]) -> list[str]:
    """Return the constants in trees that may have been meant for variables."""
    found = {word for tree in trees for word in tree.constants()}
    return [word for word in LETTERS if word in found]


def is_product(word: str, alone: Collection[str]) -> bool:
    """Tell whether a name is made of letters that stand alone, too: `xy` beside x and y."""
    return len(word) > 1 and word.isascii() and word.isalpha() and all(letter in alone for letter in word)
