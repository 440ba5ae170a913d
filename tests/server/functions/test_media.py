"""Media: what bytes and files become, and what they are taken for."""

import os
from base64 import b64decode
from pathlib import Path
from typing import Any

import pytest

from dovetail.errors import DefinitionError
from dovetail.server.functions.blocks import block_of
from dovetail.server.functions.media import Audio, File, Image, contents_of, mime_type_of
from dovetail.wire import Annotations, AudioContent, EmbeddedResource, ImageContent

PNG = b"\x89PNG\r\n\x1a\n" + bytes(8)
WAV = b"RIFF\x00\x00\x00\x00WAVEfmt "


@pytest.mark.parametrize(
    ("data", "mime_type"),
    [
        (PNG, "image/png"),
        (b"\xff\xd8\xff\xe0", "image/jpeg"),
        (b"GIF87a..", "image/gif"),
        (b"GIF89a..", "image/gif"),
        (b"RIFF....WEBP", "image/webp"),
        (WAV, "audio/wav"),
        (b"ID3....", "audio/mpeg"),
        (b"OggS...", "audio/ogg"),
        (b"fLaC...", "audio/flac"),
        (b"%PDF-1.7", "application/pdf"),
        (b"RIFF....AVI ", "application/octet-stream"),
        (b"", "application/octet-stream"),
        (b"hello", "application/octet-stream"),
    ],
)
def test_bytes_are_known_by_their_beginning(data: bytes, mime_type: str) -> None:
    assert mime_type_of(data) == mime_type


@pytest.mark.parametrize(
    ("name", "mime_type"),
    [("a.PNG", "image/png"), ("b.tar.gz", "application/gzip"), ("c.mp3", "audio/mpeg"), ("d.md", "text/markdown")],
)
def test_a_files_ending_comes_first(name: str, mime_type: str) -> None:
    assert mime_type_of(WAV, Path(name)) == mime_type


def test_an_ending_that_is_not_known_says_nothing() -> None:
    assert mime_type_of(PNG, Path("x.dat")) == "image/png"


def test_a_picture_becomes_image_content() -> None:
    block = Image(PNG, annotations=Annotations(priority=1.0), meta={"a/b": 1}).content()
    assert block == ImageContent(
        data=block.data, mime_type="image/png", annotations=Annotations(priority=1.0), meta={"a/b": 1}
    )
    assert b64decode(block.data, validate=True) == PNG


@pytest.mark.parametrize("kind", [bytes, bytearray, memoryview])
def test_all_that_holds_bytes_will_do(kind: Any) -> None:
    assert Audio(kind(WAV)).content() == AudioContent(data=Audio(WAV).content().data, mime_type="audio/wav")


def test_a_file_is_read_when_its_block_is_made(tmp_path: Path) -> None:
    path = tmp_path / "chart.jpg"
    picture = Image(path)
    path.write_bytes(PNG)
    assert picture.content().mime_type == "image/jpeg"
    assert Image(str(path), "image/png").content().mime_type == "image/png"
    assert isinstance(Image(os.fspath(path)).content(), ImageContent)


def test_a_file_that_is_not_there_is_an_os_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        Image(tmp_path / "none.png").content()


@pytest.mark.parametrize("media", [Image(WAV), Image(b"?"), Audio(PNG), Image(PNG, "text/plain")])
def test_a_picture_that_is_none_is_refused(media: Any) -> None:
    with pytest.raises(DefinitionError, match="mime_type="):
        media.content()


def test_a_file_is_embedded_under_its_own_name_only(tmp_path: Path) -> None:
    path = tmp_path / "my report.pdf"
    path.write_bytes(b"%PDF-1.7")
    resource = File(path).content().resource
    assert (resource.uri, resource.mime_type, resource.blob) == (
        "file:///my%20report.pdf",
        "application/pdf",
        "JVBERi0xLjc=",
    )


def test_text_stays_text() -> None:
    resource = File("é;1".encode(), "text/csv; charset=utf-8", name="a.csv").content().resource
    assert (resource.uri, resource.text, resource.blob) == ("file:///a.csv", "é;1", None)
    assert File(b"{}", name="x.json").content().resource.text == "{}"
    assert File(b"{}", "application/problem+json").content().resource.text == "{}"
    assert File(b"x", uri="order://1", mime_type="text/plain").content().resource.uri == "order://1"


def test_text_that_is_not_utf_8_is_sent_as_bytes() -> None:
    assert contents_of(b"\xff\xfe", "x:y", "text/plain").blob == "//4="


def test_bytes_become_what_they_look_like() -> None:
    assert isinstance(block_of(PNG), ImageContent)
    assert isinstance(block_of(bytearray(WAV)), AudioContent)
    block = block_of(b"\x00\x01")
    assert isinstance(block, EmbeddedResource)
    assert block.resource.mime_type == "application/octet-stream"


def test_repr_shows_size_and_kind_and_no_data() -> None:
    assert repr(Image(PNG)) == "<Image of a type to be found, 16 bytes>"
    assert repr(File("secret/place.txt", "text/plain")) == "<File text/plain, a file>"
