"""A site, and a server that may read it."""

from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

from dovetail import Server
from dovetail.servers.fetch import Settings, make
from tests.servers.fetch.site import Site, running


@pytest.fixture
async def site() -> AsyncIterator[Site]:
    async with running() as found:
        yield found


@pytest.fixture
def near(site: Site) -> Callable[..., Server]:
    """Make a server that may read the site."""

    def made(**given: Any) -> Server:
        allowed: dict[str, Any] = {"allow_http": True, "allow_loopback": True, "allow_port": (str(site.port),)}
        return make(Settings(**(allowed | given)))

    return made
