"""`dovetail serve`: the servers that we ship, one on any transport, or several on one port.

Parsed by hand, because a client that starts a server waits for every import; what can be typed comes from the server's
own settings.
"""

from typing import Any

import msgspec

from dovetail.cli.loading import NotLoaded, fail
from dovetail.cli.options import SERVE, SERVE_FROM, Option, Usage, split
from dovetail.errors import DefinitionError, DovetailError
from dovetail.net import say
from dovetail.servers import SHELF, Setting, make_server, on_shelf, settings_of


class Order(msgspec.Struct, frozen=True):
    """One server, as it was asked for.

    Attributes:
        name: On the shelf.
        settings: Of the server, by their names.
        options: Of the command, by their keys.
    """

    name: str
    settings: dict[str, Any]
    options: dict[str, Any]


def serve_command(arguments: list[str]) -> int:
    """Read the command line and serve until stopped; return the exit status."""
    name = next((word for word in arguments if not word.startswith("-")), "")
    try:
        if any(word.partition("=")[0] == "--from" for word in arguments):
            return _serve_manifest(arguments)
        order = ordered(arguments)
        _serve(order)
    except Usage as error:
        return fail("serve", f"{error} (dovetail serve {f'{name} ' if name in _names() else ''}--help)", 2)
    except NotLoaded as error:
        say(error.report("serve"))
        return 1
    except DovetailError as error:
        return fail("serve", str(error))
    return 0


def ordered(arguments: list[str]) -> Order:
    """Return what a command line asks for: `NAME [ARGUMENTS] [OPTIONS]`.

    Raises:
        Usage: The line makes no sense.
    """
    if not arguments or arguments[0].startswith("-"):
        raise Usage(f"which server? There are {', '.join(_names())}")
    name = arguments[0]
    try:
        on_shelf(name)
    except DefinitionError as error:
        raise Usage(str(error)[:1].lower() + str(error)[1:]) from None
    settings = settings_of(name)
    words, given = split(arguments[1:], table(settings))
    own = {each.name for each in settings}
    chosen = {key: value for key, value in given.items() if key in own}
    chosen |= _by_place(words, next((each for each in settings if each.argument), None))
    missing = next((each for each in settings if each.required and each.name not in chosen), None)
    if missing is not None:
        raise Usage(f"which {missing.metavar if missing.argument else option(missing).flag}? {missing.about}")
    return Order(name, chosen, {key: value for key, value in given.items() if key not in own})


def table(settings: list[Setting]) -> tuple[Option, ...]:
    """Return the options of `dovetail serve NAME`: those of the server, then those of every server."""
    return (*(option(each) for each in settings if not each.argument), *SERVE)


def option(setting: Setting) -> Option:
    """Return a setting as an option; the server's own record judges its value."""
    return Option(
        flag="--" + setting.name.replace("_", "-"),
        key=setting.name,
        help=setting.about,
        metavar=setting.metavar,
        choices=setting.choices,
        default=setting.default if isinstance(setting.default, str | int) else _shown(setting.default),
        many=setting.many,
        http=False,
    )


def _shown(value: float | None) -> str | None:
    return None if value is None else f"{value:g}"


def _by_place(words: list[str], argument: Setting | None) -> dict[str, Any]:
    if not words:
        return {}
    if argument is None:
        raise Usage(f"unexpected {words[0]!r}: this server takes options only")
    if argument.many:
        return {argument.name: words}
    if len(words) > 1:
        raise Usage(f"unexpected {words[1]!r}: one {argument.metavar} is enough")
    return {argument.name: words[0]}


def described(arguments: list[str]) -> str:
    """Return what can be typed, in plain text: for whoever has not installed what shows it better."""
    name = next((word for word in arguments if not word.startswith("-")), "")
    if name not in _names():
        lines = [f"  {one.name:<12} {one.about}" for one in SHELF.values()]
        return "\n".join(["usage: dovetail serve NAME [ARGUMENTS] [OPTIONS]", *lines, ""])
    settings = settings_of(name)
    place = next((each for each in settings if each.argument), None)
    words = "" if place is None else f" {place_shown(place)}"
    return f"usage: dovetail serve {name}{words} {' '.join(each.usage() for each in table(settings))}\n"


def place_shown(argument: Setting) -> str:
    """Return how an argument stands in a line of usage: `DIR...`, `[FILE]`."""
    word = f"{argument.metavar}{'...' if argument.many else ''}"
    return word if argument.required else f"[{word}]"


def _serve(order: Order) -> None:
    options = dict(order.options)
    transport = options.pop("transport", "stdio")
    if transport != "stdio":
        make_server(order.name, order.settings).run(transport, **options)
        return
    from dovetail.net import apart

    with apart():  # what a library prints while it is loaded is no message (W-09)
        server = make_server(order.name, order.settings)
    server.run("stdio", **options)


def _serve_manifest(arguments: list[str]) -> int:
    words, given = split(arguments, SERVE_FROM)
    if words:
        raise Usage(f"unexpected {words[0]!r}: the servers are those of the manifest")
    from dovetail.cli.serving_many import serve_manifest

    return serve_manifest(given)


def _names() -> list[str]:
    return list(SHELF)
