"""Constraints: what stands beside a type in `Annotated[...]`, as the decoder's own `Meta` and tests.

Reads `msgspec.Meta`, plain strings (descriptions), `annotated_types` by their attributes, and Pydantic's `Field` where
it says nothing that only Pydantic could do. What is not known is ignored, as PEP 593 asks; what is known to constrain
and cannot be honoured is refused, since a constraint that silently holds nothing is worse than none.
"""

import operator
from collections.abc import Callable, Iterable, Iterator
from decimal import Context, Decimal
from functools import partial
from typing import Any, Final

import msgspec

from dovetail.errors import DefinitionError

_BOUNDS: Final = ("ge", "gt", "le", "lt", "multiple_of", "min_length", "max_length")
_ONLY_PYDANTIC: Final = (
    "alias",
    "validation_alias",
    "serialization_alias",
    "discriminator",
    "json_schema_extra",
    "default_factory",
    "field_title_generator",
    "exclude",
)
_DECIMAL: Final[dict[str, tuple[str, Callable[[Any, Any], Any]]]] = {
    "ge": ("minimum", operator.ge),
    "gt": ("exclusiveMinimum", operator.gt),
    "le": ("maximum", operator.le),
    "lt": ("exclusiveMaximum", operator.lt),
    "multiple_of": ("multipleOf", lambda value, bound: is_multiple(value, bound)),
}
_EXACT: Final = Context(prec=8_000)
"""More digits than an integer in JSON may have, and than the exponent of a decimal can make (see `decimals`)."""
NUMERIC: Final = frozenset({"ge", "gt", "le", "lt", "multiple_of"})
SIZED: Final = frozenset({"min_length", "max_length"})
_SAID: Final = ("title", "description", "examples", "extra_json_schema", "extra")


class Constraints:
    """What was found beside one type.

    Attributes:
        native: The `Meta` that the author gave, as they are.
        limits: Bounds by `Meta`'s names.
        description: For people and models.
        examples: Values for example.
        tests: Functions that must say yes.
        title: For people.
        pydantic: Something that only Pydantic can read.
    """

    __slots__ = ("description", "examples", "limits", "native", "pydantic", "tests", "title")

    def __init__(self, metadata: Iterable[Any]) -> None:
        """Read what stands beside a type."""
        self.native: list[msgspec.Meta] = []
        self.limits: dict[str, Any] = {}
        self.title: str | None = None
        self.description: str | None = None
        self.examples: list[Any] | None = None
        self.tests: list[Callable[[Any], Any]] = []
        self.pydantic = False
        for item in metadata:
            self._take(item)

    @property
    def empty(self) -> bool:
        """Nothing that the decoder has to be told in other words than the author's."""
        return not (self.limits or self._words() or self.tests or self.pydantic)

    @property
    def stepped(self) -> bool:
        """A number must be a multiple of something."""
        return "multiple_of" in self.limits or any(meta.multiple_of is not None for meta in self.native)

    def unfold(self) -> None:
        """Take the bounds out of the author's `Meta`, for a type whose parts they are about: the decoder would not."""
        for meta in self.native:
            self.limits.update(_given(meta, (*_BOUNDS, "pattern", "tz")))
        kept = [_given(meta, _SAID) for meta in self.native]
        self.native = [msgspec.Meta(**said) for said in kept if said]

    def meta(self, names: Iterable[str] | None = None) -> msgspec.Meta | None:
        """Return what the decoder shall be told: all, or the bounds among `names` only."""
        if names is not None:
            chosen = {name: self.limits[name] for name in names if name in self.limits}
            return msgspec.Meta(**chosen) if chosen else None
        told = {name: value for name, value in self.limits.items() if value is not None} | self._words()
        return msgspec.Meta(**told) if told else None

    def words(self) -> msgspec.Meta | None:
        """Return the title, the description and the examples alone."""
        words = self._words()
        return msgspec.Meta(**words) if words else None

    def _words(self) -> dict[str, Any]:
        said = {"title": self.title, "description": self.description, "examples": self.examples}
        return {name: value for name, value in said.items() if value is not None}

    def decimal_bounds(self) -> tuple[dict[str, Any], list[Callable[[Any], Any]]]:
        """Return the bounds of a number as JSON Schema's words, and as tests."""
        words: dict[str, Any] = {}
        tests: list[Callable[[Any], Any]] = []
        for name, (word, holds) in _DECIMAL.items():
            if name in self.limits:
                bound = Decimal(str(self.limits[name]))
                words[word] = int(bound) if bound == int(bound) else float(bound)
                tests.append(partial(_holds, holds, bound))
        return words, tests

    def _take(self, item: Any) -> None:
        origin = type(item).__module__.partition(".")[0]
        if isinstance(item, msgspec.Meta):
            self.native.append(item)
        elif isinstance(item, str):
            self.description = item
        elif isinstance(getattr(item, "documentation", None), str):
            self.description = item.documentation
        elif origin == "annotated_types":
            self._take_bounds(item)
        elif origin.startswith("pydantic"):
            self._take_pydantic(item)
        elif hasattr(item, "__get_pydantic_core_schema__"):
            self.pydantic = True

    def _take_bounds(self, item: Any) -> None:
        if isinstance(item, Iterable):  # Interval, Len: groups of others
            for part in item:
                self._take_bounds(part)
            return
        found = {name: getattr(item, name) for name in _BOUNDS if getattr(item, name, None) is not None}
        if not found and callable(getattr(item, "func", None)):
            self.tests.append(item.func)
        elif not found and not hasattr(item, "min_length") and type(item).__name__ != "Unit":
            raise DefinitionError(f"The constraint {type(item).__name__} is not supported here")
        self.limits.update(found)

    def _take_pydantic(self, item: Any) -> None:
        if type(item).__name__ != "FieldInfo":
            parts = list(_parts(item))
            self.pydantic |= not parts or not self._take_known(parts)
            return
        only_pydantic = any(getattr(item, name, None) is not None for name in _ONLY_PYDANTIC)
        if only_pydantic or not self._take_known(item.metadata):
            self.pydantic = True
            return
        self.title = item.title or self.title
        self.description = item.description or self.description
        self.examples = item.examples or self.examples

    def _take_known(self, metadata: Iterable[Any]) -> bool:
        """Take the parts of a Pydantic group; False when one of them is Pydantic's own business."""
        for part in metadata:
            if type(part).__module__.partition(".")[0] == "annotated_types":
                self._take_bounds(part)
                continue
            said = {name: value for name, value in getattr(part, "__dict__", {}).items() if value is not None}
            if set(said) - {"pattern"} or not isinstance(said.get("pattern"), str):
                return False
            self.limits.update(said)
        return True


def is_multiple(value: Decimal, bound: Decimal) -> bool:
    """Tell whether a finite number is a multiple of another, exactly."""
    try:
        return _EXACT.remainder(value, bound) == 0
    except ArithmeticError:  # more digits still
        return False


def _holds(compare: Callable[[Any, Any], Any], bound: Decimal, value: Decimal) -> bool:
    return value.is_finite() and bool(compare(value, bound))


def _given(meta: msgspec.Meta, names: Iterable[str]) -> dict[str, Any]:
    return {name: value for name in names if (value := getattr(meta, name)) is not None}


def _parts(item: Any) -> Iterator[Any]:
    """Return what a group such as `StringConstraints` is made of; nothing when it is no group."""
    return iter(item) if isinstance(item, Iterable) else iter(())
