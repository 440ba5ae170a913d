"""What a client knows of its server's tools from the last list: headers to mirror, results to check and to rebuild."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Any, Final

import msgspec

from dovetail.client.failures import asked, named
from dovetail.client.listings import Known, Listing, usable
from dovetail.client.results import ToolResult
from dovetail.errors import DovetailError, InvalidArguments, InvalidSchema, ProtocolViolation, quote
from dovetail.wire import CallToolResult, Tool, Validator, compile_schema, header_value

log = logging.getLogger("dovetail.client")

_LARGE: Final = 4096
"""Bytes of a schema that is compiled in a thread: a hostile one takes half a second (C-13)."""
_PRINCIPALS: Final = 1000
_REST_SECONDS: Final = 60.0
"""How long the tools are not listed again for a result, once that has failed."""


class _Output:
    """An output schema in use: what checks it, and what rebuilds its data."""

    def __init__(self, schema: bytes) -> None:
        from dovetail.client.rebuilding import reader_of

        self.read = reader_of(schema)
        try:
            self.validator: Validator | None = compile_schema(schema)
        except InvalidSchema:
            self.validator = None  # a schema that cannot be used binds nobody; the others go on (C-13)


class ToolBook:
    """What is known of the tools."""

    def __init__(self, server: str) -> None:
        """Know nothing yet of the tools of `server`, which is its name in errors."""
        self._server = server
        self._known: dict[str, Known] = {}
        self._outputs: dict[bytes, _Output] = {}
        self._sought: set[str] = set()
        self._seeking: dict[str | None, asyncio.Task[None]] = {}
        self._resting: dict[str | None, float] = {}

    def __repr__(self) -> str:
        return f"<ToolBook of {len(self._known)} tools>"

    def learn(self, listing: Listing[Tool]) -> Listing[Tool]:
        """Take a complete list in; return what of it may be used."""
        listing[:], self._known = usable(listing)
        self._sought.clear()
        outputs = {known.output for known in self._known.values()}
        self._outputs = {schema: output for schema, output in self._outputs.items() if schema in outputs}
        return listing

    def mirrored(self, name: str, arguments: msgspec.Raw) -> dict[str, str]:
        """Return the arguments that travel as header fields, too (2026-07-28, Custom Headers from Tool Parameters)."""
        known = self._known.get(name)
        if known is None or not known.headers:
            return {}
        given = msgspec.json.decode(arguments)
        values = ((header.field, header_value(header.value_in(given))) for header in known.headers)
        return {field: value for field, value in values if value is not None}

    def idempotent(self, name: str) -> bool:
        """Tell whether a tool says of itself that it may be called twice; untrusted."""
        known = self._known.get(name)
        return known is not None and known.idempotent

    async def result(
        self,
        name: str,
        result: CallToolResult,
        listed: Callable[[], Awaitable[object]],
        seconds: float,
        principal: str | None = None,
    ) -> ToolResult:
        """Return a tool's result with its data.

        What that is does not depend on whether somebody has listed the tools before: they are listed for it, once.
        "Clients SHOULD validate structured results against this schema." (2025-06-18, Tools, Output Schema.) A result
        that says it is an error need not fit, and its data is plain JSON.

        Args:
            name: The tool.
            result: What it returned.
            listed: Lists the tools, and has them learnt.
            seconds: What is left of the call's time: the result is here, and is not kept back for longer.
            principal: Whose call it was; others may see other tools.

        Raises:
            ProtocolViolation: It does not fit; the text names the place and never the value.
        """
        if result.is_error or (name in self._known and not self._known[name].output):
            return ToolResult(result)
        if name not in self._known and not isinstance(result.structured_content, msgspec.UnsetType):
            await self._seek(name, listed, seconds, principal)
        known = self._known.get(name)
        if known is None or not known.output:
            return ToolResult(result)
        output = self._outputs.get(known.output)
        if output is None:
            large = len(known.output) > _LARGE
            output = await asyncio.to_thread(_Output, known.output) if large else _Output(known.output)
            self._outputs[known.output] = output
        if output.validator is not None:
            try:
                self._check(name, result, output.validator)
            except ProtocolViolation as error:
                raise named(error, self._server, asked("tools/call", name)) from None
        return ToolResult(result, output.read)

    async def _seek(
        self, name: str, listed: Callable[[], Awaitable[Any]], seconds: float, principal: str | None
    ) -> None:
        """List the tools for one that is not known: once for all who wait, and not again for one that is in no list.

        Where that fails it is not tried again for a while: each call would wait for it.
        """
        if name in self._sought or self._resting.get(principal, 0.0) > asyncio.get_running_loop().time():
            return
        seeking = self._seeking.get(principal)
        if seeking is None:
            seeking = asyncio.create_task(self._listed(listed, principal), name="dovetail: listing for a result")
            self._seeking[principal] = seeking
        done, _ = await asyncio.wait({seeking}, timeout=max(0.0, seconds))
        if not done:
            _tell(name, "it takes too long to list the tools")
        elif not self._resting.get(principal):
            self._sought.add(name)

    async def _listed(self, listed: Callable[[], Awaitable[Any]], principal: str | None) -> None:
        try:
            await listed()
            self._resting.pop(principal, None)
        except DovetailError as error:  # the tool was called, so its result is not lost for this
            if len(self._resting) >= _PRINCIPALS:
                del self._resting[next(iter(self._resting))]
            self._resting[principal] = asyncio.get_running_loop().time() + _REST_SECONDS
            _tell("", str(error))
        finally:
            self._seeking.pop(principal, None)

    async def aclose(self) -> None:
        """Give up listings that nobody waits for any more."""
        seeking, self._seeking = list(self._seeking.values()), {}
        for task in seeking:
            task.cancel()
        await asyncio.gather(*seeking, return_exceptions=True)

    def _check(self, name: str, result: CallToolResult, validator: Validator) -> None:
        what = "the structured content"
        if isinstance(result.structured_content, msgspec.UnsetType):
            raise ProtocolViolation(f"{what} is missing, although the tool has an output schema")
        try:
            validator.check(msgspec.json.decode(result.structured_content))
        except InvalidArguments as error:
            raise ProtocolViolation(f"{what} does not fit the output schema: {error.message}") from None


def _tell(name: str, why: str) -> None:
    log.warning("tools/call %s: the output schema is not known: %s", quote(name, 64), why)
