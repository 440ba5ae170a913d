"""How a login talks to the world without touching it: it yields steps, and is sent what came of them.

A flow is a generator. It yields one of these, and the shell sends back the answer:

    Request(method, url, ...)  ->  Reply              an HTTP exchange; redirects are never followed by the shell
    Visit(url)                 ->  str                the user's browser goes there; the callback URL that came back
    Prompt(issuer)             ->  Client | None      somebody who can enter a client's credentials is asked
    Load(key)                  ->  bytes | None       from the token store
    Save(key, value)           ->  None               to the token store; None forgets

A flow returns its result, or raises `AuthRequired` or what is below it. The clock and randomness are in `Means`.

Invariant: no repr in this room shows a header, a body, a query or a stored value.
"""

from collections.abc import Callable, Generator, Mapping
from typing import Any, TypeAlias, TypeVar

import msgspec


class Request(msgspec.Struct, frozen=True, kw_only=True):
    """An HTTP request to be made, to a URL that a server may have named."""

    method: str
    url: str
    headers: Mapping[str, str] = {}
    body: bytes | None = None

    def __repr__(self) -> str:
        return f"<Request {self.method} {self.url.partition('?')[0]}>"


class Reply(msgspec.Struct, frozen=True):
    """What came back: header names in lower case, the body whole."""

    status: int
    headers: Mapping[str, str]
    body: bytes = b""

    def __repr__(self) -> str:
        return f"<Reply {self.status}, {len(self.body)} bytes>"


class Visit(msgspec.Struct, frozen=True):
    """Send the user's browser to a URL; the answer is the callback URL with its query."""

    url: str

    def __repr__(self) -> str:
        return f"<Visit {self.url.partition('?')[0]}>"


class Prompt(msgspec.Struct, frozen=True):
    """Ask somebody for the credentials of a client that this authorization server knows."""

    issuer: str


class Load(msgspec.Struct, frozen=True):
    """Read from the token store."""

    key: str


class Save(msgspec.Struct, frozen=True):
    """Write to the token store; None forgets."""

    key: str
    value: bytes | None

    def __repr__(self) -> str:
        return f"<Save {self.key}>"


class Means(msgspec.Struct, frozen=True):
    """What a flow may not reach for by itself.

    Attributes:
        random: Returns that many bytes from a cryptographic source.
        clock: Returns the time, in seconds since the epoch.
    """

    random: Callable[[int], bytes]
    clock: Callable[[], float]


Step = Request | Visit | Prompt | Load | Save
T = TypeVar("T")
Flow: TypeAlias = Generator[Step, Any, T]


def send(request: Request) -> Flow[Reply]:
    """Make one exchange."""
    reply = yield request
    assert isinstance(reply, Reply)
    return reply


def load(key: str) -> Flow[bytes | None]:
    """Read one value."""
    value: bytes | None = yield Load(key)
    return value


def save(key: str, value: bytes | None) -> Flow[None]:
    """Write, or forget, one value."""
    yield Save(key, value)
