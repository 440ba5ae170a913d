"""What a client can be told, as keyword arguments."""

import os
from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any, Final, TypedDict, cast

import msgspec

from dovetail.errors import DefinitionError, quote
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
    from dovetail.core import ResponseStore

Elicited = ElicitResult | Mapping[str, Any] | None
"""An answer to a question: the fields of the form (accepted), None (declined), or the result in full."""
OnElicit = Callable[[ElicitRequestParams], Awaitable[Elicited] | Elicited]
Sampled = CreateMessageResult | str
OnSample = Callable[[CreateMessageRequestParams], Awaitable[Sampled] | Sampled]
Roots = Iterable[Root | str | os.PathLike[str]]
OnRoots = Callable[[], Awaitable[Roots] | Roots]
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
        failures: After so many failures in a row the server is asked by one call at a time, with growing pauses; see
            `dovetail.client.breaker`.
    """

    attempts: int = 4
    first: float = 0.2
    factor: float = 2.0
    longest: float = 10.0
    idempotent_tools: bool = False
    failures: int = 5

    def wait(self, attempt: int, chance: float) -> float:
        """Return the seconds before try number `attempt` + 1, for a `chance` in [0, 1)."""
        return min(self.longest, self.first * self.factor ** (attempt - 1)) * chance


class Caching(msgspec.Struct, frozen=True, kw_only=True):
    """How a client reuses what the server says may be reused: lists and reads of 2026-07-28 and later.

    Equal requests under way are one, and what a change notice makes stale is fetched anew. See the page on the cache.

    Attributes:
        store: Where results are kept: `MemoryCache`, `SqliteCache` or another; None for the memory of this client.
        principal: For whom the client acts. What is not public is kept for that name; without it, for the credentials
            that the client sends, and other ones find nothing of it.
        stale_while_revalidate: Seconds in which a result that is not fresh any more is used while it is fetched anew.
        stale_if_error: Seconds in which it is used if the server is out of reach.
        longest: Seconds that a result counts as fresh at most; `Limits.cache_seconds`, if that is less.
    """

    store: "ResponseStore | None" = None
    principal: str | None = None
    stale_while_revalidate: float = 0.0
    stale_if_error: float = 0.0
    longest: float = 86_400.0


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
    roots: "Roots | OnRoots"
    """Directories or `file://` URIs that the server may work in, or a function that is asked for them each time."""
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
    cache: bool | Caching
    """Reuse what the server says may be reused; False when not given."""
    headers: Mapping[str, str]
    """Header fields of every HTTP request."""
    auth: "str | Authorizer"
    """`"oauth"` logs in with the browser; another text is a bearer token; or whoever makes the headers."""
    env: Mapping[str, str]
    """Environment variables of a child process, besides the harmless ones that it inherits."""
    cwd: str | os.PathLike[str]
    """Working directory of a child process."""
    on_stray: Callable[[str], None]
    """Hears of what no server should send: output that is no message, answers to what nobody asked, requests out of
    place."""
    on_stderr: Callable[[str], None]
    """Hears what a child process writes to its standard error, line by line."""


def check_options(where: str, known: Iterable[str], given: Mapping[str, Any]) -> None:
    """Refuse options that there are not: a misspelt one would be one that does nothing.

    Raises:
        DefinitionError: It names the option, and the one that was probably meant.
    """
    for name in given:
        if name not in known:
            from difflib import get_close_matches

            close = get_close_matches(name, known, 1)
            raise DefinitionError(
                f"{where}: there is no option {quote(name, 64)}{f'; did you mean {close[0]!r}?' if close else ''}"
            )


_ABOVE: Final = ("timeout", "longest", "opening")
_FROM: Final = ("probe", "visit", "rounds")


def check_bounds(where: str, given: Mapping[str, Any]) -> None:
    """Refuse times and numbers that bound nothing: every call would fail at once, or none in time.

    Raises:
        DefinitionError: It names the option.
    """
    for name in _ABOVE:
        value = given.get(name, 1)
        if not (value is None and name == "timeout") and not (_is_number(value) and value > 0):
            raise DefinitionError(f"{where}: {name}: expected a number of seconds above 0, not {_shown(value)}")
    for name in _FROM:
        value = given.get(name, 1)
        if not (_is_number(value) and value >= 0):
            raise DefinitionError(f"{where}: {name}: expected a number from 0, not {_shown(value)}")


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _shown(value: Any) -> str:
    return f"{value:g}" if _is_number(value) else type(value).__name__


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
    fresh: bool
    """Ask the server, whatever the cache holds."""
    auth: "str | Authorizer"
    """Credentials of this request, in place of the client's: a bearer token, or who makes the headers (HTTP)."""
    principal: str
    """Who it is made for; the client itself, when not given. Over HTTP a principal has a session of its own, over the
    same pool of connections, and nothing that is cached for one is given to another."""


def listing_options(options: CallOptions) -> CallOptions:
    """Return how to list what a call needs to know: as the same principal, and with the client's own patience."""
    kept = ("headers", "auth", "principal")
    return cast("CallOptions", {key: value for key, value in options.items() if key in kept})


CLIENT_OPTIONS: Final = frozenset(ClientOptions.__annotations__)
CALL_OPTIONS: Final = frozenset(CallOptions.__annotations__)
