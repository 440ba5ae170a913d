"""`dovetail new`: a small server project, whose test passes as it is.

A name is one folder in the current one and nothing else: no path, no link is followed, no file is overwritten.
"""

import contextlib
import os
import re
import sys
from pathlib import Path
from typing import Final

import msgspec

from dovetail.cli.loading import fail
from dovetail.cli.options import version
from dovetail.revisions import NEWEST

_NAME: Final = re.compile(r"[A-Za-z][A-Za-z0-9]*(?:[-_][A-Za-z0-9]+)*", re.ASCII)
_LONGEST: Final = 64
_TAKEN: Final = frozenset({"dovetail", "dovetail-mcp", "pytest", "server", "test", "tests"})
"""Names whose project would shadow, or need, itself."""

PROJECT: Final = """\
[build-system]
requires = ["setuptools>=77"]
build-backend = "setuptools.build_meta"

[project]
name = "{name}"
version = "0.1.0"
description = "An MCP server."
readme = "README.md"
requires-python = ">=3.11"
dependencies = ["dovetail-mcp[http]>={version}"]

[project.optional-dependencies]
dev = ["dovetail-mcp[cli]", "pytest>=8"]

[tool.setuptools]
py-modules = ["server"]

[tool.pytest.ini_options]
testpaths = ["tests"]
pythonpath = ["."]
"""

SERVER: Final = '''\
"""{name}: an MCP server."""

from dovetail import Server, ToolError

app = Server("{name}", version="0.1.0", instructions="Look an order up before you say anything about it.")

ORDERS = {{"ORD-1": "on its way", "ORD-2": "delivered"}}


@app.tool
async def order_status(order_id: str) -> str:
    """Tell where an order is.

    Args:
        order_id: An id such as ORD-1.
    """
    if order_id not in ORDERS:
        raise ToolError(f"There is no order {{order_id!r}}. There are: {{', '.join(ORDERS)}}")
    return ORDERS[order_id]


@app.resource("orders://{{order_id}}", mime_type="text/plain")
def order(order_id: str) -> str:
    """One order."""
    return f"{{order_id}} is {{ORDERS.get(order_id, 'unknown')}}"


@app.prompt
def apologise(order_id: str) -> str:
    """Write to a customer who has waited."""
    return f"Look order {{order_id}} up, then write a short, warm apology for the delay."


if __name__ == "__main__":
    app.run()
'''

TEST: Final = '''\
"""The server, as a client sees it: in memory, through the real framing, without a port or a process."""

import asyncio
import json
from typing import Any

from server import app


def call(method: str, **params: Any) -> Any:
    """Call a method as a client does; return the result."""

    async def talk() -> Any:
        meta = {{
            "io.modelcontextprotocol/protocolVersion": "{revision}",
            "io.modelcontextprotocol/clientCapabilities": {{}},
        }}
        message = {{"jsonrpc": "2.0", "id": 1, "method": method, "params": {{**params, "_meta": meta}}}}
        channel = app.connect()
        channel.send(json.dumps(message).encode())
        received = await channel.receive()
        await channel.aclose()
        assert isinstance(received, bytes)
        answer = json.loads(received)
        assert "result" in answer, answer["error"]["message"]
        return answer["result"]

    return asyncio.run(talk())


def test_it_offers_what_it_should() -> None:
    assert [tool["name"] for tool in call("tools/list")["tools"]] == ["order_status"]


def test_an_order_is_found() -> None:
    result = call("tools/call", name="order_status", arguments={{"order_id": "ORD-1"}})
    assert result["content"][0]["text"] == "on its way"


def test_an_order_that_does_not_exist_is_explained() -> None:
    result = call("tools/call", name="order_status", arguments={{"order_id": "ORD-9"}})
    assert result["isError"]
    assert "ORD-1, ORD-2" in result["content"][0]["text"]


def test_an_order_can_be_read() -> None:
    result = call("resources/read", uri="orders://ORD-2")
    assert result["contents"][0]["text"] == "ORD-2 is delivered"
'''

README: Final = """\
# {name}

An MCP server. `server.py` is all of it.

```bash
python -m venv .venv && . .venv/bin/activate
pip install -e ".[dev]"
pytest                                    # the tests
dovetail dev server.py                    # at http://127.0.0.1:8000/mcp, reloading on change
dovetail contract server.py               # server.contract.json: what it offers; commit it
dovetail contract server.py --check       # fails when that has changed
```

For a client that starts programs, in this folder:

```json
{{"mcpServers": {{"{name}": {{"command": "dovetail", "args": ["run", "server.py"]}}}}}}
```
"""

IGNORED: Final = "__pycache__/\n*.egg-info/\n.pytest_cache/\n.venv/\n"

FILES: Final = {
    "pyproject.toml": PROJECT,
    "server.py": SERVER,
    "tests/test_server.py": TEST,
    "README.md": README,
    ".gitignore": IGNORED,
}


class Refused(Exception):
    """No project is made; the text says why."""


def new(name: str, *, as_json: bool) -> int:
    """Make a project in a new folder of the current one; return the exit status."""
    try:
        check_name(name)
        folder = Path(name)
        make(folder, name)
    except Refused as error:
        return fail("new", str(error), 2 if isinstance(error, _BadName) else 1)
    except OSError as error:
        return fail("new", f"cannot write {error.filename or name}: {error.strerror}")
    if as_json:
        told = {"project": name, "folder": str(folder.absolute()), "files": list(FILES)}
        sys.stdout.write(msgspec.json.format(msgspec.json.encode(told)).decode() + "\n")
        return 0
    from dovetail.cli.showing import Line, show

    steps = (
        (f"cd {name}", ""),
        ('pip install -e ".[dev]"', ""),
        ("pytest", "its tests"),
        ("dovetail dev server.py", "serve it, reloading on change"),
        ("dovetail contract server.py", "a golden snapshot of what it offers"),
    )
    show([Line([("Made ", ""), (f"{name}/", "bold"), (f": {', '.join(FILES)}", "")]), Line([("", "")])])
    show(Line([(f"  {step:<29}" if about else f"  {step}", "bold"), (about, "dim")]) for step, about in steps)
    return 0


class _BadName(Refused):
    pass


def check_name(name: str) -> None:
    """Refuse a name that is not one.

    Raises:
        Refused: It could lead elsewhere, or could not be installed.
    """
    if len(name) > _LONGEST:
        raise _BadName(f"a name has at most {_LONGEST} characters, not {len(name)}")
    if not _NAME.fullmatch(name):
        shown = ascii(name)
        raise _BadName(f"{shown} is no name: letters and digits, with single - or _ between them, a letter first")
    if re.sub("[-_]+", "-", name).lower() in _TAKEN:
        raise _BadName(f"{name!r} is taken: the project could not be installed or tested beside what has that name")


def make(folder: Path, name: str) -> None:
    """Write the files of a project.

    Raises:
        Refused: The folder is there and is not empty, or is something else.
        OSError: It cannot be written.
    """
    if folder.is_symlink() or (folder.exists() and not folder.is_dir()):
        raise Refused(f"{folder} exists and is not a folder")
    if folder.is_dir() and any(folder.iterdir()):
        raise Refused(f"the folder {folder} exists and is not empty")
    existed = folder.is_dir()
    written: list[Path] = []
    try:
        for place, text in FILES.items():
            path = folder / place
            path.parent.mkdir(parents=True, exist_ok=True)
            with open(path, "x", encoding="utf-8", newline="\n") as file:
                written.append(path)
                file.write(text.format(name=name, version=version(), revision=NEWEST.version))
    except OSError:
        _undo(written, folder, existed)
        raise


def _undo(written: list[Path], folder: Path, existed: bool) -> None:
    """Leave nothing half made behind."""
    for path in written:
        with contextlib.suppress(OSError):
            path.unlink()
    for path in [folder / "tests"] if existed else [folder / "tests", folder]:
        with contextlib.suppress(OSError):
            os.rmdir(path)
