"""The list of numbered requirements: which there are, which tests prove each, and how each guard is shown to matter.

`coverage.toml` holds one `[[requirement]]` an id. `status` is `proved` (tests carry its mark), `open` (none does) or
`later` (what it is about is not part of the project yet; `why` says so). A proved requirement of priority P0 names its
guard and a small textual mutation that removes it; `mutate.py` applies each and demands that `test` fails.
"""

import ast
import tomllib
from pathlib import Path

import msgspec

from tests.house import ROOT

LEDGER = Path(__file__).parent / "coverage.toml"


class Mutation(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A change that removes a guard, and the test that must notice.

    Attributes:
        guard: `path:function` of the guard.
        find: Text that stands exactly once in the guard.
        replace: What stands there instead.
        test: `path::test` that must fail.
    """

    guard: str
    find: str
    replace: str
    test: str

    @property
    def path(self) -> Path:
        """The file of the guard."""
        return ROOT / self.guard.partition(":")[0]

    @property
    def function(self) -> str:
        """The dotted name of the guard inside its file."""
        return self.guard.partition(":")[2]


class Requirement(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One numbered requirement."""

    id: str
    priority: str
    text: str
    status: str
    why: str = ""
    mutation: tuple[Mutation, ...] = ()


def requirements() -> tuple[Requirement, ...]:
    """Read the ledger."""
    with LEDGER.open("rb") as file:
        return msgspec.convert(tomllib.load(file)["requirement"], tuple[Requirement, ...])


def definition(path: Path, dotted: str) -> ast.AST | None:
    """Find a function or class in a file by its dotted name; "" is the file itself."""
    node: ast.AST | None = ast.parse(path.read_text(encoding="utf-8"))
    for name in filter(None, dotted.split(".")):
        body = getattr(node, "body", [])
        node = next((child for child in body if _names(child, name)), None)
    return node


def _names(node: ast.AST, name: str) -> bool:
    if isinstance(node, ast.Assign):
        return any(isinstance(target, ast.Name) and target.id == name for target in node.targets)
    if isinstance(node, ast.AnnAssign):
        return isinstance(node.target, ast.Name) and node.target.id == name
    return getattr(node, "name", None) == name


def source_of(mutation: Mutation) -> str:
    """Return the text of the guard; "" when it does not stand where the ledger says."""
    if not mutation.path.exists():
        return ""
    node = definition(mutation.path, mutation.function)
    text = mutation.path.read_text(encoding="utf-8")
    if node is None or not isinstance(node, ast.stmt):
        return text if node is not None else ""
    lines = text.splitlines(keepends=True)
    return "".join(lines[node.lineno - 1 : node.end_lineno])


def mutated(mutation: Mutation, text: str) -> str:
    """Return a file's text with the guard removed."""
    guard = source_of(mutation)
    return text.replace(guard, guard.replace(mutation.find, mutation.replace), 1)


def marks() -> dict[str, list[str]]:
    """Requirement id -> the tests that carry its mark, as `path::test`, read from the text of all tests."""
    found: dict[str, list[str]] = {}
    for path in sorted((ROOT / "tests").rglob("test_*.py")):
        if "node_modules" in path.parts:
            continue
        tree = ast.parse(path.read_text(encoding="utf-8"))
        where = str(path.relative_to(ROOT))
        for node in ast.walk(tree):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
                for name in [i for decorator in node.decorator_list for i in _ids(decorator)]:
                    found.setdefault(name, []).append(f"{where}::{node.name}")
            elif isinstance(node, ast.Assign) and any(ast.unparse(t) == "pytestmark" for t in node.targets):
                for name in [i for call in ast.walk(node.value) for i in _ids(call)]:
                    found.setdefault(name, []).append(where)
    return found


def _ids(node: ast.AST) -> list[str]:
    """The ids in a `pytest.mark.req(...)`."""
    if isinstance(node, ast.Call) and ast.unparse(node.func) == "pytest.mark.req":
        return [str(ast.literal_eval(argument)) for argument in node.args]
    return []
