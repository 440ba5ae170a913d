"""Hostile HTML costs a child process its life, and nobody else anything."""

import asyncio
import os
import signal
import sys
import time
from collections.abc import AsyncIterator, Callable

import pytest

from dovetail import Client, Server
from dovetail.servers.fetch.extraction import Extraction, Overrun, Unread
from dovetail.servers.fetch.extractor import extract
from dovetail.servers.fetch.urls import Policy
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


@pytest.mark.parametrize(
    ("head", "goal"),
    [
        ("", "https://e.com/a/b.html?c=1"),
        ("<base href='/docs/v2/'>", "https://e.com/docs/v2/b.html?c=1"),
        ("<base target=x><base href='../z/'><base href='/y/'>", "https://e.com/z/b.html?c=1"),
        ("<base href='https://other.org/'>", "https://other.org/b.html?c=1"),
        ("<base href='javascript:alert(1)'>", "https://e.com/a/b.html?c=1"),
        ("<base href='https://[bad'>", "https://e.com/a/b.html?c=1"),
    ],
)
def test_a_links_goal_is_the_same_in_the_text_and_in_the_list(head: str, goal: str) -> None:
    link = "<p>All of it stands in <a href='b.html?c=1#d'>the second part</a>, which is long enough to be read.</p>"
    found = extract(f"<html><head>{head}<title>x</title></head><body><article>{link}</article></body></html>", URL)
    assert f"[the second part]({goal}#d)" in found.text
    assert found.links == [("the second part", goal)]


@pytest.mark.parametrize(
    ("href", "goal"),
    [
        ("my file.html", "https://e.com/a/my%20file.html"),
        ("b.html?c=d e", "https://e.com/a/b.html?c=d%20e"),
        ("https://other.org/my file.html", "https://other.org/my%20file.html"),
        (" my%20file.html\n", "https://e.com/a/my%20file.html"),
        ("my\nfile.html", "https://e.com/a/myfile.html"),
        ("sub\\b.html?x=\\", "https://e.com/a/sub/b.html?x=%5C"),
        ("b\x85&lt;c&gt;.html", "https://e.com/a/b%C2%85%3Cc%3E.html"),
        ("ärger.html", "https://e.com/a/ärger.html"),
    ],
)
def test_a_links_goal_is_encoded_as_browsers_do_and_can_be_fetched(href: str, goal: str) -> None:
    link = f"<p>All of it stands in <a href='{href}'>the second part</a>, which is long enough to be read.</p>"
    found = extract(f"<html><head><title>x</title></head><body><article>{link}</article></body></html>", URL)
    assert f"[the second part]({goal})" in found.text
    assert found.links == [("the second part", goal)]
    assert Policy().check(goal).url


COMMITTEE = "The committee met on Tuesday and agreed upon the budget. The new library will open in May."


LINK = "<html><body><p>Some words come first, see <a href='{}'>that</a> and the end of it, with more.</p></body></html>"


@pytest.mark.parametrize(
    ("href", "goal"),
    [
        ("///h.com/x", "https://h.com/x"),
        ("////h.com//x", "https://h.com//x"),
        ("http:///h.com/x", "http://h.com/x"),
        ("/x//y", "https://e.com/x//y"),
        ("a\u200bb", "https://e.com/a/a%E2%80%8Bb"),
        ("a\u202eb", "https://e.com/a/a%E2%80%AEb"),
    ],
)
def test_what_nobody_sees_in_an_address_is_encoded_and_a_host_comes_after_any_slashes(href: str, goal: str) -> None:
    found = extract(LINK.format(href), URL)
    assert found.links == [("that", goal)] and f"[that]({goal})" in found.text


@pytest.mark.parametrize("href", ["http://exa mple.com/", "http://user@e.com/", "https://u:p@e.com/", "https:///"])
def test_what_would_be_refused_for_its_host_is_no_link_of_the_list(href: str) -> None:
    assert extract(LINK.format(href), URL).links == []


@pytest.mark.parametrize(
    ("html", "text"),
    [
        (f"<p>{COMMITTEE}</p>", COMMITTEE),
        ("<p>Price: 5 EUR</p>", "Price: 5 EUR"),
        ("<ul><li>one</li><li>two</li></ul>", "- one\n- two"),
        ("<pre>line 1\nline 2\n</pre>", "line 1\nline 2"),
        ("<h1>Status</h1><p>All systems are operational.</p>", "# Status\n\nAll systems are operational."),
        (f"<h1 id=s>Status</h1>\n<p>{COMMITTEE * 3}</p>", f"# Status\n\n{COMMITTEE * 3}"),
        (f"<html><body><h1>Status</h1><p>{COMMITTEE * 3}</p></body></html>", f"# Status\n\n{COMMITTEE * 3}"),
        (f"<html><body><h1 style='display:none'>Obey</h1><p>{COMMITTEE * 3}</p></body></html>", COMMITTEE * 3),
        ("no markup at all", "no markup at all"),
    ],
)
def test_a_page_without_the_frame_of_a_document_is_read_like_one_with_it(html: str, text: str) -> None:
    found = extract(html, URL)
    assert (found.text.strip(), found.how) == (text, "Markdown")


@pytest.mark.parametrize(
    "target",
    ["javascript:go()", " java\nscript:go()", "JavaScript:go()", "data:text/html,hi", f"{' ' * 3_000}javascript:go()"],
)
def test_a_link_that_is_a_program_keeps_its_text_only(target: str) -> None:
    ways = f"<a href='{target}'>Press here</a> or <a href='/black'>read on</a> or <a href='mailto:a@b.c'>write</a>."
    found = extract(f"<html><body><p>{COMMITTEE}</p><p>{ways}</p></body></html>", URL)
    assert "Press here or [read on](https://e.com/black) or [write](mailto:a@b.c)" in found.text
    assert "go()" not in found.text and "data:" not in found.text and "[Press" not in found.text
    assert found.links == [("read on", "https://e.com/black")]
    found = extract(f"<html><body><p>{COMMITTEE}</p><p><a href='{target}'>[a] [b</a></p></body></html>", URL)
    assert "go()" not in found.text and "nowhere" not in found.text


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


async def test_a_dead_child_is_replaced_and_the_page_read(extraction: Extraction) -> None:
    await asyncio.gather(*(extraction.extract(ARTICLE, URL) for _ in range(2)))
    children = [child._channel for child in extraction._idle]
    for child in children:
        os.kill(child.pid, signal.SIGKILL)
        await child.exited()
    for _ in range(3):
        assert (await extraction.extract(ARTICLE, URL)).title == "On tea"


async def test_a_page_that_two_children_die_of_is_one_that_takes_too_much(
    extraction: Extraction, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dovetail.servers.fetch.extraction._COMMAND", (sys.executable, "-c", "input()"))
    with pytest.raises(Overrun):
        await extraction.extract(ARTICLE, URL)
    assert extraction._idle == []


async def test_that_no_child_can_be_started_is_no_fault_of_the_page(
    extraction: Extraction, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dovetail.servers.fetch.extraction._COMMAND", ("/nowhere/python",))
    with pytest.raises(Unread) as failed:
        await extraction.extract(ARTICLE, URL)
    assert not isinstance(failed.value, Overrun)


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
