"""Resources, suggestions, prompts, and news of what others change."""

from pathlib import Path
from typing import Any

import pygit2
import pytest

from dovetail.errors import PeerError
from dovetail.servers.git.places import locate
from dovetail.servers.git.watching import look, said
from dovetail.wire import PromptReference, ResourceTemplateReference, TextContent
from tests.servers.git.conftest import ERAS, Maker, Open

TEMPLATE = ResourceTemplateReference(uri="git://{revision}/{+path}")


@pytest.mark.parametrize("era", ERAS)
async def test_a_file_at_a_revision_is_a_resource_with_its_exact_bytes(story: Maker, opened: Open, era: str) -> None:
    story.commit("Bytes", {"image.png": b"\x89PNG\r\n\0\x1b", "text.txt": "a\x1b\r\n"})
    async with opened(story.path, revision=era) as client:
        text = (await client.read_resource("git://feature%2Fx/src/main.py")).contents[0]
        assert text.uri == "git://feature%2Fx/src/main.py"
        assert text.text == "print(1)\n"
        assert (await client.read_resource("git://HEAD/text.txt")).contents[0].text == "a\x1b\r\n"
        image = (await client.read_resource("git://HEAD/image.png")).contents[0]
        assert image.mime_type == "image/png"
        assert image.blob == "iVBORw0KABs="
        folder = (await client.read_resource("git://v1.0/src")).contents[0]
        assert folder.text == "main.py"
        root = (await client.read_resource("git://v1.0/")).contents[0]
        assert root.text == "README.md\nsrc/"


@pytest.mark.parametrize("era", ERAS)
@pytest.mark.parametrize(
    "uri",
    [
        "git://HEAD/nothing",
        "git://nothing/README.md",
        "git://HEAD/../config",
        "git://--all/x",
        "git://HEAD/.git/config",
        "git://nothing/",
    ],
)
async def test_what_is_not_there_is_not_found(story: Maker, opened: Open, era: str, uri: str) -> None:
    async with opened(story.path, revision=era) as client:
        with pytest.raises(PeerError) as found:
            await client.read_resource(uri)
        assert found.value.code in (-32002, -32602)
        assert str(story.path) not in str(found.value)


async def test_the_state_of_the_repository_is_resources(story: Maker, opened: Open) -> None:
    async with opened(story.path) as client:
        assert {one.uri for one in await client.list_resources()} == {
            "git://HEAD",
            "git://log",
            "git://branches",
            "git://status",
        }
        for uri, holds in [
            ("git://HEAD", "Say zero"),
            ("git://log", "Begin"),
            ("git://branches", "feature/x"),
            ("git://status", '"clean":true'),
        ]:
            assert holds in ((await client.read_resource(uri)).contents[0].text or "")


async def test_revisions_and_paths_are_suggested(story: Maker, opened: Open) -> None:
    async with opened(story.path) as client:

        async def suggested(argument: str, value: str, **settled: str) -> list[str]:
            return list((await client.complete(TEMPLATE, argument, value, settled)).values)

        assert await suggested("revision", "") == ["HEAD", "feature/x", "main", "v1.0"]
        assert await suggested("revision", "FEA") == ["feature/x"]
        assert await suggested("path", "") == ["README.md", "src/"]
        assert await suggested("path", "src/m", revision="v1.0") == ["src/main.py"]
        assert await suggested("path", "", revision="--all") == []
        assert await suggested("path", "../") == []
        prompt = PromptReference(name="review_changes")
        assert list((await client.complete(prompt, "target", "m")).values) == ["main"]


async def test_prompts_bring_what_they_are_about(story: Maker, opened: Open) -> None:
    story.write("README.md", "# Other\n")
    story.stage("README.md")
    async with opened(story.path) as client:
        assert {one.name for one in await client.list_prompts()} == {
            "write_commit_message",
            "review_changes",
            "explain_file",
        }

        async def text(name: str, **given: str) -> str:
            content = (await client.get_prompt(name, given)).messages[0].content
            assert isinstance(content, TextContent)
            return content.text

        assert "+# Other" in await text("write_commit_message", language="German")
        assert "+print(2)" in await text("review_changes", target="main", base="v1.0")
        assert "Print two" in await text("explain_file", path="src/main.py")


async def test_a_message_is_written_for_the_first_commit_too(maker: Maker, opened: Open) -> None:
    maker.write("README.md", "# Other\n")
    maker.stage("README.md")
    async with opened(maker.path) as client:
        content = (await client.get_prompt("write_commit_message")).messages[0].content
        assert isinstance(content, TextContent)
        assert "the first commit" in content.text
        assert "+# Other" in content.text


@pytest.mark.parametrize("era", ERAS)
async def test_who_subscribed_hears_of_a_commit_that_somebody_else_made(story: Maker, opened: Open, era: str) -> None:
    file = "git://HEAD/README.md"
    async with opened(story.path, revision=era, poll=0.05) as client:
        async with client.listen(resources=["git://HEAD", file]) as changes:
            await client.read_resource(file)
            story.commit("From outside", {"README.md": "new"})
            heard = {(await anext(changes)).uri, (await anext(changes)).uri}
            assert heard == {"git://HEAD", file}


async def test_who_subscribed_hears_when_something_is_staged(story: Maker, opened: Open) -> None:
    async with opened(story.path, poll=0.05) as client:
        async with client.listen(resources=["git://status", "git://HEAD"]) as changes:
            story.write("staged", "x")
            story.stage("staged")
            assert (await anext(changes)).uri == "git://status"


async def test_who_subscribed_hears_nothing_when_references_are_packed(story: Maker, opened: Open) -> None:
    """As `git gc` and `git pack-refs` do it: each says the same from another place."""
    async with opened(story.path, poll=0.05) as client:
        async with client.listen(resources=["git://branches", "git://status"]) as changes:
            story.git.compress_references()
            story.write("staged", "x")
            story.stage("staged")
            assert (await anext(changes)).uri == "git://status"
            story.branch("later", str(story.tip.id))
            assert {(await anext(changes)).uri for _ in range(2)} == {"git://branches", "git://status"}


def test_what_references_say_is_the_same_wherever_they_stand(story: Maker) -> None:
    places = locate(str(story.path))
    before = said(places)
    assert before is not None
    story.git.compress_references()
    assert not (story.path / ".git/refs/heads/main").exists()
    assert said(places) == before
    (story.path / ".git/refs/heads/main.lock").touch()
    assert said(places) == before
    story.branch("feature/x", str(story.tip.id))
    moved = said(places)
    assert moved not in (before, None)
    story.git.set_head("refs/heads/feature/x")
    assert said(places) not in (before, moved, None)
    (story.path / ".git/refs/heads/loop").symlink_to(story.path)
    assert said(places) is None


def test_a_look_sees_every_way_in_which_a_branch_moves(story: Maker) -> None:
    places = locate(str(story.path))
    looks: list[Any] = [look(places)[0]]
    head = pygit2.Oid(hex=str(story.tip.id))

    def seen() -> bool:
        looks.append(look(places)[0])
        return bool(looks[-1] != looks[-2])

    assert not seen()
    story.git.references.create("refs/heads/new/deep", head)
    assert seen()
    story.git.references.create("refs/heads/new/deep", story.tip.parent_ids[0], force=True)
    assert seen()
    story.git.set_head("refs/heads/new/deep")
    assert seen()
    story.git.references["refs/heads/feature/x"].delete()
    assert seen()
    story.git.compress_references()
    assert seen()
    assert not seen()
    (Path(places.git) / "refs" / "heads" / "loop").symlink_to(places.git)
    assert seen()
