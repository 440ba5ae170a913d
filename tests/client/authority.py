"""A real authorization server and a protected MCP endpoint, as ASGI applications, with switches that make them hostile.

They remember what they were asked, so that a test can say what reached whom.
"""

import asyncio
import base64
import hashlib
import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl, urlencode

from joserfc import jws
from joserfc.jwk import ECKey

Send = Callable[[dict[str, Any]], Awaitable[None]]
Receive = Callable[[], Awaitable[dict[str, Any]]]


@dataclass
class Asked:
    """One request, as it came."""

    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    body: bytes

    @property
    def form(self) -> dict[str, str]:
        return dict(parse_qsl(self.body.decode()))

    @property
    def text(self) -> str:
        return f"{self.path} {self.query} {self.headers} {self.body!r}"


async def asked(scope: dict[str, Any], receive: Receive) -> Asked:
    body, more = b"", True
    while more:
        message = await receive()
        body, more = body + message.get("body", b""), message.get("more_body", False)
    headers = {name.decode().lower(): value.decode() for name, value in scope["headers"]}
    return Asked(scope["method"], scope["path"], dict(parse_qsl(scope["query_string"].decode())), headers, body)


async def reply(send: Send, status: int, body: Any = None, headers: dict[str, str] | None = None) -> None:
    content = body if isinstance(body, bytes) else b"" if body is None else json.dumps(body).encode()
    fields = {"content-type": "application/json", "content-length": str(len(content)), **(headers or {})}
    await send(
        {
            "type": "http.response.start",
            "status": status,
            "headers": [(name.encode(), value.encode()) for name, value in fields.items()],
        }
    )
    await send({"type": "http.response.body", "body": content})


def proof_of(request: Asked) -> dict[str, Any]:
    """Verify a DPoP proof; return its claims, with the key's thumbprint as `jkt`."""
    proof = request.headers["dpop"]
    header = json.loads(base64.urlsafe_b64decode(proof.partition(".")[0] + "=="))
    key = ECKey.import_key(header["jwk"])
    claims = json.loads(jws.deserialize_compact(proof, key, algorithms=["ES256"]).payload)
    assert claims["htm"] == request.method
    assert claims["htu"].endswith(request.path)
    return {**claims, "jkt": key.thumbprint()}


class App:
    """An application that remembers its requests, and answers the lifespan."""

    def __init__(self) -> None:
        self.url = ""
        self.asked: list[Asked] = []

    def to(self, path: str) -> list[Asked]:
        return [request for request in self.asked if request.path == path]

    async def __call__(self, scope: dict[str, Any], receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            while (await receive())["type"] != "lifespan.shutdown":
                await send({"type": "lifespan.startup.complete"})
            await send({"type": "lifespan.shutdown.complete"})
            return
        request = await asked(scope, receive)
        self.asked.append(request)
        await self.answer(request, send)

    async def answer(self, request: Asked, send: Send) -> None:
        await reply(send, 404)


@dataclass
class Grant:
    """What a token stands for."""

    resource: str
    scope: str
    jkt: str | None = None


@dataclass(eq=False)
class Switches:
    """How an authorization server behaves; the defaults are in order."""

    metadata: dict[str, Any] = field(default_factory=dict)
    iss: str | None = ""
    """In its answers: "" for the right one, None for none."""
    granted: str | None = None
    """The scope that it grants; None for what was asked for."""
    seconds: int | None = 3600
    refreshes: bool = True
    secret: str | None = None
    nonce: str | None = None
    redirect_token: str | None = None
    huge: bool = False
    hang: asyncio.Event | None = None
    refuse: str | None = None
    error_page: bool = False


class Authority(App):
    """An authorization server: metadata, registration, authorization without a user, tokens with rotation."""

    def __init__(self, **switches: Any) -> None:
        super().__init__()
        self.is_ = Switches(**switches)
        self.tokens: dict[str, Grant] = {}
        self.refreshable: dict[str, Grant] = {}
        self._codes: dict[str, dict[str, str]] = {}
        self._count = 0

    @property
    def issuer(self) -> str:
        return self.url

    async def answer(self, request: Asked, send: Send) -> None:
        if self.is_.hang is not None:
            await self.is_.hang.wait()
        match request.path:
            case "/.well-known/oauth-authorization-server":
                body = self._metadata()
                await reply(send, 200, body)
            case "/register":
                self._count += 1
                asked = json.loads(request.body)
                given = {"client_id": f"client-{self._count}", "redirect_uris": asked["redirect_uris"]}
                await reply(send, 201, given | ({"client_secret": self.is_.secret} if self.is_.secret else {}))
            case "/authorize":
                await self._authorize(request, send)
            case "/token":
                await self._token(request, send)
            case "/revoke":
                await reply(send, 200)
            case _:
                await reply(send, 404)

    def _metadata(self) -> Any:
        if self.is_.huge:
            return b'{"x":"' + b"x" * 1_000_000 + b'"}'
        return {
            "issuer": self.issuer,
            "authorization_endpoint": f"{self.url}/authorize",
            "token_endpoint": f"{self.url}/token",
            "registration_endpoint": f"{self.url}/register",
            "code_challenge_methods_supported": ["S256"],
            "token_endpoint_auth_methods_supported": ["none", "client_secret_basic", "private_key_jwt"],
            "authorization_response_iss_parameter_supported": True,
            **self.is_.metadata,
        }

    async def _authorize(self, request: Asked, send: Send) -> None:
        if self.is_.error_page:
            return await reply(send, 400)
        self._count += 1
        code = f"code-{self._count}"
        self._codes[code] = request.query
        iss = {} if self.is_.iss is None else {"iss": self.is_.iss or self.issuer}
        answer = {"code": code, "state": request.query["state"], **iss}
        location = f"{request.query['redirect_uri']}?{urlencode(answer)}"
        await reply(send, 302, None, {"location": location})

    async def _token(self, request: Asked, send: Send) -> None:
        if self.is_.redirect_token is not None:
            return await reply(send, 307, None, {"location": self.is_.redirect_token})
        if self.is_.refuse is not None:
            return await reply(send, 400, {"error": self.is_.refuse, "error_description": request.text})
        jkt = None
        if "dpop" in request.headers:
            claims = proof_of(request)
            if self.is_.nonce is not None and claims.get("nonce") != self.is_.nonce:
                return await reply(send, 400, {"error": "use_dpop_nonce"}, {"dpop-nonce": self.is_.nonce})
            jkt = claims["jkt"]
        grant = self._granted(request.form, jkt)
        if grant is None:
            return await reply(send, 400, {"error": "invalid_grant"})
        return await reply(send, 200, self._issue(grant))

    def _granted(self, form: dict[str, str], jkt: str | None) -> Grant | None:
        match form["grant_type"]:
            case "authorization_code":
                sent = self._codes.pop(form["code"], None)
                verifier = hashlib.sha256(form["code_verifier"].encode()).digest()
                challenge = base64.urlsafe_b64encode(verifier).rstrip(b"=").decode()
                if sent is None or sent["code_challenge"] != challenge or sent["resource"] != form["resource"]:
                    return None
                return Grant(form["resource"], sent.get("scope", ""), jkt)
            case "refresh_token":
                return self.refreshable.pop(form["refresh_token"], None)
            case _:
                return Grant(form["resource"], form.get("scope", ""), jkt)

    def _issue(self, grant: Grant) -> dict[str, Any]:
        self._count += 1
        access, refresh = f"access-{self._count}", f"refresh-{self._count}"
        if self.is_.granted is not None:
            grant = Grant(grant.resource, self.is_.granted, grant.jkt)
        self.tokens[access] = grant
        given: dict[str, Any] = {"access_token": access, "token_type": "DPoP" if grant.jkt else "Bearer"}
        if self.is_.granted is not None:
            given["scope"] = grant.scope  # it must be said when it is not what was asked for (RFC 6749, 5.1)
        if self.is_.seconds is not None:
            given["expires_in"] = self.is_.seconds
        if self.is_.refreshes:
            self.refreshable[refresh] = grant
            given["refresh_token"] = refresh
        return given


class Resource(App):
    """An MCP endpoint that takes the tokens of its authorization server, and wants scopes by the body.

    Attributes:
        path: Of the endpoint that its tokens are for.
        paths: Of all its endpoints.
    """

    def __init__(self, authority: Authority) -> None:
        super().__init__()
        self.authority = authority
        self.path = "/mcp"
        self.paths = ["/mcp"]
        self.scopes: dict[bytes, str] = {}
        self.metadata: dict[str, Any] = {}
        self.dpop = False
        self.nonce: str | None = None
        self.rotates = False
        self.refuses_all = False

    async def answer(self, request: Asked, send: Send) -> None:
        at = f"{self.url}/.well-known/oauth-protected-resource{self.path}"
        if request.path == f"/.well-known/oauth-protected-resource{self.path}":
            named = {"resource": f"{self.url}{self.path}", "authorization_servers": [self.authority.issuer]}
            return await reply(send, 200, {**named, **self.metadata})
        if request.path not in self.paths:
            return await reply(send, 404)
        scheme = "DPoP" if self.dpop else "Bearer"
        wanted = self.scopes.get(request.body, "")
        scope = f', scope="{wanted}"' if wanted else ""
        given, _, token = request.headers.get("authorization", "").partition(" ")
        grant = self.authority.tokens.get(token)
        challenge = {"www-authenticate": f'{scheme} resource_metadata="{at}"{scope}'}
        if given != scheme or grant is None or grant.resource != f"{self.url}{self.path}" or self.refuses_all:
            return await reply(send, 401, None, challenge)
        if self.dpop:
            claims = proof_of(request)
            if self.nonce is not None and claims.get("nonce") != self.nonce:
                fields = {"www-authenticate": 'DPoP error="use_dpop_nonce"', "dpop-nonce": self.nonce}
                return await reply(send, 401, None, fields)
            hashed = base64.urlsafe_b64encode(hashlib.sha256(token.encode()).digest()).rstrip(b"=").decode()
            assert (claims["jkt"], claims["ath"]) == (grant.jkt, hashed)
            digest = base64.b64encode(hashlib.sha256(request.body).digest()).decode()
            assert claims.get("content_digest", f"sha-256=:{digest}:") == f"sha-256=:{digest}:"
        if not set(wanted.split()) <= set(grant.scope.split()):
            missing = {"www-authenticate": f'{scheme} error="insufficient_scope", scope="{wanted}"'}
            return await reply(send, 403, None, missing)
        fresh = {}
        if self.rotates:
            self.nonce = f"rs-{len(self.asked)}"
            fresh = {"dpop-nonce": self.nonce}
        return await reply(send, 200, {"token": token}, fresh)
