"""What a tool returned, for programs: its data rebuilt from the output schema."""

from collections.abc import Callable
from typing import Any, Final

import msgspec

from dovetail.wire import WRAPPED, WRAPPED_VALUE, CallToolResult, ContentBlock, TextContent

_UNREAD: Final = object()


class ToolResult:
    """The result of a tool.

    Attributes:
        content: For a model or a person to read.
        is_error: The tool failed; `content` says why.
        meta: `_meta`; empty when there was none.
    """

    __slots__ = ("_data", "_read", "_structured", "content", "is_error", "meta")

    def __init__(self, result: CallToolResult, read: Callable[[Any], Any] | None = None) -> None:
        """Wrap a result; `read` makes data of the structured content, which stays plain JSON when not given."""
        self.content: list[ContentBlock] = result.content
        self.is_error = bool(result.is_error)
        self.meta: dict[str, Any] = result.meta or {}
        self._structured = result.structured_content
        self._read = read
        self._data: Any = _UNREAD

    def __repr__(self) -> str:
        kinds = ", ".join(type(block).__name__ for block in self.content) or "no content"
        return f"<ToolResult {'error, ' if self.is_error else ''}{kinds}>"

    @property
    def has_structured(self) -> bool:
        """Whether there is structured content, which may be null."""
        return not isinstance(self._structured, msgspec.UnsetType)

    @property
    def structured(self) -> Any:
        """The structured content as plain JSON; None when there was none."""
        return None if isinstance(self._structured, msgspec.UnsetType) else msgspec.json.decode(self._structured)

    @property
    def data(self) -> Any:
        """The structured content, rebuilt from the tool's output schema: objects with attributes, dates as dates.

        Nothing is lost: what the schema does not declare is there, too, and a value that does not fit what the schema
        says of it stays as it came. Plain JSON without an output schema and of a tool that failed; None without
        structured content. What our servers had to wrap for a revision that knows objects only is unwrapped, so that a
        tool's data is the same on every revision.
        """
        if self._data is _UNREAD:
            plain = self.structured
            data = plain if self._read is None else self._read(plain)
            if self.meta.get(WRAPPED) is True and isinstance(plain, dict) and plain.keys() == {WRAPPED_VALUE}:
                data = data[WRAPPED_VALUE] if isinstance(data, dict) else getattr(data, WRAPPED_VALUE)
            self._data = data
        return self._data

    @property
    def text(self) -> str:
        """All text of the content, in lines."""
        return "\n".join(block.text for block in self.content if isinstance(block, TextContent))
