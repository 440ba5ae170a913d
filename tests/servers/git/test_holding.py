"""The lock of the index: taken as Git takes it, gone with who held it, even one that was killed; another's stays."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from dovetail.servers.git.holding import let_go, take

HOLDER = """
import sys
from pathlib import Path
from dovetail.servers.git.holding import take
hold = take(Path(sys.argv[1]), 0)
hold.copy.write_bytes(b"copy")
print("held", flush=True)
sys.stdin.read()
"""


@pytest.fixture
def holder(tmp_path: Path) -> "subprocess.Popen[bytes]":
    process = subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert process.stdout is not None
    assert process.stdout.readline() == b"held\n"
    return process


def ended(process: "subprocess.Popen[bytes]") -> None:
    process.kill()
    process.communicate()


def test_what_one_holds_another_does_not_get_until_it_is_released(tmp_path: Path) -> None:
    hold = take(tmp_path, 0)
    assert hold is not None
    assert take(tmp_path, 0.05) is None
    assert not let_go(tmp_path)
    hold.copy.touch()
    hold.release()
    assert list(tmp_path.iterdir()) == []
    again = take(tmp_path, 0)
    assert again is not None
    again.release()


def test_the_lock_of_a_living_process_stays_and_goes_when_it_was_killed(
    tmp_path: Path, holder: "subprocess.Popen[bytes]"
) -> None:
    assert not let_go(tmp_path)
    assert take(tmp_path, 0.05) is None
    ended(holder)
    assert (tmp_path / "index.lock").exists()
    assert let_go(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_who_comes_next_does_not_wait_for_one_that_was_killed(
    tmp_path: Path, holder: "subprocess.Popen[bytes]"
) -> None:
    ended(holder)
    hold = take(tmp_path, 0)
    assert hold is not None
    hold.release()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("data", [b"", b"DIRC\0\0\0\2", b"dovetail 12", b"dovetail x\n", b"dovetail 1\nmore"])
def test_a_lock_without_our_mark_is_never_removed(tmp_path: Path, data: bytes) -> None:
    lock = tmp_path / "index.lock"
    lock.write_bytes(data)
    assert not let_go(tmp_path, dead=12)
    assert take(tmp_path, 0) is None
    assert lock.read_bytes() == data


def test_a_lock_that_is_a_link_or_a_pipe_is_left_alone(tmp_path: Path) -> None:
    lock, other = tmp_path / "index.lock", tmp_path / "other"
    other.write_bytes(b"dovetail 1\n")
    lock.symlink_to(other)
    assert not let_go(tmp_path)
    lock.unlink()
    os.mkfifo(lock)
    assert not let_go(tmp_path)
    assert lock.exists()


def test_a_lock_that_somebody_else_has_taken_meanwhile_is_not_released(tmp_path: Path) -> None:
    hold = take(tmp_path, 0)
    assert hold is not None
    (tmp_path / "index.lock").rename(tmp_path / "aside")  # so that its number is not given again
    (tmp_path / "index.lock").touch()
    hold.release()
    assert (tmp_path / "index.lock").exists()
