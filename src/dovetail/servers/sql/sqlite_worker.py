"""A process that runs statements on an SQLite file: `python -P -m dovetail.servers.sql.sqlite_worker`.

One call of a function can keep SQLite busy for as long as it likes, and nothing within the process can stop it. So each
job has an alarm that ends the process, whatever it is in. It ends when its standard input does.
"""

import sqlite3
import sys
from pathlib import Path
from typing import Final

import msgspec

from dovetail.errors import ToolError
from dovetail.servers.children import alarm, begin, orders, reply
from dovetail.servers.sql.sqlite_jobs import FAILURES, Order, Outcome, Setup, failed
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


def main() -> int:
    """Serve until the standard input ends."""
    first = begin()
    if first is None:
        return 0
    worker = Worker(msgspec.msgpack.decode(first, type=Setup))
    for message in orders():
        order = msgspec.msgpack.decode(message, type=Order)
        alarm(order.seconds + GRACE)
        outcome = worker.answer(order)
        alarm(0)
        reply(outcome)
    return 0


if __name__ == "__main__":
    sys.exit(main())
