"""The fetch server as a host starts it."""

import os
import sys
from pathlib import Path

import pytest

from dovetail import Client
from tests.servers.fetch.site import ARTICLE, Site


@pytest.mark.timeout(60)
@pytest.mark.parametrize("revision", ["2025-11-25", "2026-07-28"])
async def test_it_serves_over_stdio_and_its_cache_file_outlives_it(site: Site, tmp_path: Path, revision: str) -> None:
    site.page("/tea", ARTICLE, cache_control="max-age=600")
    allow = ["--allow-http", "--allow-loopback", "--allow-port", str(site.port), "--cache", str(tmp_path / "pages.db")]
    entry = {
        "command": sys.executable,
        "args": ["-m", "dovetail", "serve", "fetch", *allow],
        "env": {"PYTHONPATH": os.environ.get("PYTHONPATH", "")},
    }
    for _ in range(2):
        async with Client(entry, revision=revision) as client:
            result = await client.call_tool("fetch", {"url": f"{site.origin}/tea"})
            assert "**steamed**" in result.text
    assert site.paths().count("/tea") == 1
    assert "from the cache" in result.text
