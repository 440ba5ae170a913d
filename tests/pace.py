"""How long a piece of work takes, told so that it means the same on every machine and beside every neighbour.

A processor's seconds are not a fixed amount of work: a busy neighbour, a slower clock or a cold cache can double them.
So nothing here returns what a timer said. `milliseconds` compares the work with a fixed one that is done right before
it, in the same thread; `growth` compares it with itself on a smaller input. Both take the best of a few rounds.
"""

import gc
import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

ROUNDS = 5
REFERENCE_MILLISECONDS = 10.0
"""What `reference` takes on the reference machine: two cores of a cloud server (AMD EPYC), CPython 3.11, at rest."""
SHORT = 0.02
"""In `growth`, this part of the reference is added to either side: a call of microseconds is not told from noise."""

_TEXT = json.dumps([{"name": f"tool {n}", "values": list(range(20)), "nested": {"deep": [n, None]}} for n in range(60)])


def reference() -> object:
    """Do the fixed piece of work: half of it interpreted, half of it in C over strings, lists and dicts."""
    total = 0
    for number in range(150_000):
        total += number % 7
    for _ in range(80):
        total += len(json.loads(_TEXT))
    return total


def milliseconds(work: Callable[[], object], rounds: int = ROUNDS) -> float:
    """Return what the work costs, in milliseconds of the reference machine.

    It is measured as a multiple of `reference`, the two in turns: what slows one slows the other.
    """
    return ratio(work, reference, rounds) * REFERENCE_MILLISECONDS


def ratio(work: Callable[[], object], other: Callable[[], object], rounds: int = ROUNDS) -> float:
    """Return how many times as long one work takes as another, the two in turns."""
    with _undisturbed():
        seconds = [(_seconds(other), _seconds(work)) for _ in range(rounds)]
    return min(mine for _, mine in seconds) / min(fixed for fixed, _ in seconds)


def growth(work_on: Callable[[int], Callable[[], object]], size: int, factor: int = 8, rounds: int = ROUNDS) -> float:
    """Return how much dearer a unit of input gets when the input is `factor` times as large.

    About 1 where time grows in proportion; about `factor` where it grows with the square.

    Args:
        work_on: Makes the work on an input of a size. What it does itself is not measured.
        size: The larger input's size, which the smaller is a `factor`th of.
        factor: How many times larger the one is.
        rounds: Of how many the best is taken.
    """
    small, large = work_on(size // factor), work_on(size)
    with _undisturbed():
        seconds = [(_seconds(reference), _seconds(small), _seconds(large)) for _ in range(rounds)]
    floor = min(fixed for fixed, _, _ in seconds) * SHORT
    cheap, dear = min(s for _, s, _ in seconds), min(s for _, _, s in seconds)
    return (dear + floor) / (cheap + floor) / factor


def _seconds(work: Callable[[], object]) -> float:
    began = time.thread_time()
    work()
    return time.thread_time() - began


@contextmanager
def _undisturbed() -> Iterator[None]:
    """Keep the collector out, whose work depends on what all earlier tests left behind: seconds, near the end."""
    gc.disable()
    try:
        yield
    finally:
        gc.enable()
