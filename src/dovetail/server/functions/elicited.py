"""Forms for elicitation: from a type to the form that is sent (`form_fields`), and from an answer (`form_answers`) back
to a value of that type.
"""

from collections.abc import Callable, Mapping
from enum import Enum
from functools import lru_cache
from types import NoneType, UnionType
from typing import Annotated, Any, Generic, TypeVar, Union, get_args, get_origin, get_type_hints

import msgspec

from dovetail.errors import DefinitionError, InvalidArguments
from dovetail.server.functions.form_answers import checked
from dovetail.server.functions.form_fields import Field, as_written, requested, without_null
from dovetail.wire import ElicitResult, MultiSelectEnumSchema, RequestedSchema, looks_secret

T = TypeVar("T")
_VALUE = "value"


class Elicited(Generic[T]):
    """What the user did with a question.

    Attributes:
        action: `accept`, `decline` or `cancel`.
        value: The filled-in form as the type that was asked for; None unless accepted.
    """

    __slots__ = ("action", "value")

    value: T

    def __init__(self, action: str, value: T | None) -> None:
        """Made from a client's answer."""
        self.action = action
        # Typed as what was asked for, since who has looked at `accepted` knows that it is there.
        self.value = value  # type: ignore[assignment]

    def __repr__(self) -> str:
        return f"<Elicited {self.action}>"

    @property
    def accepted(self) -> bool:
        """The user agreed."""
        return self.action == "accept"

    @property
    def declined(self) -> bool:
        """The user said no."""
        return self.action == "decline"

    @property
    def cancelled(self) -> bool:
        """The user closed the question without a choice."""
        return self.action == "cancel"


class Form:
    """A compiled form: the schema that is sent, and how an answer is read."""

    __slots__ = ("_convert", "_fields", "multi_select", "schema")

    def __init__(
        self, schema: RequestedSchema, fields: Mapping[str, Field], convert: Callable[[dict[str, Any]], Any]
    ) -> None:
        """Made by `form_of`."""
        self.schema = schema
        self.multi_select = any(isinstance(field, MultiSelectEnumSchema) for field in schema.properties.values())
        self._fields = fields
        self._convert = convert

    def __repr__(self) -> str:
        return f"<Form {', '.join(self.schema.properties)}>"

    def read(self, result: ElicitResult) -> Elicited[Any]:
        """Read a client's answer, which is attacker-controlled input.

        Raises:
            InvalidArguments: It does not fit the form; the field is named, its value is not.
        """
        if result.action != "accept":
            return Elicited(result.action, None)
        content = checked(self.schema, self._fields, result.content or {})
        return Elicited("accept", self._convert(content))


def form_of(schema: Any) -> Form:
    """Return the form for what a handler passed as schema.

    Raises:
        DefinitionError: Not flat, not primitive, or asking for a secret.
    """
    if schema is None:
        return Form(RequestedSchema(properties={}), {}, lambda content: True)
    if isinstance(schema, Mapping):
        return Form(*as_written(schema), lambda content: content)
    if isinstance(schema, RequestedSchema):
        return Form(schema, {}, lambda content: content)
    try:
        return _typed_form(schema)
    except TypeError:  # what has no hash is compiled each time
        return _typed_form.__wrapped__(schema)


def check_declared(name: str, annotation: Any) -> None:
    """Find out whether a declared question has a form, before anybody is asked.

    Raises:
        DefinitionError: See `form_of`; or it asks for one value, and the parameter's name says that this is a secret.
    """
    # The form of one value calls it `value`: what it is, is said by the parameter alone.
    if form_of(annotation).schema.properties.keys() == {_VALUE} and looks_secret(name):
        raise DefinitionError("it looks like a secret: use elicit_url for secrets (spec, Elicitation)")


@lru_cache(maxsize=256)
def _typed_form(annotation: Any) -> Form:
    from dovetail.server.functions.annotations import Reader
    from dovetail.server.functions.decimals import misspelt
    from dovetail.server.functions.expectations import explained
    from dovetail.server.functions.patterns import pattern_check, without_patterns
    from dovetail.server.functions.schemas import schema_for
    from dovetail.server.functions.standins import convert
    from dovetail.server.functions.whole import completing
    from dovetail.wire import DEFAULT_LIMITS

    described, _ = without_null(_inlined(schema_for(annotation)))
    read = Reader().read(annotation)
    check = pattern_check([read], described, DEFAULT_LIMITS)
    if check is not None:
        read = without_patterns(read)
    whole = completing(convert, [read])
    wrong = misspelt(described)

    def made(value: Any, where: str) -> Any:
        try:
            if check is not None and value is not None:
                check(value)
            if wrong is not None and (place := wrong(msgspec.json.encode(value))) is not None:
                raise InvalidArguments(place, "expected a decimal number such as 12.50")
            return whole(value, read)
        except InvalidArguments as unmatched:
            misfit = unmatched
        except (ValueError, TypeError) as error:  # a user's own validator, too: its text may quote the value
            misfit = explained(str(error), described)
        raise InvalidArguments(where + misfit.path.removeprefix("$"), misfit.expected)

    if described.get("type") == "object" and "properties" in described:
        # What may be None and has no default is None when it is not filled in.
        schema, fields = requested(described, _titles(annotation))
        blank = {name: None for name in described.get("required") or () if fields[name].nullable}
        return Form(schema, fields, lambda content: made({**blank, **content}, "content"))
    names = _names_of(annotation)
    wrapped = {"type": "object", "properties": {_VALUE: _inlined(schema_for(annotation))}, "required": [_VALUE]}
    schema, fields = requested(wrapped, {_VALUE: names} if names else None)
    return Form(schema, fields, lambda content: made(content.get(_VALUE), f"content.{_VALUE}"))


def _titles(annotation: Any) -> dict[str, list[str]]:
    """Return the names of the members of every enum among a class's fields whose values are no text."""
    try:
        hints = get_type_hints(_plain(annotation), include_extras=True)
    except (TypeError, NameError, AttributeError):
        return {}
    return {name: names for name, hint in hints.items() if (names := _names_of(hint))}


def _names_of(annotation: Any) -> list[str]:
    kind = _plain(annotation)
    if get_origin(kind) in (list, tuple, set, frozenset):
        kind = _plain(get_args(kind)[0])
    if not (isinstance(kind, type) and issubclass(kind, Enum)):
        return []
    return [] if all(isinstance(member.value, str) for member in kind) else [member.name for member in kind]


def _plain(annotation: Any) -> Any:
    """Return what an annotation is about, without `Annotated[...]` and `| None`."""
    while True:
        if get_origin(annotation) is Annotated:
            annotation = annotation.__origin__
        elif get_origin(annotation) in (Union, UnionType):
            members = [member for member in get_args(annotation) if member is not NoneType]
            if len(members) != 1:
                return annotation
            annotation = members[0]
        else:
            return annotation


def _inlined(schema: dict[str, Any]) -> dict[str, Any]:
    """Put definitions where they are used: a form has no `$defs`."""
    definitions = schema.get("$defs", {})

    def inline(node: Any) -> Any:
        if isinstance(node, dict):
            reference = node.get("$ref")
            if isinstance(reference, str) and reference.startswith("#/$defs/"):
                target = inline(definitions.get(reference.removeprefix("#/$defs/"), {}))
                return {**target, **{key: value for key, value in node.items() if key != "$ref"}}
            return {key: inline(value) for key, value in node.items() if key != "$defs"}
        return [inline(item) for item in node] if isinstance(node, list) else node

    inlined: dict[str, Any] = inline(schema)
    return inlined
