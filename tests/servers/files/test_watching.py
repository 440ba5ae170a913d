"""Changes from outside reach who subscribed, on either era; directories that come are watched, links are not."""

import asyncio
import queue
import threading
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest

from dovetail import Client
from dovetail.core import Notice
from dovetail.servers.files import Settings, make
from dovetail.servers.files.beneath import Beneath
from dovetail.servers.files.names import uri_of
from dovetail.servers.files.watching import Watch

pytestmark = pytest.mark.timeout(60)


class Heard:
    """A watch, and what it said."""

    def __init__(self, house: Path, most: int = 100) -> None:
        self.said: queue.Queue[Notice] = queue.Queue()
        self.watch = Watch(most, self.take)
        self.watch.follow([Beneath(str(house))])
        assert self.watch.standing.wait(20)

    def take(self, uris: Iterable[str], below: bool) -> None:
        for uri in uris:
            self.said.put(Notice("x", uri, below=below))

    def until(self, *paths: Path) -> set[str]:
        """Wait until all of these were heard of; return all URIs that were named."""
        wanted, heard = {uri_of(str(path)) for path in paths}, set[str]()
        while wanted:
            notice = self.said.get(timeout=20)
            heard.add(notice.uri)
            wanted -= {one.uri for one in notice.each(wanted)}
        return heard


@pytest.fixture
def heard(house: Path) -> Iterator[Heard]:
    (house / "out").symlink_to(house.parent / "data-x")
    found = Heard(house)
    yield found
    found.watch.close()
    assert not found.watch.standing.is_set()
    assert not [thread for thread in threading.enumerate() if thread.name == "dovetail-files-watch"]


def test_a_change_is_heard_of_the_file_and_of_its_directory(heard: Heard, house: Path) -> None:
    (house / "docs" / "a.txt").write_text("changed")
    heard.until(house / "docs" / "a.txt")
    (house / "docs" / "a.txt").unlink()
    heard.until(house / "docs" / "a.txt", house / "docs")
    temporary = house / "docs" / "deep" / ".b.tmp"
    temporary.write_text("new")
    temporary.rename(house / "docs" / "deep" / "b.txt")
    heard.until(house / "docs" / "deep" / "b.txt")


def test_a_directory_that_comes_is_watched_with_what_is_in_it(heard: Heard, house: Path) -> None:
    (house / "new" / "deep").mkdir(parents=True)
    (house / "new" / "deep" / "x.txt").write_text("1")
    heard.until(house / "new" / "deep" / "x.txt")
    assert heard.watch.standing.wait(20)
    (house / "new" / "deep" / "x.txt").write_text("2")
    heard.until(house / "new" / "deep" / "x.txt")


@pytest.mark.req("S-19")
def test_what_a_link_leads_to_is_not_watched(heard: Heard, house: Path) -> None:
    (house.parent / "data-x" / "a.txt").write_text("changed")
    (house / "later").symlink_to(house.parent / "data-x")
    heard.until(house / "later")
    (house.parent / "data-x" / "b.txt").write_text("changed")
    (house / "docs" / "a.txt").write_text("changed")
    said = heard.until(house / "docs" / "a.txt")
    assert not [uri for uri in said if "data-x" in uri or "out/" in uri or "later/" in uri]


def test_a_directory_that_is_moved_takes_along_what_lies_in_it_and_brings_it_back(heard: Heard, house: Path) -> None:
    (house / "docs").rename(house.parent / "aside")
    heard.until(house / "docs" / "a.txt", house / "docs" / "deep" / "b.txt")
    (house.parent / "aside").rename(house / "docs")
    heard.until(house / "docs" / "a.txt", house / "docs" / "deep" / "b.txt")
    assert heard.watch.standing.wait(20)
    while not heard.watch.covers(str(house / "docs" / "deep")):
        heard.said.get(timeout=20)
    (house / "docs" / "deep" / "b.txt").write_text("changed")
    heard.until(house / "docs" / "deep" / "b.txt")


def test_what_comes_in_the_place_of_a_directory_is_told_below_it(heard: Heard, house: Path) -> None:
    (house / "docs").rename(house.parent / "aside")
    (house / "docs").write_text("a file")
    heard.until(house / "docs" / "deep" / "b.txt")


def test_a_root_that_is_moved_away_takes_along_what_lies_in_it(heard: Heard, house: Path) -> None:
    house.rename(house.parent / "aside")
    heard.until(house / "docs" / "a.txt")
    (house.parent / "aside").rename(house)
    heard.until(house / "docs" / "a.txt")


def test_only_so_many_directories_are_watched(house: Path) -> None:
    heard = Heard(house, most=2)
    assert heard.watch.partial
    assert heard.watch.covers(str(house / "docs"))
    assert not heard.watch.covers(str(house / "docs" / "deep"))
    (house / "docs" / "deep" / "b.txt").write_text("unheard")
    (house / "docs" / "a.txt").write_text("heard")
    assert uri_of(str(house / "docs" / "deep" / "b.txt")) not in heard.until(house / "docs" / "a.txt")
    heard.watch.close()


def test_other_roots_can_be_followed(heard: Heard, house: Path) -> None:
    other = house.parent / "data-x"
    heard.watch.follow([Beneath(str(other))])
    assert heard.watch.standing.wait(20)
    (other / "a.txt").write_text("changed")
    heard.until(other / "a.txt")


def test_a_root_that_goes_and_comes_back_is_watched_again(heard: Heard, house: Path) -> None:
    house.rename(house.parent / "aside")
    house.mkdir()
    (house / "new.txt").write_text("new")
    heard.watch.follow([Beneath(str(house.parent / "data-x"))])
    heard.watch.follow([Beneath(str(house))])
    assert heard.watch.standing.wait(20)
    (house / "new.txt").write_text("newer")
    heard.until(house / "new.txt")


def test_directories_that_come_and_go_quickly_do_not_end_the_watch(heard: Heard, house: Path) -> None:
    for number in range(30):
        (house / f"d{number}").mkdir()
        if number % 2:
            (house / f"d{number}").rmdir()
    heard.until(house / "d28")
    assert heard.watch.standing.wait(20)
    (house / "docs" / "a.txt").write_text("changed")
    heard.until(house / "docs" / "a.txt")


def test_nothing_is_watched_when_nothing_shall_be(house: Path) -> None:
    watch = Watch(0, lambda uris, below: None)
    watch.follow([Beneath(str(house))])
    assert not watch.standing.is_set()
    watch.close()


async def watched(client: Client) -> str:
    return str((await client.call_tool("list_allowed_directories")).structured["watched"])


async def standing(client: Client, revision: str) -> None:
    """Wait until a stateless client's changes are heard of; a stateful one is answered when they are."""
    while revision == "2026-07-28" and await watched(client) != "yes":
        pass


@pytest.mark.parametrize("revision", ["2025-11-25", "2026-07-28"])
async def test_who_subscribed_hears_of_changes_from_outside(house: Path, revision: str) -> None:
    file = house / "docs" / "a.txt"
    async with Client(make(Settings(directories=(str(house),))), revision=revision) as client:
        await standing(client, revision)
        async with client.listen(resources=[file.as_uri()]) as changes:
            assert await watched(client) == "yes"
            (house / "docs" / "deep" / "b.txt").write_text("nobody asked")
            await asyncio.to_thread(file.write_text, "from outside")
            change = await asyncio.wait_for(anext(changes), 20)
            assert (change.kind, change.uri) == ("resource", file.as_uri())
            contents = (await client.read_resource(change.uri)).contents
            assert contents[0].text == "from outside"


@pytest.mark.parametrize("revision", ["2025-11-25", "2026-07-28"])
@pytest.mark.parametrize("watch", [0, 1000])
async def test_who_subscribed_hears_of_our_own_changes_too(house: Path, watch: int, revision: str) -> None:
    file = house / "docs" / "a.txt"
    async with Client(make(Settings(directories=(str(house),), watch=watch)), revision=revision) as client:
        assert await watched(client) == ("not yet" if watch else "no")
        if watch:
            await standing(client, revision)
        async with client.listen(resources=[file.as_uri(), file.parent.as_uri()]) as changes:
            await client.call_tool("write_file", {"path": "docs/a.txt", "content": "ours"})
            heard = {(await asyncio.wait_for(anext(changes), 20)).uri for _ in range(2)}
            assert heard == {file.as_uri(), file.parent.as_uri()}


@pytest.mark.parametrize("revision", ["2025-11-25", "2026-07-28"])
@pytest.mark.parametrize("by", ["us", "us unwatched", "others"])
async def test_who_subscribed_to_a_file_hears_when_its_directory_is_moved(house: Path, by: str, revision: str) -> None:
    file, other = house / "docs" / "deep" / "b.txt", house / "docs-x"
    watch = 0 if by == "us unwatched" else 1000
    async with Client(make(Settings(directories=(str(house),), watch=watch)), revision=revision) as client:
        if watch:
            await standing(client, revision)
        async with client.listen(resources=[file.as_uri(), other.as_uri()]) as changes:
            if by == "others":
                (house / "docs").rename(house / "elsewhere")
            else:
                await client.call_tool("move_file", {"source": "docs", "destination": "elsewhere"})
            assert (await asyncio.wait_for(anext(changes), 20)).uri == file.as_uri()
