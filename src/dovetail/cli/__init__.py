"""The command `dovetail`.

`dovetail run` and `dovetail serve` are dispatched before anything heavy is imported: a client waits for them to start.
Everything else goes through typer, which is loaded then.

Exit statuses: 0 done; 1 failed, or found a difference; 2 a command line that makes no sense; 130 interrupted before it
served. Errors are one line on stderr; what a program reads is on stdout.
"""

import sys

_HELP = frozenset({"--help", "-h"})


def main() -> None:
    """Run the command line."""
    from dovetail.net import fill_streams

    fill_streams()
    arguments = sys.argv[1:]
    try:
        sys.exit(_dispatch(arguments))
    except KeyboardInterrupt:
        sys.exit(130)
    finally:
        _flush_errors()


def _flush_errors() -> None:
    """Flush standard error, if that can be done: else Python would try at its end, and make a failure (120) of it."""
    from dovetail.net import abandon

    try:
        if sys.stderr is not None:
            sys.stderr.flush()
    except OSError:
        abandon(sys.stderr)


def _dispatch(arguments: list[str]) -> int:
    if arguments[:1] == ["run"] and not _HELP & set(arguments):
        from dovetail.cli.run import run_command

        return run_command(arguments[1:])
    if arguments[:1] == ["serve"] and len(arguments) > 1 and not _HELP & set(arguments):
        from dovetail.cli.serve import serve_command

        return serve_command(arguments[1:])
    if arguments == ["--version"]:
        from dovetail.cli.options import version

        sys.stdout.write(f"dovetail {version()}\n")
        return 0
    try:
        from dovetail.cli.app import typed_command
    except ModuleNotFoundError as error:
        if error.name not in ("typer", "rich"):
            raise
        return _without_extra(arguments)
    return typed_command(arguments)


def _without_extra(arguments: list[str]) -> int:
    """What is left without typer: how to run, and what to install for the rest."""
    if arguments[:1] == ["run"]:
        from dovetail.cli.options import RUN, usage

        sys.stdout.write(usage("run", RUN) + "\n")
        return 0
    if arguments[:1] == ["serve"]:
        from dovetail.cli.serve import described

        sys.stdout.write(described(arguments[1:]))
        return 0
    from dovetail.net import say

    say('dovetail: this needs the "cli" extra: pip install "dovetail-mcp[cli]"\n')
    return 1
