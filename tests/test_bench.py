"""The benchmark's harness works: it measures the floors, refuses wrong answers, and voids what proves nothing."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from bench import calls, load, machine
from bench.rows import Plan, http
from bench.rows.stdio import verify
from bench.sides import SIDES, Unusable
from bench.table import Row, Target, interleave, markdown, plain

ROOT = Path(__file__).resolve().parent.parent
SIDE_TITLES = {"floor": "floor", "dovetail": "Dovetail"}


@pytest.mark.timeout(60)
def test_one_quick_round_measures_the_floors() -> None:
    rows = ["http", "http-await", "http-sessions", "stdio", "stdio-pipelined", "list", "start", "memory", "import"]
    command = [sys.executable, "-m", "bench", "--quick", "--json", "--sides", "floor", "--rows", *rows, "listen"]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, check=False)
    assert done.returncode == 0, done.stderr
    measured = {row["key"]: row for row in json.loads(done.stdout)["rows"]}
    assert set(measured) == {*rows, "listen", "broadcast"}
    for row in measured.values():
        assert row["medians"]["floor"] > 0, row


@pytest.mark.parametrize(
    "change",
    [
        {"id": "100000000"},
        {"result": {"content": [{"type": "text", "text": "4"}], "structuredContent": {"result": 3}}},
        {"result": {"content": [{"type": "text", "text": "3"}], "structuredContent": {"result": 4}}},
        {"result": {"content": [{"type": "text", "text": "3"}]}},
        {"result": {"content": [{"type": "text", "text": "3"}], "structuredContent": {"result": 3}, "isError": True}},
        {"jsonrpc": "1.0"},
    ],
)
def test_a_wrong_answer_is_refused(change: dict[str, object]) -> None:
    result = {"content": [{"type": "text", "text": "3"}], "structuredContent": {"result": 3}}
    right = {"jsonrpc": "2.0", "id": calls.FIRST, "result": result}
    calls.check_sum(right, calls.FIRST, 3, calls.STATEFUL)
    with pytest.raises(ValueError, match="a wrong answer"):
        calls.check_sum(right | change, calls.FIRST, 3, calls.STATEFUL)
    with pytest.raises(ValueError, match="a wrong answer"):
        calls.check_sum(right, calls.FIRST, 3, calls.MODERN)


def test_each_id_is_answered_exactly_once() -> None:
    meta = {"io.modelcontextprotocol/serverInfo": {"name": "bench"}}
    result = {"content": [{"type": "text", "text": "8"}], "structuredContent": {"result": 8}}
    answer = json.dumps(
        {"jsonrpc": "2.0", "id": 7, "result": result | {"resultType": "complete", "_meta": meta}}
    ).encode()
    verify([answer], {7})
    with pytest.raises(Unusable):
        verify([answer, answer], {7})
    with pytest.raises(Unusable, match="1 calls"):
        verify([answer], {7, 8})


@pytest.mark.parametrize("name", [b"Content-Length", b"content-length"])
def test_the_generator_knows_when_a_response_is_complete(name: bytes) -> None:
    response = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n" + name + b": 5\r\n\r\nhello"
    assert [load.complete(response[:cut]) for cut in range(len(response) + 1)] == [False] * len(response) + [True]
    with pytest.raises(load.WrongAnswer):
        load.complete(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n")


def test_a_row_is_void_when_the_generator_is_not_fast_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http, "_MARGIN", 1e9)
    row = http.modern(Plan(1, 0.02, ["floor"]))
    assert row.void.startswith("the load generator reaches only")
    assert "VOID" in markdown([row], SIDE_TITLES)
    assert "VOID" in plain([row], SIDE_TITLES)


def test_ratios_are_taken_round_by_round_and_compared_with_the_targets() -> None:
    row = Row("key", "a row", "µs", {"floor": [10, 20, 40], "dovetail": [13, 30, 52]})
    row.targets = [Target("at most 1.5", "floor", most=1.5), Target("at most 1.2", "floor", most=1.2)]
    row.targets += [Target("at least 20", least=20), Target("of nobody", "sdk", most=1)]
    assert row.ratio("dovetail", "floor") == 1.3
    assert row.verdicts() == [
        "at most 1.5: 1.30 (met)",
        "at most 1.2: 1.30 (MISSED)",
        "at least 20: 30.0 (met)",
        "of nobody: not measured",
    ]


def test_sides_take_turns_at_going_first() -> None:
    order: list[str] = []

    def run(name: str) -> float:
        order.append(name)
        return 1.0

    row = Row("key", "title", "µs")
    interleave(row, {"a": lambda: run("a"), "b": lambda: run("b")}, 2)
    assert order == ["a", "b", "b", "a"]
    assert row.rounds == {"a": [1.0, 1.0], "b": [1.0, 1.0]}


def test_processor_time_and_memory_count_children_too() -> None:
    script = "import subprocess, sys; subprocess.run([sys.executable, '-c', 'print(sum(range(10**6)));input()'])"
    with subprocess.Popen([sys.executable, "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        assert len(machine.family(process.pid)) == 2
        assert machine.cpu_seconds(process.pid) > 0.01
        resident, proportional = machine.memory_mib(process.pid)
        assert resident > proportional > 1
        process.communicate(b"\n")


def test_every_side_has_its_program() -> None:
    assert all(side.script.exists() for side in SIDES.values())


@pytest.mark.timeout(60)
def test_one_quick_round_measures_our_client_and_its_floors() -> None:
    rows = ["client-http", "client-stdio", "client-catalogue", "client-import"]
    command = [sys.executable, "-m", "bench", "--quick", "--json", "--sides", "floor", "dovetail", "--rows", *rows]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, check=False)
    assert done.returncode == 0, done.stderr
    measured = {row["key"]: row for row in json.loads(done.stdout)["rows"]}
    assert set(measured) == set(rows)
    for row in measured.values():
        assert row["medians"]["dovetail"] > 0, row
        assert row["medians"].get("floor", 1) > 0, row
