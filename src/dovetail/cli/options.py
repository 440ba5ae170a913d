"""The options of the commands that serve: one table, from which all else is made.

`dovetail run` parses by it without loading anything, typer shows it as help, the page of the command line is woven from
it. So no two of them can differ. Imports nothing but msgspec: a client that starts a server waits for every import.
"""

from collections.abc import Mapping
from typing import Any, Final

import msgspec

TRANSPORTS: Final = ("stdio", "http")


class Usage(Exception):
    """The command line makes no sense; the text says what."""


class Option(msgspec.Struct, frozen=True, kw_only=True):
    """One option.

    Attributes:
        flag: As it is typed, such as `--port`.
        key: What `Server.run` calls it.
        help: One sentence.
        metavar: What its value is called; empty for one that has no value.
        number: Whether its value is a whole number.
        least: The least number that it may be.
        most: The greatest one; None for no bound.
        seconds: Whether its value is a number of seconds.
        choices: All values that it may have; empty for any.
        default: What holds without it, for people; a number where the value is one.
        many: Whether it may be repeated.
        http: Whether it means something on HTTP only.
    """

    flag: str
    key: str
    help: str
    metavar: str = ""
    number: bool = False
    least: int = 0
    most: int | None = None
    seconds: bool = False
    choices: tuple[str, ...] = ()
    default: str | int | None = None
    many: bool = False
    http: bool = True

    @property
    def value(self) -> str:
        """What its value is called; empty when it takes none."""
        return "|".join(self.choices) or self.metavar

    @property
    def is_flag(self) -> bool:
        """Whether it takes no value."""
        return not self.value

    @property
    def is_text(self) -> bool:
        """Whether it takes one value, which `read` understands."""
        return not self.many and not self.is_flag

    def read(self, text: str) -> str | int | float:
        """Return the value that was typed.

        Raises:
            Usage: It is none that the option takes.
        """
        if self.choices and text not in self.choices:
            raise Usage(f"{self.flag} is {' or '.join(self.choices)}, not {text!r}")
        if not (self.number or self.seconds):
            return text
        try:
            value = float(text) if self.seconds else int(text)
        except ValueError:
            raise Usage(f"{self.flag} needs a number, not {text!r}") from None
        if self.seconds and not 0 < value < float("inf"):
            raise Usage(f"{self.flag} needs a number above 0, not {text!r}")
        if value < self.least or (self.most is not None and value > self.most):
            bound = f"{self.least} or more" if self.most is None else f"from {self.least} to {self.most}"
            raise Usage(f"{self.flag} needs a number, {bound}, not {text}")
        return value

    def usage(self) -> str:
        """Return how it stands in a line of usage."""
        return f"[{f'{self.flag} {self.value}'.strip()}]{'...' if self.many else ''}"


TRANSPORT: Final = Option(
    flag="--transport",
    key="transport",
    help="How clients reach it.",
    choices=TRANSPORTS,
    default="stdio",
    http=False,
)
HOST: Final = Option(flag="--host", key="host", help="The address to bind.", metavar="HOST", default="127.0.0.1")
PORT: Final = Option(
    flag="--port", key="port", help="0 picks one.", metavar="PORT", number=True, most=65_535, default=8000
)
PATH: Final = Option(flag="--path", key="path", help="Where the endpoint is.", metavar="PATH", default="/mcp")
WORKERS: Final = Option(
    flag="--workers",
    key="workers",
    help="Processes; more than one need --state.",
    metavar="N",
    number=True,
    least=1,
    default=1,
)
DRAIN: Final = Option(
    flag="--drain-seconds",
    key="drain_seconds",
    help="How long requests under way may take to finish once the end begins.",
    metavar="SECONDS",
    number=True,
    least=0,
    default=10,
)
STATE: Final = Option(
    flag="--state",
    key="state",
    help="Where sessions, events, claims and keys are kept; in memory without it.",
    metavar="DIR",
    http=False,
)
ALLOW_HOST: Final = Option(
    flag="--allow-host",
    key="allowed_hosts",
    help="A further name under which the server is reached.",
    metavar="NAME",
    many=True,
)
ALLOW_ORIGIN: Final = Option(
    flag="--allow-origin",
    key="allowed_origins",
    help="An origin whose pages may use it.",
    metavar="ORIGIN",
    many=True,
)
ALLOW_NETWORK: Final = Option(
    flag="--allow-unauthenticated-network",
    key="allow_unauthenticated_network",
    help="Serve callers beyond this machine who are not authenticated.",
)
WATCH: Final = Option(
    flag="--watch",
    key="watch",
    help="A further file or folder whose changes reload, whatever its files are called.",
    metavar="PATH",
    many=True,
    http=False,
)

FROM: Final = Option(
    flag="--from",
    key="manifest",
    help="Serve all servers of a manifest on one port, each at its own path: a client's configuration will do.",
    metavar="MANIFEST",
    http=False,
)

RUN: Final = (TRANSPORT, HOST, PORT, PATH, WORKERS, DRAIN, STATE, ALLOW_HOST, ALLOW_ORIGIN, ALLOW_NETWORK)
SERVE: Final = (TRANSPORT, HOST, PORT, PATH, DRAIN, STATE, ALLOW_HOST, ALLOW_ORIGIN, ALLOW_NETWORK)
SERVE_FROM: Final = (
    FROM,
    msgspec.structs.replace(TRANSPORT, choices=("http",), default="http"),
    HOST,
    PORT,
    DRAIN,
    STATE,
    ALLOW_HOST,
    ALLOW_ORIGIN,
    ALLOW_NETWORK,
)
DEV: Final = (
    msgspec.structs.replace(TRANSPORT, default="http"),
    HOST,
    PORT,
    PATH,
    msgspec.structs.replace(STATE, help="Where state is kept; by default a folder that lives as long as the command."),
    WATCH,
    ALLOW_HOST,
    ALLOW_ORIGIN,
    ALLOW_NETWORK,
)


def usage(command: str, table: tuple[Option, ...]) -> str:
    """Return the line that says how a command is typed."""
    return f"usage: dovetail {command} FILE[:object] {' '.join(option.usage() for option in table)}"


def parse(arguments: list[str], table: tuple[Option, ...]) -> tuple[str, dict[str, Any]]:
    """Return the file and the options that were given.

    Raises:
        Usage: The line makes no sense.
    """
    words, given = split(arguments, table)
    if len(words) > 1:
        raise Usage(f"unexpected {words[1]!r}: one file is served at a time")
    if not words:
        raise Usage("which file?")
    return words[0], given


def split(arguments: list[str], table: tuple[Option, ...]) -> tuple[list[str], dict[str, Any]]:
    """Return the words of a line, and the options that were given.

    Raises:
        Usage: The line makes no sense.
    """
    known = {option.flag: option for option in table}
    words: list[str] = []
    given: dict[str, Any] = {}
    rest = list(arguments)
    while rest:
        word, equals, inline = rest.pop(0).partition("=")
        if not word.startswith("-") or word == "-":
            words.append(word + equals + inline)
            continue
        option = known.get(word)
        if option is None:
            raise Usage(f"there is no option {word}{_meant(word, known)}")
        if option.is_flag:
            if equals:
                raise Usage(f"{word} takes no value")
            given[option.key] = True
        elif not equals and not rest:
            raise Usage(f"{word} needs a value")
        else:
            _put(given, option, inline if equals else rest.pop(0))
    check(given, table)
    return words, given


def check(given: Mapping[str, Any], table: tuple[Option, ...]) -> None:
    """Refuse options that would mean nothing.

    Raises:
        Usage: One is for HTTP, and the transport is another; or it needs another one.
    """
    transport = next(option.default for option in table if option.key == "transport")
    if given.get("transport", transport) != "http":
        for option in table:
            if option.http and option.key in given:
                raise Usage(f"{option.flag} is for HTTP: add --transport http")
    if given.get("workers", 1) > 1 and "state" not in given:
        raise Usage("--workers need --state DIR, which they share")


def version() -> str:
    """Return which version is installed."""
    from importlib.metadata import version

    return version("dovetail-mcp")


def _put(given: dict[str, Any], option: Option, text: str) -> None:
    if option.many:
        given.setdefault(option.key, []).append(option.read(text))
    else:
        given[option.key] = option.read(text)


def _meant(word: str, known: Mapping[str, Option]) -> str:
    from difflib import get_close_matches

    close = get_close_matches(word, known, 1)
    return f"; did you mean {close[0]}?" if close else f"; there are {', '.join(known)}"
