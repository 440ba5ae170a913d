"""One visit to a server: from the words of a command line to an open client, and from its errors to an exit status."""

import asyncio
import logging
import os
import sys
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Final

import msgspec

from dovetail.cli.forms import Desk
from dovetail.cli.loading import fail
from dovetail.cli.options import Usage
from dovetail.cli.targets import pairs, targeted, url_of, variables
from dovetail.cli.terminal import Keyboard, Teller, shown, somebody_is_there
from dovetail.cli.visits import Command
from dovetail.client import Client, ClientOptions
from dovetail.errors import (
    AuthRequired,
    DefinitionError,
    Disconnected,
    DovetailError,
    HttpFailure,
    LoginUnavailable,
    NoCommonRevision,
    PeerError,
    Timeout,
    Unsent,
)
from dovetail.net import abandon, say
from dovetail.wire import ElicitRequestParams, ElicitResult

VARIABLE: Final = "DOVETAIL_TOKEN"
"""The environment variable that may hold a bearer token."""


class Visit(msgspec.Struct, frozen=True):
    """What a command has to do.

    Attributes:
        command: Its name.
        target: What the client is pointed at.
        words: What was typed besides.
        options: Those that were given, by their keys.
        teller: Says things on stderr.
    """

    command: str
    target: Any
    words: list[str]
    options: dict[str, Any]
    teller: Teller

    @property
    def as_json(self) -> bool:
        """Whether a program reads what is printed."""
        return bool(self.options.get("json"))

    def client(self, **more: Any) -> Client:
        """Return a client of the target that is not open yet."""
        given = client_options(self)
        given.update(more)  # type: ignore[typeddict-item]
        return Client(self.target, **given)


Work = Callable[[Visit], Awaitable[int]]


def visit(command: Command, words: Sequence[str], program: Sequence[str], options: dict[str, Any], work: Work) -> int:
    """Do a command's work; return the exit status."""
    name = command.name
    try:
        target, rest = targeted(words, program)
        checked(command, target, rest, options)
        doing = Visit(name, target, rest, options, Teller())
        _quiet(name)
        return asyncio.run(_worked(doing, work))
    except Usage as error:
        return fail(name, f"{error} (dovetail {name} --help)", 2)
    except BrokenPipeError:
        # Whoever read has gone. What is buffered must not be written once more when Python ends.
        abandon(sys.stdout)
        return 1


async def _worked(doing: Visit, work: Work) -> int:
    try:
        return await work(doing)
    except DovetailError as error:
        doing.teller.clear()
        reason, said = told(error, doing)
        say(said)
        return fail(doing.command, reason)
    finally:
        doing.teller.clear()
        sys.stdout.flush()


def checked(command: Command, target: Any, words: Sequence[str], options: dict[str, Any]) -> None:
    """Refuse a command line that would mean nothing.

    Raises:
        Usage: It makes no sense.
    """
    missing = command.words.split()[1 + len(words) :][: command.least - len(words)]
    if len(words) < command.least:
        raise Usage(f"which {' and '.join(missing).lower()}?")
    if len(words) > command.most:
        raise Usage(f"unexpected {words[command.most]!r}")
    if url_of(target) is None:
        for option in command.table:
            if option.http and option.key in options:
                raise Usage(f"{option.flag} is for a server over HTTP, which has a URL")
    elif "env" in options or "stderr" in options:
        raise Usage(f"{'--env' if 'env' in options else '--stderr'} is for a program, and the server is reached by URL")
    if "token" in options and "oauth" in options:
        raise Usage("--token and --oauth are two ways of one thing: choose one")
    pairs(options.get("headers", ()))
    variables(options.get("env", ()))


def client_options(doing: Visit) -> ClientOptions:
    """Return a client's options: those that were typed, and a user to ask if there is one."""
    options, teller = doing.options, doing.teller
    given: ClientOptions = {"name": "dovetail-cli", "on_progress": teller.progress}
    if "timeout" in options:
        seconds = options["timeout"]
        given |= {
            "timeout": seconds,
            "longest": max(seconds, 600.0),
            "opening": seconds,
            "probe": min(5.0, seconds / 2),
        }
    if "revision" in options:
        given["revision"] = options["revision"]
    if "headers" in options:
        given["headers"] = pairs(options["headers"])
    if "env" in options:
        given["env"] = variables(options["env"])
    if "stderr" in options:
        given["on_stderr"] = teller.program
    if url_of(doing.target) is not None:
        token = options.get("token") or os.environ.get(VARIABLE)
        if "oauth" in options:
            from dovetail.cli.logins import kept_login

            given["auth"] = kept_login(doing.target)
        elif token:
            given["auth"] = token
    return given


def talking(doing: Visit) -> Client:
    """Return a client for a call: its server is heard, and may ask the user if there is one."""
    more: dict[str, Any] = {"on_log": doing.teller.log}
    if "log_level" in doing.options:
        more["log_level"] = doing.options["log_level"]
    client: Client
    if somebody_is_there():
        desk = Desk(lambda: server_name(client), doing.teller, Keyboard())

        async def ask(question: ElicitRequestParams) -> ElicitResult:
            return await desk.ask(question)

        more["on_elicit"] = ask
    client = doing.client(**more)
    return client


def server_name(client: Client) -> str:
    """Return what to call a server: its own name, else what was typed."""
    try:
        info = client.server.info
    except Disconnected:
        info = None
    return shown((info.title or info.name) if info is not None else str(client.target))


def told(error: DovetailError, doing: Visit) -> tuple[str, str]:
    """Return one line on an error with what to do, and what the server's program said last, for the lines before."""
    first, rest = parted(error)
    advice = advised(error, doing)
    return first + (f"; {advice}" if advice and advice not in first else ""), "".join(f"{line}\n" for line in rest)


def parted(error: DovetailError) -> tuple[str, list[str]]:
    """Return an error in one line, and what the server's program said last."""
    first, *rest = str(error).splitlines() or [type(error).__name__]
    # What follows is meant for who writes a program; here the options are others.
    return shown(first.removesuffix(": see `auth` of the client")), rest


def advised(error: DovetailError, doing: Visit) -> str:
    """Return what to do about an error; empty when it says so itself."""
    match error:
        case LoginUnavailable() | DefinitionError():
            return ""
        case AuthRequired():
            given = {"token", "oauth"} & doing.options.keys() or os.environ.get(VARIABLE)
            return (
                "those that were given are not taken: get others"
                if given
                else f"give --token, set {VARIABLE}, or log in with --oauth"
            )
        case NoCommonRevision():
            other = f"--revision {error.stateful} asks for it" if error.stateful else ""
            return "leave --revision out" if "revision" in doing.options else other
        case Timeout():
            return "--timeout gives it longer"
        case Unsent() if url_of(doing.target) is not None:
            return "is it running, and is the URL right?"
        case HttpFailure(status=404 | 405):
            return "is this the URL of the endpoint? It often ends in /mcp"
        case PeerError(code=-32021):
            return "it asks for something that can be answered at a terminal only"
    return ""


class _Lines(logging.Handler):
    """Says what the library logs in one line each, without a traceback."""

    def __init__(self, command: str) -> None:
        super().__init__(logging.WARNING)
        self._command = command

    def emit(self, record: logging.LogRecord) -> None:
        say(f"dovetail {self._command}: {shown(record.getMessage())}\n")


def _quiet(command: str) -> None:
    logger = logging.getLogger("dovetail")
    logger.handlers = [_Lines(command)]
    logger.propagate = False
