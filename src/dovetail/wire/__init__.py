"""The wire room: messages as data, bytes to types and back. Knows nothing of what a request means."""

from typing import TYPE_CHECKING

from dovetail._lazy import lazy

if TYPE_CHECKING:
    from dovetail.wire.asking import COMPLETE as COMPLETE
    from dovetail.wire.asking import INPUT_REQUIRED as INPUT_REQUIRED
    from dovetail.wire.asking import InputRequest as InputRequest
    from dovetail.wire.asking import InputRequests as InputRequests
    from dovetail.wire.asking import InputRequiredResult as InputRequiredResult
    from dovetail.wire.asking import InputResponses as InputResponses
    from dovetail.wire.base import Annotations as Annotations
    from dovetail.wire.base import Cursor as Cursor
    from dovetail.wire.base import Icon as Icon
    from dovetail.wire.base import Implementation as Implementation
    from dovetail.wire.base import LoggingLevel as LoggingLevel
    from dovetail.wire.base import ProgressToken as ProgressToken
    from dovetail.wire.base import Role as Role
    from dovetail.wire.base import Wire as Wire
    from dovetail.wire.capabilities import ClientCapabilities as ClientCapabilities
    from dovetail.wire.capabilities import ElicitationCapability as ElicitationCapability
    from dovetail.wire.capabilities import PromptsCapability as PromptsCapability
    from dovetail.wire.capabilities import ResourcesCapability as ResourcesCapability
    from dovetail.wire.capabilities import RootsCapability as RootsCapability
    from dovetail.wire.capabilities import SamplingCapability as SamplingCapability
    from dovetail.wire.capabilities import ServerCapabilities as ServerCapabilities
    from dovetail.wire.capabilities import ToolsCapability as ToolsCapability
    from dovetail.wire.codec import decode as decode
    from dovetail.wire.codec import encode as encode
    from dovetail.wire.codec import encode_result as encode_result
    from dovetail.wire.completion import MAX_VALUES as MAX_VALUES
    from dovetail.wire.completion import CompleteRequestParams as CompleteRequestParams
    from dovetail.wire.completion import CompleteResult as CompleteResult
    from dovetail.wire.completion import Completion as Completion
    from dovetail.wire.completion import CompletionArgument as CompletionArgument
    from dovetail.wire.completion import CompletionContext as CompletionContext
    from dovetail.wire.completion import PromptReference as PromptReference
    from dovetail.wire.completion import ResourceTemplateReference as ResourceTemplateReference
    from dovetail.wire.content import AudioContent as AudioContent
    from dovetail.wire.content import BlobResourceContents as BlobResourceContents
    from dovetail.wire.content import ContentBlock as ContentBlock
    from dovetail.wire.content import EmbeddedResource as EmbeddedResource
    from dovetail.wire.content import ImageContent as ImageContent
    from dovetail.wire.content import ResourceContents as ResourceContents
    from dovetail.wire.content import ResourceLink as ResourceLink
    from dovetail.wire.content import SamplingContent as SamplingContent
    from dovetail.wire.content import SamplingMessageContentBlock as SamplingMessageContentBlock
    from dovetail.wire.content import TextContent as TextContent
    from dovetail.wire.content import TextResourceContents as TextResourceContents
    from dovetail.wire.content import ToolResultContent as ToolResultContent
    from dovetail.wire.content import ToolUseContent as ToolUseContent
    from dovetail.wire.degrade import WRAPPED as WRAPPED
    from dovetail.wire.degrade import WRAPPED_VALUE as WRAPPED_VALUE
    from dovetail.wire.elicitation import BooleanSchema as BooleanSchema
    from dovetail.wire.elicitation import ElicitRequestFormParams as ElicitRequestFormParams
    from dovetail.wire.elicitation import ElicitRequestParams as ElicitRequestParams
    from dovetail.wire.elicitation import ElicitRequestURLParams as ElicitRequestURLParams
    from dovetail.wire.elicitation import ElicitResult as ElicitResult
    from dovetail.wire.elicitation import ElicitValue as ElicitValue
    from dovetail.wire.elicitation import EnumItems as EnumItems
    from dovetail.wire.elicitation import EnumOption as EnumOption
    from dovetail.wire.elicitation import IntegerSchema as IntegerSchema
    from dovetail.wire.elicitation import LegacyTitledEnumSchema as LegacyTitledEnumSchema
    from dovetail.wire.elicitation import MultiSelectEnumSchema as MultiSelectEnumSchema
    from dovetail.wire.elicitation import NumberSchema as NumberSchema
    from dovetail.wire.elicitation import PrimitiveSchemaDefinition as PrimitiveSchemaDefinition
    from dovetail.wire.elicitation import RequestedSchema as RequestedSchema
    from dovetail.wire.elicitation import StringSchema as StringSchema
    from dovetail.wire.elicitation import TitledMultiSelectEnumSchema as TitledMultiSelectEnumSchema
    from dovetail.wire.elicitation import TitledSingleSelectEnumSchema as TitledSingleSelectEnumSchema
    from dovetail.wire.elicitation import UntitledMultiSelectEnumSchema as UntitledMultiSelectEnumSchema
    from dovetail.wire.elicitation import UntitledSingleSelectEnumSchema as UntitledSingleSelectEnumSchema
    from dovetail.wire.elicitation import UrlElicitationRequiredData as UrlElicitationRequiredData
    from dovetail.wire.envelope import CacheableResult as CacheableResult
    from dovetail.wire.envelope import ClientResult as ClientResult
    from dovetail.wire.envelope import InputResponseRequestParams as InputResponseRequestParams
    from dovetail.wire.envelope import NotificationParams as NotificationParams
    from dovetail.wire.envelope import PaginatedRequestParams as PaginatedRequestParams
    from dovetail.wire.envelope import PaginatedResult as PaginatedResult
    from dovetail.wire.envelope import RequestParams as RequestParams
    from dovetail.wire.envelope import Result as Result
    from dovetail.wire.frames import Answer as Answer
    from dovetail.wire.frames import Batch as Batch
    from dovetail.wire.frames import Broken as Broken
    from dovetail.wire.frames import Failure as Failure
    from dovetail.wire.frames import Message as Message
    from dovetail.wire.frames import Notification as Notification
    from dovetail.wire.frames import Request as Request
    from dovetail.wire.frames import RpcError as RpcError
    from dovetail.wire.frames import Single as Single
    from dovetail.wire.frames import batch_frame as batch_frame
    from dovetail.wire.frames import error_frame as error_frame
    from dovetail.wire.frames import id_key as id_key
    from dovetail.wire.frames import notification_frame as notification_frame
    from dovetail.wire.frames import parse as parse
    from dovetail.wire.frames import request_frame as request_frame
    from dovetail.wire.frames import result_frame as result_frame
    from dovetail.wire.headers import ParamHeader as ParamHeader
    from dovetail.wire.headers import decode_value as decode_value
    from dovetail.wire.headers import encode_value as encode_value
    from dovetail.wire.headers import header_mismatch as header_mismatch
    from dovetail.wire.headers import header_value as header_value
    from dovetail.wire.headers import looks_secret as looks_secret
    from dovetail.wire.headers import matches as matches
    from dovetail.wire.headers import param_headers as param_headers
    from dovetail.wire.jcs import canonical as canonical
    from dovetail.wire.jcs import digest as digest
    from dovetail.wire.lifecycle import DiscoverResult as DiscoverResult
    from dovetail.wire.lifecycle import InitializeRequestParams as InitializeRequestParams
    from dovetail.wire.lifecycle import InitializeResult as InitializeResult
    from dovetail.wire.lifecycle import MissingCapabilityData as MissingCapabilityData
    from dovetail.wire.lifecycle import UnsupportedVersionData as UnsupportedVersionData
    from dovetail.wire.limits import DEFAULT_LIMITS as DEFAULT_LIMITS
    from dovetail.wire.limits import Limits as Limits
    from dovetail.wire.logging import LEVELS as LEVELS
    from dovetail.wire.logging import SetLevelRequestParams as SetLevelRequestParams
    from dovetail.wire.logging import level_at_least as level_at_least
    from dovetail.wire.meta import CLIENT_CAPABILITIES as CLIENT_CAPABILITIES
    from dovetail.wire.meta import CLIENT_INFO as CLIENT_INFO
    from dovetail.wire.meta import LOG_LEVEL as LOG_LEVEL
    from dovetail.wire.meta import PROGRESS_TOKEN as PROGRESS_TOKEN
    from dovetail.wire.meta import PROTOCOL_VERSION as PROTOCOL_VERSION
    from dovetail.wire.meta import SERVER_INFO as SERVER_INFO
    from dovetail.wire.meta import SUBSCRIPTION_ID as SUBSCRIPTION_ID
    from dovetail.wire.meta import TRACE_KEYS as TRACE_KEYS
    from dovetail.wire.meta import Meta as Meta
    from dovetail.wire.meta import RequestMeta as RequestMeta
    from dovetail.wire.meta import check_extension_id as check_extension_id
    from dovetail.wire.meta import check_meta_key as check_meta_key
    from dovetail.wire.meta import is_baggage as is_baggage
    from dovetail.wire.meta import is_meta_key as is_meta_key
    from dovetail.wire.meta import is_reserved as is_reserved
    from dovetail.wire.meta import is_traceparent as is_traceparent
    from dovetail.wire.meta import is_tracestate as is_tracestate
    from dovetail.wire.methods import METHODS as METHODS
    from dovetail.wire.methods import Method as Method
    from dovetail.wire.names import check_name as check_name
    from dovetail.wire.names import check_tool_name as check_tool_name
    from dovetail.wire.notices import CancelledNotificationParams as CancelledNotificationParams
    from dovetail.wire.notices import ElicitationCompleteNotificationParams as ElicitationCompleteNotificationParams
    from dovetail.wire.notices import LoggingMessageNotificationParams as LoggingMessageNotificationParams
    from dovetail.wire.notices import ProgressNotificationParams as ProgressNotificationParams
    from dovetail.wire.notices import ResourceUpdatedNotificationParams as ResourceUpdatedNotificationParams
    from dovetail.wire.notices import (
        SubscriptionsAcknowledgedNotificationParams as SubscriptionsAcknowledgedNotificationParams,
    )
    from dovetail.wire.plain_forms import as_json as as_json
    from dovetail.wire.plain_forms import plain as plain
    from dovetail.wire.prompts import GetPromptRequestParams as GetPromptRequestParams
    from dovetail.wire.prompts import GetPromptResult as GetPromptResult
    from dovetail.wire.prompts import ListPromptsResult as ListPromptsResult
    from dovetail.wire.prompts import Prompt as Prompt
    from dovetail.wire.prompts import PromptArgument as PromptArgument
    from dovetail.wire.prompts import PromptMessage as PromptMessage
    from dovetail.wire.resources import ListResourcesResult as ListResourcesResult
    from dovetail.wire.resources import ListResourceTemplatesResult as ListResourceTemplatesResult
    from dovetail.wire.resources import ReadResourceRequestParams as ReadResourceRequestParams
    from dovetail.wire.resources import ReadResourceResult as ReadResourceResult
    from dovetail.wire.resources import Resource as Resource
    from dovetail.wire.resources import ResourceTemplate as ResourceTemplate
    from dovetail.wire.resources import SubscribeRequestParams as SubscribeRequestParams
    from dovetail.wire.resources import UnsubscribeRequestParams as UnsubscribeRequestParams
    from dovetail.wire.roots import ListRootsResult as ListRootsResult
    from dovetail.wire.roots import Root as Root
    from dovetail.wire.sampling import CreateMessageRequestParams as CreateMessageRequestParams
    from dovetail.wire.sampling import CreateMessageResult as CreateMessageResult
    from dovetail.wire.sampling import ModelHint as ModelHint
    from dovetail.wire.sampling import ModelPreferences as ModelPreferences
    from dovetail.wire.sampling import SamplingMessage as SamplingMessage
    from dovetail.wire.sampling import ToolChoice as ToolChoice
    from dovetail.wire.sanitize import sanitize_text as sanitize_text
    from dovetail.wire.schema import DIALECTS as DIALECTS
    from dovetail.wire.schema import Validator as Validator
    from dovetail.wire.schema import compile_schema as compile_schema
    from dovetail.wire.strict import check as check
    from dovetail.wire.subscriptions import SubscriptionFilter as SubscriptionFilter
    from dovetail.wire.subscriptions import SubscriptionsListenRequestParams as SubscriptionsListenRequestParams
    from dovetail.wire.subscriptions import SubscriptionsListenResult as SubscriptionsListenResult
    from dovetail.wire.templates import Template as Template
    from dovetail.wire.tools import CallToolRequestParams as CallToolRequestParams
    from dovetail.wire.tools import CallToolResult as CallToolResult
    from dovetail.wire.tools import ListToolsResult as ListToolsResult
    from dovetail.wire.tools import Tool as Tool
    from dovetail.wire.tools import ToolAnnotations as ToolAnnotations
    from dovetail.wire.tools import ToolExecution as ToolExecution

__getattr__, __dir__, __all__ = lazy(
    __name__,
    {
        "asking": "COMPLETE INPUT_REQUIRED InputRequest InputRequests InputRequiredResult InputResponses",
        "base": "Annotations Cursor Icon Implementation LoggingLevel ProgressToken Role Wire",
        "capabilities": (
            "ClientCapabilities ElicitationCapability PromptsCapability ResourcesCapability RootsCapability "
            "SamplingCapability ServerCapabilities ToolsCapability"
        ),
        "codec": "decode encode encode_result",
        "completion": (
            "CompleteRequestParams CompleteResult Completion CompletionArgument CompletionContext MAX_VALUES "
            "PromptReference ResourceTemplateReference"
        ),
        "content": (
            "AudioContent BlobResourceContents ContentBlock EmbeddedResource ImageContent ResourceContents "
            "ResourceLink SamplingContent SamplingMessageContentBlock TextContent TextResourceContents "
            "ToolResultContent ToolUseContent"
        ),
        "degrade": "WRAPPED WRAPPED_VALUE",
        "elicitation": (
            "BooleanSchema ElicitRequestFormParams ElicitRequestParams ElicitRequestURLParams ElicitResult "
            "ElicitValue EnumItems EnumOption IntegerSchema LegacyTitledEnumSchema MultiSelectEnumSchema "
            "NumberSchema PrimitiveSchemaDefinition RequestedSchema StringSchema TitledMultiSelectEnumSchema "
            "TitledSingleSelectEnumSchema UntitledMultiSelectEnumSchema UntitledSingleSelectEnumSchema "
            "UrlElicitationRequiredData"
        ),
        "envelope": (
            "CacheableResult ClientResult InputResponseRequestParams NotificationParams PaginatedRequestParams "
            "PaginatedResult RequestParams Result"
        ),
        "frames": (
            "Answer Batch Broken Failure Message Notification Request RpcError Single batch_frame error_frame "
            "id_key notification_frame parse request_frame result_frame"
        ),
        "headers": (
            "ParamHeader decode_value encode_value header_mismatch header_value looks_secret matches param_headers"
        ),
        "jcs": "canonical digest",
        "lifecycle": (
            "DiscoverResult InitializeRequestParams InitializeResult MissingCapabilityData UnsupportedVersionData"
        ),
        "limits": "DEFAULT_LIMITS Limits",
        "logging": "LEVELS SetLevelRequestParams level_at_least",
        "meta": (
            "CLIENT_CAPABILITIES CLIENT_INFO LOG_LEVEL Meta PROGRESS_TOKEN PROTOCOL_VERSION RequestMeta "
            "SERVER_INFO SUBSCRIPTION_ID TRACE_KEYS check_extension_id check_meta_key is_baggage is_meta_key "
            "is_reserved is_traceparent is_tracestate"
        ),
        "methods": "METHODS Method",
        "names": "check_name check_tool_name",
        "notices": (
            "CancelledNotificationParams ElicitationCompleteNotificationParams LoggingMessageNotificationParams "
            "ProgressNotificationParams ResourceUpdatedNotificationParams "
            "SubscriptionsAcknowledgedNotificationParams"
        ),
        "plain_forms": "as_json plain",
        "prompts": ("GetPromptRequestParams GetPromptResult ListPromptsResult Prompt PromptArgument PromptMessage"),
        "resources": (
            "ListResourceTemplatesResult ListResourcesResult ReadResourceRequestParams ReadResourceResult "
            "Resource ResourceTemplate SubscribeRequestParams UnsubscribeRequestParams"
        ),
        "roots": "ListRootsResult Root",
        "sampling": (
            "CreateMessageRequestParams CreateMessageResult ModelHint ModelPreferences SamplingMessage ToolChoice"
        ),
        "sanitize": "sanitize_text",
        "schema": "DIALECTS Validator compile_schema",
        "strict": "check",
        "subscriptions": "SubscriptionFilter SubscriptionsListenRequestParams SubscriptionsListenResult",
        "templates": "Template",
        "tools": "CallToolRequestParams CallToolResult ListToolsResult Tool ToolAnnotations ToolExecution",
    },
)
