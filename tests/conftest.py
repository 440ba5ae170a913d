"""What every test shares: how hard hypothesis tries, which files go first, and `--update`: golden files anew.

`HYPOTHESIS_PROFILE=nightly` tries a hundred times harder; a failing example prints what reproduces it.
"""

import os

import pytest
from hypothesis import HealthCheck, settings

LONG = frozenset({"conformance", "interop", "soak"})

settings.register_profile(
    "quick",
    max_examples=100,
    deadline=None,
    print_blob=True,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.register_profile("nightly", settings.get_profile("quick"), max_examples=10_000)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "quick"))


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--update", action="store_true", help="write golden files anew instead of comparing with them")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Start with the files that take minutes, so that none is left to one processor in the end."""
    items.sort(key=lambda item: item.path.parent.name not in LONG)
