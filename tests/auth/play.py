"""Playing a flow without a network: requests are answered from a table, visits by a function, records by a dict."""

import json
from collections.abc import Callable, Generator, Mapping
from hashlib import sha256
from typing import Any, TypeVar
from urllib.parse import parse_qs, parse_qsl, urlencode, urlsplit

from dovetail.auth import Client, Load, Means, Plan, Prompt, ProofKeys, Reply, Request, Save, Step, Visit

T = TypeVar("T")
Answer = Reply | Callable[[Request], Reply]

SERVER = "https://mcp.example.com/mcp"
ISSUER = "https://auth.example.com"
RESOURCE_AT = "https://mcp.example.com/.well-known/oauth-protected-resource/mcp"
ISSUER_AT = "https://auth.example.com/.well-known/oauth-authorization-server"


class Clock:
    """A clock that stands until it is moved."""

    def __init__(self) -> None:
        self.at = 1_700_000_000.0

    def __call__(self) -> float:
        return self.at


class Dice:
    """Bytes that look random, and are the same in every run."""

    def __init__(self) -> None:
        self.thrown = 0

    def __call__(self, count: int) -> bytes:
        self.thrown += 1
        seed = sha256(b"dice %d" % self.thrown).digest()
        return (seed * (count // len(seed) + 1))[:count]


def means(clock: Clock | None = None) -> Means:
    return Means(Dice(), clock or Clock())


def plan(clock: Clock | None = None, **changes: Any) -> Plan:
    here = means(clock)
    return Plan(**{"server": SERVER, "means": here, "keys": ProofKeys(here), **changes})


def document(status: int = 200, /, **members: Any) -> Reply:
    return Reply(status, {"content-type": "application/json"}, json.dumps(members).encode())


def resource(**changes: Any) -> Reply:
    return document(**{"resource": SERVER, "authorization_servers": [ISSUER], **changes})


def server(issuer: str = ISSUER, /, **changes: Any) -> Reply:
    members: dict[str, Any] = {
        "issuer": issuer,
        "authorization_endpoint": f"{issuer}/authorize",
        "token_endpoint": f"{issuer}/token",
        "registration_endpoint": f"{issuer}/register",
        "code_challenge_methods_supported": ["S256"],
        "token_endpoint_auth_methods_supported": ["none"],
        "authorization_response_iss_parameter_supported": True,
    }
    return document(**{name: value for name, value in (members | changes).items() if value is not None})


def form_of(request: Request) -> dict[str, str]:
    return dict(parse_qsl((request.body or b"").decode(), strict_parsing=True))


def query_of(url: str) -> dict[str, str]:
    return {name: values[0] for name, values in parse_qs(urlsplit(url).query).items()}


def consent(issuer: str = ISSUER, **changes: str) -> Callable[[str], str]:
    """A user who agrees at once: returns the callback URL."""

    def visit(url: str) -> str:
        asked = query_of(url)
        answer = {"code": "the-code", "state": asked["state"], "iss": issuer, **changes}
        return f"{asked['redirect_uri']}?{urlencode({k: v for k, v in answer.items() if v})}"

    return visit


class Web:
    """What stands at which URL, and who asked for it."""

    def __init__(self, places: Mapping[str, Answer] | None = None) -> None:
        self.places: dict[str, Answer] = dict(places or {})
        self.requests: list[Request] = []
        self.visits: list[str] = []
        self.prompts: list[str] = []
        self.records: dict[str, bytes] = {}
        self.visit: Callable[[str], str] = consent()
        self.client: Client | None = None

    @property
    def urls(self) -> list[str]:
        return [request.url for request in self.requests]

    def to(self, url: str) -> list[Request]:
        return [request for request in self.requests if request.url == url]

    def answer(self, step: Step) -> Any:
        match step:
            case Request(url=url):
                self.requests.append(step)
                place = self.places.get(url, Reply(404, {}))
                return place if isinstance(place, Reply) else place(step)
            case Visit(url):
                self.visits.append(url)
                return self.visit(url)
            case Prompt(issuer):
                self.prompts.append(issuer)
                return self.client
            case Load(key):
                return self.records.get(key)
            case Save(key, None):
                return self.records.pop(key, None)
            case Save(key, value):
                assert value is not None
                self.records[key] = value
                return None

    def play(self, flow: Generator[Step, Any, T]) -> T:
        answer: Any = None
        try:
            while True:
                answer = self.answer(flow.send(answer))
        except StopIteration as end:
            return end.value  # type: ignore[no-any-return]


def world(**changes: Any) -> Web:
    """A server and its authorization server, both in order."""
    return Web(
        {
            RESOURCE_AT: resource(),
            ISSUER_AT: server(**changes),
            f"{ISSUER}/register": document(201, client_id="registered"),
            f"{ISSUER}/token": document(access_token="access-1", token_type="Bearer", expires_in=3600),
        }
    )
