"""The shared clock: steps of the wall clock do not move it, and a boot does not set it back."""

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from sqlite3 import Connection

import pytest

from dovetail.store.sqlite_file import connect
from dovetail.store.steady import boot, steady
from tests.store.conftest import Clock


@pytest.fixture
def connection(tmp_path: Path) -> Iterator[Connection]:
    with closing(connect(tmp_path, max_bytes=1 << 30, durable=False)) as connection:
        yield connection


@pytest.mark.req("R-34")
def test_a_step_of_the_wall_clock_moves_nobody_s_time(connection: Connection) -> None:
    wall, monotonic = Clock(), Clock()
    monotonic.now = 50.0
    first = steady(connection, "boot 1", wall, monotonic)
    assert first() == wall.now
    wall.forward(-3600.0)
    monotonic.forward(10.0)
    second = steady(connection, "boot 1", wall, monotonic)
    assert first() == second() == Clock().now + 10.0


@pytest.mark.req("R-34")
def test_time_goes_on_after_a_boot_even_where_the_wall_clock_was_set_back(connection: Connection) -> None:
    wall, monotonic = Clock(), Clock()
    before = steady(connection, "boot 1", wall, monotonic)
    monotonic.forward(100.0)
    connection.execute("UPDATE boots SET seen = ?", (before(),))
    monotonic.now = 1.0
    wall.now = 0.0
    after = steady(connection, "boot 2", wall, monotonic)
    assert after() == Clock().now + 100.0
    wall.now = 9e9
    assert steady(connection, "boot 3", wall, monotonic)() == 9e9


def test_without_a_name_for_the_boot_it_is_the_wall_clock(
    connection: Connection, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    wall = Clock()
    now = steady(connection, None, wall, Clock())
    wall.forward(5.0)
    assert now() == wall.now
    monkeypatch.setattr("dovetail.store.steady._BOOT", tmp_path / "missing")
    assert boot() is None
