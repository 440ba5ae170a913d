"""The admission of a stateless request (2026-07-28): every request carries all that is needed to serve it.

The ladder, from the bottom: `_meta` with its required fields (-32602), a revision that is spoken (-32022), headers
that agree with the body (-32020), a method that exists (-32601). Nothing is remembered from one request to the next
(S-08); what is kept here is only the decoded form of bytes that repeat.
"""

from collections.abc import Mapping
from typing import Final

import msgspec
from msgspec import UNSET

from dovetail.core.http import METHOD_HEADER, NAME_HEADER, VERSION_HEADER
from dovetail.core.peer import Peer
from dovetail.errors import HeaderMismatch, InvalidParams, UnsupportedRevision
from dovetail.revisions import REVISIONS, Revision, revision_for
from dovetail.wire import ClientCapabilities, Implementation, RequestMeta, decode_value

SUPPORTED: Final = tuple(revision.version for revision in reversed(REVISIONS))
"""Versions for `supported` and `supportedVersions`, the newest first."""

STATELESS: Final = tuple(revision.version for revision in reversed(REVISIONS) if revision.stateless)

_META: Final = "params._meta"
_VERSION: Final = "io.modelcontextprotocol/protocolVersion"
_CAPABILITIES: Final = "io.modelcontextprotocol/clientCapabilities"
_INFO: Final = "io.modelcontextprotocol/clientInfo"
_decode_capabilities = msgspec.json.Decoder(ClientCapabilities).decode
_decode_info = msgspec.json.Decoder(Implementation).decode


class Admission:
    """Admits stateless requests; remembers the decoded form of client descriptions that repeat (at most 512)."""

    __slots__ = ("_peers",)

    def __init__(self) -> None:
        """Start with nothing remembered."""
        self._peers: dict[tuple[str, bytes, bytes], Peer] = {}

    def __repr__(self) -> str:
        return f"<Admission {len(self._peers)} descriptions>"

    def peer(self, meta: RequestMeta | None) -> Peer:
        """Return who asks.

        Raises:
            InvalidParams: A required field of `_meta` is missing or of the wrong shape.
            UnsupportedRevision: The revision is unknown here, or is one that needs a handshake.
        """
        if meta is None or meta.protocol_version is None:
            raise InvalidParams(f'{_META}["{_VERSION}"]: required')
        if meta.client_capabilities is UNSET:
            # An unknown version comes first: its client may put its capabilities elsewhere.
            _spoken(meta.protocol_version)
            raise InvalidParams(f'{_META}["{_CAPABILITIES}"]: required')
        key = (
            meta.protocol_version,
            bytes(meta.client_capabilities),
            b"" if meta.client_info is UNSET else bytes(meta.client_info),
        )
        peer = self._peers.get(key)
        return self._describe(key) if peer is None else peer

    def _describe(self, key: tuple[str, bytes, bytes]) -> Peer:
        version, capabilities, info = key
        revision = _spoken(version)
        try:
            declared = _decode_capabilities(capabilities)
        except msgspec.ValidationError:
            raise InvalidParams(f'{_META}["{_CAPABILITIES}"]: expected an object of capabilities') from None
        try:
            described = _decode_info(info) if info else None
        except msgspec.ValidationError:
            raise InvalidParams(f'{_META}["{_INFO}"]: expected an object with name and version') from None
        peer = Peer(revision, declared, described)
        if len(self._peers) >= 512:
            self._peers.clear()
        self._peers[key] = peer
        return peer


def _spoken(version: str) -> Revision:
    revision = revision_for(version)
    if revision is None or not revision.stateless:
        # "it MUST respond with an UnsupportedProtocolVersionError listing the versions it does support" (Versioning).
        # Who asks in this way for a revision that has a handshake is not told to try that one again.
        raise UnsupportedRevision(version, SUPPORTED if revision is None else STATELESS)
    return revision


def check_version_header(fields: Mapping[bytes, bytes], version: str) -> None:
    """Check that the header names the revision of the body.

    "The header value MUST match the io.modelcontextprotocol/protocolVersion field carried in the request body's _meta."
    (2026-07-28, Streamable HTTP, Protocol Version Header)

    Raises:
        HeaderMismatch: It is missing, or names another.
    """
    header = fields.get(VERSION_HEADER)
    if header is None:
        raise HeaderMismatch("MCP-Protocol-Version: required header is missing")
    if header.strip() != version.encode():
        raise HeaderMismatch("MCP-Protocol-Version: the header does not match the body's _meta")


def check_method_header(fields: Mapping[bytes, bytes], method: str) -> None:
    """Check `Mcp-Method`: required on all requests, and case-sensitive in its value.

    Raises:
        HeaderMismatch: It is missing, or names another method.
    """
    header = fields.get(METHOD_HEADER)
    if header is None:
        raise HeaderMismatch("Mcp-Method: required header is missing")
    if header != method.encode() and header.strip(b" \t") != method.encode():
        raise HeaderMismatch("Mcp-Method: the header does not match the body's method")


def check_name_header(fields: Mapping[bytes, bytes], name: str) -> None:
    """Check `Mcp-Name` against `params.name` or `params.uri`, decoding the Base64 sentinel first.

    Raises:
        HeaderMismatch: It is missing, malformed, or names another.
    """
    header = fields.get(NAME_HEADER)
    if header is None:
        raise HeaderMismatch("Mcp-Name: required header is missing")
    if header == name.encode("utf-8", "surrogatepass"):
        # Equal bytes are equal names, unless they spell the sentinel, which stands for something else.
        if not (header.startswith(b"=?base64?") and header.endswith(b"?=")):
            return
    if decode_value(header.decode("latin-1").strip(" \t")) != name:
        raise HeaderMismatch("Mcp-Name: the header does not match the body")
