"""Audit records in a file: whole lines, of several processes, for their owner's eyes."""

import json
import os
import resource
import stat
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from dovetail.core import AuditRecord
from dovetail.errors import Disconnected, StoreUnusable
from dovetail.store import AuditFile

RECORD: dict[str, Any] = {
    "time": 1.5,
    "server": "orders",
    "principal": "",
    "method": "tools/call",
    "name": "add",
    "revision": "2026-07-28",
    "outcome": "ok",
    "seconds": 0.25,
}


def record(**more: Any) -> AuditRecord:
    return AuditRecord(**(RECORD | more))


def test_a_record_is_a_line_without_what_is_empty(tmp_path: Path) -> None:
    file = AuditFile(tmp_path / "audit")
    file.record(record())
    file.record(record(code=-32602, error="InvalidParams"))
    file.close()
    lines = [json.loads(line) for line in (tmp_path / "audit").read_text().splitlines()]
    assert lines == [RECORD, RECORD | {"code": -32602, "error": "InvalidParams"}]


def test_the_file_is_its_owners_whatever_the_umask_and_is_appended_to(tmp_path: Path) -> None:
    path = tmp_path / "audit"
    before = os.umask(0)
    try:
        AuditFile(path).close()
    finally:
        os.umask(before)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    path.write_text("earlier\n")
    file = AuditFile(path)
    file.record(record())
    file.close()
    assert path.read_text().startswith("earlier\n{")


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o620])
def test_a_file_that_others_may_use_is_refused(tmp_path: Path, mode: int) -> None:
    path = tmp_path / "audit"
    path.touch()
    path.chmod(mode)
    with pytest.raises(StoreUnusable, match="chmod 600"):
        AuditFile(path)


def test_a_link_is_not_followed(tmp_path: Path) -> None:
    target, link = tmp_path / "target", tmp_path / "audit"
    target.touch(mode=0o600)
    link.symlink_to(target)
    with pytest.raises(StoreUnusable):
        AuditFile(link)
    link.unlink()
    link.symlink_to(tmp_path / "nowhere")
    with pytest.raises(StoreUnusable):
        AuditFile(link)
    assert not (tmp_path / "nowhere").exists()


def test_what_is_no_file_is_refused_at_once(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo", 0o600)
    for name in ("fifo", "missing/audit", "."):
        with pytest.raises(StoreUnusable):
            AuditFile(tmp_path / name)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file away")
def test_a_file_of_somebody_else_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "audit"
    path.touch(mode=0o600)
    os.chown(path, 12345, 12345)
    with pytest.raises(StoreUnusable):
        AuditFile(path)


def test_a_closed_file_takes_nothing(tmp_path: Path) -> None:
    file = AuditFile(tmp_path / "audit")
    file.close()
    file.close()
    assert repr(file).endswith("closed>")
    with pytest.raises(Disconnected):
        file.record(record())


def test_a_file_that_is_full_says_so_and_what_was_there_stays_whole(tmp_path: Path) -> None:
    program = f"""
import resource, signal, sys
from dovetail.core import AuditRecord
from dovetail.errors import Disconnected
from dovetail.store import AuditFile
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
file, lost = AuditFile(sys.argv[1]), 0
for _ in range(20):
    try:
        file.record(AuditRecord(**{RECORD!r}))
    except Disconnected:
        lost += 1
print(lost)
"""
    assert resource.RLIMIT_FSIZE >= 0
    path = tmp_path / "audit"
    done = subprocess.run([sys.executable, "-c", program, str(path)], capture_output=True, text=True, timeout=10)
    *whole, torn = path.read_text().splitlines()
    assert len(whole) + int(done.stdout) == 20
    assert all(json.loads(line) == RECORD for line in whole)
    assert len(torn) < 200


@pytest.mark.timeout(30)
def test_lines_of_several_processes_do_not_mix(tmp_path: Path) -> None:
    program = f"""
import sys
from dovetail.core import AuditRecord
from dovetail.store import AuditFile
file = AuditFile(sys.argv[1])
print("ready", flush=True)
sys.stdin.readline()
for n in range(500):
    file.record(AuditRecord(**({RECORD!r} | {{"request_id": f"{{sys.argv[2]}}-{{n}}", "error": "x" * (n % 300)}})))
"""
    path = tmp_path / "audit"
    processes = [
        subprocess.Popen([sys.executable, "-c", program, str(path), str(n)], stdin=-1, stdout=-1, text=True)
        for n in range(4)
    ]
    for process in processes:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
    for process in processes:
        process.communicate("go\n")
        assert process.returncode == 0
    seen = [json.loads(line)["request_id"] for line in path.read_text().splitlines()]
    assert sorted(seen) == sorted(f"{p}-{n}" for p in range(4) for n in range(500))
