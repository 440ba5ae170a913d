"""Content blocks: what a handler returns for somebody to read, as a block of the protocol.

Shared by tools, prompts and resources: blocks stay as they are, pictures, sounds and files make their own, bytes
become what they look like, text is text.
"""

from typing import Any, Final

from dovetail.errors import InvalidOutput
from dovetail.server.functions.media import Audio, File, Image, mime_type_of
from dovetail.wire import AudioContent, EmbeddedResource, ImageContent, ResourceLink, TextContent

BLOCKS: Final = (TextContent, ImageContent, AudioContent, ResourceLink, EmbeddedResource)
_BYTES: Final = (bytes, bytearray, memoryview)
_MADE: Final = (*BLOCKS, Image, Audio, File, *_BYTES)


def is_block(value: Any) -> bool:
    """Tell whether a value is a block, or becomes one other than text."""
    return isinstance(value, _MADE)


def block_of(value: Any) -> Any:
    """Return the block for a value of which `is_block` is true, or a string."""
    if isinstance(value, BLOCKS):
        return value
    if isinstance(value, str):
        return text_block(value)
    if isinstance(value, _BYTES):
        data = bytes(value)
        mime_type = mime_type_of(data)
        if mime_type.startswith("image/"):
            return Image(data, mime_type).content()
        if mime_type.startswith("audio/"):
            return Audio(data, mime_type).content()
        return File(data, mime_type).content()
    return value.content()


def text_block(text: str) -> TextContent:
    """Return text as a block.

    Raises:
        InvalidOutput: A lone surrogate, which UTF-8 has no bytes for.
    """
    if not text.isascii():
        try:
            text.encode()
        except UnicodeEncodeError:
            raise InvalidOutput("$", "expected text without lone surrogates", declared=False) from None
    return TextContent(text=text)
