"""The methods of the protocol, each as the one callable shape, and their composition with middleware.

What a client may see it may use, and nothing else: lists and calls share one decision, `Catalogue.sees` (S-24).
"""

from collections.abc import Callable, Coroutine, Sequence
from typing import TYPE_CHECKING, Any, Final, cast

from msgspec import UNSET, Raw, Struct

from dovetail.core import SUPPORTED, Call, why_not
from dovetail.errors import (
    DefinitionError,
    InvalidParams,
    MethodNotFound,
    Refusal,
    ResourceNotFound,
    StateRefused,
    quote,
)
from dovetail.revisions import Asks
from dovetail.server.calls.context import Context
from dovetail.server.calls.inside import Inside
from dovetail.server.functions.encoding import encoded
from dovetail.server.functions.results import OWN_LIMITS, require_json, sendable
from dovetail.server.functions.spelling import in_python
from dovetail.wire import (
    INPUT_REQUIRED,
    CallToolResult,
    CompleteResult,
    Completion,
    DiscoverResult,
    GetPromptResult,
    InputRequiredResult,
    PromptReference,
    ReadResourceResult,
    Result,
    check,
    decode,
)

if TYPE_CHECKING:
    from dovetail.server.app import Middleware, Server
    from dovetail.server.entries import Entry
    from dovetail.server.runtime import Runtime

Method = Callable[[Call, Context], Coroutine[Any, Any, Any]]
_EMPTY: Final = Result()


class Methods:
    """The handlers of one runtime."""

    def __init__(self, runtime: "Runtime") -> None:
        """Serve the runtime's catalogue."""
        self._runtime = runtime
        self._catalogue = runtime.server.catalogue
        self._meter = runtime.meter
        self._chains: dict[tuple[Server, ...], Method] = {}
        self._table: dict[str, Method] = {
            "ping": self._ping,
            "server/discover": self._discover,
            "tools/list": self._list,
            "tools/call": self._call_tool,
            "resources/list": self._list,
            "resources/templates/list": self._list,
            "resources/read": self._read,
            "resources/subscribe": self._subscribe,
            "resources/unsubscribe": self._subscribe,
            "prompts/list": self._list,
            "prompts/get": self._get_prompt,
            "completion/complete": self._complete,
            "logging/setLevel": self._set_level,
            **{
                method: wrapped(_layers(served.through), _answering(f"The handler of {method}", served))
                for method, served in runtime.server.extension_methods.items()
            },
        }

    async def dispatch(self, call: Call, context: Context) -> Any:
        """Serve a call by its method."""
        method = self._table.get(call.method)
        if method is None:
            raise MethodNotFound(f"Method not found: {quote(call.method, 80)}")
        return await method(call, context)

    async def _ping(self, call: Call, context: Context) -> Result:
        return _EMPTY

    async def _discover(self, call: Call, context: Context) -> DiscoverResult:
        server = self._runtime.server
        return DiscoverResult(
            supported_versions=list(SUPPORTED),
            capabilities=server.capabilities(),
            instructions=server.instructions,
            **self._catalogue.cache_hints,
        )

    async def _list(self, call: Call, context: Context) -> Any:
        return self._catalogue.page(call.method, call.principal, call.params.cursor)

    def target(self, call: Call) -> "Entry | None":
        """Return the entry that a request names, if its caller sees it: the definition its state is bound to (S-12)."""
        entry: Entry | None = None
        match call.method:
            case "tools/call":
                entry = self._catalogue.tools.get(call.params.name)
            case "prompts/get":
                entry = self._catalogue.prompts.get(call.params.name)
            case "resources/read":
                found = self._catalogue.resolve(call.params.uri, call.principal)
                entry = None if found is None else found[0]
        return entry if entry is not None and self._catalogue.sees(call.principal, entry) else None

    def resuming(self, handler: Method) -> Method:
        """Return a handler that takes up the state of a retry before anything else of the call runs.

        Middleware may ask, too, and is replayed like the rest.
        """

        async def resumed(call: Call, context: Context) -> Any:
            try:
                await self._runtime.resume_call(context)
            except InvalidParams:
                # It pays like any other call: only a valid state proves that it is a retry.
                context.entry = self.target(call)
                self._admit(context.entry, call, context)
                raise
            try:
                return await handler(call, context)
            except StateRefused:
                turn = context.turn
                if turn is not None and turn.nonce:  # it was used before: this is no retry either
                    turn.ledger = None
                    self._admit(self.target(call), call, context)
                raise

        def handle(call: Call, context: Context) -> Coroutine[Any, Any, Any]:
            if getattr(call.params, "request_state", None) is None or context.revision.asks is not Asks.PULL:
                return handler(call, context)  # where the server asks by requests, the field means nothing
            return resumed(call, context)

        return handle

    def _admit(self, entry: "Entry | None", call: Call, context: Context) -> None:
        """Count a call against the limits on rate."""
        turn = context.turn
        if turn is not None and turn.ledger is not None and turn.ledger.round:
            return  # "A valid retry costs no rate token." (asking, Clocks and limits)
        if context.network:
            self._meter.take(call.principal.bucket, self._runtime.steady())
        if entry is not None and entry.meter is not None:
            entry.meter.take(call.principal.bucket, self._runtime.steady())

    async def _call_tool(self, call: Call, context: Context) -> CallToolResult:
        tool = self._catalogue.tools.get(call.params.name)
        if tool is None or not self._catalogue.sees(call.principal, tool):
            # "Unknown tools" are protocol errors (Tools, Error Handling)
            raise InvalidParams(f"Unknown tool: {quote(call.params.name)}")
        context.entry = tool
        self._admit(tool, call, context)
        if tool.through:
            result: CallToolResult = await self._chain(tool.through)(call, context)
            return result
        return await tool.serve(call, context)

    def _chain(self, through: "tuple[Server, ...]") -> Method:
        """Return the handler of what is mounted: inside the middleware of the servers on the way, made once."""
        chain = self._chains.get(through)
        if chain is None:
            chain = self._chains[through] = wrapped(_layers(through), _serve_entry)
        return chain

    async def _read(self, call: Call, context: Context) -> ReadResourceResult:
        uri = call.params.uri
        found = self._catalogue.resolve(uri, call.principal)
        self._admit(None if found is None else found[0], call, context)
        if found is None:
            raise ResourceNotFound(uri)
        context.entry, variables = found
        if context.entry.through:
            result: ReadResourceResult = await self._chain(context.entry.through)(call, context)
            return result
        return await found[0].read(uri, variables, context)

    async def read_inside(self, uri: str, context: Context) -> ReadResourceResult:
        """Read a resource from inside another call. See `Context.read_resource`."""
        found = self._catalogue.resolve(uri, context.principal)
        if found is None:
            raise ResourceNotFound(uri)
        entry, _ = found
        if entry.meter is not None and not context.quiet:  # a replay reads again what is paid for
            entry.meter.take(context.principal.bucket, self._runtime.steady())
        # Middleware that the call has passed already is behind it; only that of other servers still lies ahead.
        ahead, passed = entry.through, () if context.entry is None else context.entry.through
        while ahead and passed and ahead[0] is passed[0]:
            ahead, passed = ahead[1:], passed[1:]
        result: ReadResourceResult = await Inside(context, uri, entry).run(self._chain(ahead))
        return result

    async def _get_prompt(self, call: Call, context: Context) -> GetPromptResult:
        prompt = self._catalogue.prompts.get(call.params.name)
        if prompt is None or not self._catalogue.sees(call.principal, prompt):
            raise InvalidParams(f"Unknown prompt: {quote(call.params.name)}")
        context.entry = prompt
        self._admit(prompt, call, context)
        if prompt.through:
            result: GetPromptResult = await self._chain(prompt.through)(call, context)
            return result
        return await prompt.serve(call, context)

    async def _complete(self, call: Call, context: Context) -> CompleteResult:
        self._admit(None, call, context)
        params = call.params
        reference = params.ref
        entry: Any
        if isinstance(reference, PromptReference):
            entry = self._catalogue.prompts.get(reference.name)
        else:
            entry = self._catalogue.templates.get(reference.uri) or self._catalogue.resources.get(reference.uri)
        if entry is None or not self._catalogue.sees(call.principal, entry):
            raise InvalidParams("params.ref: there is no such prompt or resource template")
        context.entry = entry
        if entry.through:
            result: CompleteResult = await wrapped(_layers(entry.through), _complete_entry)(call, context)
            return result
        return await _complete_entry(call, context)

    async def _subscribe(self, call: Call, context: Context) -> Result:
        session = context.session
        assert session is not None, "only stateful revisions have this method"
        uri = call.params.uri
        if call.method == "resources/unsubscribe":
            await session.unsubscribe(uri)
        elif (reason := why_not(uri, session.subscriptions, self._runtime.limits)) is not None:
            raise InvalidParams(f"params.uri: {reason}")
        elif self._catalogue.resolve(uri, call.principal) is None:
            raise ResourceNotFound(uri)
        else:
            await session.subscribe(uri, self._runtime.limits)
        return _EMPTY

    async def _set_level(self, call: Call, context: Context) -> Result:
        assert context.session is not None, "only stateful revisions have this method"
        await context.session.log_from(call.params.level)
        return _EMPTY


async def _serve_entry(call: Call, context: Context) -> Any:
    entry: Any = context.entry
    return await entry.serve(call, context)


async def _complete_entry(call: Call, context: Context) -> CompleteResult:
    entry: Any = context.entry
    params = call.params
    settled = {} if params.context is None else params.context.arguments or {}
    values, total = await entry.complete(params.argument.name, params.argument.value, settled, context)
    return CompleteResult(completion=Completion(values=values[:100], total=total, has_more=total > 100))


def _layers(through: "tuple[Server, ...]") -> "list[Middleware]":
    return [layer for server in through for layer in server.middleware]


def wrapped(middleware: "Sequence[Middleware]", handler: Method) -> Method:
    """Return a handler inside middleware, the first one outermost.

    Raises:
        DefinitionError: Middleware that returned no handler.
    """
    if middleware:
        handler = _noted(handler)
    for layer in reversed(middleware):
        outer: object = layer(handler)
        if not callable(outer):
            raise DefinitionError(f"Middleware {_name(layer)} returned no handler but a {type(outer).__name__}")
        if outer is not handler:
            handler = _answering(f"Middleware {_name(layer)}", cast("Method", outer))
    return handler


def _answering(who: str, handler: Method) -> Method:
    """Return a handler that fails when it returns what is no result: a forgotten `return` is not sent as null.

    What stands in front of it, and the codec, see a result of the protocol as its type, in whatever form it was made.
    """

    async def answer(call: Call, context: Context) -> Any:
        result = await handler(call, context)
        if isinstance(result, Struct):
            return _sound(result, call, context) if type(result) is CallToolResult else result
        if isinstance(result, dict | Raw):
            made = _as_result(who, call.method, result)
            return _sound(made, call, context) if type(made) is CallToolResult else made
        raise TypeError(
            f"{who} returned a {type(result).__name__}, which is no result: return what the handler returned"
        )

    return answer


def _noted(handler: Method) -> Method:
    """Return the innermost handler: the structured content that it made itself is known to be JSON."""

    async def note(call: Call, context: Context) -> Any:
        result = await handler(call, context)
        if type(result) is CallToolResult:
            context.sound = result.structured_content
        return result

    return note


def _sound(result: CallToolResult, call: Call, context: Context) -> CallToolResult:
    """Return a result whose structured content is JSON, as its tool promises; what is known to be is not read again."""
    given = result.structured_content
    if given is not UNSET and given is not context.sound:
        tool: Any = context.runtime.methods.target(call)
        result = sendable(result) if call.method != "tools/call" or tool is None else tool.convert(result)
        context.sound = result.structured_content
    return result


def _as_result(who: str, method: str, given: "dict[str, Any] | Raw") -> Any:
    """Return what was given as JSON, as the result that its method has; an extension's own stays as it is.

    Only of a type does the codec know what each revision can say of it, and must.
    """
    from dovetail.wire import METHODS

    known = METHODS.get(method)
    if known is None or known.result is None:
        return given
    if isinstance(given, Raw):
        data = bytes(given)
    else:
        structured = given.get("structuredContent")
        if isinstance(structured, Raw):  # one that is no JSON would become part of the result
            require_json(structured)
        data = encoded(given)
    asks = known.may_ask and isinstance(given, dict) and given.get("resultType") == INPUT_REQUIRED
    kind = InputRequiredResult if asks else known.result
    try:
        check(data, OWN_LIMITS)
        made = decode(data, kind)
        said = in_python(made, data)
    except Refusal as misfit:
        said = str(misfit)
    if said is None:
        return made
    # The peer did nothing wrong: it is told of an internal error, and the log whose it is.
    raise TypeError(f"{who} returned a {type(given).__name__} that is no {kind.__name__}: {said}")


def _name(layer: object) -> str:
    return getattr(layer, "__qualname__", type(layer).__name__)
