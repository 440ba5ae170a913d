"""`python -m bench`: measure, print, and write `bench/RESULTS.md`."""

import argparse
import json
import sys
import time
from datetime import UTC, datetime

from bench.machine import describe
from bench.rows import (
    Measure,
    Plan,
    client,
    files,
    git,
    http,
    listing,
    memory,
    sql,
    start,
    stdio,
    streams,
    transports,
)
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
    "listen": streams.idle,
    "client-http": client.sequential_http,
    "client-stdio": client.sequential_stdio,
    "client-catalogue": client.catalogue,
    "client-import": client.imports,
}
SERVERS: dict[str, Measure] = {
    "files-read": files.reading,
    "files-search": files.searching,
    "sql-query": sql.queries,
    "git-log": git.first_log,
    "memory-search": memory.search,
}
BESIDE = {
    "floor": "bare loop",
    "dovetail": "Dovetail",
    "namesake": "PyPI namesake",
    "npm": "npm namesake",
    "rg": "ripgrep",
    "own": "without ripgrep",
}
TRANSPORTS = "transports"
OURS = {"dovetail": "Dovetail"}
RESULTS = ROOT / "bench" / "RESULTS.md"
_MODES = """\
Each peer in the fastest mode that its documentation names: stateless HTTP with JSON responses (`stateless_http=True`,
`json_response=True`; sessions where the row is about sessions) under uvicorn with uvloop and httptools, no access log.
The floor is a bare ASGI program under plain uvicorn, or a bare asyncio program on pipes, that decodes, adds and encodes
the same bytes, and checks nothing. HTTP rows count the server's processor time for each request (user and system), as
throughput drifts on small machines; the load comes from a process of its own. Each round of a row about calls starts
its servers anew. A ratio is the median of the ratios of the rounds, so it need not be the ratio of the medians. Every
shape of answer is verified in full before anything is timed, and every single answer by its id and its sum."""


def main() -> int:
    """Run what the command line asks for."""
    options = _options()
    rounds = options.rounds or (1 if options.quick else 9)
    plan = Plan(rounds, 0.02 if options.quick else 1.0, options.sides)
    head = f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC. {describe()}. {rounds} rounds, interleaved; medians."
    _say(head)
    rows = _measured({key: ROWS[key] for key in options.rows if key in ROWS}, plan)
    servers = _measured({key: SERVERS[key] for key in options.rows if key in SERVERS}, plan)
    ours = _measured({TRANSPORTS: transports.compared} if TRANSPORTS in options.rows else {}, plan)
    if options.json:
        print(
            json.dumps(
                {"machine": head, "rows": to_json(rows), "servers": to_json(servers), "transports": to_json(ours)}
            )
        )
    else:
        tables = [(rows, TITLES), (servers, BESIDE), (ours, OURS)]
        print(*(plain(found, titles) for found, titles in tables if found), sep="\n")
    if options.write:
        RESULTS.write_text(_document(head, rows, servers, ours))
        _say(f"written to {RESULTS.relative_to(ROOT)}")
    return 0


def _measured(wanted: dict[str, Measure], plan: Plan) -> list[Row]:
    rows: list[Row] = []
    for key, measure in wanted.items():
        started = time.monotonic()
        try:
            found = measure(plan)
        except Exception as error:  # one row that fails takes no other with it, and the table says so
            found = Row(key, key, "", void=f"{type(error).__name__}: {error}"[:300])
        rows += found if isinstance(found, list) else [found]
        _say(f"{key}: {time.monotonic() - started:.0f} s" + "".join(f"; VOID {r.void}" for r in rows[-1:] if r.void))
    return rows


def _document(head: str, rows: list[Row], servers: list[Row], ours: list[Row]) -> str:
    return "\n".join(
        [
            "# Results",
            "",
            f"{head} Written by `make bench`.",
            "",
            _MODES,
            "",
            markdown(rows, TITLES),
            "## The servers that we ship",
            "",
            "Each beside its namesake among the reference servers, started in the same round, over raw pipes.",
            "",
            markdown(servers, BESIDE),
            "## Our transports",
            "",
            "A hundred calls one after another, by a client that does the least it can.",
            "",
            markdown(ours, OURS),
        ]
    )


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def _options() -> argparse.Namespace:
    keys = [*ROWS, *SERVERS, TRANSPORTS]
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("--rows", nargs="+", choices=keys, metavar="ROW", help=", ".join(keys))
    parser.add_argument("--sides", nargs="+", choices=SIDES, metavar="SIDE", help=", ".join(SIDES))
    parser.add_argument("--rounds", type=int, help="of each side, interleaved (9)")
    parser.add_argument("--quick", action="store_true", help="one short round: proves the harness, measures nothing")
    parser.add_argument("--json", action="store_true", help="the results as JSON instead of tables")
    parser.add_argument("--write", action="store_true", help="write bench/RESULTS.md also when not all was measured")
    options = parser.parse_args()
    options.write = options.write or not (options.rows or options.sides or options.quick or options.rounds)
    options.rows = options.rows or keys
    options.sides = options.sides or list(SIDES)
    return options


if __name__ == "__main__":
    sys.exit(main())
