"""What is watched: the project of a file, without what is not its author's."""

from pathlib import Path

import pytest

from dovetail.cli.watching import FOLDERS, Watch, folders, project_of


def touch(root: Path, *places: str) -> None:
    for place in places:
        path = root / place
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("")


def test_a_project_begins_where_its_description_is(tmp_path: Path) -> None:
    touch(tmp_path, "pyproject.toml", "src/app/server.py", "alone/setup.py", "alone/deep/server.py")
    assert project_of(tmp_path / "src" / "app" / "server.py") == tmp_path
    assert project_of(tmp_path / "alone" / "deep" / "server.py") == tmp_path / "alone"


def test_without_a_description_it_is_the_files_folder_and_a_home_is_no_project(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    touch(tmp_path, "work/server.py", "pyproject.toml")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert project_of(tmp_path / "work" / "server.py") == tmp_path / "work"
    assert list(folders(tmp_path)) == [tmp_path]


def test_environments_caches_and_hidden_folders_are_not_watched(tmp_path: Path) -> None:
    touch(tmp_path, "a/b/c.py", ".git/x", "__pycache__/x", "node_modules/x/y.py", "myenv/pyvenv.cfg", "myenv/lib/z.py")
    assert [str(folder.relative_to(tmp_path)) for folder in folders(tmp_path)] == [".", "a", "a/b"]


def test_only_so_many_folders_are_watched_the_nearest_first(tmp_path: Path) -> None:
    for number in range(FOLDERS + 5):
        (tmp_path / f"d{number:05}").mkdir()
    touch(tmp_path, "d00000/deep/x.py", "server.py")
    watched = Watch(tmp_path / "server.py")._folders()
    assert len(watched) == FOLDERS and watched[0] == tmp_path
    assert tmp_path / "d00000" / "deep" not in watched
