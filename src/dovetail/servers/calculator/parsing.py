"""From tokens to a tree, by precedence climbing. Raises nothing but `CalculatorError`.

From loose to tight: comparison; `to`; `+ -`; `* / mod % of`; what stands side by side (`2x`, `3 km`); a sign;
`^` (from the right); `!`, percent. So `10 km / 2 h` is a speed, `1/2x` is `x/2`, and `-2^2` is -4.
"""

from collections.abc import Collection
from typing import Final

import msgspec

from dovetail.errors import quote
from dovetail.servers.calculator.failures import CalculatorError
from dovetail.servers.calculator.functions import KNOWN
from dovetail.servers.calculator.inches import WORDS, meaning
from dovetail.servers.calculator.names import leaf
from dovetail.servers.calculator.tokens import Token, tokens_of
from dovetail.servers.calculator.tree import Tree, name, node, number

_NESTING: Final = 64
_COMPARISONS: Final = frozenset(["=", "==", "!=", "<", ">", "<=", ">="])
_AMPLITUDES: Final = frozenset(f"A{name}" for name in ("sin", "cos", "tan", "sinh", "cosh", "tanh"))
"""An amplitude times a sine to most, although the names of functions ignore case."""
_CLOSING: Final = {"(": ")", "[": "]"}


class Expression(msgspec.Struct, frozen=True):
    """What was read.

    Attributes:
        tree: The expression.
        unit: The unit that its value is wanted in, if one was named.
        before_brackets: The names that stood before an opening bracket, as often as they did: read as factors, although
            they may have been meant for functions.
        inches: Whether an `in` was read in one of two ways, as in `12 in cm` and `10 lbf in in J`; if the units fit, it
            was the right one.
        beside_exponents: Of each `e^2x` and `2^3x` the base, the exponent and the name: read as `e^2*x`, although the
            name may have been meant to stand in the exponent.
    """

    tree: Tree
    unit: Tree | None = None
    before_brackets: tuple[str, ...] = ()
    inches: bool = False
    beside_exponents: tuple[tuple[str, str, str], ...] = ()


def parse(text: str, variables: Collection[str] = ()) -> Expression:
    """Read an expression, with `to UNIT` behind it or without.

    Args:
        text: What was written.
        variables: Names that are variables, even if they are constants otherwise.

    Raises:
        CalculatorError: It is none; says where and what was expected.
    """
    reader = _Reader(tokens_of(text), variables)
    if reader.here.sort == "end":
        raise CalculatorError("The expression is empty; write one, such as 2 * (3 + 4)")
    tree = reader.comparison()
    unit, inches = None, False
    if reader.at_to():
        inches = reader.unsure
        reader.step()
        unit = reader.wanted()
    reader.expect_end()
    return Expression(tree, unit, tuple(reader.before_brackets), inches, tuple(reader.beside_exponents))


def _is_percent(term: Tree) -> bool:
    return term.kind == "percent" or (term.kind == "negative" and _is_percent(term.parts[0]))


class _Reader:
    def __init__(self, tokens: list[Token], variables: Collection[str]) -> None:
        self._tokens = tokens
        self._variables = variables
        self._inches = meaning(tokens)
        self._at = 0
        self._nesting = 0
        self.before_brackets: list[str] = []
        self.beside_exponents: list[tuple[str, str, str]] = []

    @property
    def here(self) -> Token:
        return self._tokens[self._at]

    def step(self) -> Token:
        token = self._tokens[self._at]
        if token.sort != "end":
            self._at += 1
        return token

    def _is(self, *signs: str) -> bool:
        return self.here.sort == "sign" and self.here.text in signs

    def _after(self) -> Token:
        return self._tokens[min(self._at + 1, len(self._tokens) - 1)]

    def at_to(self) -> bool:
        """Tell whether a unit to convert to follows: `to`, `->`, or an `in` that is no inch."""
        if self._is("->") or (self.here.sort == "name" and self.here.text == "to"):
            return True
        if self._at in self._inches.nested:
            raise CalculatorError(
                "This can be read in two ways: write inch for the unit; to convert, put `to` behind all brackets",
                self.here.at,
            )
        return self._at == self._inches.converting

    @property
    def unsure(self) -> bool:
        """Whether there is another way to read the inches in this."""
        return self._inches.unsure

    def wanted(self) -> Tree:
        """Read the unit to convert to."""
        if self._is("%") and self._after().sort == "end":
            self.step()
            return name("percent")
        return self.sum()

    def expect_end(self) -> None:
        token = self.here
        if token.sort == "end":
            return
        if token.text == ",":
            raise CalculatorError("A comma stands only between arguments; write 1000 or 1_000 for a thousand", token.at)
        raise CalculatorError(f"{quote(token.text, 64)} is out of place: an operator was expected", token.at)

    def comparison(self) -> Tree:
        left = self.sum()
        if not (self.here.sort == "sign" and self.here.text in _COMPARISONS):
            return left
        sign = self.step()
        right = self.sum()
        if self.here.sort == "sign" and self.here.text in _COMPARISONS:
            raise CalculatorError("Compare two things at a time", self.here.at)
        return node("compare", left, right, text="=" if sign.text == "==" else sign.text)

    def sum(self) -> Tree:
        terms = [self._product()]
        while self._is("+", "-"):
            negative = self.step().text == "-"
            term = self._product()
            if _is_percent(term) and not all(map(_is_percent, terms)):  # as on a pocket calculator: 200 + 10% is 220
                share = node("negative", term) if negative else term
                whole = terms[0] if len(terms) == 1 else node("add", *terms)
                terms = [node("multiply", whole, node("add", number(1), share))]
            else:
                terms.append(node("negative", term) if negative else term)
        return terms[0] if len(terms) == 1 else node("add", *terms)

    def _product(self) -> Tree:
        factors = [self._beside()]
        while True:
            if self._is("*") or (self.here.sort == "name" and self.here.text == "of"):
                self.step()
                factors.append(self._beside())
            elif self._is("/"):
                self.step()
                factors += self._divisor(factors)
            elif self._is("%", "//") or (self.here.sort == "name" and self.here.text == "mod"):
                whole = self.step().text == "//"
                left = factors[0] if len(factors) == 1 else node("multiply", *factors)
                right = self._beside()
                factors = [node("call", left, right, text="quotient") if whole else node("modulo", left, right)]
            else:
                return factors[0] if len(factors) == 1 else node("multiply", *factors)

    def _divisor(self, before: list[Tree]) -> list[Tree]:
        """Read what stands behind a `/`. In `1/3 cup` that is the 3: two bare numbers before a name are a fraction."""
        digits, after = self.here, self._after()
        if digits.sort == "number" and after.text == "(":
            raise CalculatorError("This can be read in two ways: write a / (b * (...)) or a / b * (...)", digits.at)
        above = before[0].parts[0] if before[0].kind == "negative" else before[0]
        fraction = len(before) == 1 and above.kind == "number" and digits.sort == "number"
        if fraction and after.sort == "name" and after.text not in WORDS:
            self.step()
            if not self.at_to():
                return [node("invert", number(digits.text)), self._beside()]
            return [node("invert", number(digits.text))]
        return [node("invert", self._beside())]

    def _beside(self) -> Tree:
        """Read what stands side by side, such as `2x` or `3 km`: a product that binds tighter than `*`."""
        factors = [self._signed()]
        while self._begins_operand() and not self.at_to():
            if self.here.sort == "number":
                raise CalculatorError(
                    "Two numbers side by side: an operator is missing, as in 5 ft + 3 in", self.here.at
                )
            factors.append(self._power())
        return factors[0] if len(factors) == 1 else node("multiply", *factors)

    def _begins_operand(self) -> bool:
        token = self.here
        if token.sort == "name":
            return token.text not in WORDS
        return token.sort == "number" or (token.sort == "sign" and token.text == "(")

    def _signed(self) -> Tree:
        negative = False
        while self._is("+", "-"):
            negative ^= self.step().text == "-"
        operand = self._power()
        return node("negative", operand) if negative else operand

    def _power(self) -> Tree:
        base = self._postfix()
        if not self._is("^"):
            return base
        sign = self.step()
        self._deeper(sign)
        exponent = self._signed()
        self._nesting -= 1
        self._note_beside(base, sign, exponent)
        return node("power", base, exponent)

    def _note_beside(self, base: Tree, sign: Token, exponent: Tree) -> None:
        """Note a name that is run together with the number before it, which a number or constant is raised to."""
        plain = exponent.parts[0] if exponent.kind == "negative" else exponent
        digits, after = self._tokens[self._at - 1], self.here
        if base.kind not in ("number", "constant") or plain.kind != "number" or digits.sort != "number":
            return
        raised = digits.at == sign.at  # as in e²x, which is read in one way only
        if not raised and after.sort == "name" and after.at == digits.at + len(digits.text) and after.text not in WORDS:
            written = f"-{digits.text}" if plain is not exponent else digits.text
            self.beside_exponents.append((base.text, written, after.text))

    def _postfix(self) -> Tree:
        operand = self._primary()
        while self._is("!", "%"):
            if self.here.text == "!":
                self.step()
                operand = node("factorial", operand)
            elif self._percent_follows():
                self.step()
                operand = node("percent", operand)
            else:
                break
        return operand

    def _percent_follows(self) -> bool:
        """Tell a percent from a remainder: no operand comes after it."""
        after = self._after()
        if after.sort == "name":
            return after.text in ("of", "to", "in")
        if after.text in ("+", "-") and after.at > self.here.at + 1:
            following = self._tokens[min(self._at + 2, len(self._tokens) - 1)]
            if following.at == after.at + 1:
                raise CalculatorError("This can be read in two ways: write mod(10, -3) or 10% - 3", self.here.at)
        return after.sort != "number" and after.text != "("

    def _primary(self) -> Tree:
        token = self.step()
        if token.sort == "number":
            return number(token.text)
        if token.sort == "name":
            return self._named(token)
        if token.text in _CLOSING:
            self._deeper(token)
            inside = self._items(token) if token.text == "[" else self.comparison()
            self._close(token)
            return inside
        if token.sort == "end":
            raise CalculatorError("The expression ends too early: a number, a name or ( was expected", token.at)
        raise CalculatorError(f"{quote(token.text, 64)} is out of place: a number, a name or ( was expected", token.at)

    def _named(self, token: Token) -> Tree:
        if not self._is("("):
            if token.text == "sqrt" or (token.text in KNOWN and self.here.sort == "number"):
                raise CalculatorError(f"Write {token.text}(...): a function's argument stands in parentheses", token.at)
            return leaf(token.text, self._variables)
        if token.text in _AMPLITUDES:
            rest = token.text[1:]
            raise CalculatorError(
                f"This can be read in two ways: write A*{rest}(...) for a product, or a{rest}(...) for the inverse",
                token.at,
            )
        called = KNOWN.get(token.text) or KNOWN.get(token.text.lower())
        if called is None:  # a name, and what stands beside it
            self.before_brackets.append(token.text)
            return leaf(token.text, self._variables)
        opening = self.step()
        self._deeper(opening)
        arguments = () if self._is(")") else self._items(opening).parts
        self._close(opening)
        return node("call", *arguments, text=called)

    def _items(self, opening: Token) -> Tree:
        items: list[Tree] = []
        while not self._is(_CLOSING[opening.text]):
            items.append(self.comparison())
            if not self._is(","):
                break
            self.step()
        return node("list", *items)

    def _deeper(self, token: Token) -> None:
        self._nesting += 1
        if self._nesting > _NESTING:
            raise CalculatorError(f"This is nested deeper than {_NESTING} levels; compute parts of it first", token.at)

    def _close(self, opening: Token) -> None:
        closing = _CLOSING[opening.text]
        token = self.step()
        if token.sort != "sign" or token.text != closing:
            shown = quote(token.text, 32) if token.text else "the end"
            raise CalculatorError(f"{closing!r} was expected, not {shown}", token.at)
        self._nesting -= 1
