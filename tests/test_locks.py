"""The lists of versions are exact, complete enough to build from, and name no registry."""

import json
import re
import tomllib
from importlib.metadata import distributions

from tests.house import ROOT

NPM_LOCKS = [ROOT / "tests" / "npm" / "package-lock.json", ROOT / "examples" / "data" / "package-lock.json"]
LISTS = ("constraints.txt", "requirements-dev.txt", "requirements-peers.txt", "requirements-namesakes.txt")


def entries(name: str) -> list[str]:
    lines = (ROOT / name).read_text().splitlines()
    return [line for line in lines if line and not line.startswith("#")]


def canonical(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def test_every_version_is_exact() -> None:
    for name in ("constraints.txt", "requirements-peers.txt", "requirements-namesakes.txt"):
        assert all(re.fullmatch(r"[A-Za-z0-9._-]+==[A-Za-z0-9.]+", entry) for entry in entries(name)), name
    for lock in NPM_LOCKS:
        wanted = json.loads((lock.parent / "package.json").read_text())["dependencies"]
        assert all(re.fullmatch(r"\d+\.\d+\.\d+(-[a-z0-9.]+)?", version) for version in wanted.values())


def test_no_list_of_versions_names_where_to_fetch_from() -> None:
    assert not [entry for name in LISTS for entry in entries(name) if "://" in entry or entry.startswith("-")]
    for lock in NPM_LOCKS:
        packages = json.loads(lock.read_text())["packages"]
        assert not [name for name, package in packages.items() if "resolved" in package]
        assert all("integrity" in package for name, package in packages.items() if name)


def test_every_dependency_that_is_declared_is_pinned() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    declared = [*project["dependencies"], *entries("requirements-dev.txt")]
    extras = project["optional-dependencies"].values()
    declared += [each for needs in extras for each in needs if not each.startswith(project["name"])]
    pinned = {canonical(entry.partition("==")[0]) for entry in entries("constraints.txt")}
    names = {canonical(re.split(r"[\s<>=!\[;~]", line)[0]) for line in declared}
    assert names <= pinned


def test_the_environment_holds_the_pinned_versions() -> None:
    here = {canonical(d.metadata["Name"]): d.version for d in distributions()}
    pinned = dict(entry.split("==") for entry in entries("constraints.txt"))
    wrong = {name: (here[canonical(name)], v) for name, v in pinned.items() if here.get(canonical(name), v) != v}
    assert not wrong
