"""What a child process is started with: its program, its arguments, its environment (C-04). Nothing is started here.

No shell ever sees an argument. A program that is named without a directory is looked for in the absolute directories of
PATH and nowhere else: not in the working directory, which may be a project that somebody else wrote. The environment
holds what the caller gives, and of ours only what a program needs to find its way: no key, no token, no proxy.
"""

import os
from collections.abc import Mapping, Sequence
from typing import Final

import msgspec

from dovetail.errors import DefinitionError, quote

INHERITED: Final = frozenset("HOME LOGNAME PATH SHELL TERM USER LANG LANGUAGE TMPDIR TZ".split())
_LOCALE: Final = "LC_"


class ChildProgram(msgspec.Struct, frozen=True):
    """A program, ready to be started.

    Attributes:
        path: The executable, absolute.
        argv: The arguments, the name it was called by first.
        env: The whole environment.
        cwd: Its working directory; None for ours.
    """

    path: str
    argv: tuple[str, ...]
    env: Mapping[str, str]
    cwd: str | None


def child_program(
    argv: Sequence[str | os.PathLike[str]],
    env: Mapping[str, str] | None = None,
    cwd: str | os.PathLike[str] | None = None,
    ours: Mapping[str, str] | None = None,
) -> ChildProgram:
    """Check and resolve what is to be started.

    Args:
        argv: The program and its arguments. A program with a directory in its name is taken from there (a relative one
            is relative to our own working directory); any other is looked for in `PATH`.
        env: Environment variables, on top of the inherited ones; `PATH` among them decides where the program is found.
        cwd: The working directory.
        ours: Our environment, of which only harmless variables are inherited; by default that of this process.

    Raises:
        DefinitionError: It is no argument vector, or there is no such program, directory or variable.
    """
    arguments = _arguments(argv)
    environment = child_environment(env or {}, os.environ if ours is None else ours)
    where = None if cwd is None else os.path.abspath(cwd)
    if where is not None and not os.path.isdir(where):
        raise DefinitionError(f"cwd: there is no directory {quote(where)}")
    return ChildProgram(_resolved(arguments[0], environment.get("PATH", "")), arguments, environment, where)


def child_environment(given: Mapping[str, str], ours: Mapping[str, str]) -> dict[str, str]:
    """Return the environment of a child: what is given, and of ours what names no secret.

    Raises:
        DefinitionError: A name or value that no environment can hold. The text does not repeat the value.
    """
    for name, value in given.items():
        if not name or "=" in name or "\0" in name or "\0" in value:
            raise DefinitionError(f"Environment variable {quote(name, 64)}: the name or value cannot be passed on")
    # A value that begins with "()" is a shell function, which some shells would run (CVE-2014-6271).
    inherited = {
        name: value
        for name, value in ours.items()
        if (name in INHERITED or name.startswith(_LOCALE)) and not value.startswith("()")
    }
    return inherited | dict(given)


def _arguments(argv: Sequence[str | os.PathLike[str]]) -> tuple[str, ...]:
    if isinstance(argv, str | bytes):
        raise DefinitionError("A program is given as a list of arguments, such as ['python', 'server.py'], not as text")
    arguments = tuple(item if isinstance(item, str) else _path(item) for item in argv)
    if not arguments or not arguments[0]:
        raise DefinitionError("A program is given as a list of arguments, and the list is empty")
    if any("\0" in item for item in arguments):
        raise DefinitionError("An argument holds a NUL, which no program can be given")
    return arguments


def _path(item: os.PathLike[str]) -> str:
    try:
        path = os.fspath(item)
    except TypeError:
        path = None
    if not isinstance(path, str):
        raise DefinitionError(f"Every argument of a program is a str, not {type(item).__name__}")
    return path


def _resolved(name: str, search: str) -> str:
    if os.sep in name:
        path = os.path.abspath(name)
        if not _runs(path):
            raise DefinitionError(f"There is no program {quote(path)} that this user may run")
        return path
    # An empty entry means the working directory to execvp; a relative one leads there too.
    folders = [folder for folder in search.split(os.pathsep) if os.path.isabs(folder)]
    for folder in folders:
        path = os.path.join(folder, name)
        if _runs(path):
            return path
    raise DefinitionError(f"There is no program {quote(name)} in the {len(folders)} directories of PATH")


def _runs(path: str) -> bool:
    return os.path.isfile(path) and os.access(path, os.X_OK)
