"""What a tool returned, for programs: its data rebuilt from the output schema."""

from typing import Any, Final

import msgspec

from dovetail.wire import CallToolResult, ContentBlock, TextContent

_UNREAD: Final = object()


class ToolResult:
    """The result of a tool.

    Attributes:
        content: For a model or a person to read.
        is_error: The tool failed; `content` says why.
        meta: `_meta`; empty when there was none.
    """

    __slots__ = ("_data", "_structured", "_type", "content", "is_error", "meta")

    def __init__(self, result: CallToolResult, type: Any = None) -> None:
        """Wrap a result; `type` is what the structured content becomes, plain JSON when not given."""
        self.content: list[ContentBlock] = result.content
        self.is_error = bool(result.is_error)
        self.meta: dict[str, Any] = result.meta or {}
        self._structured = result.structured_content
        self._type = type
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

        Without an output schema it is plain JSON, and None without structured content.
        """
        if self._data is _UNREAD:
            self._data = self._rebuilt()
        return self._data

    @property
    def text(self) -> str:
        """All text of the content, in lines."""
        return "\n".join(block.text for block in self.content if isinstance(block, TextContent))

    def _rebuilt(self) -> Any:
        if isinstance(self._structured, msgspec.UnsetType):
            return None
        try:
            return msgspec.json.decode(self._structured, type=self._type or Any)
        except msgspec.ValidationError:
            return msgspec.json.decode(self._structured)
