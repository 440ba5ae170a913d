"""Loading the user's file for a command, and telling them of what goes wrong there in their own terms.

What is wrong in a file is shown with the frames of that file and of what it imports from beside it: those of this
library, of the import system and of installed packages say nothing that its author could act upon.
"""

import os
from typing import TYPE_CHECKING

from dovetail.errors import DefinitionError
from dovetail.net import say
from dovetail.server import load_server

if TYPE_CHECKING:
    from traceback import TracebackException

    from dovetail.server import Server


class NotLoaded(Exception):
    """A file gives no server.

    Attributes:
        report: One line for stderr, and the user's own traceback before it where there is one.
    """

    def __init__(self, reason: str, trace: str = "") -> None:
        super().__init__(reason)
        self.reason = reason
        self.trace = trace

    def report(self, command: str) -> str:
        """Return what to write to stderr: the user's own traceback, if there is one, and one line."""
        return f"{self.trace}dovetail {command}: {self.reason}\n"


def load(source: str, transport: str = "http") -> "Server":
    """Return the server of `FILE[:object]`, which is to be served on a transport.

    Raises:
        NotLoaded: There is none, or the file fails.
        Disconnected: It is for stdio, and there is none.
    """
    if transport != "stdio":
        return _load(source)
    from dovetail.net import apart

    with apart():  # what the file prints while it is loaded is no message (W-09)
        return _load(source)


def _load(source: str) -> "Server":
    try:
        return load_server(source)
    except (Exception, SystemExit) as error:
        trace = own_trace(error)
        if isinstance(error, DefinitionError) and not trace:
            raise NotLoaded(str(error)) from None
        name = os.path.basename(source).partition(":")[0]
        if isinstance(error, SystemExit):
            raise NotLoaded(f"{name} ended the program while it was loaded (exit status {error.code})") from None
        raise NotLoaded(f"{name} cannot be loaded", trace) from None


def own_trace(error: BaseException) -> str:
    """Return a traceback with the user's frames alone; empty when there is none and it is no syntax error."""
    from traceback import TracebackException

    whole = TracebackException.from_exception(error)
    _shorten(whole)
    if not whole.stack and not isinstance(error, SyntaxError):
        return ""
    return "".join(whole.format())


def _shorten(told: "TracebackException") -> None:
    from traceback import StackSummary

    told.stack = StackSummary.from_list([frame for frame in told.stack if _is_own(frame.filename)])
    for earlier in (told.__cause__, told.__context__):
        if earlier is not None:
            _shorten(earlier)


def _is_own(filename: str) -> bool:
    if filename.startswith("<") or filename.endswith(".pyx"):  # compiled, such as the event loop
        return False
    import sysconfig

    path = os.path.realpath(filename)
    paths = sysconfig.get_paths()
    foreign = [paths["stdlib"], paths["platstdlib"], paths["purelib"], paths["platlib"], _HERE]
    return not any(path.startswith(os.path.join(os.path.realpath(folder), "")) for folder in foreign)


_HERE = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))


def stopped(command: str, source: str, error: Exception) -> int:
    """Say what a server failed with that was loaded, such as its lifespan; return the exit status.

    Raises:
        Exception: What no line of the user's is part of: the fault is ours.
    """
    trace = own_trace(error)
    if not trace:
        raise error
    name = os.path.basename(source).partition(":")[0]
    say(f"{trace}dovetail {command}: {name} cannot be served: {type(error).__name__}\n")
    return 1


def fail(command: str, reason: str, status: int = 1) -> int:
    """Say in one line on stderr what went wrong; return the exit status."""
    say(f"dovetail {command}: {reason}\n")
    return status
