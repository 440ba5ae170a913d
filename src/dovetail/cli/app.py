"""The commands, on typer. `run` is here for its help: it is dispatched before typer is loaded (see the room).

Options of `run` and `dev` come from the table in `options`, those of the commands that visit a server from the one in
`visits`; the others are few and stand here.
"""

import inspect
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperCommand

from dovetail.cli.loading import fail
from dovetail.cli.options import DEV, RUN, SERVE_FROM, Option, Usage, check
from dovetail.cli.options import version as installed
from dovetail.cli.visits import COMMANDS, LOGINS, Command
from dovetail.net import say

app = typer.Typer(
    name="dovetail",
    help="Model Context Protocol servers: run, develop, begin and pin them; use any, and look it over.",
    epilog="Exit status: 0 done, 1 failed or found a difference, 2 a command line that makes no sense.",
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
SOURCE = typer.Argument(metavar="FILE[:object]", help="A Python file; after a colon, the server's name in it.")
JSON = typer.Option("--json", help="Print JSON, for a program.")
_VISITS = frozenset(command.name for command in COMMANDS)


def typed_command(arguments: list[str]) -> int:
    """Run a command; return the exit status."""
    program: list[str] = []
    if arguments[:1] == ["serve"]:
        _fill_serve(next((word for word in arguments[1:] if not word.startswith("-")), ""))
    if arguments and arguments[0] in _VISITS and "--" in arguments:
        # What follows is a program and its arguments: whatever they look like, they are not ours.
        cut = arguments.index("--")
        arguments, program = arguments[:cut], arguments[cut + 1 :]
    try:
        status = app(arguments, prog_name="dovetail", standalone_mode=False, obj=program)
    except typer.Abort:
        return 130
    except Exception as error:
        # What typer says of a command line: the class has moved between its versions, the method has not.
        said = getattr(error, "format_message", None)
        if said is None:
            raise
        context = getattr(error, "ctx", None)
        path = getattr(context, "command_path", "dovetail")
        say(f"{path}: {_one_line(said())} ({path} --help)\n")
        return 2
    return status if isinstance(status, int) else 0


def _one_line(text: str) -> str:
    text = " ".join(text.split()).rstrip(".")
    return text[:1].lower() + text[1:]


@app.callback(invoke_without_command=True)
def start(
    context: typer.Context,
    version: Annotated[bool, typer.Option("--version", help="Say which version this is.")] = False,
) -> None:
    """Model Context Protocol servers: run, develop, begin and pin them; use any, and look it over."""
    if version:
        typer.echo(f"dovetail {installed()}")
        raise typer.Exit
    _helped(context)


def _helped(context: typer.Context) -> None:
    """Show the help in place of a command that was not given."""
    if context.invoked_subcommand is None:
        if text := context.get_help():  # empty when rich has shown it already
            typer.echo(text)
        raise typer.Exit(2)


# Commands whose options come from the table.


def _served(name: str, table: tuple[Option, ...], serve: Callable[[str, dict[str, Any]], int], about: str) -> None:
    def command(context: typer.Context, **values: Any) -> int:
        source = values.pop("source")
        try:
            given = _given(context, values, table)
            check(given, table)
        except Usage as error:
            return fail(name, f"{error} (dovetail {name} --help)", 2)
        return serve(source, given)

    parameters = [
        _parameter("context", typer.Context),
        _parameter("source", Annotated[str, SOURCE]),
        *map(_typed, table),
    ]
    _bare(command, parameters)
    app.command(name, help=about)(command)


def _given(context: typer.Context, values: dict[str, Any], table: tuple[Option, ...]) -> dict[str, Any]:
    """Return what was typed, read by the table."""
    given = {key: value for key, value in values.items() if _was_given(context, key)}
    return given | {each.key: each.read(given[each.key]) for each in table if each.is_text and each.key in given}


def _was_given(context: typer.Context, key: str) -> bool:
    origin = context.get_parameter_source(key)
    return origin is not None and origin.name == "COMMANDLINE"


def _typed(option: Option) -> inspect.Parameter:
    kind: Any = str | None
    default: Any = None if option.default is None else str(option.default)
    if option.many:
        kind, default = list[str], []
    elif option.is_flag:
        kind, default = bool, False
    shown = typer.Option(option.flag, metavar=option.value or None, help=option.help)
    return _parameter(option.key, Annotated[kind, shown], default)


def _parameter(name: str, annotation: Any, default: Any = inspect.Parameter.empty) -> inspect.Parameter:
    return inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=annotation)


def _bare(command: Callable[..., Any], parameters: list[inspect.Parameter]) -> None:
    """Give a command the parameters that typer is to see."""
    command.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    command.__annotations__ = {each.name: each.annotation for each in parameters}


def _run(source: str, options: dict[str, Any]) -> int:
    from dovetail.cli.run import run

    return run(source, options)


def _dev(source: str, options: dict[str, Any]) -> int:
    try:
        from dovetail.cli.reloading import dev
    except ModuleNotFoundError as error:
        if error.name != "watchfiles":
            raise
        return fail("dev", 'this needs the "cli" extra: pip install "dovetail-mcp[cli]"')
    return dev(source, {"transport": "http", **options})


_served("run", RUN, _run, "Serve a file's server until stopped.")
_served("dev", DEV, _dev, "Serve a file's server, and start it anew whenever its project changes.")


# The servers that we ship: each a command below `serve`, made from its own settings when `serve` is typed.

serve = typer.Typer()
app.add_typer(serve, name="serve")


def start_serve(context: typer.Context, **_: Any) -> None:
    """Serve one of the servers that come with Dovetail, or those of a manifest on one port."""
    _helped(context)


_bare(start_serve, [_parameter("context", typer.Context), *map(_typed, SERVE_FROM)])
serve.callback(invoke_without_command=True)(start_serve)


def _fill_serve(asked: str) -> None:
    """Add the commands, with the options of the one that is asked for.

    They only show their help: `serve` is dispatched before typer is loaded.
    """
    from dovetail.cli.serve import place_shown, table
    from dovetail.servers import SHELF, settings_of

    for one in SHELF.values():
        settings = settings_of(one.name) if one.name == asked else []
        place = next((each for each in settings if each.argument), None)
        words, explained = ("", "") if place is None else (place_shown(place), place.about)
        many = place is None or place.many
        _shown(one.name, one.about, table(settings), words, explained, list[str] if many else str)


def _shown(name: str, about: str, table: tuple[Option, ...], words: str, explained: str, kind: Any) -> None:
    def command(**_: Any) -> int:
        return 0

    parameters = [*map(_typed, table)]
    if words:
        told = typer.Argument(metavar=words, help=explained, show_default=False)
        parameters.insert(0, _parameter("words", Annotated[kind, told], [] if kind is not str else ""))
    _bare(command, parameters)
    serve.command(name, help=about, cls=_spelled(f"{words} [OPTIONS]" if words else "[OPTIONS]"))(command)


# Commands that visit a server.


def _visiting(group: typer.Typer, one: Command, work: Callable[[list[str], list[str], dict[str, Any]], int]) -> None:
    def command(context: typer.Context, words: list[str], **values: Any) -> int:
        try:
            given = _given(context, values, one.table)
        except Usage as error:
            return fail(one.name, f"{error} (dovetail {one.name} --help)", 2)
        return work(words, list(context.obj or ()), given)

    shown = typer.Argument(metavar=one.words, help=one.explained, show_default=False)
    parameters = [
        _parameter("context", typer.Context),
        _parameter("words", Annotated[list[str], shown], []),
        *map(_typed, one.table),
    ]
    _bare(command, parameters)
    group.command(one.name.split()[-1], help=one.about, cls=_spelled(f"[OPTIONS] {one.words}"))(command)


def _spelled(usage: str) -> type[TyperCommand]:
    """Return a class whose usage says the words as they are typed, instead of one list of something."""

    class Spelled(TyperCommand):
        def collect_usage_pieces(self, ctx: Any) -> list[str]:
            return [usage]

    return Spelled


def _work(name: str) -> Callable[[Any], Any]:
    if name == "doctor":
        from dovetail.cli.doctor import doctor

        return doctor
    from dovetail.cli.commands import call, list_, listen, prompt, read

    return {"list": list_, "call": call, "read": read, "prompt": prompt, "listen": listen}[name]


def _visit(one: Command, words: list[str], program: list[str], options: dict[str, Any]) -> int:
    from dovetail.cli.visiting import visit

    return visit(one, words, program, options, _work(one.name))


def _login(one: Command, words: list[str], _program: list[str], options: dict[str, Any]) -> int:
    from dovetail.cli.logins import keep_logins

    return keep_logins(one, words, options)


for _each in COMMANDS:
    _visiting(app, _each, partial(_visit, _each))

auth = typer.Typer()
app.add_typer(auth, name="auth")


@auth.callback(invoke_without_command=True)
def start_auth(context: typer.Context) -> None:
    """Log in to servers, see where you are logged in, and log out."""
    _helped(context)


for _each in LOGINS:
    _visiting(auth, _each, partial(_login, _each))


# The others.


@app.command("new")
def new(
    name: Annotated[str, typer.Argument(metavar="NAME", help="Of the project, its server and its folder.")],
    as_json: Annotated[bool, JSON] = False,
) -> int:
    """Make a small server project, with a test, in a new folder."""
    from dovetail.cli.project import new

    return new(name, as_json=as_json)


@app.command("contract")
def contract(
    source: Annotated[str, SOURCE],
    check: Annotated[bool, typer.Option("--check", help="Compare, write nothing; 1 when they differ.")] = False,
    snapshot: Annotated[
        Path | None,
        typer.Option(metavar="PATH", help="The golden file; by default FILE's name with .contract.json, beside it."),
    ] = None,
    as_json: Annotated[bool, JSON] = False,
) -> int:
    """Write, or check, a golden snapshot of all that a file's server offers."""
    from dovetail.cli.contract import contract

    return contract(source, snapshot=snapshot, check=check, as_json=as_json)
