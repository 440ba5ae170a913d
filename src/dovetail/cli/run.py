"""`dovetail run`: parsed by hand, because a client that starts a server waits for every import."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from dovetail.cli.loading import NotLoaded, fail, load, stopped
from dovetail.cli.options import RUN, Usage, parse
from dovetail.errors import DovetailError
from dovetail.net import say

if TYPE_CHECKING:
    from dovetail.server import Server


def run_command(arguments: list[str]) -> int:
    """Read the command line and serve until stopped; return the exit status."""
    try:
        source, options = parse(arguments, RUN)
    except Usage as error:
        return fail("run", f"{error} (dovetail run --help)", 2)
    return run(source, options)


def run(source: str, options: Mapping[str, Any]) -> int:
    """Serve until stopped; return the exit status."""
    try:
        serve(load(source, options.get("transport", "stdio")), source, options)
    except NotLoaded as error:
        say(error.report("run"))
        return 1
    except DovetailError as error:
        return fail("run", str(error))
    except Exception as error:
        return stopped("run", source, error)
    return 0


def serve(server: "Server", source: str, options: Mapping[str, Any]) -> None:
    """Serve a server that is loaded, with the options of the table."""
    rest = dict(options)
    transport = rest.pop("transport", "stdio")
    if transport == "stdio":
        server.run("stdio", **rest)
    else:
        server.run(transport, source=source, **rest)
