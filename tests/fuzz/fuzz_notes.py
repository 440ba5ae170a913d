"""Fuzz target: any text has a front matter or none, any name is refused or safe, any query finds lines or none."""

from dovetail.servers.notes.frontmatter import about, front_matter
from dovetail.servers.notes.names import name_of, tamed, why_not
from dovetail.servers.notes.searching import snippets, terms


def fuzz(data: bytes) -> None:
    text = data.decode("utf-8", "replace")
    assert text.startswith(front_matter(text))
    assert len(about(text).title) <= 200
    query, _, body = text.partition("\n")
    assert len(snippets(terms(query), body)) <= 3
    steps = [step for step in query.split("/") if step] or ["x"]
    assert why_not(tamed([*steps[:-1], steps[-1] + ".md"])) is None
    if why_not(query) is None:
        assert name_of([*query.split("/")[:-1], query.split("/")[-1] + ".md"]) == query
