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
    known = isinstance(result, _READ)
    for part in _parts(result) if known else ():
        if part.meta is not None:
            encoded(part.meta, "$._meta")
    if not known:
        require_value(payload)


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
