"""`dovetail run`: parsed by hand, because a client that starts a server waits for every import."""

import sys
from typing import Any, Final

from dovetail.errors import DovetailError
from dovetail.server import load_server

USAGE: Final = (
    "usage: dovetail run FILE[:object] [--transport stdio|http] [--host HOST] [--port PORT] [--path PATH] [--workers N]"
    " [--state DIR] [--allow-host NAME]... [--allow-origin ORIGIN]... [--allow-unauthenticated-network]"
)
_VALUES: Final = {"--transport": str, "--host": str, "--port": int, "--path": str, "--workers": int, "--state": str}
_LISTS: Final = {"--allow-host": "allowed_hosts", "--allow-origin": "allowed_origins"}
_FLAGS: Final = {"--allow-unauthenticated-network": "allow_unauthenticated_network"}
_ALL: Final = (*_VALUES, *_LISTS, *_FLAGS)


class _Usage(Exception):
    """The command line makes no sense; the text says what."""


def run_command(arguments: list[str]) -> int:
    """Serve until stopped; return the exit status."""
    try:
        source, options = _parse(arguments)
    except _Usage as error:
        sys.stderr.write(f"dovetail run: {error}\n{USAGE}\n")
        return 2
    transport = options.pop("transport", "stdio")
    try:
        server = load_server(source)
        if transport == "stdio":
            server.run("stdio", **{key: value for key, value in options.items() if key == "state"})
        else:
            server.run(transport, source=source, **options)
    except DovetailError as error:
        sys.stderr.write(f"dovetail run: {error}\n")
        return 1
    return 0


def _parse(arguments: list[str]) -> tuple[str, dict[str, Any]]:
    source, options = "", {}
    rest = list(arguments)
    while rest:
        word, equals, inline = rest.pop(0).partition("=")
        if not word.startswith("--"):
            if source:
                raise _Usage(f"unexpected {word!r}")
            source = word + equals + inline
        elif word in _FLAGS:
            options[_FLAGS[word]] = True
        elif word in _VALUES or word in _LISTS:
            if not equals and not rest:
                raise _Usage(f"{word} needs a value")
            _take(options, word, inline if equals else rest.pop(0))
        else:
            raise _Usage(f"unknown option {word}; there are {', '.join(_ALL)}")
    if not source:
        raise _Usage("which file?")
    return source, options


def _take(options: dict[str, Any], word: str, value: str) -> None:
    if word in _LISTS:
        options.setdefault(_LISTS[word], []).append(value)
        return
    try:
        options[word.removeprefix("--")] = _VALUES[word](value)
    except ValueError:
        raise _Usage(f"{word} needs a number, not {value!r}") from None
