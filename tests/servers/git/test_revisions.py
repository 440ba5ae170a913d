"""The grammar of revisions: what is one, and that nothing else ever is."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dovetail.servers.git.revisions import LONGEST, BadRevision, Range, Revision, Step, parse_range, parse_revision


@pytest.mark.parametrize(
    ("text", "parsed"),
    [
        ("main", Revision("main")),
        ("@", Revision("HEAD")),
        ("feature/x-1.2", Revision("feature/x-1.2")),
        ("refs/tags/v1", Revision("refs/tags/v1")),
        ("größe", Revision("größe")),
        ("HEAD~", Revision("HEAD", (Step("back", 1),))),
        ("HEAD~3^2", Revision("HEAD", (Step("back", 3), Step("parent", 2)))),
        ("v1^{}", Revision("v1", (Step("peel", peel="any"),))),
        ("v1^{commit}^", Revision("v1", (Step("peel", peel="commit"), Step("parent", 1)))),
        ("HEAD^0", Revision("HEAD", (Step("parent", 0),))),
        ("HEAD~100000", Revision("HEAD", (Step("back", 100_000),))),
    ],
)
def test_a_revision_is_a_name_and_steps(text: str, parsed: Revision) -> None:
    assert parse_revision(text) == parsed


@pytest.mark.parametrize(
    ("text", "start", "end", "symmetric"),
    [("a..b", "a", "b", False), ("a...b", "a", "b", True), ("a..", "a", "HEAD", False), ("..b", "HEAD", "b", False)],
)
def test_a_range_has_two_revisions(text: str, start: str, end: str, symmetric: bool) -> None:
    assert parse_range(text) == Range(Revision(end), Revision(start), symmetric)


@pytest.mark.parametrize("text", ["HEAD~100001", "HEAD^{blob}", "HEAD^{/x}", "x" * (LONGEST + 1), "", "HEAD^^^x"])
def test_what_is_past_a_limit_or_no_step_is_refused(text: str) -> None:
    with pytest.raises(BadRevision):
        parse_revision(text)


@given(st.text(max_size=300))
def test_whatever_is_parsed_is_a_name_that_git_allows(text: str) -> None:
    try:
        found = parse_range(text)
    except BadRevision as error:
        assert len(str(error)) < 200
        return
    for one in (found.end, found.start):
        if one is not None:
            assert one.name.isprintable()
            assert not one.name.startswith(("-", "/", "."))
            assert not set(one.name) & set(" ~^:?*[\\\0\n")
            assert ".." not in one.name
            assert "@{" not in one.name


@given(st.lists(st.sampled_from(["~", "~3", "^", "^2", "^{commit}", "^{}"]), max_size=6))
def test_steps_come_out_in_their_order(steps: list[str]) -> None:
    assert len(parse_revision("main" + "".join(steps)).steps) == len(steps)
