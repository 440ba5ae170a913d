"""Hostile HTML costs a child process its life, and nobody else anything."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable

import pytest

from dovetail import Client, Server
from dovetail.servers.fetch.extraction import Extraction, Overrun
from dovetail.servers.fetch.extractor import extract
from tests.servers.fetch.site import ARTICLE, Site

URL = "https://e.com/a/"


@pytest.fixture
async def extraction() -> AsyncIterator[Extraction]:
    made = Extraction(20.0)
    yield made
    await made.aclose()


def test_a_page_has_a_title_a_text_and_links() -> None:
    found = extract(ARTICLE, URL)
    assert (found.title, found.how) == ("On tea", "Markdown")
    assert found.links == [("Home", "https://e.com/"), ("about black tea", "https://e.com/black")]


def test_a_page_that_is_no_article_is_read_as_text() -> None:
    found = extract("<html><body><div>7</div></body></html>", URL)
    assert found.text.strip() == "7"
    assert extract("", URL).how == "nothing" and extract("<html></html>", URL).how == "nothing"


@pytest.mark.timeout(120)
@pytest.mark.parametrize(
    "html",
    [
        "<div>" * 200_000 + "x",
        "<b>" * 100_000 + "hello",
        "<p a='" + "x" * 4_000_000 + "'>hi</p>",
        "&amp;" * 800_000,
        "<table><tr><td>" * 3_000,
        "<!DOCTYPE x [" + "".join(f'<!ENTITY a{n + 1} "{f"&a{n};" * 10}">' for n in range(9)) + "]><p>&a9;</p>",
        "<ul><li>" * 2_000,
        "<a href='" + "../" * 100_000 + "'>x</a>",
        "<base href='https://[bad'><a href=x>y</a>",
        "\x00" * 1000 + "<p>" + "\ud800" * 0,
        "<svg><style><!--</style><img src=x>-->",
    ],
    ids=["deep", "inline", "attribute", "entities", "tables", "laughs", "lists", "href", "base", "nul", "svg"],
)
async def test_hostile_pages_end_in_time(extraction: Extraction, html: str) -> None:
    found = await extraction.extract(html, URL)
    assert len(found.text) <= 8 * 1024 * 1024 and len(found.links) <= 2_000
    assert (await extraction.extract(ARTICLE, URL)).title == "On tea"


async def test_a_page_that_takes_too_long_ends_its_child_and_the_next_one_is_read() -> None:
    extraction = Extraction(0.2)
    begun = time.monotonic()
    with pytest.raises(Overrun):
        await extraction.extract("<p>hello world, this is text</p>" * 150_000, URL)
    assert time.monotonic() - begun < 5
    patient = Extraction(20.0)
    assert (await patient.extract(ARTICLE, URL)).title == "On tea"
    await extraction.aclose()
    await patient.aclose()


async def test_children_are_kept_for_the_next_page_and_there_are_two_at_most(extraction: Extraction) -> None:
    await asyncio.gather(*(extraction.extract(ARTICLE, URL) for _ in range(6)))
    children = [child._channel.pid for child in extraction._idle]
    assert len(children) == 2
    await extraction.extract(ARTICLE, URL)
    assert [child._channel.pid for child in extraction._idle] == children


async def test_a_caller_who_leaves_ends_the_child(extraction: Extraction) -> None:
    task = asyncio.ensure_future(extraction.extract("<p>hello world, this is text</p>" * 150_000, URL))
    while not extraction._turns._value == 1:
        await asyncio.sleep(0)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert extraction._idle == []


async def test_a_page_that_cannot_be_read_in_time_is_given_raw(site: Site, near: Callable[..., Server]) -> None:
    site.page("/x", "<p>hello world, this is text</p>" * 50_000)
    async with Client(near(extract_seconds=0.1)) as client:
        result = await client.call_tool("fetch", {"url": f"{site.origin}/x", "max_length": 40})
        links = await client.call_tool("links", {"url": f"{site.origin}/x"})
    assert "could not be read in time" in result.text and "<p>hello" in result.text and not result.is_error
    assert links.is_error and "raw=true" in links.text
