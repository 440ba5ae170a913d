"""Elicitation: a server asks the client's user, by a form or by a URL to visit (spec, Client Features, Elicitation).

Here live the question, the answer, and the words of which a form is made. Never here: what a user's answer is checked
against (see `schema`), or the decision on which style a client understands.

The official schema has a type for each style of each field, although only the keywords tell them apart. Here is one
Struct for each JSON `type`; `__wire_name__` of an instance names the official style, and a function with the official
name makes it.
"""

from typing import Any, ClassVar, Literal

import msgspec

from dovetail.wire.base import Wire
from dovetail.wire.envelope import ClientResult, RequestParams


class EnumOption(Wire, frozen=True, kw_only=True):
    """One choice: the value, and what people read."""

    __wire_name__: ClassVar[str] = "TitledSingleSelectEnumSchema.oneOf"

    const: str
    title: str


class FieldSchema(Wire, frozen=True, kw_only=True, tag_field="type"):
    """The base of every field of a form."""

    title: str | None = None
    description: str | None = None


class StringSchema(FieldSchema, frozen=True, kw_only=True, tag="string"):
    """Text, or one choice of several.

    Attributes:
        format: What kind of text.
        enum: The choices, if they need no titles.
        enum_names: Their titles, in the same order: the legacy style.
        one_of: The choices, with titles (2025-11-25 and later).
        default: 2025-11-25 and later.
    """

    min_length: int | None = None
    max_length: int | None = None
    format: Literal["email", "uri", "date", "date-time"] | None = None
    enum: list[str] | None = None
    enum_names: list[str] | None = None
    one_of: list[EnumOption] | None = None
    default: str | None = None

    def __post_init__(self) -> None:
        if self.one_of is not None and self.enum is not None:
            raise ValueError("Expected one of `enum` and `oneOf`")
        if self.enum_names is not None and self.enum is None:
            raise ValueError("Expected `enum` with `enumNames`")

    @property
    def __wire_name__(self) -> str:
        """The official name of this style."""
        if self.one_of is not None:
            return "TitledSingleSelectEnumSchema"
        if self.enum_names is not None:
            return "LegacyTitledEnumSchema"
        return "StringSchema" if self.enum is None else "UntitledSingleSelectEnumSchema"


class NumberSchema(FieldSchema, frozen=True, kw_only=True, tag="number"):
    """A number; both limits are included."""

    minimum: int | float | None = None
    maximum: int | float | None = None
    default: int | float | None = None


class IntegerSchema(FieldSchema, frozen=True, kw_only=True, tag="integer"):
    """A whole number; both limits are included."""

    __wire_name__: ClassVar[str] = "NumberSchema"

    minimum: int | float | None = None
    maximum: int | float | None = None
    default: int | float | None = None


class BooleanSchema(FieldSchema, frozen=True, kw_only=True, tag="boolean"):
    """Yes or no."""

    default: bool | None = None


class EnumItems(Wire, frozen=True, kw_only=True):
    """The choices of a multiple choice: `enum` and `type` without titles, `any_of` with."""

    type: Literal["string"] | None = None
    enum: list[str] | None = None
    any_of: list[EnumOption] | None = None

    def __post_init__(self) -> None:
        if (self.enum is None) == (self.any_of is None):
            raise ValueError("Expected one of `enum` and `anyOf`")

    @property
    def __wire_name__(self) -> str:
        """The official name of the style, and the field."""
        return ("TitledMultiSelectEnumSchema" if self.enum is None else "UntitledMultiSelectEnumSchema") + ".items"


class MultiSelectEnumSchema(FieldSchema, frozen=True, kw_only=True, tag="array"):
    """Several choices of several (2025-11-25 and later)."""

    items: EnumItems
    min_items: int | None = None
    max_items: int | None = None
    default: list[str] | None = None

    @property
    def __wire_name__(self) -> str:
        """The official name of this style."""
        return "TitledMultiSelectEnumSchema" if self.items.enum is None else "UntitledMultiSelectEnumSchema"


PrimitiveSchemaDefinition = StringSchema | NumberSchema | IntegerSchema | BooleanSchema | MultiSelectEnumSchema
"""One field of a form."""


class RequestedSchema(Wire, frozen=True, kw_only=True, tag_field="type", tag="object"):
    """A form: a flat object of primitive fields."""

    __wire_name__: ClassVar[str] = "ElicitRequestFormParams.requestedSchema"

    properties: dict[str, PrimitiveSchemaDefinition]
    required: list[str] | None = None
    dialect: str | None = msgspec.field(default=None, name="$schema")


class ElicitRequestParams(RequestParams, frozen=True, kw_only=True):
    """Ask the user. One Struct for both modes, since `mode` may be absent and then means `form`.

    Attributes:
        message: What to tell the user.
        mode: `form`, or `url` (2025-11-25 and later).
        requested_schema: The form.
        url: What to visit; never opened without the user's consent.
        elicitation_id: Names a URL's visit until it is complete (2025-11-25 only).
    """

    message: str
    mode: Literal["form", "url"] = "form"
    requested_schema: RequestedSchema | None = None
    url: str | None = None
    elicitation_id: str | None = None

    def __post_init__(self) -> None:
        if self.mode == "url" and self.url is None:
            raise ValueError("Expected `url` in mode `url`")
        if self.mode == "form" and self.requested_schema is None:
            raise ValueError("Expected `requestedSchema` in mode `form`")

    @property
    def __wire_name__(self) -> str:
        """The official name of this mode's parameters."""
        return "ElicitRequestURLParams" if self.mode == "url" else "ElicitRequestFormParams"


ElicitValue = str | int | float | bool | list[str]
"""What can stand in a field."""


class ElicitResult(ClientResult, frozen=True, kw_only=True):
    """What the user did. Attacker-controlled: checked against the form before anybody sees it.

    Attributes:
        action: `accept`, `decline` (an explicit no), or `cancel` (closed without a choice).
        content: The form, filled in; only with `accept`, never in mode `url`.
    """

    action: Literal["accept", "decline", "cancel"]
    content: dict[str, ElicitValue] | None = None


class UrlElicitationRequiredData(Wire, frozen=True, kw_only=True):
    """`data` of error -32042: URLs to visit before trying again (2025-11-25 only)."""

    elicitations: list[ElicitRequestParams]


def ElicitRequestFormParams(message: str, requested_schema: RequestedSchema) -> ElicitRequestParams:
    """Ask by a form."""
    return ElicitRequestParams(message=message, requested_schema=requested_schema)


def ElicitRequestURLParams(message: str, url: str, elicitation_id: str | None = None) -> ElicitRequestParams:
    """Ask to visit a URL."""
    return ElicitRequestParams(message=message, mode="url", url=url, elicitation_id=elicitation_id)


def UntitledSingleSelectEnumSchema(enum: list[str], **more: Any) -> StringSchema:
    """One choice; `more` is `title`, `description`, `default`."""
    return StringSchema(enum=enum, **more)


def LegacyTitledEnumSchema(enum: list[str], enum_names: list[str], **more: Any) -> StringSchema:
    """One choice with titles, as 2025-06-18 says it; `more` is `title`, `description`, `default`."""
    return StringSchema(enum=enum, enum_names=enum_names, **more)


def TitledSingleSelectEnumSchema(options: dict[str, str], **more: Any) -> StringSchema:
    """One choice; `options` maps values to titles; `more` is `title`, `description`, `default`."""
    return StringSchema(one_of=_titled(options), **more)


def UntitledMultiSelectEnumSchema(enum: list[str], **more: Any) -> MultiSelectEnumSchema:
    """Several choices; `more` is `title`, `description`, `default`, `min_items`, `max_items`."""
    return MultiSelectEnumSchema(items=EnumItems(type="string", enum=enum), **more)


def TitledMultiSelectEnumSchema(options: dict[str, str], **more: Any) -> MultiSelectEnumSchema:
    """Several choices; `options` maps values to titles; `more` as for the untitled."""
    return MultiSelectEnumSchema(items=EnumItems(any_of=_titled(options)), **more)


def _titled(options: dict[str, str]) -> list[EnumOption]:
    return [EnumOption(const=value, title=title) for value, title in options.items()]
