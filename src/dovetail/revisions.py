"""The five revisions of MCP, written as deltas, so that this file reads like the specification's changelog.

Here stands all that differs between them: methods, fields, kinds of content, error codes, lifecycle, carriage. Never
anywhere else: a date, or a comparison of dates. Code asks `peer.revision.batching`.

Notation: `adds` and `drops` map type names to field names; `field!` is required. `kinds` and the sets of methods add
words, and take away those with a `-`. Type names are the newest revision's for all; an object that has no name there is
called `Owner.field`. What the other words mean is told by `Revision`.

Invariant: the table equals the official schemas (`tests/test_revisions.py`).
"""

from typing import Final

from dovetail._revision import NOTHING, Asks, Revision

__all__ = ["NEWEST", "NEWEST_STATEFUL", "OLDEST", "REVISIONS", "Asks", "Revision", "revision_for"]

NOVEMBER_24: Final = NOTHING.next(
    "2024-11-05",
    adds={
        "Annotations": "audience priority",
        "BlobResourceContents": "uri! mimeType blob!",
        "CallToolRequestParams GetPromptRequestParams": "_meta name! arguments",
        "CallToolResult": "_meta content! isError",
        "CancelledNotificationParams": "_meta requestId! reason",
        "ClientCapabilities": "experimental roots sampling",
        "ClientCapabilities.roots ServerCapabilities.prompts ServerCapabilities.tools": "listChanged",
        "ClientCapabilities.sampling": "",
        "CompleteRequestParams": "_meta ref! argument!",
        "CompleteRequestParams.argument": "name! value!",
        "CompleteResult": "_meta completion!",
        "CompleteResult.completion": "values! total hasMore",
        "CreateMessageRequestParams": (
            "_meta messages! modelPreferences systemPrompt includeContext temperature maxTokens! stopSequences metadata"
        ),
        "CreateMessageResult": "_meta role! content! model! stopReason",
        "EmbeddedResource": "type! resource! annotations",
        "Error": "code! message! data",
        "GetPromptResult": "_meta description messages!",
        "ImageContent": "type! data! mimeType! annotations",
        "Implementation": "name! version!",
        "InitializeRequestParams": "_meta protocolVersion! capabilities! clientInfo!",
        "InitializeResult": "_meta protocolVersion! capabilities! serverInfo! instructions",
        "JSONRPCErrorResponse": "jsonrpc! id! error!",
        "JSONRPCResultResponse": "jsonrpc! id! result!",
        "ListPromptsResult": "_meta nextCursor prompts!",
        "ListResourceTemplatesResult": "_meta nextCursor resourceTemplates!",
        "ListResourcesResult": "_meta nextCursor resources!",
        "ListRootsResult": "_meta roots!",
        "ListToolsResult": "_meta nextCursor tools!",
        "LoggingMessageNotificationParams": "_meta level! logger data!",
        "ModelHint": "name",
        "ModelPreferences": "hints costPriority speedPriority intelligencePriority",
        "NotificationParams RequestParams Result": "_meta",
        "PaginatedRequestParams": "_meta cursor",
        "ProgressNotificationParams": "_meta progressToken! progress! total",
        "Prompt": "name! description arguments",
        "PromptArgument": "name! description required",
        "PromptMessage SamplingMessage": "role! content!",
        "PromptReference": "type! name!",
        "ReadResourceRequestParams SubscribeRequestParams UnsubscribeRequestParams": "_meta uri!",
        "ResourceUpdatedNotificationParams": "_meta uri!",
        "ReadResourceResult": "_meta contents!",
        "RequestMetaObject": "progressToken",
        "Resource": "uri! name! description mimeType annotations size",
        "ResourceTemplate": "uriTemplate! name! description mimeType annotations",
        "ResourceTemplateReference": "type! uri!",
        "Root": "uri! name",
        "ServerCapabilities": "experimental logging prompts resources tools",
        "ServerCapabilities.resources": "listChanged subscribe",
        "SetLevelRequestParams": "_meta level!",
        "TextContent": "type! text! annotations",
        "TextResourceContents": "uri! mimeType text!",
        "Tool": "name! description inputSchema!",
        "Tool.inputSchema": "type! properties required",
    },
    kinds={"ContentBlock": "text image resource", "SamplingMessageContentBlock": "text image"},
    client_requests=(
        "initialize ping tools/list tools/call resources/list resources/templates/list resources/read "
        "resources/subscribe resources/unsubscribe prompts/list prompts/get completion/complete logging/setLevel"
    ),
    server_requests="ping sampling/createMessage roots/list",
    client_notifications=(
        "notifications/initialized notifications/cancelled notifications/progress notifications/roots/list_changed"
    ),
    server_notifications=(
        "notifications/cancelled notifications/progress notifications/message notifications/tools/list_changed "
        "notifications/resources/list_changed notifications/resources/updated notifications/prompts/list_changed"
    ),
    questions="sampling/createMessage roots/list",
    codes=frozenset({-32002}),
    legacy_sse=True,
)

# Streamable HTTP replaces HTTP with SSE; JSON-RPC batches; hints on what a tool does; sound.
MARCH: Final = NOVEMBER_24.next(
    "2025-03-26",
    adds={
        "AudioContent": "type! data! mimeType! annotations",
        "ProgressNotificationParams": "message",
        "ServerCapabilities": "completions",
        "Tool": "annotations",
        "ToolAnnotations": "title readOnlyHint destructiveHint idempotentHint openWorldHint",
    },
    kinds={"ContentBlock": "audio", "SamplingMessageContentBlock": "audio"},
    legacy_sse=False,
    resumable=True,
    batching=True,
    batch_limit=50,  # ours: the specification sets none
)

# No batches any more; structured output; elicitation; links to resources; titles; `_meta` nearly everywhere.
JUNE: Final = MARCH.next(
    "2025-06-18",
    adds={
        "AudioContent EmbeddedResource ImageContent TextContent": "_meta",
        "BlobResourceContents TextResourceContents Root": "_meta",
        "Prompt Resource ResourceTemplate": "_meta title",
        "Implementation PromptArgument PromptReference": "title",
        "Annotations": "lastModified",
        "BooleanSchema": "type! title description default",
        "CallToolResult": "structuredContent",
        "ClientCapabilities": "elicitation",
        "ClientCapabilities.elicitation": "",
        "CompleteRequestParams": "context",
        "CompleteRequestParams.context": "arguments",
        "ElicitRequestFormParams": "_meta message! requestedSchema!",
        "ElicitRequestFormParams.requestedSchema": "type! properties! required",
        "ElicitResult": "_meta action! content",
        "LegacyTitledEnumSchema": "type! title description enum! enumNames",
        "NumberSchema": "type! title description minimum maximum",
        "ResourceLink": "type! uri! name! title description mimeType annotations size _meta",
        "StringSchema": "type! title description minLength maxLength format",
        "Tool": "title outputSchema _meta",
        "Tool.outputSchema": "type! properties required",
    },
    kinds={
        "ContentBlock": "resource_link",
        "PrimitiveSchemaDefinition": "StringSchema NumberSchema BooleanSchema LegacyTitledEnumSchema",
    },
    server_requests="elicitation/create",
    questions="elicitation/create",
    batching=False,
    batch_limit=0,
    version_header=True,
    open_meta=True,
    structured_content="object",
    elicitation=True,
)

_TASK: Final = "taskId! status! statusMessage createdAt! lastUpdatedAt! ttl! pollInterval"
_TASK_METHODS: Final = "tasks/get tasks/result tasks/list tasks/cancel notifications/tasks/status"

# Icons; tools in sampling; titled and multiple choices; URLs to visit; streams that a server may close; tasks.
NOVEMBER: Final = JUNE.next(
    "2025-11-25",
    adds={
        "Prompt Resource ResourceLink ResourceTemplate": "icons",
        "StringSchema NumberSchema LegacyTitledEnumSchema": "default",
        "CancelledNotificationParams": "requestId",
        "ClientCapabilities.elicitation": "form url",
        "ClientCapabilities.sampling": "context tools",
        "CreateMessageRequestParams": "tools toolChoice",
        "ElicitRequestFormParams": "mode",
        "ElicitRequestFormParams.requestedSchema Tool.inputSchema Tool.outputSchema": "$schema",
        "ElicitRequestURLParams": "_meta mode! message! url! elicitationId!",
        "ElicitationCompleteNotificationParams": "elicitationId!",
        "Icon": "src! mimeType sizes theme",
        "Implementation": "description websiteUrl icons",
        "JSONRPCErrorResponse": "id",
        "SamplingMessage": "_meta",
        "Tool": "icons execution",
        "ToolChoice": "mode",
        "ToolExecution": "taskSupport",
        "ToolResultContent": "type! toolUseId! content! structuredContent isError _meta",
        "ToolUseContent": "type! id! name! input! _meta",
        "UntitledSingleSelectEnumSchema": "type! title description enum! default",
        "TitledSingleSelectEnumSchema": "type! title description oneOf! default",
        "UntitledMultiSelectEnumSchema TitledMultiSelectEnumSchema": (
            "type! title description minItems maxItems items! default"
        ),
        "UntitledMultiSelectEnumSchema.items": "type! enum!",
        "TitledMultiSelectEnumSchema.items": "anyOf!",
        "TitledSingleSelectEnumSchema.oneOf TitledMultiSelectEnumSchema.items.anyOf": "const! title!",
        # Tasks: read here for completeness, spoken nowhere.
        "CallToolRequestParams CreateMessageRequestParams ElicitRequestFormParams ElicitRequestURLParams": "task",
        "ClientCapabilities ServerCapabilities": "tasks",
        "ClientCapabilities.tasks ServerCapabilities.tasks": "list cancel requests",
        "ClientCapabilities.tasks.requests": "sampling elicitation",
        "ClientCapabilities.tasks.requests.elicitation": "create",
        "ClientCapabilities.tasks.requests.sampling": "createMessage",
        "ServerCapabilities.tasks.requests": "tools",
        "ServerCapabilities.tasks.requests.tools": "call",
        "GetTaskRequestParams GetTaskPayloadRequestParams CancelTaskRequestParams": "taskId!",
        "GetTaskPayloadResult": "_meta",
        "ListTasksResult": "_meta nextCursor tasks!",
        "Task": _TASK,
        "GetTaskResult CancelTaskResult TaskStatusNotificationParams": f"_meta {_TASK}",
        "TaskMetadata": "ttl",
    },
    kinds={
        "ElicitRequestParams": "ElicitRequestFormParams ElicitRequestURLParams",
        "PrimitiveSchemaDefinition": (
            "UntitledSingleSelectEnumSchema TitledSingleSelectEnumSchema "
            "UntitledMultiSelectEnumSchema TitledMultiSelectEnumSchema"
        ),
        "SamplingMessageContentBlock": "tool_use tool_result",
    },
    server_notifications="notifications/elicitation/complete",
    unserved=_TASK_METHODS,
    codes=frozenset({-32002, -32042}),
    priming_event=True,
    argument_results=True,
    sampling_lists=True,
    multi_select=True,
    url_elicitation=True,
    elicitation_ids=True,
    url_elicitation_required=-32042,
)

_CACHEABLE: Final = (
    "ListPromptsResult ListResourceTemplatesResult ListResourcesResult ListToolsResult ReadResourceResult"
)

# No handshake, no sessions, no server requests: each request stands alone, and questions travel in results.
JULY_26: Final = NOVEMBER.next(
    "2026-07-28",
    adds={
        "RequestParams PaginatedRequestParams CompleteRequestParams": "_meta!",
        "CallToolRequestParams GetPromptRequestParams ReadResourceRequestParams": "_meta! inputResponses requestState",
        "Result CallToolResult CompleteResult GetPromptResult": "resultType!",
        _CACHEABLE: "resultType! ttlMs! cacheScope!",
        "CancelledNotificationParams": "requestId!",
        "ClientCapabilities ServerCapabilities": "extensions",
        "DiscoverResult": "_meta resultType! ttlMs! cacheScope! supportedVersions! capabilities! instructions",
        "InputRequest": "method! params",
        "InputRequiredResult": "_meta resultType! inputRequests requestState",
        "ListRootsRequestParams": "_meta",
        "NotificationMetaObject": "io.modelcontextprotocol/subscriptionId",
        "RequestMetaObject": (
            "io.modelcontextprotocol/protocolVersion! io.modelcontextprotocol/clientCapabilities! "
            "io.modelcontextprotocol/clientInfo io.modelcontextprotocol/logLevel"
        ),
        "ResultMetaObject": "io.modelcontextprotocol/serverInfo",
        "SubscriptionFilter": "toolsListChanged promptsListChanged resourcesListChanged resourceSubscriptions",
        "SubscriptionsAcknowledgedNotificationParams": "_meta notifications!",
        "SubscriptionsListenRequestParams": "_meta! notifications!",
        "SubscriptionsListenResult": "_meta! resultType!",
        "SubscriptionsListenResultMetaObject": (
            "io.modelcontextprotocol/serverInfo io.modelcontextprotocol/subscriptionId!"
        ),
    },
    drops={
        "CallToolRequestParams": "task",
        "ClientCapabilities ServerCapabilities": "tasks",
        "ClientCapabilities.roots": "listChanged",
        "CreateMessageRequestParams ElicitRequestFormParams": "_meta task",
        "ElicitRequestURLParams": "_meta elicitationId task",
        "ElicitResult ListRootsResult": "_meta",
        "Tool": "execution",
        "Tool.inputSchema": "properties required",
        "Tool.outputSchema": "type properties required",
    },
    gone=(
        "CancelTaskRequestParams CancelTaskResult ClientCapabilities.tasks ClientCapabilities.tasks.requests "
        "ClientCapabilities.tasks.requests.elicitation ClientCapabilities.tasks.requests.sampling "
        "ElicitationCompleteNotificationParams GetTaskPayloadRequestParams GetTaskPayloadResult GetTaskRequestParams "
        "GetTaskResult InitializeRequestParams InitializeResult ListTasksResult ServerCapabilities.tasks "
        "ServerCapabilities.tasks.requests ServerCapabilities.tasks.requests.tools SetLevelRequestParams "
        "SubscribeRequestParams Task TaskMetadata TaskStatusNotificationParams ToolExecution UnsubscribeRequestParams"
    ),
    kinds={"InputResponse": "CreateMessageResult ElicitResult ListRootsResult"},
    client_requests=(
        "-initialize -ping -resources/subscribe -resources/unsubscribe -logging/setLevel "
        "server/discover subscriptions/listen"
    ),
    server_requests="-ping -sampling/createMessage -roots/list -elicitation/create",
    client_notifications="-notifications/initialized -notifications/progress -notifications/roots/list_changed",
    server_notifications="-notifications/elicitation/complete notifications/subscriptions/acknowledged",
    unserved=" ".join(f"-{method}" for method in _TASK_METHODS.split()),
    codes=frozenset({-32020, -32021, -32022}),
    stateless=True,
    asks=Asks.PULL,
    request_headers=True,
    sessions=False,
    event_stream=False,
    resumable=False,
    priming_event=False,
    result_type=True,
    cache_hints=True,
    server_info_in_meta=True,
    structured_content="any",
    elicitation_ids=False,
    resource_missing=-32602,
    url_elicitation_required=None,
)

REVISIONS: Final[tuple[Revision, ...]] = (NOVEMBER_24, MARCH, JUNE, NOVEMBER, JULY_26)
"""All revisions, the oldest first."""

OLDEST: Final = REVISIONS[0]
NEWEST: Final = REVISIONS[-1]
NEWEST_STATEFUL: Final = max((each for each in REVISIONS if not each.stateless), key=lambda each: each.index)

_BY_VERSION: Final = {each.version: each for each in REVISIONS}


def revision_for(version: str) -> Revision | None:
    """Return the revision with this date; None for one that we do not speak."""
    return _BY_VERSION.get(version)
