"""Every fuzz target takes a few thousand inputs without a defect, and every input that once failed passes now.

The long form is `make nightly`: `python -m tests.fuzz.run`, ten minutes a target.
"""

import pytest

from tests.fuzz.run import CRASHES, attack, load, targets

TRIES = 2_000


@pytest.mark.req("R-24")
@pytest.mark.timeout(60)
@pytest.mark.parametrize("name", targets())
def test_a_parser_takes_any_bytes(name: str) -> None:
    count, data, why = attack(name, seconds=30, tries=TRIES, seed=1)
    assert not why, f"after {count} inputs, {data!r}: {why}"


def test_every_input_that_once_failed_passes_now() -> None:
    for crash in sorted(CRASHES.glob("*.bin")):
        fuzz, _ = load(crash.name.partition("-")[0])
        fuzz(crash.read_bytes())
