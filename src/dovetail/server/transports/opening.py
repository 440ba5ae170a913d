"""The opening: from a JSON-RPC request to a `Call`, whichever era it speaks.

"A request carrying modern per-request _meta is served statelessly [...]. An initialize request selects legacy
semantics." (2026-07-28, Versioning, Backward Compatibility.) Both ways end in the same `Peer`, and nothing behind this
file asks again.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

import msgspec
from msgspec import UNSET

from dovetail.core import (
    PARAM_PREFIX,
    Admission,
    Call,
    Principal,
    check_method_header,
    check_name_header,
    check_version_header,
)
from dovetail.errors import HeaderMismatch, InvalidParams, LimitExceeded, MethodNotFound, quote
from dovetail.revisions import REVISIONS, Revision
from dovetail.server.transports.session import Session
from dovetail.wire import (
    METHODS,
    CallToolRequestParams,
    ProgressToken,
    Request,
    RequestParams,
    decode,
    header_mismatch,
)

if TYPE_CHECKING:
    from dovetail.server.runtime import Runtime

_EMPTY: Final = b"{}"
_VERSION: Final = "io.modelcontextprotocol/protocolVersion"
_MODERN_MARK: Final = _VERSION.encode()
_STATELESS_METHODS: Final = frozenset[str]().union(*(r.client_requests for r in REVISIONS if r.stateless))
_head = msgspec.json.Decoder(RequestParams).decode


def is_modern(request: Request) -> bool:
    """Tell whether a request carries the per-request `_meta` of the stateless revision."""
    params = request.params
    if params is None or _MODERN_MARK not in params:
        return False
    try:
        meta = _head(params).meta
    except msgspec.ValidationError:
        # It names the key, in a shape that is not to be had: the admission will say what is wrong with it.
        return True
    return meta is not None and meta.protocol_version is not None


def parameters(request: Request, revision: Revision, extensions: Mapping[str, Any]) -> Any:
    """Decode a request's parameters as the method table says.

    Raises:
        MethodNotFound: The revision has no such method.
        InvalidParams: They have another shape; the field is named.
    """
    method = request.method
    params = request.params or _EMPTY
    if method in revision.client_requests:
        entry = METHODS.get(method)
        if entry is not None:
            return decode(params, entry.params)
    if method in extensions:
        return extension_parameters(params)
    raise MethodNotFound(f"Method not found: {quote(method, 80)}")


def check_token(token: ProgressToken, limit: int) -> None:
    """Check the size of a progress token, which goes back with every notification.

    Raises:
        LimitExceeded: It is larger than `limit` bytes, as text or in digits.
    """
    if len(str(token).encode()) > limit:
        raise LimitExceeded(f'params._meta["progressToken"]: longer than {limit} bytes', limit="identifier")


class ExtensionParams(RequestParams, frozen=True, kw_only=True):
    """Parameters of an extension's method: what we know of them, and all of them as they came."""

    body: dict[str, Any] = msgspec.field(default_factory=dict)


def extension_parameters(params: bytes) -> ExtensionParams:
    """Decode the parameters of an extension's method."""
    return ExtensionParams(meta=decode(params, RequestParams).meta, body=msgspec.json.decode(params))


class Opening:
    """Makes calls out of requests."""

    __slots__ = ("_admission", "_extensions", "_runtime")

    def __init__(self, runtime: "Runtime") -> None:
        """One a runtime."""
        self._runtime = runtime
        self._admission = Admission()
        self._extensions: Mapping[str, Any] = runtime.server.extension_methods

    def __repr__(self) -> str:
        return f"<Opening {self._admission!r}>"

    def stateless(self, request: Request, principal: Principal, fields: Mapping[bytes, bytes] | None = None) -> Call:
        """Admit a request of the stateless revision.

        Args:
            request: The request.
            principal: On whose behalf.
            fields: Header fields, when it came over HTTP: they must agree with the body.

        Raises:
            Refusal: At the rung of the ladder that it fails; see `core.admission`.
        """
        method = request.method
        params = self._parameters(request)
        meta = params.meta
        if fields is not None and meta is not None and meta.protocol_version is not None:
            check_version_header(fields, meta.protocol_version)
        if meta is not None and meta.progress_token is not None:
            check_token(meta.progress_token, self._runtime.limits.identifier)
        peer = self._admission.peer(meta)
        if method not in peer.revision.client_requests and method not in self._extensions:
            raise MethodNotFound(f"Method not found: {quote(method, 80)}")
        if fields is not None:
            self._check_headers(method, params, fields, principal)
        return Call(method, params, peer, principal, request.id, fields, meta.log_level)

    def _parameters(self, request: Request) -> Any:
        method = request.method
        if method in self._extensions:
            return extension_parameters(request.params or _EMPTY)
        entry = METHODS.get(method)
        if entry is None or request.params is None or method not in _STATELESS_METHODS:
            return decode(request.params or _EMPTY, RequestParams)
        return decode(request.params, entry.params)

    def either(self, request: Request, session: Session, principal: Principal) -> tuple[Call, bool]:
        """Open a request of whichever era, where no header tells; True when it is of the stateless one.

        Raises:
            Refusal: As `stateless` or `stateful`.
        """
        if is_modern(request):
            return self.stateless(request, principal), True
        if session.handshake.peer is None and request.method in _STATELESS_METHODS:
            # "A request missing any required field is malformed; the server MUST reject it with JSON-RPC error code
            # -32602" (2026-07-28, Overview, _meta). For who wanted the other era, any code will do (Lifecycle).
            raise InvalidParams(f'params._meta["{_VERSION}"]: required, unless the first request is initialize')
        return self.stateful(request, session, principal=principal), False

    def _check_headers(self, method: str, params: Any, fields: Mapping[bytes, bytes], principal: Principal) -> None:
        check_method_header(fields, method)
        entry = METHODS.get(method)
        if entry is None or entry.name_field is None:
            return
        check_name_header(fields, getattr(params, entry.name_field))
        if isinstance(params, CallToolRequestParams):
            self._check_param_headers(params, fields, principal)

    def _check_param_headers(
        self, params: CallToolRequestParams, fields: Mapping[bytes, bytes], principal: Principal
    ) -> None:
        catalogue = self._runtime.server.catalogue
        tool = catalogue.tools.get(params.name)
        if tool is None or not tool.param_headers or not catalogue.sees(principal, tool):
            return  # what its caller may not see is as unknown here as it is to the call
        arguments = {} if params.arguments is UNSET else msgspec.json.decode(params.arguments)
        if not isinstance(arguments, dict):
            raise InvalidParams("params.arguments: expected an object")
        for header in tool.param_headers:
            value = fields.get(PARAM_PREFIX + header.name.lower().encode())
            problem = header_mismatch(header, arguments, None if value is None else value.decode("latin-1"))
            if problem is not None:
                raise HeaderMismatch(problem)

    def stateful(
        self,
        request: Request,
        session: Session,
        fields: Mapping[bytes, bytes] | None = None,
        principal: Principal | None = None,
    ) -> Call:
        """Let a request of a stateful revision pass, past the handshake.

        Raises:
            Refusal: Out of order, unknown, or of the wrong shape.
        """
        session.handshake.admit(request.method)
        peer = session.handshake.peer
        assert peer is not None or request.method == "ping"
        if peer is None:
            from dovetail.core import Peer
            from dovetail.revisions import OLDEST
            from dovetail.wire import ClientCapabilities

            peer = Peer(OLDEST, ClientCapabilities())
        params = parameters(request, peer.revision, self._extensions)
        if params.meta is not None and params.meta.progress_token is not None:
            check_token(params.meta.progress_token, self._runtime.limits.identifier)
        return Call(request.method, params, peer, principal or Principal(session.principal), request.id, fields)
