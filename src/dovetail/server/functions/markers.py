"""Markers: what stands in `Annotated[...]` beside a parameter's type and says where its value comes from, or goes to.

Here live the words a handler's author writes. Never here: what is done with them. Invariant: frozen, compared by
identity, so that a marker can hold a list or a function and still stand in any annotation.
"""

import inspect
from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping
from enum import Enum
from functools import partial
from typing import Any, Literal, get_args, get_origin

import msgspec

from dovetail.errors import DefinitionError
from dovetail.server.functions.parameters import called_by, name_of

Suggestions = Iterable[Any] | None | Awaitable[Iterable[Any] | None]


class Depends(msgspec.Struct, frozen=True, eq=False):
    """`Annotated[DB, Depends(open_db)]`: the value comes from calling `function`, once a call however often it is
    named.

    Attributes:
        function: Plain or async; a generator, or whatever returns a context manager, is closed when the turn ends. It
            may itself have parameters that are injected, and no others without a default.

    Raises:
        DefinitionError: It cannot be called.
    """

    function: Callable[..., Any]

    def __post_init__(self) -> None:
        if not callable(self.function):
            raise DefinitionError(f"Depends: expected a function, got {type(self.function).__name__}")


class Ask(msgspec.Struct, frozen=True, eq=False):
    """`Annotated[Branch, Ask("Which branch?")]`: the user is asked before the handler runs, and the answer is the
    value.

    Attributes:
        question: What the user reads.
        key: Which question this is, over several rounds; made from the parameter's name, when not given.
    """

    question: str
    key: str | None = None


class Header(msgspec.Struct, frozen=True, eq=False):
    """`Annotated[str, Header("Region")]`: clients mirror the argument into `Mcp-Param-Region` (2026-07-28,
    x-mcp-header).

    Only for strings, integers and booleans, and never for a secret: intermediaries read it.

    Attributes:
        name: What follows `Mcp-Param-`: a token (RFC 9110, section 5.1), unique in the tool whatever its case.
    """

    name: str


class Complete(msgspec.Struct, frozen=True, eq=False):
    """`Annotated[str, Complete(topics)]`: what a client may suggest while somebody types the argument.

    Attributes:
        source: Values, an Enum or a Literal, of which those that begin with what was typed are offered; or a function,
            plain or async, of what was typed and, if it takes two parameters, of the arguments that are settled
            already. It returns any number of values, or one, or None for none.

    Raises:
        DefinitionError: Neither; or a function that cannot be called so.
    """

    source: Collection[Any] | type[Enum] | Callable[..., Suggestions]

    def __post_init__(self) -> None:
        if self.function is not None:
            _check_function(self.function)
        elif self._listed is None:
            raise DefinitionError(
                f"Complete: expected values, an Enum, or a function, got {type(self.source).__name__}"
            )

    @property
    def function(self) -> Callable[..., Suggestions] | None:
        """Where suggestions come from, unless they are listed."""
        source: Any = self.source
        return source if callable(source) and self._listed is None else None

    def among(self, typed: str) -> list[str]:
        """Return the values that begin with what was typed, whatever its case."""
        start = typed.casefold()
        return [value for value in map(as_typed, self._listed or ()) if value.casefold().startswith(start)]

    def arguments(self, typed: str, settled: Mapping[str, str]) -> tuple[Any, ...]:
        """Return what a source that is a function is called with."""
        return (typed, settled) if _takes_two(self.source) else (typed,)

    @property
    def _listed(self) -> Iterable[Any] | None:
        """The values, where there is a list of them; an Enum and a Literal can be called, and are lists of values."""
        source: Any = self.source
        if get_origin(source) is Literal:
            return get_args(source)
        return source if isinstance(source, Collection) and not isinstance(source, str | bytes) else None


def as_typed(value: Any) -> str:
    """Return a suggestion as somebody would type it."""
    return str(value.value if isinstance(value, Enum) else value)


def _check_function(function: Callable[..., Any]) -> None:
    """Find out now whether a source can be called with what it will be given."""
    given = "what was typed, and maybe of the settled arguments"
    try:
        inspect.signature(function).bind(*("", {})[: 1 + _takes_two(function)])
    except (TypeError, ValueError):
        raise DefinitionError(f"Complete: {name_of(function)} must be a function of {given}") from None
    if inspect.isasyncgenfunction(called_by(function)):
        raise DefinitionError(f"Complete: {name_of(function)} is an async generator: return the values instead")


def _takes_two(function: Any) -> bool:
    positional = {
        inspect.Parameter.POSITIONAL_ONLY,
        inspect.Parameter.POSITIONAL_OR_KEYWORD,
    }
    parameters = inspect.signature(function).parameters.values()
    if any(parameter.kind is inspect.Parameter.VAR_POSITIONAL for parameter in parameters):
        return True
    bound = set(function.keywords) if isinstance(function, partial) else set()
    return sum(parameter.kind in positional and parameter.name not in bound for parameter in parameters) > 1
