"""A house to confine: files below a root, beside a secret and a sibling whose name begins alike."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from dovetail.servers.files import opening

SECRET = "the secret"


@pytest.fixture
def house(tmp_path: Path) -> Path:
    root = tmp_path / "data"
    (root / "docs" / "deep").mkdir(parents=True)
    (root / "docs" / "a.txt").write_text("fine")
    (root / "docs" / "deep" / "b.txt").write_text("fine")
    (tmp_path / "data-x").mkdir()
    for place in (tmp_path, tmp_path / "data-x"):
        (place / "a.txt").write_text(SECRET)
        (place / "b.txt").write_text(SECRET)
    return root


@pytest.fixture(params=["openat2", "walk"])
def door(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """Both ways to open what lies below: the system's own, and one step after the other."""
    if request.param == "walk":
        monkeypatch.setattr(opening, "has_openat2", lambda: False)
    elif not opening.has_openat2():
        pytest.skip("this system has no openat2")
    yield request.param
