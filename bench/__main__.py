"""`python -m bench`: measure, print, and write `bench/RESULTS.md`."""

import argparse
import json
import sys
import time
from datetime import UTC, datetime

from bench.machine import describe
from bench.rows import Measure, Plan, http, listing, start, stdio
from bench.sides import ROOT, SIDES, TITLES
from bench.table import Row, markdown, plain, to_json

ROWS: dict[str, Measure] = {
    "http": http.modern,
    "http-await": http.modern_await,
    "http-sessions": http.sessions,
    "stdio": stdio.latency,
    "stdio-pipelined": stdio.throughput,
    "list": listing.thousand,
    "start": start.file,
    "start-command": start.command,
    "memory": start.memory,
    "import": start.imports,
}


def main() -> int:
    """Run what the command line asks for."""
    options = _options()
    rounds = options.rounds or (1 if options.quick else 9)
    plan = Plan(rounds, 0.2 if options.quick else 1.0, options.sides)
    head = f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC, {describe()}. {rounds} rounds, medians."
    say(head)
    rows: list[Row] = []
    for key in options.rows:
        started = time.monotonic()
        rows.append(ROWS[key](plan))
        say(plain(rows[-1:], TITLES) + f"    ({time.monotonic() - started:.0f} s)")
    if options.json:
        print(json.dumps({"machine": head, "rows": to_json(rows)}))
    else:
        print(plain(rows, TITLES))
    return 0


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("--rows", nargs="+", choices=ROWS, default=list(ROWS), metavar="ROW", help=", ".join(ROWS))
    parser.add_argument("--sides", nargs="+", choices=SIDES, default=list(SIDES), metavar="SIDE", help=", ".join(SIDES))
    parser.add_argument("--rounds", type=int, help="of each side, interleaved (9)")
    parser.add_argument("--quick", action="store_true", help="one short round: proves the harness, measures nothing")
    parser.add_argument("--json", action="store_true", help="the results as JSON instead of tables")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
