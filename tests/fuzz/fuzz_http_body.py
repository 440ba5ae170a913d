"""Fuzz target: the chunked coding, whole and split; only refusals are raised, and a split changes nothing."""

from dovetail.net.http_body import ChunkedBody
from dovetail.net.http_head import BadRequest


def outcome(*parts: bytes) -> tuple[bytes, bool] | None:
    body = ChunkedBody()
    content = b""
    try:
        for part in parts:
            if not body.done:
                content += body.feed(part)
    except BadRequest as refused:
        assert len(refused.message) <= 256
        return None
    return content, body.done


def fuzz(data: bytes) -> None:
    half = len(data) // 2
    assert outcome(data) == outcome(data[:half], data[half:])
