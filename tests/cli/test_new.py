"""`dovetail new`: what it makes works as it is, and it writes nowhere else."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from dovetail.cli.project import FILES, Refused, check_name, make
from tests.cli.programs import dovetail, environment

pytestmark = pytest.mark.timeout(120)


def test_the_project_is_installed_and_its_own_tests_pass(tmp_path: Path) -> None:
    made = dovetail("new", "order-desk", cwd=tmp_path)
    assert made.returncode == 0
    assert made.stdout.splitlines()[0] == f"Made order-desk/: {', '.join(FILES)}"
    project, site = tmp_path / "order-desk", tmp_path / "site"
    assert sorted(str(p.relative_to(project)) for p in project.rglob("*") if p.is_file()) == sorted(FILES)
    # The build tool and the dependencies are those of this environment: no network is needed.
    install = [sys.executable, "-m", "pip", "install", "-q", "--no-index", "--no-deps", "--no-build-isolation"]
    subprocess.run([*install, "--target", str(site), str(project)], check=True, timeout=100, env=environment())
    assert (site / "server.py").exists()
    assert list(site.glob("order_desk-0.1.0.dist-info"))
    tests = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "no:asyncio"],
        cwd=project,
        env=environment(),
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert tests.returncode == 0, tests.stdout + tests.stderr
    assert "4 passed" in tests.stdout


def test_the_project_does_what_its_readme_says(tmp_path: Path) -> None:
    dovetail("new", "desk", cwd=tmp_path)
    project = tmp_path / "desk"
    readme = (project / "README.md").read_text()
    for line in ("dovetail contract server.py", "dovetail contract server.py --check"):
        assert line in readme
        assert dovetail(*line.split()[1:], cwd=project).returncode == 0
    assert (project / "server.contract.json").exists()
    style = [sys.executable, "-m", "ruff", "check", "--isolated", "--line-length", "120", "--select", "E,F,I,UP,B"]
    checked = subprocess.run([*style, "."], cwd=project, capture_output=True, text=True, timeout=60)
    assert checked.returncode == 0, checked.stdout


def test_a_program_reads_what_was_made(tmp_path: Path) -> None:
    told = json.loads(dovetail("new", "desk", "--json", cwd=tmp_path).stdout)
    assert told == {"project": "desk", "folder": str(tmp_path / "desk"), "files": list(FILES)}


@pytest.mark.parametrize(
    "name",
    ["", ".", "..", "../up", "/etc/x", "a/b", "a\\b", "a b", "-a", "_a", "1a", "a-", "a--b", "a\n", "é", "a.b",
     "a" * 65, "dovetail", "Dovetail_MCP", "pytest", "server", "tests", "{name}", "~", "a\0"],
)  # fmt: skip
def test_a_name_that_could_lead_elsewhere_or_shadow_something_is_refused(name: str) -> None:
    with pytest.raises(Refused):
        check_name(name)


@pytest.mark.parametrize("name", ["a", "orders", "order-desk", "order_desk2", "Orders"])
def test_plain_names_are_taken(name: str) -> None:
    check_name(name)


def test_refusals_are_one_line_and_write_nothing(tmp_path: Path) -> None:
    bad = dovetail("new", "../up", cwd=tmp_path)
    assert (bad.returncode, bad.stdout) == (2, "")
    assert bad.stderr.startswith("dovetail new: '../up' is no name: ") and bad.stderr.count("\n") == 1
    assert not (tmp_path.parent / "up").exists() and not list(tmp_path.iterdir())


def test_what_is_there_stays_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "precious").write_text("mine")
    (tmp_path / "file").write_text("mine")
    (tmp_path / "empty").mkdir()
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "link").symlink_to("elsewhere")
    for name, why in (("full", "is not empty"), ("file", "is not a folder"), ("link", "is not a folder")):
        done = dovetail("new", name, cwd=tmp_path)
        assert done.returncode == 1 and why in done.stderr and done.stderr.count("\n") == 1
    assert [p.name for p in (tmp_path / "full").iterdir()] == ["precious"]
    assert (tmp_path / "file").read_text() == "mine"
    assert not list((tmp_path / "elsewhere").iterdir())
    assert dovetail("new", "empty", cwd=tmp_path).returncode == 0


def test_a_project_that_cannot_be_written_leaves_nothing_behind(tmp_path: Path) -> None:
    folder = tmp_path / "desk"
    folder.mkdir()
    # A file where a folder must come: the third file of the project fails.
    tests = folder / "tests"

    class Once(type(folder)):  # type: ignore[misc]
        """A folder that looks empty, as it did a moment before somebody wrote into it."""

        def iterdir(self) -> object:
            return iter(())

    tests.write_text("in the way")
    with pytest.raises(OSError):
        make(Once(folder), "desk")
    assert [p.name for p in folder.iterdir()] == ["tests"]
