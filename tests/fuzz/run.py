"""Throw mutated bytes at every parser's fuzz target.

    python -m tests.fuzz.run --seconds 600 [--target NAME ...] [--seed N]

A target is `tests/fuzz/fuzz_<name>.py` with `fuzz(data: bytes) -> None`, which raises only when it found a defect, and
may offer `SEEDS: list[bytes]` to start from. An input that raises, or takes longer than a second, is a failure: it is
written to `tests/fuzz/crashes/`, where `test_fuzz.py` replays it from then on. A seed makes a run repeatable.
"""

import argparse
import hashlib
import importlib
import random
import sys
import time
import traceback
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

HERE = Path(__file__).resolve().parent
CRASHES = HERE / "crashes"
LONGEST = 4096
SLOW = 1.0

SEEDS = [
    b"",
    b'{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"add","arguments":{"a":2,"b":3}}}',
    b'[{"jsonrpc":"2.0","method":"notifications/initialized"},{"jsonrpc":"2.0","id":"1","result":{}}]',
    b'{"a":[1,1.0,1e999,-0,null,true,"\\ud800\\u0000"],"a":{"$ref":"#/$defs/a","pattern":"^(a+)+$"}}',
    b"id: 7\nevent: message\nretry: 100\ndata: {}\ndata: x\n\n: keep-alive\r\n\r\ndata: y\r\r",
    b"localhost:8000|http://localhost:8000",
    b"=?base64?w7w=?=",
    b"policy://{topic}{?a,b*}{/c}{+d}{#e}|policy://refunds?a=1",
    b"2025-11-25|2026-07-28|notifications/progress|io.modelcontextprotocol/serverInfo",
]
TOKENS = [
    *(bytes([byte]) for byte in b'{}[]",:\\/\r\n\t #%&=?*+@.;|<>\x00\x7f\x80\xbf\xc0\xed\xf4\xff'),
    b"\xef\xbb\xbf", b"\xed\xa0\x80", b"\xe2\x80\xa8", b"\\u0000", b"\\ud83d", b"1e999", b"-0", b"9" * 40, b"null",
    b'"id"', b'"method"', b"%2e%2e", b"\r\n\r\n", b"data:", b"=?base64?", b"?=", b"{", b"}" * 8, b"[" * 200, b"a" * 300,
]  # fmt: skip


def mutated(data: bytes, chance: random.Random) -> bytes:
    """Change some bytes: flip, insert, remove, repeat, or splice in a token."""
    out = bytearray(data)
    for _ in range(chance.randint(1, 6)):
        at = chance.randint(0, len(out))
        match chance.randrange(5):
            case 0:
                out[at : at + 1] = bytes([chance.randrange(256)])
            case 1:
                out[at:at] = chance.choice(TOKENS)
            case 2:
                del out[at : at + chance.randint(1, 16)]
            case 3:
                piece = out[at : at + chance.randint(1, 64)]
                out[at:at] = piece * chance.randint(1, 4)
            case _:
                out[at : at + chance.randint(0, 4)] = chance.choice(TOKENS)
    return bytes(out[:LONGEST])


def inputs(seeds: list[bytes], chance: random.Random) -> Iterator[bytes]:
    """Yield the seeds, then mutations of them and of each other, without end."""
    pool = list(seeds)
    yield from seeds
    while True:
        data = mutated(chance.choice(pool), chance)
        if chance.random() < 0.05:
            pool[chance.randrange(len(pool))] = data
        if chance.random() < 0.01:
            pool = list(seeds)
        yield data


def targets() -> dict[str, str]:
    """Name -> module of every target."""
    return {path.stem.removeprefix("fuzz_"): f"tests.fuzz.{path.stem}" for path in sorted(HERE.glob("fuzz_*.py"))}


def load(name: str) -> tuple[Callable[[bytes], None], list[bytes]]:
    """Return a target and the seeds to start from."""
    module = importlib.import_module(targets()[name])
    return module.fuzz, [*SEEDS, *getattr(module, "SEEDS", [])]


def attack(name: str, *, seconds: float, tries: int | None, seed: int) -> tuple[int, bytes | None, str]:
    """Run one target; return how many inputs it took, the input that failed (or None), and why."""
    fuzz, seeds = load(name)
    deadline = time.monotonic() + seconds
    count = 0
    for data in inputs(seeds, random.Random(f"{seed}-{name}")):
        began = time.monotonic()
        if began > deadline or count == tries:
            return count, None, ""
        try:
            fuzz(data)
        except Exception:
            return count, data, traceback.format_exc(limit=-3)
        if (took := time.monotonic() - began) > SLOW:
            return count, data, f"took {took:.1f} s"
        count += 1
    raise AssertionError("the inputs have no end")


def main() -> int:
    parser = argparse.ArgumentParser(description="Fuzz every parser.")
    parser.add_argument("--seconds", type=float, default=60, help="for each target")
    parser.add_argument("--target", action="append", choices=list(targets()))
    parser.add_argument("--seed", type=int, default=int(time.time()))
    options = parser.parse_args()
    names = options.target or list(targets())
    failed = 0
    with ProcessPoolExecutor(2) as pool:
        runs = {n: pool.submit(attack, n, seconds=options.seconds, tries=None, seed=options.seed) for n in names}
        for name, run in runs.items():
            count, data, why = run.result()
            print(f"{name}: {count} inputs, seed {options.seed}, {'FAILED' if why else 'no defect'}", flush=True)
            if data is not None:
                failed += 1
                CRASHES.mkdir(exist_ok=True)
                (CRASHES / f"{name}-{hashlib.sha256(data).hexdigest()[:12]}.bin").write_bytes(data)
                print(why)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
