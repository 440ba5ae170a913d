"""What a client can be told, as keyword arguments."""

import os
from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any, Final, TypedDict

import msgspec

from dovetail.wire import (
    CreateMessageRequestParams,
    CreateMessageResult,
    ElicitRequestParams,
    ElicitResult,
    Icon,
    Limits,
    LoggingLevel,
    LoggingMessageNotificationParams,
    ProgressNotificationParams,
    Root,
)

if TYPE_CHECKING:
    from dovetail.client.login import Authorizer

Elicited = ElicitResult | Mapping[str, Any] | None
"""An answer to a question: the fields of the form (accepted), None (declined), or the result in full."""
OnElicit = Callable[[ElicitRequestParams], Awaitable[Elicited] | Elicited]
Sampled = CreateMessageResult | str
OnSample = Callable[[CreateMessageRequestParams], Awaitable[Sampled] | Sampled]
Roots = Iterable[Root | str | os.PathLike[str]]
OnLog = Callable[[LoggingMessageNotificationParams], Awaitable[None] | None]
OnProgress = Callable[[ProgressNotificationParams], Awaitable[None] | None]

DEFAULT_LIMITS: Final = Limits(body=16 * 1024 * 1024)
"""A client reads catalogues, which are larger than what a server takes."""


class Retry(msgspec.Struct, frozen=True, kw_only=True):
    """When a request is sent again, and after how long: exponential backoff with full jitter.

    A request that changes nothing (lists, reads, `ping`, completion, prompts) is repeated. `tools/call` is repeated
    only when it provably never left, or when the tool is annotated as idempotent and `idempotent_tools` says so (C-11).

    Attributes:
        attempts: Tries in all; 1 means never again.
        first: Seconds before the second try, at most.
        factor: By how much the wait grows with each try.
        longest: The longest wait, and the longest `Retry-After` that is followed; a longer one is an error at once.
        idempotent_tools: Trust the annotation `idempotentHint` of this server's tools.
    """

    attempts: int = 4
    first: float = 0.2
    factor: float = 2.0
    longest: float = 10.0
    idempotent_tools: bool = False

    def wait(self, attempt: int, chance: float) -> float:
        """Return the seconds before try number `attempt` + 1, for a `chance` in [0, 1)."""
        return min(self.longest, self.first * self.factor ** (attempt - 1)) * chance


class ClientOptions(TypedDict, total=False):
    """Options of `Client`."""

    name: str
    """Who we are, for the server; `dovetail` when not given."""
    version: str
    """Our version, for the server."""
    title: str
    """Our name, for people."""
    icons: list[Icon]
    """For a server's user interface (2025-11-25 and later)."""
    on_elicit: OnElicit
    """Answers questions to the user, forms and URLs; without it, the server is told that we cannot ask."""
    on_sample: OnSample
    """Asks the model; without it, the server is told that we have none."""
    roots: "Roots | Callable[[], Roots]"
    """Directories or `file://` URIs that the server may work in."""
    on_log: OnLog
    """Hears the server's log messages."""
    log_level: LoggingLevel
    """The least level of log messages that are wanted; `info` when somebody listens."""
    on_progress: OnProgress
    """Hears of the progress of calls that have no listener of their own."""
    extensions: Mapping[str, Mapping[str, Any]]
    """Settings of extensions that we support, by identifier."""
    experimental: Mapping[str, Any]
    """Experimental capabilities, by name."""
    timeout: float | None
    """Seconds of silence after which a call has failed; 60. None: only `longest` counts."""
    longest: float
    """Seconds that a call may take in all, whatever progress it reports; 600."""
    opening: float
    """Seconds that connecting may take; 30."""
    probe: float
    """Seconds of silence after which a server on a channel counts as one of the stateful era; 5."""
    revision: str
    """The only protocol revision to speak."""
    minimum: str
    """The oldest protocol revision to accept."""
    rounds: int
    """How often one call may ask before it is given up; 10."""
    visit: float
    """Seconds after which a call that wants a URL visited is made again, if nobody says that the visit is over; 60."""
    limits: Limits
    """What a server's message may be."""
    retry: Retry
    """When a request is sent again."""
    headers: Mapping[str, str]
    """Header fields of every HTTP request."""
    auth: "str | Authorizer"
    """`"oauth"` logs in with the browser; another text is a bearer token; or whoever makes the headers."""
    env: Mapping[str, str]
    """Environment variables of a child process, besides the harmless ones that it inherits."""
    cwd: str | os.PathLike[str]
    """Working directory of a child process."""
    on_stderr: Callable[[str], None]
    """Hears what a child process writes to its standard error, line by line."""


class CallOptions(TypedDict, total=False):
    """Options of one call."""

    timeout: float | None
    """Seconds of silence after which it has failed; the client's, when not given."""
    on_progress: OnProgress
    """Hears of its progress."""
    meta: Mapping[str, Any]
    """What else stands in `_meta`, by key."""
    headers: Mapping[str, str]
    """Header fields of this request alone (HTTP)."""
