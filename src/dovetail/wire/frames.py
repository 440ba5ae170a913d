"""JSON-RPC 2.0 frames: bytes to messages and back. Params and results stay raw until someone needs them.

An id is kept as the bytes that the peer wrote and is echoed exactly, so `1`, `"1"` and a 30-digit integer never blur
(W-03). `parse` never raises for what a peer sends: what cannot be served is a `Broken` message that carries the refusal
and, where it could be read, the id. Whether a batch is allowed is the revision's business, not decided here.
"""

from typing import Any, Final

import msgspec
from msgspec import Raw

from dovetail.errors import InvalidRequest, LimitExceeded, Refusal
from dovetail.wire.limits import DEFAULT_LIMITS, Limits
from dovetail.wire.strict import check


class Request(msgspec.Struct, frozen=True, gc=False):
    """A call that wants an answer.

    Attributes:
        id: The id exactly as written, in JSON: `b'1'` or `b'"a"'`.
        method: The method.
        params: The params object as written; None when there is none.
    """

    id: bytes
    method: str
    params: bytes | None = None


class Notification(msgspec.Struct, frozen=True, gc=False):
    """A message that is never answered."""

    method: str
    params: bytes | None = None


class Answer(msgspec.Struct, frozen=True, gc=False):
    """The result of a request of ours."""

    id: bytes
    result: bytes


class RpcError(msgspec.Struct, frozen=True):
    """The `error` member of a JSON-RPC response."""

    code: int
    message: str
    data: Any = None


class Failure(msgspec.Struct, frozen=True):
    """The error that answers a request of ours; `id` is None when the peer could not read ours."""

    id: bytes | None
    error: RpcError


class Broken(msgspec.Struct, frozen=True):
    """A message that cannot be served.

    Attributes:
        id: The id to refuse it under; None when it could not be read, or is not the peer's own.
        error: What is wrong with it.
        answers: The id of the request of ours that it means to answer. Such a message is no request: it is never
            refused under that id, which in the peer's own count may belong to something else.
    """

    id: bytes | None
    error: Refusal
    answers: bytes | None = None


class Batch(msgspec.Struct, frozen=True):
    """A JSON array of messages, each on its own (JSON-RPC 2.0, section 6)."""

    items: tuple["Single", ...]


Single = Request | Notification | Answer | Failure | Broken
Message = Single | Batch

_ABSENT: Final = Raw()


class _Envelope(msgspec.Struct):
    jsonrpc: str | None = None
    id: Raw = _ABSENT
    method: Raw = _ABSENT
    params: Raw = _ABSENT
    result: Raw = _ABSENT
    error: Raw = _ABSENT


class _RequestEnvelope(msgspec.Struct):
    """The common case, decoded in one go: anything else is looked at again, slowly, to say what is wrong."""

    jsonrpc: str
    id: Raw
    method: str
    params: Raw


class _AnswerEnvelope(msgspec.Struct):
    """What a client reads most; the members that must not be there are named, so that they are seen."""

    jsonrpc: str
    id: Raw
    result: Raw
    method: Raw = _ABSENT
    error: Raw = _ABSENT


_decode_answer = msgspec.json.Decoder(_AnswerEnvelope).decode
_decode_request = msgspec.json.Decoder(_RequestEnvelope).decode
_decode_envelope = msgspec.json.Decoder(_Envelope).decode
_decode_items = msgspec.json.Decoder(list[Raw]).decode
_decode_error = msgspec.json.Decoder(RpcError).decode
_decode_str = msgspec.json.Decoder(str).decode
_encode = msgspec.json.encode
_WHITE = b" \t\r\n"


def parse(data: bytes, limits: Limits = DEFAULT_LIMITS) -> Message:
    """Read one message, or one batch. Never raises for what a peer may send.

    Args:
        data: One JSON text in UTF-8, without a byte order mark.
        limits: What the message may not exceed.
    """
    try:
        check(data, limits)
    except Refusal as error:
        return Broken(None, error, _question_of(data, limits))
    try:
        envelope = _decode_request(data)
    except msgspec.MsgspecError:
        return _parse_other(data, limits)
    identifier = bytes(envelope.id)
    params = bytes(envelope.params)
    if (
        envelope.jsonrpc == "2.0"
        and params[:1] == b"{"
        # Counted in bytes, of which a character has four at most: the slow way looks closer.
        and len(envelope.method) * 4 <= limits.identifier
        and _is_id(identifier, limits)
    ):
        return Request(identifier, envelope.method, params)
    return _parse_other(data, limits)


_ESCAPE: Final = 6
"""Bytes that one character, which may be one byte, takes at most: `\\u0061`."""


def _is_id(raw: bytes, limits: Limits) -> bool:
    # "Requests MUST include a string or integer ID. Unlike base JSON-RPC, the ID MUST NOT be null." (Messages)
    most = limits.identifier
    if raw[:1] != b'"':
        return len(raw) <= most and raw.removeprefix(b"-").isdigit()
    # What is limited is the text: neither its quotes nor how it is spelled.
    return len(raw) <= most + 2 or (len(raw) <= most * _ESCAPE + 2 and len(_decode_str(raw).encode()) <= most)


def id_key(raw: bytes) -> bytes:
    """Return what identifies an id among those in flight: two spellings of one string or of zero are one id (W-04)."""
    if b"\\" in raw:
        return _encode(_decode_str(raw))
    return b"0" if raw == b"-0" else raw


def _parse_other(data: bytes, limits: Limits) -> Message:
    try:
        envelope = _decode_answer(data)
    except msgspec.MsgspecError:
        return _parse_rare(data, limits)
    identifier, result = bytes(envelope.id), bytes(envelope.result)
    if (
        envelope.jsonrpc == "2.0"
        and result[:1] == b"{"
        and _is_id(identifier, limits)
        and not bytes(envelope.method)
        and not bytes(envelope.error)
    ):
        return Answer(identifier, result)
    return _parse_rare(data, limits)


def _parse_rare(data: bytes, limits: Limits) -> Message:
    if data.lstrip(_WHITE)[:1] == b"[":
        return _parse_batch(data, limits)
    return _parse_single(data, limits)


def _parse_batch(data: bytes, limits: Limits) -> Message:
    items = _decode_items(data)
    if not items:
        # JSON-RPC 2.0, section 6: an empty array is not a batch.
        return Broken(None, InvalidRequest("A batch must hold at least one message"))
    if len(items) > limits.batch:
        return Broken(None, LimitExceeded(f"A batch may hold at most {limits.batch} messages", limit="batch"))
    return Batch(tuple(_parse_single(bytes(item), limits) for item in items))


def _parse_single(data: bytes, limits: Limits) -> Single:
    if data.lstrip(_WHITE)[:1] != b"{":
        return Broken(None, InvalidRequest("A message must be a JSON object"))
    try:
        envelope = _decode_envelope(data)
    except msgspec.MsgspecError:  # that it is JSON, the strict pass has seen
        return Broken(None, InvalidRequest('jsonrpc: expected the string "2.0"'))
    raw = bytes(envelope.id)
    identifier = raw if raw and _is_id(raw, limits) else None
    try:
        return _classify(envelope, raw, identifier, limits)
    except Refusal as error:
        # "Responses are sent in reply to requests" (Messages), and what has no method is none.
        return Broken(identifier, error) if bytes(envelope.method) else Broken(None, error, identifier)


def _question_of(data: bytes, limits: Limits) -> bytes | None:
    """Return the id of the question of ours that a message means to answer, although it may not be read."""
    try:
        envelope = _decode_envelope(data)
    except (msgspec.MsgspecError, ValueError, RecursionError):
        return None
    raw = bytes(envelope.id)
    if bytes(envelope.method) or not (bytes(envelope.result) or bytes(envelope.error)):
        return None
    return raw if raw and _is_id(raw, limits) else None


def _classify(envelope: _Envelope, raw: bytes, identifier: bytes | None, limits: Limits) -> Single:
    if envelope.jsonrpc != "2.0":
        raise InvalidRequest('jsonrpc: expected the string "2.0"')
    if raw and identifier is None:
        if len(raw) > limits.identifier:
            raise LimitExceeded(f"id: longer than {limits.identifier} bytes", limit="identifier")
        raise InvalidRequest("id: expected a string or an integer")
    method = bytes(envelope.method)
    result = bytes(envelope.result)
    error = bytes(envelope.error)
    if (bool(method), bool(result), bool(error)).count(True) != 1:
        raise InvalidRequest("A message must have exactly one of method, result and error")
    if method:
        return _call(method, bytes(envelope.params), identifier, limits)
    if result:
        if identifier is None:
            raise InvalidRequest("id: required in a response")
        if result[:1] != b"{":
            raise InvalidRequest("result: expected an object")
        return Answer(identifier, result)
    try:
        return Failure(identifier, _decode_error(error))
    except msgspec.ValidationError:
        raise InvalidRequest("error: expected an object with an integer code and a string message") from None


def _call(method: bytes, params: bytes, identifier: bytes | None, limits: Limits) -> Request | Notification:
    if method[:1] != b'"':
        raise InvalidRequest("method: expected a string")
    name = _decode_str(method)
    if len(name.encode()) > limits.identifier:
        raise LimitExceeded(f"method: longer than {limits.identifier} bytes", limit="identifier")
    if params and params[:1] != b"{":
        raise InvalidRequest("params: expected an object")
    if identifier is None:
        return Notification(name, params or None)
    return Request(identifier, name, params or None)


# Writers. Bytes in, bytes out, no newline; the caller vouches that `result` and `params` are JSON.


def result_frame(identifier: bytes, result: bytes) -> bytes:
    """Return the response that carries a result."""
    return b'{"jsonrpc":"2.0","id":%b,"result":%b}' % (identifier, result)


def error_frame(identifier: bytes | None, error: Refusal) -> bytes:
    """Return the response that carries an error; without an id where none could be read.

    Raises:
        TypeError: The error is none that JSON-RPC has: "A Number [...] This MUST be an integer" is its code, "A String"
            its message (JSON-RPC 2.0, section 5.1); or JSON has no words for its data, which may raise others, too.
    """
    if isinstance(error.code, bool) or not (isinstance(error.code, int) and isinstance(error.message, str)):
        raise TypeError("the code of an error is an integer, its message a string")
    body: dict[str, Any] = {"code": error.code, "message": error.message}
    if error.data is not None:
        body["data"] = error.data
    encoded = _encode(body)
    if identifier is None:
        return b'{"jsonrpc":"2.0","error":%b}' % encoded
    return b'{"jsonrpc":"2.0","id":%b,"error":%b}' % (identifier, encoded)


def request_frame(identifier: bytes, method: str, params: bytes | None = None) -> bytes:
    """Return a request."""
    if params is None:
        return b'{"jsonrpc":"2.0","id":%b,"method":%b}' % (identifier, _encode(method))
    return b'{"jsonrpc":"2.0","id":%b,"method":%b,"params":%b}' % (identifier, _encode(method), params)


def notification_frame(method: str, params: bytes | None = None) -> bytes:
    """Return a notification."""
    if params is None:
        return b'{"jsonrpc":"2.0","method":%b}' % _encode(method)
    return b'{"jsonrpc":"2.0","method":%b,"params":%b}' % (_encode(method), params)


def batch_frame(frames: list[bytes]) -> bytes:
    """Return a JSON array of responses (2025-03-26, batching)."""
    return b"[" + b",".join(frames) + b"]"
