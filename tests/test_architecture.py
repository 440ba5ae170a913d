"""The house's rules, read from the source: floors, doors between rooms, sizes, where dates and I/O may stand.

A rule that does not fail the build is decoration. Each test lists every place that breaks its rule, with the line.
"""

import ast
import re
import subprocess
import sys

import pytest

from dovetail import errors
from tests.house import (
    FLOORS,
    GROUND,
    INSIDE,
    ROOT,
    SANS_IO,
    SIDEWAYS,
    Import,
    Module,
    classes,
    docstrings,
    exports,
    functions,
    module_names,
    modules,
    ours,
    prefixed,
)

MAX_FILE = 400
MAX_FUNCTION = 50
MAX_PARAMETERS = 10
MAX_PUBLIC_METHODS = 18  # properties not counted
MAX_INHERITANCE = 2
MAX_TOP_LEVEL_NAMES = 25

REVISION_DATE = re.compile(r"20(24-11-05|25-03-26|25-06-18|25-11-25|26-07-28)")
UNFINISHED = re.compile(r"TODO|FIXME|XXX|NotImplementedError|not implemented|stub")
FORBIDDEN_NAMES = frozenset({"utils", "util", "helpers", "helper", "common", "manager", "shared", "misc"})
IO_MODULES = frozenset(
    "asyncio socket ssl select selectors time random secrets os threading subprocess multiprocessing concurrent signal "
    "tempfile shutil sqlite3 http aiohttp uvicorn anyio trio httptools uvloop typer rich".split()
)
IO_CALLS = frozenset({"open", "print", "input", "breakpoint"})
CLOCKS = frozenset({"now", "utcnow", "today"})
HEAVY_AT_IMPORT = "typer rich uvicorn aiohttp cryptography jsonschema_rs pydantic sqlite3 ssl keyring".split()

# Modules whose tests stand in another's file, because the two are one thing to a caller. All others have their own.
TESTED_WITH = {
    "wire.content": "types",
    "wire.expected": "codec",
    "wire.logging": "types",
    "wire.schema_bounds": "schema",
    "wire.schema_explain": "schema",
    "wire.template_match": "templates",
    "wire.template_parts": "templates",
}


def ours_imported(module: Module) -> list[tuple[Import, str]]:
    return [(found, target) for found in module.imports if (target := ours(found.target)) is not None]


def packages() -> list[Module]:
    return [module for module in modules() if module.is_package]


def room_exports() -> dict[str, dict[str, str]]:
    return {package.name: exports(package) for package in packages()}


def test_every_room_has_a_floor() -> None:
    assert {module.room for module in modules()} <= set(FLOORS)


def test_imports_go_down_only() -> None:
    wrong = []
    for module in modules():
        for found, target in ours_imported(module):
            room = target.partition(".")[0]
            if room == module.room or (module.room, room) in SIDEWAYS:
                continue
            if room not in FLOORS or FLOORS[room] >= FLOORS[module.room]:
                wrong.append(f"{module.where(found.line)}: {module.room or 'dovetail'} imports {room or 'dovetail'}")
    assert not wrong, "\n".join(wrong)


def inner_floor(name: str) -> int | None:
    """The floor of a module inside its room; None where the room has no floors of its own."""
    room, _, rest = name.partition(".")
    floors = INSIDE.get(room)
    return None if floors is None or not rest else floors.get(rest.partition(".")[0], floors[""])


def test_inside_a_room_with_floors_imports_go_down_only() -> None:
    """A door that opens upwards only when somebody goes through it (an import in a function) is none for the reader."""
    wrong = []
    for name, goals in runtime_edges().items():
        here = inner_floor(name)
        for goal in goals:
            there = inner_floor(goal) if goal.partition(".")[0] == name.partition(".")[0] else None
            if here is not None and there is not None and there > here:
                wrong.append(f"{name} imports {goal}")
    assert not wrong, "\n".join(wrong)


def test_imports_are_absolute() -> None:
    wrong = [m.where(i.line) for m in modules() for i in m.imports if i.target.startswith(".")]
    assert not wrong, "\n".join(wrong)


def test_across_rooms_the_room_is_imported_and_inside_a_room_the_module() -> None:
    wrong = []
    public = room_exports()
    for module in modules():
        for found, target in ours_imported(module):
            room, _, inner = target.partition(".")
            if room in GROUND:
                continue
            if room == module.room:
                if not inner and not module.is_package and not module.name.endswith("__main__"):
                    wrong.append(f"{module.where(found.line)}: import the module, not its own room")
            elif inner or not found.name:
                wrong.append(f"{module.where(found.line)}: import `{found.name or target}` from the room {room!r}")
            elif found.name not in public.get(room, {}) and (room, found.name) != ("", "__version__"):
                wrong.append(f"{module.where(found.line)}: {found.name!r} is not exported by the room {room!r}")
    assert not wrong, "\n".join(wrong)


def runtime_edges() -> dict[str, set[str]]:
    """Module -> the modules that importing it imports; a name taken from a lazy room leads to its own module."""
    public = room_exports()
    edges: dict[str, set[str]] = {module.name: set() for module in modules()}
    for module in modules():
        for found, target in ours_imported(module):
            if found.typing_only or not found.at_top:
                continue
            goal = prefixed(target, found.name) if prefixed(target, found.name) in module_names() else target
            if goal == target and found.name in public.get(target, {}):
                goal = prefixed(target, public[target][found.name])
            if goal in edges and goal != module.name:
                edges[module.name].add(goal)
    return edges


def test_modules_do_not_import_each_other_in_a_circle() -> None:
    edges = runtime_edges()
    done: set[str] = set()

    def walk(name: str, path: tuple[str, ...]) -> str | None:
        if name in path:
            return " -> ".join([*path[path.index(name) :], name])
        if name in done:
            return None
        for goal in sorted(edges[name]):
            if circle := walk(goal, (*path, name)):
                return circle
        done.add(name)
        return None

    circles = [circle for name in edges if (circle := walk(name, ()))]
    assert not circles, "\n".join(circles)


def test_files_are_short() -> None:
    long = [f"{m.where(1)}: {lines} lines" for m in modules() if (lines := len(m.text.splitlines())) > MAX_FILE]
    assert not long, "\n".join(long)


def test_functions_are_short() -> None:
    long = [
        f"{module.where(f.lineno)}: {f.name} has {f.end_lineno - f.lineno + 1} lines"
        for module in modules()
        for f in functions(module.tree)
        if f.end_lineno is not None and f.end_lineno - f.lineno + 1 > MAX_FUNCTION
    ]
    assert not long, "\n".join(long)


def test_functions_take_few_parameters() -> None:
    wrong = []
    for module in modules():
        for f in functions(module.tree):
            named = [a for a in (*f.args.posonlyargs, *f.args.args, *f.args.kwonlyargs) if a.arg not in ("self", "cls")]
            count = len(named) + (f.args.vararg is not None) + (f.args.kwarg is not None)
            if count > MAX_PARAMETERS:
                wrong.append(f"{module.where(f.lineno)}: {f.name} takes {count}")
    assert not wrong, "\n".join(wrong)


def is_property(f: ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
    names = {ast.unparse(decorator).rpartition(".")[2] for decorator in f.decorator_list}
    return bool(names & {"property", "cached_property", "setter", "overload"})


def test_classes_offer_few_methods() -> None:
    wrong = []
    for module in modules():
        for c in classes(module.tree):
            public = {
                f.name for f in c.body if isinstance(f, ast.FunctionDef | ast.AsyncFunctionDef) and not is_property(f)
            }
            count = sum(not name.startswith("_") for name in public)
            if count > MAX_PUBLIC_METHODS:
                wrong.append(f"{module.where(c.lineno)}: {c.name} offers {count}")
    assert not wrong, "\n".join(wrong)


def test_inheritance_is_shallow_and_nothing_is_a_mixin() -> None:
    """Exceptions and plain records may go deeper: there depth is meaning, and no behaviour is inherited."""
    bases = {c.name: [ast.unparse(b).split("[")[0] for b in c.bases] for m in modules() for c in classes(m.tree)}

    def lines(name: str, seen: tuple[str, ...] = ()) -> list[tuple[str, ...]]:
        """Every way up from a class, through classes of ours."""
        known = [base for base in bases.get(name, []) if base in bases and base not in seen]
        return [way for base in known for way in lines(base, (*seen, name))] or [(*seen, name)]

    wrong = []
    for module in modules():
        for c in classes(module.tree):
            behaves = any(isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) for node in c.body)
            deep = [way for way in lines(c.name) if len(way) > MAX_INHERITANCE + 1 and way[-1] != "DovetailError"]
            if c.name.endswith("Mixin") or (deep and behaves):
                wrong.append(f"{module.where(c.lineno)}: {c.name}")
    assert not wrong, "\n".join(wrong)


def test_no_revision_date_stands_in_code_outside_revisions() -> None:
    wrong = []
    for module in modules():
        if module.name == "revisions":
            continue
        prose = docstrings(module.tree)
        for node in ast.walk(module.tree):
            if not isinstance(node, ast.Constant) or id(node) in prose:
                continue
            text = node.value.decode("latin-1") if isinstance(node.value, bytes) else node.value
            if isinstance(text, str) and REVISION_DATE.search(text):
                wrong.append(f"{module.where(node.lineno)}: {text[:40]!r}")
    assert not wrong, "\n".join(wrong)


@pytest.mark.req("W-13")
def test_wire_core_and_auth_do_no_io_and_have_no_clock() -> None:
    wrong = []
    for module in modules():
        if module.room not in SANS_IO:
            continue
        wrong += [
            f"{module.where(i.line)}: {i.target}" for i in module.imports if i.target.partition(".")[0] in IO_MODULES
        ]
        for node in ast.walk(module.tree):
            if isinstance(node, ast.Call):
                called = node.func
                if isinstance(called, ast.Name) and called.id in IO_CALLS:
                    wrong.append(f"{module.where(node.lineno)}: {called.id}()")
                if isinstance(called, ast.Attribute) and called.attr in CLOCKS:
                    wrong.append(f"{module.where(node.lineno)}: .{called.attr}()")
    assert not wrong, "\n".join(wrong)


def test_module_names_say_what_lives_there() -> None:
    wrong = [m.where(1) for m in modules() if set(m.name.split(".")) & FORBIDDEN_NAMES]
    assert not wrong, "\n".join(wrong)


def test_every_module_and_every_public_class_and_function_has_a_docstring() -> None:
    missing = []
    for module in modules():
        if not ast.get_docstring(module.tree):
            missing.append(module.where(1))
        for node in module.tree.body:
            if not isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef) or node.name.startswith("_"):
                continue
            overload = not isinstance(node, ast.ClassDef) and is_property(node)
            if not overload and not ast.get_docstring(node):
                missing.append(f"{module.where(node.lineno)}: {node.name}")
    assert not missing, "\n".join(missing)


@pytest.mark.parametrize("room", [module.name for module in packages()])
def test_every_room_is_lazy_and_shows_type_checkers_the_same_names(room: str) -> None:
    package = next(module for module in modules() if module.name == room)
    ours_now = [i for i, _ in ours_imported(package) if not i.typing_only and i.at_top]
    eager = [i for i in ours_now if i.target != "dovetail._lazy"]
    assert not eager, f"{package.where(eager[0].line)}: a room imports none of ours when it is imported"
    lazy_names = exports(package)
    typed = {i.name: (ours(i.target) or "") for i in package.imports if i.typing_only}
    assert typed == {name: prefixed(room, inner) for name, inner in lazy_names.items()}
    for name, inner in lazy_names.items():
        assert name in defined(prefixed(room, inner)), f"{room}: {inner} defines no {name}"


def defined(name: str) -> set[str]:
    """The names that a module has after its import, or that a room exports."""
    module = next(module for module in modules() if module.name == name)
    if module.is_package:
        return set(exports(module))
    names: set[str] = {i.name for i in module.imports if i.at_top}
    for node in ast.walk(module.tree):
        if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            names.add(node.name)
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            names.add(node.id)
    return names


def test_no_room_exports_a_name_that_is_also_one_of_its_modules() -> None:
    """Whichever was imported first would win: importing a module puts it into its room under its own name."""
    clashes = [
        prefixed(package.name, name)
        for package in packages()
        for name in exports(package)
        if prefixed(package.name, name) in module_names()
    ]
    assert not clashes, "\n".join(clashes)


def test_the_top_level_has_few_names() -> None:
    root = next(module for module in modules() if not module.name)
    assert len(exports(root)) <= MAX_TOP_LEVEL_NAMES


def drawn_tree(text: str) -> dict[str, tuple[str, int | None]]:
    """Read the tree in the docstring of `errors`: name -> (parent, code or None)."""
    drawn: dict[str, tuple[str, int | None]] = {}
    above: dict[int, str] = {}
    for line in text.splitlines():
        match = re.match(r"^( {4}|(?:│   |    )*(?:├── |└── ))?(\w+)(?:\s+(.*))?$", line.removeprefix("    "))
        if match is None or not hasattr(errors, match[2]):
            continue
        depth = len(match[1] or "") // 4
        code = re.match(r"-\d+", match[3] or "")
        above[depth] = match[2]
        drawn[match[2]] = (above[depth - 1] if depth else "Exception", int(code[0]) if code else None)
    return drawn


def test_the_tree_of_errors_is_drawn_as_it_is() -> None:
    drawn = drawn_tree(errors.__doc__ or "")
    real = {name: c for name, c in vars(errors).items() if isinstance(c, type) and issubclass(c, Exception)}
    assert {name: parent for name, (parent, _) in drawn.items()} == {
        n: c.__bases__[0].__name__ for n, c in real.items()
    }
    assert not [n for n, (_, code) in drawn.items() if code is not None and getattr(real[n], "code", None) != code]


def test_nothing_prints_outside_the_command_line() -> None:
    wrong = [
        module.where(node.lineno)
        for module in modules()
        if module.room != "cli"
        for node in ast.walk(module.tree)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "print"
    ]
    assert not wrong, "\n".join(wrong)


def test_nothing_is_left_unfinished() -> None:
    """One line may name NotImplementedError: raising it is how msgspec's hooks are told "not mine"."""
    wrong = [
        f"{module.where(number)}: {line.strip()}"
        for module in modules()
        for number, line in enumerate(module.text.splitlines(), 1)
        if UNFINISHED.search(line)
        and not (line.strip().startswith("raise NotImplementedError  # ") and "msgspec" in line)
    ]
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize("name", ["Server", "Client"])
def test_importing_either_side_loads_nothing_heavy(name: str) -> None:
    code = f"import sys; from dovetail import {name}; print([m for m in {HEAVY_AT_IMPORT} if m in sys.modules])"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    assert loaded.stdout.strip() == "[]"


def test_every_module_of_wire_and_core_that_does_something_has_tests_of_its_own() -> None:
    missing = []
    for module in modules():
        protocols = {
            id(f) for c in classes(module.tree) if "Protocol" in map(ast.unparse, c.bases) for f in functions(c)
        }
        behaves = any(id(f) not in protocols for f in functions(module.tree))
        if module.room not in ("wire", "core") or module.is_package or not behaves:
            continue
        tested = TESTED_WITH.get(module.name, module.name.rpartition(".")[2])
        if not (ROOT / "tests" / module.room / f"test_{tested}.py").exists():
            missing.append(f"tests/{module.room}/test_{tested}.py")
    assert not missing, "\n".join(missing)
