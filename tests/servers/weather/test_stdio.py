"""The weather server as a host starts it."""

import os
import sys

import pytest

from dovetail import Client
from tests.servers.fetch.site import Site
from tests.servers.weather import recorded


@pytest.mark.timeout(60)
@pytest.mark.parametrize("revision", ["2025-11-25", "2026-07-28"])
async def test_it_serves_over_stdio(site: Site, revision: str) -> None:
    site.page("/alerts/active?area=CA", recorded.alerts(recorded.alert("Wind Advisory", "Moderate")))
    entry = {
        "command": sys.executable,
        "args": ["-m", "dovetail", "serve", "weather", "--nws-url", site.origin, "--units", "imperial", "--no-keyring"],
        "env": {"PYTHONPATH": os.environ.get("PYTHONPATH", "")},
    }
    async with Client(entry, revision=revision) as client:
        result = await client.call_tool("get_alerts", {"state": "CA"})
        assert result.structured["alerts"][0]["event"] == "Wind Advisory"
