"""Loading a server from a file: `server.py`, or `server.py:name`."""

import importlib.util
import os
import sys
from pathlib import Path
from types import ModuleType

from dovetail.errors import DefinitionError
from dovetail.server.app import Server

_USUAL = ("app", "server", "mcp")


def load_server(source: str) -> Server:
    """Return the server that a file defines.

    Args:
        source: A path, and after a colon the name of the object; without one, the file's only server, or the one named
            `app`, `server` or `mcp`.

    Raises:
        DefinitionError: No such file, no server in it, or more than one to choose from.
    """
    path, name = _split(source)
    module = _load(path)
    if name:
        found = getattr(module, name, None)
        if not isinstance(found, Server):
            raise DefinitionError(f"{path.name} has no server named {name!r}")
        return found
    servers = {key: value for key, value in vars(module).items() if isinstance(value, Server)}
    if len(set(map(id, servers.values()))) == 1:
        return next(iter(servers.values()))
    for usual in _USUAL:
        if usual in servers:
            return servers[usual]
    if not servers:
        raise DefinitionError(f"{path.name} defines no server: expected something like app = Server('name')")
    names = ", ".join(sorted(servers))
    raise DefinitionError(
        f"{path.name} defines several servers: name one, as in {path.name}:{sorted(servers)[0]} ({names})"
    )


def _split(source: str) -> tuple[Path, str]:
    file, colon, name = source.rpartition(":")
    if not colon or os.sep in name or name.endswith(".py"):
        file, name = source, ""
    path = Path(file)
    if not path.is_file():
        raise DefinitionError(f"{file} is a folder: name a file in it" if path.is_dir() else f"There is no file {file}")
    return path, name


def _load(path: Path) -> ModuleType:
    """Import a file as `__main__` would be, but under its own name, so that its `if __name__` block does not run."""
    folder = str(path.resolve().parent)
    if folder not in sys.path:
        sys.path.insert(0, folder)
    spec = importlib.util.spec_from_file_location(path.stem, path)
    if spec is None or spec.loader is None:
        raise DefinitionError(f"{path.name} is not a Python file")
    module = importlib.util.module_from_spec(spec)
    sys.modules[path.stem] = module
    spec.loader.exec_module(module)
    return module
