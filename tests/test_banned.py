"""Calls that turn data into code or into a shell's command line stand nowhere in what we ship (S-28).

Tests may use them: some play a user whose tool runs a shell.
"""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.house import ROOT

FOLDERS = ("src", "bench", "examples", "docs")
BANNED_CALLS = frozenset({"eval", "exec", "compile", "__import__"})
BANNED_ATTRIBUTES = frozenset(
    {
        "os.system", "os.popen", "os.spawnl", "os.spawnv", "subprocess.getoutput", "subprocess.getstatusoutput",
        "asyncio.create_subprocess_shell", "yaml.load", "yaml.unsafe_load", "tempfile.mktemp",
    }
)  # fmt: skip
BANNED_MODULES = frozenset({"pickle", "cPickle", "dill", "shelve", "marshal", "commands", "pty"})


def source_files() -> list[Path]:
    return [
        path
        for folder in FOLDERS
        for path in sorted((ROOT / folder).rglob("*.py"))
        if "node_modules" not in path.parts and not path.name.startswith(".")
    ]


def banned(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """Find every banned call and import: its line and what it is."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, a.name) for a in node.names if a.name.partition(".")[0] in BANNED_MODULES)
        elif isinstance(node, ast.ImportFrom):
            whole = [f"{node.module}.{alias.name}" for alias in node.names]
            if (node.module or "").partition(".")[0] in BANNED_MODULES:
                yield node.lineno, str(node.module)
            yield from ((node.lineno, name) for name in whole if name in BANNED_ATTRIBUTES)
        elif isinstance(node, ast.Call):
            called = ast.unparse(node.func)
            if called in BANNED_CALLS or called in BANNED_ATTRIBUTES:
                yield node.lineno, f"{called}()"
            for keyword in node.keywords:
                if keyword.arg == "shell" and not (isinstance(keyword.value, ast.Constant) and not keyword.value.value):
                    yield node.lineno, "shell="


@pytest.mark.req("S-28")
def test_nothing_runs_a_shell_or_turns_data_into_code() -> None:
    found = [
        f"{path.relative_to(ROOT)}:{line}: {what}"
        for path in source_files()
        for line, what in banned(ast.parse(path.read_text(encoding="utf-8")))
    ]
    assert not found, "\n".join(found)


@pytest.mark.req("S-28")
@pytest.mark.parametrize(
    "code",
    [
        "subprocess.run('ls', shell=True)",
        "subprocess.run('ls', shell=choice)",
        "os.system('ls')",
        "from os import system",
        "asyncio.create_subprocess_shell('ls')",
        "eval('1')",
        "exec('1')",
        "import pickle",
        "from pickle import loads",
        "import marshal",
        "yaml.load(text)",
    ],
)
def test_the_scan_finds_what_it_bans(code: str) -> None:
    assert list(banned(ast.parse(code)))


def test_the_scan_lets_plain_code_pass() -> None:
    assert not list(banned(ast.parse("subprocess.run(['ls'], shell=False); re.compile('a'); yaml.safe_load(text)")))
