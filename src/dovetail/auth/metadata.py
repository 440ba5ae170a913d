"""Reading the two metadata documents of a login: the protected resource's and the authorization server's.

A document is bounded, strict JSON, an object, with the types that its RFC gives to the members we use; every other
member is ignored. Nothing of a document reaches an error but the name of the member that is wrong.
"""

from typing import Final, TypeVar

import msgspec

from dovetail.errors import LoginUntrusted, Refusal
from dovetail.wire import Limits, check

LARGEST: Final = 256 * 1024
"""Bytes of a document, or of any other answer in a login."""

_LIMITS: Final = Limits(body=LARGEST, depth=32, keys=2_000, nodes=20_000)
Texts = tuple[str, ...]
S = TypeVar("S", bound=msgspec.Struct)


class ResourceMetadata(msgspec.Struct, frozen=True, kw_only=True):
    """A protected resource's metadata (RFC 9728, section 2), as far as a client needs it."""

    resource: str
    authorization_servers: Texts = ()
    scopes_supported: Texts | None = None
    dpop_signing_alg_values_supported: Texts | None = None
    dpop_bound_access_tokens_required: bool | None = None


class ServerMetadata(msgspec.Struct, frozen=True, kw_only=True):
    """An authorization server's metadata (RFC 8414, section 2; RFC 9207, 9449; client ID metadata documents)."""

    issuer: str
    token_endpoint: str
    authorization_endpoint: str | None = None
    registration_endpoint: str | None = None
    revocation_endpoint: str | None = None
    scopes_supported: Texts | None = None
    grant_types_supported: Texts | None = None
    code_challenge_methods_supported: Texts | None = None
    token_endpoint_auth_methods_supported: Texts | None = None
    token_endpoint_auth_signing_alg_values_supported: Texts | None = None
    dpop_signing_alg_values_supported: Texts | None = None
    authorization_response_iss_parameter_supported: bool | None = None
    client_id_metadata_document_supported: bool | None = None


def read_object(body: bytes) -> bytes | None:
    """Return a body when it is bounded, strict JSON that holds an object; None when it is anything else."""
    if len(body) > LARGEST:
        return None
    try:
        check(body, _LIMITS)
    except Refusal:
        return None
    return body if body.lstrip(b" \t\r\n").startswith(b"{") else None


def read_document(body: bytes, kind: type[S], what: str) -> S:
    """Read a document that `read_object` let through.

    Raises:
        LoginUntrusted: A member is missing or of another type; the text names it.
    """
    try:
        return msgspec.json.decode(body, type=kind)
    except msgspec.ValidationError as error:
        # "Object missing required field `issuer`", "Expected `str`, got `int` - at `$.issuer`": no value is in these.
        raise LoginUntrusted(f"The {what} is not what its RFC says: {str(error)[:128]}") from None
    except (msgspec.DecodeError, RecursionError):
        raise LoginUntrusted(f"The {what} cannot be read") from None
