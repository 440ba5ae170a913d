"""`dovetail run` and what all commands share: the table of options, errors in one line, nothing heavy at the start."""

import json
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from dovetail import __version__
from dovetail.cli.options import DEV, RUN, Usage, parse, usage
from tests.cli.programs import dovetail, environment, started
from tests.server.peers import meta

pytestmark = pytest.mark.timeout(60)
HELLO = '''
from dovetail import Server
app = Server("hello")

@app.tool
def hello() -> str:
    """Say hello."""
    return "hello"
'''
LOADED = """
import atexit, sys

@atexit.register
def loaded():
    sys.stderr.write(repr(sorted({"typer", "rich", "watchfiles", "difflib"} & sys.modules.keys())) + "\\n")
"""


def test_a_line_is_read_by_the_table() -> None:
    line = "a.py:x --transport http --port=0 --host ::1 --allow-host a --allow-host b --allow-unauthenticated-network"
    assert parse(line.split(), RUN) == (
        "a.py:x",
        {
            "transport": "http",
            "port": 0,
            "host": "::1",
            "allowed_hosts": ["a", "b"],
            "allow_unauthenticated_network": True,
        },
    )


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("", "which file?"),
        ("a.py b.py", "unexpected 'b.py'"),
        ("a.py --prot 1", "there is no option --prot; did you mean --port?"),
        ("a.py --zzz", "there is no option --zzz; there are --transport, --host"),
        ("a.py -p 1", "there is no option -p"),
        ("a.py --state", "--state needs a value"),
        ("a.py --transport http --port x", "--port needs a number, not 'x'"),
        ("a.py --transport http --port 70000", "--port needs a number, from 0 to 65535, not 70000"),
        ("a.py --transport http --port=-1", "--port needs a number, from 0 to 65535, not -1"),
        ("a.py --transport http --workers 0", "--workers needs a number, 1 or more, not 0"),
        ("a.py --transport http --workers 2", "--workers need --state DIR"),
        ("a.py --transport tcp", "--transport is stdio or http, not 'tcp'"),
        ("a.py --transport http --allow-unauthenticated-network=no", "takes no value"),
        ("a.py --port 8000", "--port is for HTTP: add --transport http"),
    ],
)
def test_a_line_that_makes_no_sense_is_explained(line: str, says: str) -> None:
    with pytest.raises(Usage) as refused:
        parse(line.split(), RUN)
    assert says in str(refused.value)


@pytest.mark.parametrize(("command", "table"), [("run", RUN), ("dev", DEV)])
def test_help_shows_every_option_of_the_table_with_its_default(
    command: str, table: tuple[object, ...], tmp_path: Path
) -> None:
    shown = " ".join(dovetail(command, "--help", cwd=tmp_path, COLUMNS="200").stdout.split())
    for option in RUN if command == "run" else DEV:
        assert option.flag in shown and option.value in shown and option.help in shown
        assert option.default is None or f"{option.help} [default: {option.default}]" in shown


def test_run_serves_stdio_and_loads_neither_typer_nor_rich(tmp_path: Path) -> None:
    (tmp_path / "hello.py").write_text(HELLO + LOADED)
    message = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": "hello", "_meta": meta()}}
    done = subprocess.run(
        [sys.executable, "-m", "dovetail.cli", "run", "hello.py"],
        input=json.dumps(message) + "\n",
        capture_output=True,
        text=True,
        cwd=tmp_path,
        timeout=30,
        env=environment(),
    )
    assert json.loads(done.stdout)["result"]["content"][0]["text"] == "hello"
    assert (done.returncode, done.stderr) == (0, "[]\n")


@pytest.mark.req("W-09")
def test_what_a_file_prints_while_it_is_loaded_is_no_message_and_what_it_reads_is_none_of_ours(tmp_path: Path) -> None:
    prints = "import os, sys\nprint('python')\nos.write(1, b'raw\\n')\nos.system('echo child')\nsys.stdin.read()\n"
    (tmp_path / "hello.py").write_text(prints + HELLO)
    done = subprocess.run(
        [sys.executable, "-m", "dovetail.cli", "run", "hello.py"],
        input='{"jsonrpc":"2.0","id":1,"method":"ping"}\n',
        capture_output=True,
        text=True,
        cwd=tmp_path,
        timeout=30,
        env=environment(),
    )
    assert done.stdout == '{"jsonrpc":"2.0","id":1,"result":{}}\n'
    assert sorted(done.stderr.split()) == ["child", "python", "raw"]


async def test_run_serves_http_and_leaves_cleanly_on_ctrl_c(tmp_path: Path) -> None:
    (tmp_path / "hello.py").write_text(HELLO)
    async with started("run", "hello.py", "--transport=http", "--port=0", cwd=tmp_path) as program:
        await program.says("Serving on http://127.0.0.1:", "/mcp")
        program.process.send_signal(signal.SIGINT)
        assert await program.ended() == 0
    assert len(program.said) == 1


async def test_ctrl_c_while_a_file_is_loaded_leaves_without_a_traceback(tmp_path: Path) -> None:
    (tmp_path / "slow.py").write_text(
        "import sys, threading\nprint('loading', file=sys.stderr)\nthreading.Event().wait()"
    )
    async with started("run", "slow.py", cwd=tmp_path) as program:
        await program.says("loading")
        program.process.send_signal(signal.SIGINT)
        assert await program.ended() == 130
    assert program.said == ["loading"]


@pytest.mark.parametrize("how", [[], ["--transport", "http", "--port", "0"]])
def test_a_state_directory_that_cannot_be_used_is_named_once_and_without_a_traceback(
    how: list[str], tmp_path: Path
) -> None:
    (tmp_path / "it.py").write_text(HELLO)
    taken = tmp_path / "taken"
    taken.write_text("")
    done = dovetail("run", "it.py", *how, "--state", str(taken), cwd=tmp_path)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.count(str(taken)) == done.stderr.count("state directory") == 1
    assert "Traceback" not in done.stderr


FAILS = """
from dovetail import Server
import contextlib

@contextlib.asynccontextmanager
async def lives(app):
    raise LookupError("no table")
    yield

app = Server("hello", lifespan=lives)
"""


@pytest.mark.parametrize("how", [[], ["--transport", "http", "--port", "0"]])
def test_a_lifespan_that_fails_is_shown_with_its_authors_frames_alone(how: list[str], tmp_path: Path) -> None:
    (tmp_path / "it.py").write_text(FAILS)
    done = dovetail("run", "it.py", *how, cwd=tmp_path)
    assert (done.returncode, done.stdout) == (1, "")
    said = [line for line in done.stderr.splitlines() if "^^" not in line]
    assert said == [
        "Traceback (most recent call last):",
        f'  File "{tmp_path / "it.py"}", line 7, in lives',
        '    raise LookupError("no table")',
        "LookupError: no table",
        "dovetail run: it.py cannot be served: LookupError",
    ]


@pytest.mark.parametrize("workers", [[], ["--workers", "2"]])
async def test_a_state_directory_that_another_server_has_is_one_line(workers: list[str], tmp_path: Path) -> None:
    (tmp_path / "it.py").write_text(HELLO)
    line = ["run", "it.py", "--transport=http", "--port=0", "--state=state"]
    async with started(*line, cwd=tmp_path) as first:
        await first.says("Serving on")
        async with started(*line, *workers, cwd=tmp_path) as second:
            assert await second.ended() == 1
    assert len(second.said) == 1 and second.said[0].startswith("dovetail run: Another server (process ")


@pytest.mark.parametrize("command", ["run", "contract", "dev"])
def test_a_folder_is_no_file_and_is_called_what_it_is(command: str, tmp_path: Path) -> None:
    done = dovetail(command, ".", cwd=tmp_path)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == f"dovetail {command}: . is a folder: name a file in it\n"


@pytest.mark.parametrize(
    ("text", "source", "says"),
    [
        ("x = 1", "it.py", "it.py defines no server: expected something like app = Server('name')"),
        (HELLO, "it.py:other", "it.py has no server named 'other'"),
        (
            "from dovetail import Server\na, b = Server('a'), Server('b')",
            "it.py",
            "it.py defines several servers: name one, as in it.py:a (a, b)",
        ),
        ("import sys; sys.exit(5)", "it.py", "it.py ended the program while it was loaded (exit status 5)"),
        ("not python", "it.txt", "it.txt is not a Python file"),
    ],
)
def test_a_file_without_a_server_is_one_line(text: str, source: str, says: str, tmp_path: Path) -> None:
    (tmp_path / source.partition(":")[0]).write_text(text)
    for command in ("run", "contract"):
        done = dovetail(command, source, cwd=tmp_path)
        assert (done.returncode, done.stdout, done.stderr) == (1, "", f"dovetail {command}: {says}\n")


def test_an_error_in_a_file_is_shown_with_its_authors_frames_alone(tmp_path: Path) -> None:
    (tmp_path / "inner.py").write_text("import json\n\ndef work():\n    json.loads('{')\n")
    (tmp_path / "it.py").write_text(
        "import inner\n\ntry:\n    inner.work()\nexcept ValueError as e:\n    raise KeyError('config') from e\n"
    )
    done = dovetail("run", "it.py", cwd=tmp_path)
    assert done.returncode == 1
    frames = [line.split('"')[1] for line in done.stderr.splitlines() if line.startswith("  File ")]
    assert [Path(frame).name for frame in frames] == ["it.py", "inner.py", "it.py"]
    assert "KeyError: 'config'" in done.stderr
    assert done.stderr.endswith("dovetail run: it.py cannot be loaded\n")


def test_a_syntax_error_is_shown_with_its_place(tmp_path: Path) -> None:
    (tmp_path / "it.py").write_text("x = (\n")
    done = dovetail("run", "it.py", cwd=tmp_path)
    assert done.returncode == 1
    assert 'it.py", line 1' in done.stderr and "SyntaxError: '(' was never closed" in done.stderr
    assert "importlib" not in done.stderr and "dovetail/" not in done.stderr


def test_a_wrong_definition_points_at_the_line_that_makes_it(tmp_path: Path) -> None:
    (tmp_path / "it.py").write_text(HELLO + "\n@app.tool\ndef hello() -> str:\n    return ''\n")
    done = dovetail("contract", "it.py", cwd=tmp_path)
    assert done.returncode == 1
    assert "There is a tool named 'hello' already" in done.stderr
    assert done.stderr.count("  File ") == 1


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("nosuch", "dovetail: no such command 'nosuch' (dovetail --help)"),
        ("dev", "dovetail dev: missing argument 'FILE[:object]' (dovetail dev --help)"),
        ("dev a.py --port x", "dovetail dev: --port needs a number, not 'x' (dovetail dev --help)"),
        (
            "dev a.py --transport stdio --port 1",
            "dovetail dev: --port is for HTTP: add --transport http (dovetail dev --help)",
        ),
        ("run a.py --port x", "dovetail run: --port needs a number, not 'x' (dovetail run --help)"),
        ("contract a.py --bad", "dovetail contract: no such option: --bad (dovetail contract --help)"),
    ],
)
def test_a_wrong_command_line_is_one_line_and_status_2(line: str, says: str, tmp_path: Path) -> None:
    done = dovetail(*line.split(), cwd=tmp_path)
    assert (done.returncode, done.stdout, done.stderr) == (2, "", says + "\n")


def test_the_version_is_said_and_without_a_command_there_is_help(tmp_path: Path) -> None:
    assert dovetail("--version", cwd=tmp_path).stdout == f"dovetail {__version__}\n"
    nothing = dovetail(cwd=tmp_path)
    assert nothing.returncode == 2 and nothing.stderr == ""
    for command in ("run", "dev", "new", "contract"):
        assert command in nothing.stdout


def test_without_the_extra_run_works_and_the_others_say_what_to_install(tmp_path: Path) -> None:
    hidden = "import sys; sys.modules['typer'] = None; from dovetail.cli import main; main()"
    for line in ("new x", "contract x", "dev x"):
        done = subprocess.run([sys.executable, "-c", hidden, *line.split()], capture_output=True, text=True, timeout=30)
        assert done.returncode == 1
        assert done.stderr == 'dovetail: this needs the "cli" extra: pip install "dovetail-mcp[cli]"\n'
    done = subprocess.run([sys.executable, "-c", hidden, "run", "-h"], capture_output=True, text=True, timeout=30)
    assert (done.returncode, done.stdout) == (0, usage("run", RUN) + "\n")
