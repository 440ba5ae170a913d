"""Reading again what an author put into a result as it is sent: his `_meta`, and what stands in it as `Raw`.

msgspec writes `Raw` unseen. Bytes that are no JSON value would break the message that they stand in, and with it the
connection; bytes that close more than they open would rewrite it. What Dovetail wrote itself is not read again.
"""

from collections.abc import Iterator
from typing import Any, Final

from dovetail.server.functions.encoding import encoded, require_value
from dovetail.wire import CallToolResult, EmbeddedResource, GetPromptResult, ReadResourceResult

_READ: Final = (CallToolResult, GetPromptResult, ReadResourceResult)
"""Results whose fields are read where they are made, but for `_meta`."""


def require_unbroken(result: Any, payload: bytes) -> None:
    """Refuse a result whose author broke it.

    Args:
        result: As its handler or middleware returned it.
        payload: The same, as it would be sent.

    Raises:
        InvalidOutput: `_meta` for which JSON has no words, or `Raw` that is not one JSON value.
    """
    if not isinstance(result, _READ):
        require_value(payload)
    elif not _bare(result):
        for part in _parts(result):
            if part.meta is not None:
                encoded(part.meta, "$._meta")


def _bare(result: Any) -> bool:
    """Tell, quickly, of most results of tools that nobody gave them any `_meta`."""
    if result.meta is not None or type(result) is not CallToolResult:
        return False
    for block in result.content:
        if block.meta is not None or type(block) is EmbeddedResource:
            return False
    return True


def _parts(result: Any) -> Iterator[Any]:
    """Return everything in a result that has a `_meta`."""
    yield result
    if isinstance(result, ReadResourceResult):
        yield from result.contents
        return
    blocks = result.content if isinstance(result, CallToolResult) else [given.content for given in result.messages]
    for block in blocks:
        yield block
        if isinstance(block, EmbeddedResource):
            yield block.resource
