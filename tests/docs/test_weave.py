"""Pages are woven: no code on them that is not run, no table that is not so, no option left out."""

import importlib
import re
import sys
import tomllib
import types
from pathlib import Path
from typing import Any

import pytest

import dovetail
from dovetail.server import PromptOptions, ResourceOptions, ServerOptions, ToolOptions
from dovetail.server.transports.run_http import HttpOptions
from dovetail.wire import Limits
from tests.house import ROOT

DOCS = sorted((ROOT / "docs").glob("*.md"))
PAGES = [ROOT / "README.md", *DOCS]
IDS = [str(page.relative_to(ROOT)) for page in PAGES]


@pytest.fixture
def weave(monkeypatch: pytest.MonkeyPatch) -> types.ModuleType:
    monkeypatch.syspath_prepend(str(ROOT / "docs"))
    monkeypatch.delitem(sys.modules, "weave", raising=False)
    return importlib.import_module("weave")


@pytest.mark.parametrize("page", PAGES, ids=IDS)
def test_a_page_is_what_the_code_says(page: Path, weave: types.ModuleType) -> None:
    assert weave.woven(page) == page.read_text(encoding="utf-8"), "run make docs"


@pytest.mark.parametrize("page", PAGES, ids=IDS)
def test_all_python_on_a_page_comes_from_a_file_that_is_run(page: Path, weave: types.ModuleType) -> None:
    text = page.read_text(encoding="utf-8")
    woven = [what for what in weave.sources(page) if not what.startswith("table ")]
    assert len(re.findall(r"^ *```python$", text, re.MULTILINE)) == len(woven)
    files = {ROOT / what.split()[0] for what in woven}
    ours = {*(ROOT / "docs/examples").glob("*.py"), ROOT / "examples/quickstart.py"}
    assert files <= ours


@pytest.mark.parametrize("page", PAGES, ids=IDS)
def test_what_the_code_on_a_page_needs_was_imported_there_or_above(page: Path, weave: types.ModuleType) -> None:
    above = ""
    for what in weave.sources(page):
        path, *names = what.split()
        if path == "table":
            continue
        body = weave.code(ROOT / path, names)
        above += "\n" + body
        for line in weave.imports((ROOT / path).read_text(encoding="utf-8"), body).splitlines():
            for name in re.findall(r"\w+", line.partition("import ")[2]):
                assert re.search(rf"^(?:from .+ )?import .*\b{name}\b", above, re.MULTILINE), f"{what}: {name}"


def test_every_example_stands_on_a_page(weave: types.ModuleType) -> None:
    woven = {what.split()[0] for page in PAGES for what in weave.sources(page)}
    files = {str(path.relative_to(ROOT)) for path in (ROOT / "docs/examples").glob("*.py")}
    assert files <= woven


def test_every_region_stands_on_a_page(weave: types.ModuleType) -> None:
    woven = {(what.split()[0], name) for page in PAGES for what in weave.sources(page) for name in what.split()[1:]}
    for path in (ROOT / "docs/examples").glob("*.py"):
        name = str(path.relative_to(ROOT))
        regions = re.findall(r"# region ([\w-]+)", path.read_text(encoding="utf-8"))
        assert not [region for region in regions if (name, region) not in woven]


def test_a_change_of_the_code_is_found(weave: types.ModuleType, tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("<!-- weave: table limits -->\n| limit |\n<!-- end -->\n")
    assert "| `body` | 4 MiB |" in weave.woven(page)


def test_imports_are_those_that_the_code_needs(weave: types.ModuleType) -> None:
    text = "import os\nimport sys\nfrom typing import Any, Final\n\nfrom dovetail import Context, Server\n"
    assert weave.imports(text, "app: Any = Server(sys.argv[0])") == (
        "import sys\nfrom typing import Any\n\nfrom dovetail import Server"
    )


# Nothing is left out.

KEYS = sorted(
    {*ServerOptions.__annotations__, *ToolOptions.__annotations__}
    | {*ResourceOptions.__annotations__, *PromptOptions.__annotations__, *HttpOptions.__annotations__}
)


def words(pages: list[Path]) -> set[str]:
    found: set[str] = set()
    for page in pages:
        for span in re.findall(r"`([^`\n]+)`", page.read_text(encoding="utf-8")):
            found.update(re.findall(r"[\w-]+", span))
    return found


@pytest.mark.parametrize("kind", ["ServerOptions", "ToolOptions", "ResourceOptions", "PromptOptions", "HttpOptions"])
def test_every_option_has_a_meaning_in_a_table(kind: str, weave: types.ModuleType) -> None:
    module = "dovetail.server.transports.run_http" if kind == "HttpOptions" else "dovetail.server"
    table = weave.options(f"{module}.{kind}")
    rows = dict(re.findall(r"^\| `(\w+)` \| .*? \| (.*) \|$", table, re.MULTILINE))
    assert set(rows) == set(getattr(importlib.import_module(module), kind).__annotations__)
    assert not [key for key, meaning in rows.items() if not meaning]


def test_every_option_stands_on_some_page() -> None:
    assert not set(KEYS) - words(DOCS)


def test_every_limit_stands_on_the_page_of_security() -> None:
    text = (ROOT / "docs/security.md").read_text(encoding="utf-8")
    rows = dict(re.findall(r"^\| `(\w+)` \| [^|]+ \| (.*) \|$", text, re.MULTILINE))
    assert set(Limits.__struct_fields__) <= set(rows)
    assert all(rows.values())


def test_every_command_and_every_option_of_one_stands_on_the_page_of_the_command_line() -> None:
    import typer

    from dovetail.cli.app import app

    group = typer.main.get_command(app)
    text = (ROOT / "docs/command-line.md").read_text(encoding="utf-8")
    commands: dict[str, Any] = getattr(group, "commands", {})
    assert set(commands) == {
        "run",
        "dev",
        "serve",
        "new",
        "contract",
        "list",
        "call",
        "read",
        "prompt",
        "listen",
        "doctor",
        "auth",
    }
    assert set(re.findall(r"^## ([a-z]+)$", text, re.MULTILINE)) == set(commands)
    every = [group, *commands.values(), *getattr(commands["auth"], "commands", {}).values()]
    options = {flag for one in every for each in one.params for flag in each.opts if flag[0] == "-"}
    assert len(options) >= 14
    assert not [option for option in options if option not in text]


def test_every_public_name_stands_on_a_page_and_not_only_in_a_table() -> None:
    text = "\n".join(page.read_text(encoding="utf-8") for page in DOCS)
    assert not [name for name in dovetail.__all__ if not re.search(rf"\b{name}\b", text)]


def test_everything_that_a_context_offers_stands_on_a_page() -> None:
    from dovetail import Context

    internal = {"call", "entry", "failure", "inside", "outlet", "runtime", "session", "slot", "sound"}
    internal |= {"quiet", "muted", "timeout", "turn"}
    offered = {name for name in dir(Context) if not name.startswith("_")} - internal
    text = "\n".join(page.read_text(encoding="utf-8") for page in DOCS)
    assert not [name for name in offered if not re.search(rf"\bctx\.{name}\b", text)]


# One version.


def test_the_version_is_the_same_everywhere() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    headings = re.findall(r"^## \[([^\]]+)\](.*)$", (ROOT / "CHANGELOG.md").read_text(encoding="utf-8"), re.MULTILINE)
    assert headings[0] == ("Unreleased", "")
    version, date = headings[1]
    assert version == project["version"] == dovetail.__version__
    assert re.fullmatch(r" - \d{4}-\d{2}-\d{2}", date)


def test_links_to_a_heading_lead_to_one() -> None:
    def anchors(page: Path) -> set[str]:
        heads = re.findall(r"^#+ (.+)$", page.read_text(encoding="utf-8"), re.MULTILINE)
        return {re.sub(r"[^\w -]", "", head.lower()).replace(" ", "-") for head in heads}

    for page in PAGES:
        for file, anchor in re.findall(r"\]\(([\w./-]*\.md)?#([\w-]+)\)", page.read_text(encoding="utf-8")):
            assert anchor in anchors(page.parent / file if file else page), f"{page.name} -> {file}#{anchor}"


def test_every_file_that_the_plan_of_the_house_names_is_there() -> None:
    text = (ROOT / "ARCHITECTURE.md").read_text(encoding="utf-8")
    named = {span for span in re.findall(r"`([\w/.*-]+)`", text) if "/" in span or span.endswith(".py")}
    files = {path for path in named if path.endswith(".py") or "*" in path or path.startswith("tests/")}
    assert len(files) > 40
    # A bare name, such as `results.py`, belongs to the room named before it.
    missing = {
        path
        for path in files
        if not any(True for root in ("", "src/dovetail/", "src/dovetail/*/") for _ in ROOT.glob(root + path))
    }
    assert not missing
