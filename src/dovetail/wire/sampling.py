"""Sampling: a server asks the client's model (spec, Client Features, Sampling; deprecated but served in 2026-07-28)."""

from typing import Any, Literal

import msgspec

from dovetail.wire.base import Role, Wire
from dovetail.wire.content import SamplingMessageContentBlock
from dovetail.wire.envelope import ClientResult, RequestParams
from dovetail.wire.tools import Tool


class SamplingMessage(Wire, frozen=True, kw_only=True):
    """One message of a conversation with a model: one block, or a list of blocks (2025-11-25 and later)."""

    role: Role
    content: SamplingMessageContentBlock | list[SamplingMessageContentBlock]
    meta: dict[str, Any] | None = msgspec.field(default=None, name="_meta")


class ModelHint(Wire, frozen=True, kw_only=True):
    """Part of a model's name, such as `sonnet`."""

    name: str | None = None


class ModelPreferences(Wire, frozen=True, kw_only=True):
    """Which model a server would like; the client chooses. Priorities go from 0 to 1; hints are tried in order."""

    hints: list[ModelHint] | None = None
    cost_priority: float | None = None
    speed_priority: float | None = None
    intelligence_priority: float | None = None


class ToolChoice(Wire, frozen=True, kw_only=True):
    """Whether the model may, must or must not use tools (2025-11-25 and later). Default `auto`."""

    mode: Literal["auto", "required", "none"] | None = None


class CreateMessageRequestParams(RequestParams, frozen=True, kw_only=True):
    """Ask for a completion.

    Attributes:
        max_tokens: The most tokens to sample.
        include_context: Deprecated but for `none`; needs the capability `sampling.context`.
        metadata: For the provider, as it wants it.
        tools: Tools that the model may use; needs the capability `sampling.tools`.
    """

    messages: list[SamplingMessage]
    max_tokens: int
    model_preferences: ModelPreferences | None = None
    system_prompt: str | None = None
    include_context: Literal["none", "thisServer", "allServers"] | None = None
    temperature: float | None = None
    stop_sequences: list[str] | None = None
    metadata: dict[str, Any] | None = None
    tools: list[Tool] | None = None
    tool_choice: ToolChoice | None = None


class CreateMessageResult(ClientResult, frozen=True, kw_only=True):
    """What the model said.

    Attributes:
        stop_reason: `endTurn`, `stopSequence`, `maxTokens`, `toolUse`, or what the provider says.
    """

    role: Role
    content: SamplingMessageContentBlock | list[SamplingMessageContentBlock]
    model: str
    stop_reason: str | None = None
