"""What stands in the catalogue: a tool, a resource, a template, a prompt. Each knows what it is and how it is served.

An entry is compiled once, when it is offered: its signature, its schema, its decoder. Serving one call is then: decode,
give what is injected, call, convert. Nothing is looked up or inspected on the way.
"""

import copy
import re
from collections.abc import Callable, Mapping
from contextlib import nullcontext
from hashlib import sha256
from typing import TYPE_CHECKING, Any, Final, Self

import msgspec
from msgspec import UNSET, Raw

from dovetail.core import Call
from dovetail.errors import DefinitionError, InvalidOutput, quote
from dovetail.server.calls.context import Context
from dovetail.server.calls.gates import Meter, Rate, Slot, Slots, Timed, coming_back
from dovetail.server.functions.encoding import encoded
from dovetail.server.functions.markers import Complete, as_typed
from dovetail.server.functions.messages import prompt_messages, resource_contents
from dovetail.server.functions.parameters import name_of
from dovetail.server.functions.results import Returns
from dovetail.server.functions.schemas import arrays_in
from dovetail.server.functions.signature import Parameter, Signature
from dovetail.server.traversal import leaves_its_place
from dovetail.wire import (
    CallToolResult,
    GetPromptResult,
    ParamHeader,
    Prompt,
    ReadResourceResult,
    Resource,
    ResourceTemplate,
    Template,
    Tool,
    check_meta_key,
    check_name,
    check_tool_name,
)

if TYPE_CHECKING:
    from dovetail.server.app import Server
    from dovetail.server.calls.lanes import Lane

_SCHEME: Final = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*").fullmatch
Variables = dict[str, str | list[str]]
"""What a URI says of a template's variables."""
_NO_ARGUMENTS: Final = b"{}"


class Entry:
    """What all entries have in common."""

    completes = False
    definition: Any
    signature: Signature

    def __init__(self, owner: "Server", name: str, function: Callable[..., Any], options: Mapping[str, Any]) -> None:
        """Take the common options."""
        self.owner = owner
        self.name = name
        self.sequence = 0
        self.scopes = frozenset(options.get("scopes", ()))
        self.tags = frozenset(options.get("tags", ()))
        self.timeout: float | None = options.get("timeout")
        limit, places = options.get("limit"), options.get("concurrency")
        self.meter = None if limit is None else Meter(Rate.of(limit))
        self.slots = None if places is None else Slots(places)
        self.origin: object = None
        self.through: tuple[Server, ...] = ()
        """The mounted servers between the one that serves and the function, outermost first."""
        self._digest = ""

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.name}>"

    @property
    def digest(self) -> str:
        """A digest of the definition: a state sealed under another definition is void (S-12)."""
        if not self._digest:
            self._digest = sha256(msgspec.json.encode(self.definition)).hexdigest()
        return self._digest

    def renamed(self, prefix: str) -> Self:
        """Return a copy that stands behind a prefix; limits go on counting with the original."""
        twin = copy.copy(self)
        twin._digest = ""
        return twin

    async def invoke(self, values: tuple[Any, ...], context: Context) -> Any:
        """Call the handler with its arguments and what is injected, within the entry's limits."""
        if self.timeout is not None and not context.inside:
            with Timed(context, self.timeout):
                return await self._placed(values, context)
        if self.slots is None:
            return await self._give(values, context)
        return await self._placed(values, context)

    async def _placed(self, values: tuple[Any, ...], context: Context) -> Any:
        """Call the handler in one of the entry's places, if those are counted."""
        inside = context.inside
        if self.slots is None:
            return await self._give(values, context)
        slot = Slot(self.slots, coming_back(context))
        if not inside:
            context.slot = slot
        try:
            return await self._give(values, context)
        finally:
            slot.leave()
            if not inside:
                context.slot = None

    async def _give(self, values: tuple[Any, ...], context: Context) -> Any:
        signature = self.signature
        if context.turn is not None and context.turn.nonce:
            from dovetail.server.calls.beginning import begin

            await begin(context)
        if signature.contexts is not None:
            return await self._call(values, dict.fromkeys(signature.contexts, context), context)
        from dovetail.server.inject import serve_injected

        return await serve_injected(
            signature.injected,
            context,
            lambda injected, lane: self._call(values, injected, context, lane),
            plain=not signature.is_async,
        )

    async def _call(
        self, values: tuple[Any, ...], injected: dict[str, Any], context: Context, lane: "Lane | None" = None
    ) -> Any:
        signature = self.signature
        if signature.is_async:
            return await signature.call(values, injected)
        pool = context.runtime.pool
        return await pool.call_plain(context, signature.call, (values, injected), slots=self.slots, lane=lane)

    async def complete(
        self, name: str, typed: str, settled: Mapping[str, str], context: Context
    ) -> tuple[list[str], int]:
        """Return at most 100 suggestions for an argument, and how many there are; none for one without suggestions."""
        for parameter in self.signature.parameters:
            if parameter.name == name and parameter.complete is not None:
                values = await self._suggested(parameter.complete, typed, settled, context)
                return values[:100], len(values)
        return [], 0

    async def _suggested(
        self, complete: Complete, typed: str, settled: Mapping[str, str], context: Context
    ) -> list[str]:
        function = complete.function
        if function is None:
            return complete.among(typed)
        with nullcontext() if self.timeout is None else Timed(context, self.timeout):
            found = await context.runtime.pool.call(context, function, complete.arguments(typed, settled))
        if found is None or isinstance(found, str):
            found = [] if found is None else [found]
        return [as_typed(value) for value in found]


class ToolEntry(Entry):
    """A tool."""

    definition: Tool

    def __init__(self, owner: "Server", function: Callable[..., Any], options: Mapping[str, Any]) -> None:
        """Compile a function; see `Server.add_tool`."""
        super().__init__(owner, check_tool_name(options.get("name") or name_of(function)), function, options)
        self.signature = _signature(
            self.name,
            function,
            input_schema=options.get("input_schema"),
            repair=options.get("repair", True),
            limits=owner.limits,
        )
        returns = Returns.of(
            function,
            output_schema=options.get("output_schema", UNSET),
            structured=options.get("structured", True),
            limits=owner.limits,
        )
        self.convert = returns.convert  # also of what middleware returns in the tool's place
        self.param_headers = _headers(self.signature)
        output = returns.output_schema
        self.definition = Tool(
            name=self.name,
            input_schema=Raw(self.signature.input_schema),
            output_schema=UNSET if output is None else Raw(output),
            annotations=options.get("annotations"),
            **_described(self.signature, options),
        )

    def renamed(self, prefix: str) -> Self:
        """Return a copy that stands behind a prefix."""
        twin = super().renamed(prefix)
        if prefix:
            twin.name = check_tool_name(f"{prefix}_{self.name}")
            twin.definition = msgspec.structs.replace(self.definition, name=twin.name)
        return twin

    async def serve(self, call: Call, context: Context) -> CallToolResult:
        """Serve a call of the tool."""
        raw = call.params.arguments
        values = self.signature.decode(_NO_ARGUMENTS if raw is UNSET else raw)
        return self.convert(await self.invoke(values, context))


class ReadableEntry(Entry):
    """A resource or a template: what both have in common."""

    def __init__(self, owner: "Server", name: str, function: Callable[..., Any], options: Mapping[str, Any]) -> None:
        """Take the options of both."""
        super().__init__(owner, check_name(name, "resource"), function, options)
        self.signature = _signature(self.name, function, limits=owner.limits)
        self._mime_type: str | None = options.get("mime_type")
        cache = options.get("cache")
        self._hints: dict[str, Any] = {}
        if cache is not None:
            scope = "private" if self.scopes else cache.scope
            self._hints = {"ttl_ms": round(cache.seconds * 1000), "cache_scope": scope}

    def match(self, uri: str) -> Variables | None:
        """Return the variables of a URI that it serves; None when it does not."""
        return {} if uri == self.name else None

    async def serve(self, call: Call, context: Context) -> ReadResourceResult:
        """Serve a request for the resource."""
        uri = call.params.uri
        return await self.read(uri, self.match(uri) or {}, context)

    async def read(self, uri: str, variables: Variables, context: Context) -> ReadResourceResult:
        """Read the resource."""
        value = await self.invoke(self.signature.decode_texts(variables), context)
        result = resource_contents(value, uri, self._mime_type)
        if self._hints and result.ttl_ms is None:
            result = msgspec.structs.replace(result, **self._hints)
        return result


class ResourceEntry(ReadableEntry):
    """A resource."""

    definition: Resource

    def __init__(self, owner: "Server", uri: str, function: Callable[..., Any], options: Mapping[str, Any]) -> None:
        """Compile a function; see `Server.add_resource`."""
        super().__init__(owner, options.get("name") or name_of(function), function, options)
        if self.signature.parameters:
            raise DefinitionError(f"{self.name}: a resource without braces in its URI takes no arguments")
        self.definition = Resource(
            uri=_absolute(check_name(uri, "resource")),
            name=self.name,
            mime_type=self._mime_type,
            size=options.get("size"),
            annotations=options.get("annotations"),
            **_described(self.signature, options),
        )
        self.name = uri


class TemplateEntry(ReadableEntry):
    """A resource template."""

    definition: ResourceTemplate

    def __init__(self, owner: "Server", uri: str, function: Callable[..., Any], options: Mapping[str, Any]) -> None:
        """Compile a function; see `Server.add_resource`."""
        super().__init__(owner, options.get("name") or name_of(function), function, options)
        self._template = Template(_absolute(uri), arrays_in(self.signature.schema))
        self._any_path = bool(options.get("any_path", False))
        names = {parameter.name for parameter in self.signature.parameters}
        required = {parameter.name for parameter in self.signature.parameters if parameter.required}
        self._template.matcher  # noqa: B018 -- prepared now, to hear of a mistake now
        variables = set(self._template.variables)
        if not required <= variables or not variables <= names:
            raise DefinitionError(
                f"{self.name}: the template has {sorted(variables)}, the function takes {sorted(names)}"
            )
        self.definition = ResourceTemplate(
            uri_template=uri,
            name=self.name,
            mime_type=self._mime_type,
            annotations=options.get("annotations"),
            **_described(self.signature, options),
        )
        self.name = uri
        self.completes = _completes(self.signature.parameters)

    def match(self, uri: str) -> Variables | None:
        """Return the variables of a URI; None when it is none of this template, or leads out of its place (S-19)."""
        variables = self._template.match(uri)
        if variables is None or (not self._any_path and leaves_its_place(variables)):
            return None
        return variables


class PromptEntry(Entry):
    """A prompt."""

    definition: Prompt

    def __init__(self, owner: "Server", function: Callable[..., Any], options: Mapping[str, Any]) -> None:
        """Compile a function; see `Server.add_prompt`."""
        super().__init__(owner, check_name(options.get("name") or name_of(function), "prompt"), function, options)
        self.signature = _signature(self.name, function, limits=owner.limits)
        self.definition = Prompt(
            name=self.name,
            arguments=list(self.signature.prompt_arguments) or None,
            **_described(self.signature, options),
        )
        self.completes = _completes(self.signature.parameters)

    def renamed(self, prefix: str) -> Self:
        """Return a copy that stands behind a prefix."""
        twin = super().renamed(prefix)
        if prefix:
            twin.name = f"{prefix}_{self.name}"
            twin.definition = msgspec.structs.replace(self.definition, name=twin.name)
        return twin

    async def serve(self, call: Call, context: Context) -> GetPromptResult:
        """Serve a request for the prompt."""
        value = await self.invoke(self.signature.decode_texts(call.params.arguments or {}), context)
        return prompt_messages(value, self.definition.description)


def _absolute(uri: str) -> str:
    """Return a URI, or a template of one, that has a scheme, as every URI has (RFC 3986, section 3).

    Raises:
        DefinitionError: It has none.
    """
    scheme = uri.partition(":")[0]
    if not uri.startswith("{") and (scheme == uri or not _SCHEME(scheme)):
        raise DefinitionError(f"{quote(uri, 80)} is no URI: it begins with a scheme, such as 'data://'")
    return uri


def _described(signature: Signature, options: Mapping[str, Any]) -> dict[str, Any]:
    """Return what people read of an entry, and its `_meta`."""
    meta = dict(options.get("meta") or {})
    for key in meta:
        check_meta_key(key)
    try:
        encoded(meta, "meta")
    except InvalidOutput as unsayable:
        raise DefinitionError(f"meta: {unsayable.expected}") from None
    if "version" in options:
        meta["dovetail/version"] = options["version"]
    if "cache" in options and "mime_type" not in options:
        meta["dovetail/cache"] = msgspec.to_builtins(options["cache"])
    return {
        "title": options.get("title"),
        "description": options.get("description") or signature.docstring.text or None,
        "icons": options.get("icons"),
        "meta": meta or None,
    }


def _headers(signature: Signature) -> tuple[ParamHeader, ...]:
    if b"x-mcp-header" not in signature.input_schema:
        return ()
    from dovetail.wire import param_headers

    return param_headers(signature.schema)


def _completes(parameters: tuple[Parameter, ...]) -> bool:
    return any(parameter.complete is not None for parameter in parameters)


def _signature(name: str, function: Callable[..., Any], **options: Any) -> Signature:
    """Read a function that is to be offered.

    Raises:
        DefinitionError: Besides what `Signature.of` refuses: a method that nothing is bound to, or a plain function
            that asks as only an async one can.
    """
    from dovetail.server.functions.misuse import refuse_plain_asking, refuse_unbound

    refuse_unbound(name, function)
    signature = Signature.of(function, **options)
    refuse_plain_asking(name, function, {item.name for item in signature.injected if item.kind == "context"})
    return signature
