"""What stands in the catalogue: a tool, a resource, a template, a prompt; each knows its definition and how it is served.

An entry is compiled once, when it is offered: its signature, its schema, its decoder. Serving one call is then: decode, give
what is injected, call, convert. Nothing is looked up or inspected on the way.
"""

import copy
from collections.abc import Callable, Mapping
from contextlib import AsyncExitStack
from hashlib import sha256
from typing import TYPE_CHECKING, Any, Self

import msgspec

from dovetail.core import Call
from dovetail.server.context import Context
from dovetail.server.gates import Meter, Rate, Slots
from dovetail.server.inject import injected_values
from dovetail.server.signature import Signature
from dovetail.wire import (
    CallToolResult,
    Tool,
    check_tool_name,
)

if TYPE_CHECKING:
    from dovetail.server.app import Server
    from dovetail.wire import ParamHeader


class Entry:
    """What all entries have in common."""

    completes = False

    def __init__(self, owner: "Server", name: str, options: Mapping[str, Any]) -> None:
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
        self._digest = ""

    definition: Any

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.name}>"

    @property
    def digest(self) -> str:
        """A digest of the definition: a state sealed under another definition is void (S-12)."""
        if not self._digest:
            self._digest = sha256(msgspec.json.encode(self.definition)).hexdigest()
        return self._digest

    def renamed(self, prefix: str) -> Self:
        """Return a copy that stands behind a prefix; it goes on counting with the original."""
        twin = copy.copy(self)
        if prefix:
            twin.name = self._prefixed(prefix)
        return twin

    def _prefixed(self, prefix: str) -> str:
        return f"{prefix}_{self.name}"

    async def invoke(self, signature: Signature, values: dict[str, Any], context: Context) -> Any:
        """Call a handler with its arguments and what is injected, within the entry's limits."""
        context.timeout = self.timeout
        slots = self.slots
        if slots is None:
            return await self._call(signature, values, context)
        slots.enter()
        context.slots = slots
        try:
            return await self._call(signature, values, context)
        finally:
            slots.leave()

    async def _call(self, signature: Signature, values: dict[str, Any], context: Context) -> Any:
        if not signature.injected:
            return await self._enter(signature, values, context)
        async with AsyncExitStack() as stack:
            values.update(await injected_values(signature.injected, context, stack))
            return await self._enter(signature, values, context)

    async def _enter(self, signature: Signature, values: dict[str, Any], context: Context) -> Any:
        if signature.is_async:
            return await signature.function(**values)
        return await context.runtime.pool.run(context, signature.function, (), values)


class ToolEntry(Entry):
    """A tool."""

    definition: Tool

    def __init__(self, owner: "Server", function: Callable[..., Any], options: Mapping[str, Any]) -> None:
        """Compile a function; see `Server.add_tool`."""
        super().__init__(owner, check_tool_name(options.get("name") or function.__name__), options)
        self.signature = Signature.of(function, options)
        self.convert = self.signature.converter
        self.definition = self.signature.tool(self.name, options)
        self.param_headers: tuple[ParamHeader, ...] = self.signature.param_headers

    def renamed(self, prefix: str) -> Self:
        """Return a copy that stands behind a prefix."""
        twin = super().renamed(prefix)
        twin.definition = msgspec.structs.replace(self.definition, name=check_tool_name(twin.name))
        return twin

    async def serve(self, call: Call, context: Context) -> CallToolResult:
        """Serve a call of the tool."""
        raw = call.params.arguments
        values = self.signature.decode(b"{}" if raw is msgspec.UNSET else raw)
        return self.convert(await self.invoke(self.signature, values, context))
