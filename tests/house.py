"""The house as data: every source file read once with `ast`, its imports resolved, and the plan of the floors.

Only the tests of the house's own rules use this. It imports nothing of the library: a rule is read from the text.
"""

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
SOURCE = ROOT / "src" / "dovetail"

# Imports go down only (ARCHITECTURE.md, Floors). A room that is missing here has no floor and fails the build.
FLOORS: dict[str, float] = {
    "revisions": 0, "_revision": 0, "errors": 0, "_lazy": 0,
    "wire": 1,
    "core": 2, "auth": 2,
    "net": 3, "store": 3,
    "server": 4, "client": 4,
    "host": 5, "gateway": 5, "registry": 5, "inspector": 5, "issuer": 5,
    "": 6,
    "testing": 6.5, "servers": 6.5,
    "cli": 7,
    "__main__": 8,
}  # fmt: skip
# The server room is large enough for floors of its own. A module that stands in none of its folders is the middle one.
INSIDE: dict[str, dict[str, int]] = {"server": {"functions": 1, "calls": 2, "": 3, "transports": 4, "watching": 4}}
GROUND = frozenset({"revisions", "_revision", "errors", "_lazy"})
SIDEWAYS = frozenset({("gateway", "host"), ("revisions", "_revision"), ("revisions", "errors"), ("revisions", "_lazy")})
SANS_IO = frozenset({"revisions", "_revision", "errors", "wire", "core", "auth"})


@dataclass(frozen=True)
class Import:
    """One imported thing: `from target import name` (name is "" for `import target`)."""

    target: str
    name: str
    line: int
    typing_only: bool
    at_top: bool


@dataclass(frozen=True)
class Module:
    """One source file: its dotted name inside the package, its text and its tree."""

    name: str
    path: Path
    text: str
    tree: ast.Module
    imports: tuple[Import, ...]

    @property
    def room(self) -> str:
        """The first part of the name; "" is the package itself."""
        return self.name.partition(".")[0]

    @property
    def is_package(self) -> bool:
        """Whether this is an `__init__`."""
        return self.path.name == "__init__.py"

    def where(self, line: int) -> str:
        """Say where, as an editor reads it."""
        return f"{self.path.relative_to(ROOT)}:{line}"


def _is_type_checking(test: ast.expr) -> bool:
    return (isinstance(test, ast.Name) and test.id == "TYPE_CHECKING") or (
        isinstance(test, ast.Attribute) and test.attr == "TYPE_CHECKING"
    )


def _imports(node: ast.AST, typing_only: bool, at_top: bool) -> Iterator[Import]:
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.Import):
            for alias in child.names:
                yield Import(alias.name, "", child.lineno, typing_only, at_top)
        elif isinstance(child, ast.ImportFrom):
            target = "." * child.level + (child.module or "")
            for alias in child.names:
                yield Import(target, alias.name, child.lineno, typing_only, at_top)
        elif isinstance(child, ast.If) and _is_type_checking(child.test):
            for statement in child.body:
                yield from _imports(ast.Module([statement], []), True, at_top)
            for statement in child.orelse:
                yield from _imports(ast.Module([statement], []), typing_only, at_top)
        else:
            inside = isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
            yield from _imports(child, typing_only, at_top and not inside)


def read(path: Path, name: str) -> Module:
    """Read one file."""
    text = path.read_text(encoding="utf-8")
    tree = ast.parse(text, str(path))
    return Module(name, path, text, tree, tuple(_imports(tree, False, True)))


@cache
def modules() -> tuple[Module, ...]:
    """Every module of the package, by name."""
    found = []
    for path in sorted(SOURCE.rglob("*.py")):
        parts = path.relative_to(SOURCE).with_suffix("").parts
        name = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
        found.append(read(path, name))
    return tuple(found)


@cache
def module_names() -> frozenset[str]:
    """The dotted names of all modules."""
    return frozenset(module.name for module in modules())


def ours(target: str) -> str | None:
    """Return the name inside the package of an imported module; None for somebody else's."""
    if target == "dovetail":
        return ""
    return target.removeprefix("dovetail.") if target.startswith("dovetail.") else None


def exports(package: Module) -> dict[str, str]:
    """Read a lazy `__init__`: public name -> the module inside the room that holds it; empty when none."""
    for node in ast.walk(package.tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "lazy":
            table = ast.literal_eval(node.args[1])
            return {name: inner for inner, names in table.items() for name in names.split()}
    return {}


def prefixed(room: str, inner: str) -> str:
    """Join a room's name and a module's name inside it."""
    return f"{room}.{inner}" if room else inner


def docstrings(tree: ast.Module) -> frozenset[int]:
    """The identities of the constant nodes that are docstrings, those of attributes included."""
    found: set[int] = set()
    for node in ast.walk(tree):
        body = getattr(node, "body", None)
        if isinstance(body, list):
            found.update(
                id(statement.value)
                for statement in body
                if isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant)
            )
    return frozenset(found)


Function = ast.FunctionDef | ast.AsyncFunctionDef


def functions(tree: ast.AST) -> Iterator[Function]:
    """Every function and method, nested ones included."""
    for node in ast.walk(tree):
        if isinstance(node, Function):
            yield node


def classes(tree: ast.AST) -> Iterator[ast.ClassDef]:
    """Every class, nested ones included."""
    for node in ast.walk(tree):
        if isinstance(node, ast.ClassDef):
            yield node
