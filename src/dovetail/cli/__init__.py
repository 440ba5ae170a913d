"""The command `dovetail`.
 `dovetail run` is dispatched before anything heavy is imported: a client waits for it to start. Everything else goes
through typer, which is loaded then.
"""

import sys


def main() -> None:
    """Run the command line."""
    arguments = sys.argv[1:]
    if arguments[:1] == ["run"] and not {"--help", "-h"} & set(arguments):
        from dovetail.cli.run import run_command

        sys.exit(run_command(arguments[1:]))
    try:
        from dovetail.cli.app import app
    except ModuleNotFoundError as error:
        if error.name not in ("typer", "rich"):
            raise
        sys.exit('This command needs the "cli" extra: pip install "dovetail-mcp[cli]"')
    app()
