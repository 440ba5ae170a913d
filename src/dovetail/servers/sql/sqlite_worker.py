"""A process that runs statements on an SQLite file: `python -P -m dovetail.servers.sql.sqlite_worker`.

One call of a function can keep SQLite busy for as long as it likes, and nothing within the process can stop it. So each
job has an alarm that ends the process, whatever it is in. It ends when its standard input does.
"""

import signal
import sqlite3
import sys
from pathlib import Path
from typing import BinaryIO, Final

import msgspec

from dovetail.errors import ToolError
from dovetail.servers.sql.sqlite_jobs import FAILURES, HEAD, Order, Outcome, Setup, failed, framed, length
from dovetail.servers.sql.sqlite_reader import Reader

GRACE: Final = 0.5
"""Seconds between the time of a job, after which SQLite stops where it can, and the alarm."""


class Worker:
    """One file; opened with the first job, as what is wrong with it is an answer."""

    def __init__(self, setup: Setup) -> None:
        self._setup = setup
        self._reader: Reader | None = None

    def answer(self, order: Order) -> Outcome:
        """Do a job; whatever fails is an answer."""
        try:
            reader = self._opened()
            reader.within(order.seconds)
            return Outcome(result=msgspec.Raw(msgspec.msgpack.encode(order.job.run(reader))))
        except (*FAILURES, ToolError) as error:
            return failed(error)

    def _opened(self) -> Reader:
        if self._reader is None:
            setup = self._setup
            reader = Reader(Path(setup.path), setup.denied, busy=setup.busy, longest=setup.longest)
            try:
                reader.within(setup.busy)
                reader.asked(f"PRAGMA hard_heap_limit={setup.memory << 20}")
            except sqlite3.Error:
                reader.close()
                raise
            self._reader = reader
        return self._reader


def _receive(source: BinaryIO) -> bytes | None:
    head = source.read(HEAD)
    return source.read(length(head)) if len(head) == HEAD else None


def _alarm(seconds: float) -> None:
    if sys.platform != "win32":
        signal.setitimer(signal.ITIMER_REAL, seconds)


def main() -> int:
    """Serve until the standard input ends."""
    source, out = sys.stdin.buffer, sys.stdout.buffer
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # of the terminal that the server has; the server ends its workers
    if sys.platform != "win32":
        signal.signal(signal.SIGALRM, signal.SIG_DFL)
    first = _receive(source)
    if first is None:
        return 0
    worker = Worker(msgspec.msgpack.decode(first, type=Setup))
    while (message := _receive(source)) is not None:
        order = msgspec.msgpack.decode(message, type=Order)
        _alarm(order.seconds + GRACE)
        outcome = worker.answer(order)
        _alarm(0)
        out.write(framed(outcome))
        out.flush()
    return 0


if __name__ == "__main__":
    sys.exit(main())
