"""URI templates: expanding one with values, and matching a URI with one (RFC 6570).

Expansion is complete, levels 1 to 4. Matching serves resource templates: see `template_match`.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from functools import cached_property

from dovetail.wire.template_match import Matcher, Text
from dovetail.wire.template_parts import OPERATORS, Expression, Operator, Variable, parse_parts, percent_encoded

Value = str | int | float | Sequence[str] | Mapping[str, str] | None
"""What a variable can stand for; None, and an empty list or mapping, is undefined (RFC 6570, section 2.3)."""


class Template:
    """A URI template.

    Attributes:
        text: As it was written.
        variables: The names of its variables, in order, each once.
    """

    def __init__(self, text: str, lists: Collection[str] = ()) -> None:
        """Read a template.

        Args:
            text: The template.
            lists: Variables that `match` returns as a list of values, where they are exploded (`{/path*}`).

        Raises:
            DefinitionError: Not a template of RFC 6570, or larger than the bounds in `template_parts`.
        """
        self.text = text
        self._lists = lists
        self._parts = parse_parts(text)
        expressions = (part for part in self._parts if isinstance(part, Expression))
        self.variables = tuple(dict.fromkeys(v.name for part in expressions for v in part.variables))

    def __repr__(self) -> str:
        return f"<Template {self.text}>"

    @cached_property
    def matcher(self) -> Matcher:
        """What matches, prepared when first asked for; who defines a resource asks at once, to hear of a mistake then.

        Raises:
            DefinitionError: A template that can be expanded but not matched.
        """
        return Matcher(self._parts, self._lists)

    def match(self, uri: str) -> dict[str, Text] | None:
        """Return the variables of a URI, percent-decoded exactly once; None when it does not fit. Linear time."""
        return self.matcher.match(uri)

    def expand(self, values: Mapping[str, Value]) -> str:
        """Return the URI for some values; a variable without one is left out.

        Raises:
            ValueError: A prefix of a list (RFC 6570, section 2.4.1), or a text that is not Unicode.
        """
        return "".join(
            _expanded(part, values) if isinstance(part, Expression) else percent_encoded(part, reserved=True)
            for part in self._parts
        )


def _expanded(expression: Expression, values: Mapping[str, Value]) -> str:
    """Expand one expression (RFC 6570, section 3.2.1)."""
    operator = OPERATORS[expression.operator]
    written: list[str] = []
    for variable in expression.variables:
        value = values.get(variable.name)
        if isinstance(value, str | int | float):
            text = str(value) if variable.prefix is None else str(value)[: variable.prefix]
            written.append(_named(operator, variable.name, _encoded(operator, text)))
        elif value:
            if variable.prefix is not None:
                raise ValueError("a prefix applies to no list")
            written += _composite(operator, variable, value)
    return operator.first + operator.separator.join(written) if written else ""


def _composite(operator: Operator, variable: Variable, value: Sequence[str] | Mapping[str, str]) -> Iterable[str]:
    if isinstance(value, Mapping):
        pairs = [(_encoded(operator, name), _encoded(operator, item)) for name, item in value.items()]
        if variable.explode:
            # "<name> = <value>", with the operator's own rule for an empty one (3.2.1)
            empty = operator.if_empty if operator.named else "="
            return [f"{name}={item}" if item else name + empty for name, item in pairs]
        return [_named(operator, variable.name, ",".join(f"{name},{item}" for name, item in pairs))]
    items = [_encoded(operator, item) for item in value]
    if variable.explode:
        return [_named(operator, variable.name, item) for item in items]
    return [_named(operator, variable.name, ",".join(items))]


def _named(operator: Operator, name: str, value: str) -> str:
    if not operator.named:
        return value
    return f"{name}={value}" if value else name + operator.if_empty


def _encoded(operator: Operator, value: str) -> str:
    return percent_encoded(value, reserved=operator.reserved)
