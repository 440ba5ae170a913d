"""Completion of arguments while somebody types (spec, Server Features, Completion)."""

from typing import ClassVar, Final

from dovetail.wire.base import Wire
from dovetail.wire.envelope import RequestParams, Result

MAX_VALUES: Final = 100
"""The most values that one completion may hold."""


class PromptReference(Wire, frozen=True, kw_only=True, tag_field="type", tag="ref/prompt"):
    """Completes an argument of a prompt."""

    name: str
    title: str | None = None


class ResourceTemplateReference(Wire, frozen=True, kw_only=True, tag_field="type", tag="ref/resource"):
    """Completes a variable of a template; `uri` is the template. (`ResourceReference` until 2025-03-26.)"""

    uri: str


class CompletionArgument(Wire, frozen=True, kw_only=True):
    """What is being typed: the argument's name and what stands there so far."""

    __wire_name__: ClassVar[str] = "CompleteRequestParams.argument"

    name: str
    value: str


class CompletionContext(Wire, frozen=True, kw_only=True):
    """The arguments that are settled already (2025-06-18 and later)."""

    __wire_name__: ClassVar[str] = "CompleteRequestParams.context"

    arguments: dict[str, str] | None = None


class CompleteRequestParams(RequestParams, frozen=True, kw_only=True):
    """Ask what an argument could be."""

    ref: PromptReference | ResourceTemplateReference
    argument: CompletionArgument
    context: CompletionContext | None = None


class Completion(Wire, frozen=True, kw_only=True):
    """What an argument could be.

    Attributes:
        values: At most 100.
        total: How many there are in all; may be more than are given.
        has_more: There are more, even if their number is unknown.
    """

    __wire_name__: ClassVar[str] = "CompleteResult.completion"

    values: list[str]
    total: int | None = None
    has_more: bool | None = None


class CompleteResult(Result, frozen=True, kw_only=True):
    """The answer."""

    completion: Completion
