"""The harness's end of the load generator."""

import contextlib
import json
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

from bench.sides import ROOT, Unusable, environment


class Driver:
    """A generator process that does what it is told."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        self._process = process

    def do(self, what: str, **order: Any) -> dict[str, Any]:
        """Give one order and wait for its answer."""
        assert self._process.stdin is not None and self._process.stdout is not None
        self._process.stdin.write(json.dumps({"do": what, **order}) + "\n")
        self._process.stdin.flush()
        line = self._process.stdout.readline()
        if not line:
            raise Unusable("the load generator ended")
        answer: dict[str, Any] = json.loads(line)
        if "error" in answer:
            raise Unusable(answer["error"])
        return answer


@contextlib.contextmanager
def generator(module: str = "bench.load") -> Iterator[Driver]:
    """A load generator for as long as the block lasts."""
    command = [sys.executable, "-m", module]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT, env=environment()
    ) as process:
        try:
            yield Driver(process)
        finally:
            process.kill()
