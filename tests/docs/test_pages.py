"""The pages say what is: their code imports what exists, their links lead somewhere, nothing public is left out."""

import ast
import importlib
import importlib.util
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

import dovetail
from tests.house import ROOT

PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
EXAMPLES = sorted([*(ROOT / "examples").rglob("*.py"), *(ROOT / "docs" / "examples").rglob("*.py")])
IDS = [str(path.relative_to(ROOT)) for path in PAGES]


def blocks(page: Path, language: str) -> Iterator[str]:
    for found in re.finditer(rf"^```{language}\n(.*?)^```", page.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL):
        yield found[1]


def test_there_are_pages() -> None:
    assert {"README.md", "CONTRIBUTING.md"} <= set(IDS)


@pytest.mark.parametrize("page", PAGES, ids=IDS)
def test_code_on_a_page_is_python_and_imports_what_exists(page: Path) -> None:
    for block in blocks(page, "python"):
        for node in ast.walk(ast.parse(block)):
            if isinstance(node, ast.ImportFrom) and (node.module or "").partition(".")[0] == "dovetail":
                module = importlib.import_module(str(node.module))
                assert not [alias.name for alias in node.names if not hasattr(module, alias.name)]


@pytest.mark.parametrize("page", PAGES, ids=IDS)
def test_links_on_a_page_lead_somewhere(page: Path) -> None:
    links = re.findall(r"\]\(([^)#\s]+)", page.read_text(encoding="utf-8"))
    assert not [link for link in links if "://" not in link and not (page.parent / link).exists()]


@pytest.mark.parametrize("page", PAGES, ids=IDS)
def test_make_targets_on_a_page_exist(page: Path) -> None:
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    text = page.read_text(encoding="utf-8")
    named = {word for line in re.findall(r"^make .*$|`make [^`]*`", text, re.MULTILINE) for word in line.split()[1:2]}
    assert {word.strip("`") for word in named} <= targets


@pytest.mark.parametrize("example", EXAMPLES, ids=[str(path.relative_to(ROOT)) for path in EXAMPLES])
def test_an_example_can_be_loaded(example: Path) -> None:
    spec = importlib.util.spec_from_file_location(f"example_{example.stem}", example)
    assert spec is not None and spec.loader is not None
    spec.loader.exec_module(importlib.util.module_from_spec(spec))


def test_every_name_at_the_top_stands_on_some_page() -> None:
    text = "\n".join(page.read_text(encoding="utf-8") for page in PAGES)
    assert not [name for name in dovetail.__all__ if not re.search(rf"\b{name}\b", text)]
