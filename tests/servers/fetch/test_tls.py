"""Over https: the connection goes to a checked address, and name, certificate and Host stay those of the URL."""

import asyncio
import ssl
from pathlib import Path

import pytest

from dovetail import Client
from dovetail.servers.fetch import Settings, make
from tests.net.test_http_client import Certificate
from tests.servers.fetch.site import running
from tests.servers.fetch.test_guard import World


@pytest.mark.req("A-29")
async def test_a_name_is_looked_up_once_and_its_certificate_and_host_stay_its_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    certificate = Certificate(tmp_path, "tea.example")
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate.path))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate.path)
    asked: list[str | None] = []
    context.sni_callback = lambda _, name, __: asked.append(name)
    resolver = World()
    resolver.answers = lambda host, count: ["127.0.0.1"]
    async with running(context) as site:
        monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", resolver.getaddrinfo)
        site.page("/x", "hot water", "text/plain")
        settings = Settings(allow_loopback=True, allow_port=(str(site.port),), ignore_robots=True)
        async with Client(make(settings)) as client:
            good = await client.call_tool("fetch", {"url": f"https://tea.example:{site.port}/x"})
            again = await client.call_tool("fetch", {"url": f"https://tea.example.:{site.port}/x"})
            other = await client.call_tool("fetch", {"url": f"https://coffee.example:{site.port}/x"})
    assert "hot water" in good.text and "hot water" in again.text
    assert other.is_error and "certificate does not verify" in other.text
    assert asked == ["tea.example", "coffee.example"] and resolver.lookups == ["tea.example", "coffee.example"]
    assert [request.headers["host"] for request in site.requests] == [f"tea.example:{site.port}"] * 2
