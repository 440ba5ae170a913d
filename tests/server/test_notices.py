"""Notices when the way between the workers is broken: this process is told all the same."""

import asyncio
import logging

import pytest

from dovetail.core import Notice
from dovetail.server.notices import Hub
from dovetail.store import SqliteStores


class Hearer:
    """Notes what it hears."""

    def __init__(self) -> None:
        self.heard: asyncio.Queue[Notice] = asyncio.Queue()

    def deliver(self, notice: Notice) -> None:
        self.heard.put_nowait(notice)

    def beat(self) -> None:
        """Nothing to keep alive."""


async def test_a_notice_that_the_store_does_not_take_reaches_who_listens_here(
    tmp_path_factory: pytest.TempPathFactory, caplog: pytest.LogCaptureFixture
) -> None:
    stores = SqliteStores(tmp_path_factory.mktemp("state"))
    await stores.open()
    hub, hearer = Hub(stores.bus), Hearer()
    hub.open()
    hub.join(hearer)
    await stores.aclose()
    with caplog.at_level(logging.ERROR, logger="dovetail.server"):
        hub.publish(Notice("notifications/tools/list_changed"))
        assert await asyncio.wait_for(hearer.heard.get(), 5) == Notice("notifications/tools/list_changed")
    assert "this process alone" in caplog.text
    hub.close()
