"""What was made of a page is remembered as long as the page may be kept, within bounds."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from dovetail.errors import ToolError
from dovetail.servers.fetch import reading
from dovetail.servers.fetch.entries import MemoryCache
from dovetail.servers.fetch.extraction import Extraction
from dovetail.servers.fetch.extractor import Extract
from dovetail.servers.fetch.getting import Bounds, Getter
from dovetail.servers.fetch.reading import Reader
from dovetail.servers.fetch.urls import Policy
from tests.servers.fetch.site import ARTICLE, Site


class Counting(Extraction):
    """Counts the pages that are read."""

    pages = 0

    async def extract(self, html: str, url: str) -> Extract:
        self.pages += 1
        return await super().extract(html, url)


@pytest.fixture
async def counting() -> Counting:
    return Counting(20.0)


@pytest.fixture
async def reader(site: Site, counting: Counting) -> AsyncIterator[Reader]:
    policy = Policy(http=True, loopback=True, ports=((site.port, site.port),))
    getter = Getter(policy, Bounds(size=100_000, seconds=20.0, redirects=5), MemoryCache(1_000_000))
    made = Reader(getter, counting, ("Program/1", "Person/1"), True, 1_000)
    yield made
    await made.aclose()


async def test_a_page_that_may_be_kept_is_read_once(site: Site, reader: Reader, counting: Counting) -> None:
    site.page("/kept", ARTICLE, cache_control="max-age=60")
    site.page("/not", ARTICLE, cache_control="no-store")
    pages = [await reader.read(f"{site.origin}/kept") for _ in range(3)]
    page, links = await reader.links(f"{site.origin}/kept")
    assert (
        counting.pages == 1 and len({page.text for page in pages}) == 1 and page.title == "On tea" and len(links) == 2
    )
    for _ in range(2):
        await reader.read(f"{site.origin}/not")
    assert counting.pages == 3


async def test_a_page_that_overran_is_not_tried_again(
    site: Site, reader: Reader, counting: Counting, monkeypatch: pytest.MonkeyPatch
) -> None:
    site.page("/slow", ARTICLE, cache_control="max-age=60")
    monkeypatch.setattr(counting, "_seconds", 0.0)
    for _ in range(3):
        assert "in time" in (await reader.read(f"{site.origin}/slow")).how
    with pytest.raises(ToolError, match="in time"):
        await reader.links(f"{site.origin}/slow")
    assert counting.pages == 1
    monkeypatch.setattr(counting, "_seconds", 20.0)
    assert (await reader.read(f"{site.origin}/slow", renew=True)).how == "Markdown"
    page, links = await reader.links(f"{site.origin}/slow")
    assert page.title == "On tea" and len(links) == 2


async def test_what_is_no_fault_of_the_page_is_not_remembered(
    site: Site, reader: Reader, monkeypatch: pytest.MonkeyPatch
) -> None:
    site.page("/x", ARTICLE, cache_control="max-age=60")
    with monkeypatch.context() as broken:
        broken.setattr("dovetail.servers.fetch.extraction._COMMAND", ("/nowhere/python",))
        assert (await reader.read(f"{site.origin}/x")).how == "raw HTML, as it could not be read"
        with pytest.raises(ToolError, match="The page could not be read: use fetch"):
            await reader.links(f"{site.origin}/x")
    assert (await reader.read(f"{site.origin}/x")).how == "Markdown"


@pytest.mark.parametrize("control", ["max-age=60", "no-store"])
async def test_pieces_that_are_asked_for_at_once_are_made_of_one_page(
    site: Site, reader: Reader, counting: Counting, control: str
) -> None:
    site.page("/x", ARTICLE, cache_control=control)
    pages = await asyncio.gather(*(reader.read(f"{site.origin}/x") for _ in range(6)))
    assert counting.pages == 1 and {page.title for page in pages} == {"On tea"}


async def test_what_is_remembered_is_bounded(
    site: Site, reader: Reader, counting: Counting, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reading, "_MEMORY", 500)
    for number in range(4):
        site.page(f"/{number}", ARTICLE, cache_control="max-age=60")
        await reader.read(f"{site.origin}/{number}")
    assert "1 pages" in repr(reader)
    await reader.read(f"{site.origin}/3")
    assert counting.pages == 4


async def test_what_differs_is_not_taken_for_what_was_read(site: Site, reader: Reader) -> None:
    site.page("/x", ARTICLE, cache_control="max-age=60")
    first = await reader.read(f"{site.origin}/x")
    site.page("/x", ARTICLE.replace("Green tea", "White tea"), cache_control="max-age=60")
    second = await reader.read(f"{site.origin}/x", renew=True)
    assert "Green tea" in first.text and "White tea" in second.text
