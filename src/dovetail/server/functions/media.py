"""Media: bytes that a handler returns as a picture, a sound or a file, and the content blocks that they become.

What it is: as said, else by the file's ending, else by its first bytes. Files are read when the result is made, not
before.
"""

from base64 import b64encode
from os import PathLike, fspath
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

from dovetail.errors import DefinitionError
from dovetail.wire import (
    Annotations,
    AudioContent,
    BlobResourceContents,
    EmbeddedResource,
    ImageContent,
    ResourceContents,
    TextResourceContents,
)

BINARY: Final = "application/octet-stream"
_ENDINGS: Final = {
    ".png": "image/png",
    ".jpg": "image/jpeg",
    ".jpeg": "image/jpeg",
    ".gif": "image/gif",
    ".webp": "image/webp",
    ".bmp": "image/bmp",
    ".svg": "image/svg+xml",
    ".avif": "image/avif",
    ".tif": "image/tiff",
    ".tiff": "image/tiff",
    ".wav": "audio/wav",
    ".mp3": "audio/mpeg",
    ".ogg": "audio/ogg",
    ".oga": "audio/ogg",
    ".opus": "audio/opus",
    ".flac": "audio/flac",
    ".m4a": "audio/mp4",
    ".aac": "audio/aac",
    ".weba": "audio/webm",
    ".txt": "text/plain",
    ".md": "text/markdown",
    ".html": "text/html",
    ".css": "text/css",
    ".csv": "text/csv",
    ".xml": "application/xml",
    ".json": "application/json",
    ".yaml": "application/yaml",
    ".yml": "application/yaml",
    ".toml": "application/toml",
    ".pdf": "application/pdf",
    ".zip": "application/zip",
    ".gz": "application/gzip",
    ".py": "text/x-python",
    ".js": "text/javascript",
}
_SIGNS: Final = (
    (b"\x89PNG\r\n\x1a\n", "image/png"),
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"GIF87a", "image/gif"),
    (b"GIF89a", "image/gif"),
    (b"BM", "image/bmp"),
    (b"ID3", "audio/mpeg"),
    (b"\xff\xfb", "audio/mpeg"),
    (b"OggS", "audio/ogg"),
    (b"fLaC", "audio/flac"),
    (b"%PDF-", "application/pdf"),
)
_IN_RIFF: Final = {b"WEBP": "image/webp", b"WAVE": "audio/wav"}
_TEXTUAL: Final = frozenset({"application/json", "application/xml", "application/yaml", "application/toml"})


class _Media:
    """Bytes, or the file they stand in."""

    kind = ""

    def __init__(
        self,
        data: bytes | bytearray | memoryview | str | PathLike[str],
        mime_type: str | None = None,
        *,
        annotations: Annotations | None = None,
        meta: dict[str, Any] | None = None,
    ) -> None:
        """Take bytes, or the path of a file that holds them.

        Args:
            data: Bytes, or a path (a `str` is a path).
            mime_type: What it is; found out, when not given.
            annotations: For whom it is, and how important.
            meta: `_meta` of the content block.
        """
        self.path = None if isinstance(data, bytes | bytearray | memoryview) else Path(fspath(data))
        self._data = bytes(data) if isinstance(data, bytes | bytearray | memoryview) else None
        self._mime_type = mime_type
        self.annotations = annotations
        self.meta = meta

    def __repr__(self) -> str:
        size = f"{len(self._data)} bytes" if self._data is not None else "a file"
        return f"<{type(self).__name__} {self._mime_type or 'of a type to be found'}, {size}>"

    def read(self) -> bytes:
        """Return the bytes. Raises OSError when a file cannot be read."""
        if self._data is not None:
            return self._data
        assert self.path is not None
        return self.path.read_bytes()

    def mime_type(self, data: bytes) -> str:
        """Return what these bytes are.

        Raises:
            DefinitionError: Not said, and not to be seen; or of another kind than the class is for.
        """
        found = self._mime_type or mime_type_of(data, self.path)
        if not found.startswith(self.kind):
            raise DefinitionError(f"{type(self).__name__} needs mime_type= of {self.kind}..., found {found}")
        return found

    @property
    def _more(self) -> dict[str, Any]:
        return {"annotations": self.annotations, "meta": self.meta}


class Image(_Media):
    """A picture: `Image(png_bytes)`, `Image("chart.png")`."""

    kind = "image/"

    def content(self) -> ImageContent:
        """Return the content block."""
        data = self.read()
        return ImageContent(data=base64_of(data), mime_type=self.mime_type(data), **self._more)


class Audio(_Media):
    """A sound: `Audio(wav_bytes)`, `Audio("note.mp3")`."""

    kind = "audio/"

    def content(self) -> AudioContent:
        """Return the content block."""
        data = self.read()
        return AudioContent(data=base64_of(data), mime_type=self.mime_type(data), **self._more)


class File(_Media):
    """A file, embedded: `File("report.pdf")`, `File(data, "text/csv", name="orders.csv")`. Text stays text."""

    def __init__(
        self,
        data: bytes | bytearray | memoryview | str | PathLike[str],
        mime_type: str | None = None,
        *,
        name: str | None = None,
        uri: str | None = None,
        annotations: Annotations | None = None,
        meta: dict[str, Any] | None = None,
    ) -> None:
        """Take bytes, or the path of a file that holds them.

        Args:
            data: Bytes, or a path.
            mime_type: What it is; found out, when not given.
            name: What it is called; the file's own name, when not given. Its directory is never sent.
            uri: What it is read by; `file:///` and the name, when not given.
            annotations: For whom it is, and how important.
            meta: `_meta` of the content block.
        """
        super().__init__(data, mime_type, annotations=annotations, meta=meta)
        self.name = name or (self.path.name if self.path is not None else "result")
        self.uri = uri or "file:///" + quote(self.name)

    def mime_type(self, data: bytes) -> str:
        """Return what these bytes are; `application/octet-stream` when that cannot be seen."""
        return self._mime_type or mime_type_of(data, self.path or Path(self.name))

    def content(self) -> EmbeddedResource:
        """Return the content block."""
        data = self.read()
        return EmbeddedResource(resource=contents_of(data, self.uri, self.mime_type(data)), **self._more)


def mime_type_of(data: bytes, path: Path | None = None) -> str:
    """Return what bytes are: by the file's ending, else by their beginning."""
    if path is not None and path.suffix.lower() in _ENDINGS:
        return _ENDINGS[path.suffix.lower()]
    if data[:4] == b"RIFF" and data[8:12] in _IN_RIFF:
        return _IN_RIFF[data[8:12]]
    return next((mime_type for sign, mime_type in _SIGNS if data.startswith(sign)), BINARY)


def contents_of(data: bytes, uri: str, mime_type: str) -> ResourceContents:
    """Return a resource's contents: text where the type is textual and the bytes are UTF-8, else base64."""
    media = mime_type.partition(";")[0].strip().lower()
    if media.startswith("text/") or media in _TEXTUAL or media.endswith(("+json", "+xml")):
        try:
            return TextResourceContents(uri, data.decode(), mime_type)
        except UnicodeDecodeError:
            pass
    return BlobResourceContents(uri, base64_of(data), mime_type)


def base64_of(data: bytes) -> str:
    """Return base64 as content carries it."""
    return b64encode(data).decode("ascii")


Media = Image | Audio | File
"""What `content()` makes a content block of."""
