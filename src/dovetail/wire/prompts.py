"""Prompts (spec, Server Features, Prompts)."""

from typing import Any

import msgspec

from dovetail.wire.base import Icon, Role, Wire
from dovetail.wire.content import ContentBlock
from dovetail.wire.envelope import InputResponseRequestParams, PaginatedResult, Result


class PromptArgument(Wire, frozen=True, kw_only=True):
    """One argument of a prompt; its value is always a string."""

    name: str
    title: str | None = None
    description: str | None = None
    required: bool | None = None


class Prompt(Wire, frozen=True, kw_only=True):
    """A prompt, or a template for one, that a user can choose."""

    name: str
    title: str | None = None
    description: str | None = None
    arguments: list[PromptArgument] | None = None
    icons: list[Icon] | None = None
    meta: dict[str, Any] | None = msgspec.field(default=None, name="_meta")


class PromptMessage(Wire, frozen=True, kw_only=True):
    """One message of a prompt."""

    role: Role
    content: ContentBlock


class ListPromptsResult(PaginatedResult, frozen=True, kw_only=True):
    """One page of prompts."""

    prompts: list[Prompt]


class GetPromptRequestParams(InputResponseRequestParams, frozen=True, kw_only=True):
    """Get a prompt, filled in."""

    name: str
    arguments: dict[str, str] | None = None


class GetPromptResult(Result, frozen=True, kw_only=True):
    """A prompt's messages."""

    messages: list[PromptMessage]
    description: str | None = None
