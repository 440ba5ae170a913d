"""Branches and tags, and what they name. Runs in a worker."""

from collections.abc import Iterator
from typing import Final

import pygit2
from pygit2.enums import ObjectType

from dovetail.servers.git.arguments import BranchArgs, SuggestArgs, TagArgs
from dovetail.servers.git.objects import Commit, parse_tag
from dovetail.servers.git.repository import COMMIT_BYTES, Refused, Repository
from dovetail.servers.git.text import cut
from dovetail.servers.git.types import BranchInfo, BranchList, TagInfo, TagList

SUBJECT: Final = 200
_MOST_REFS: Final = 200_000


def _names(repository: Repository, *prefixes: str) -> list[str]:
    names = []
    for name in repository.git.raw_listall_references():
        text = name.decode("utf-8", "replace")
        if text.startswith(prefixes) and text.isprintable():
            names.append(text)
        if len(names) > _MOST_REFS:
            raise Refused(f"The repository has more than {_MOST_REFS} references.")
    return sorted(names)


def _target(repository: Repository, name: str) -> str | None:
    try:
        return str(repository.git.lookup_reference(name).resolve().target)
    except (KeyError, pygit2.GitError, ValueError):
        return None


def branches(repository: Repository, asked: BranchArgs) -> BranchList:
    """Return branches by name."""
    prefixes = {"local": ("refs/heads/",), "remote": ("refs/remotes/",)}.get(
        asked.kind, ("refs/heads/", "refs/remotes/")
    )
    inside = repository.resolve(asked.contains).id if asked.contains else ""
    outside = repository.resolve(asked.not_contains).id if asked.not_contains else ""
    found: list[BranchInfo] = []
    current = repository.branch
    names = _names(repository, *prefixes)
    for at, name in enumerate(names):
        if repository.late or len(found) == asked.max_count:
            why = "The time was over" if repository.late else f"Cut at {asked.max_count}"
            return BranchList(
                branches=found, note=f"{why}: {len(names) - at} more were not looked at; raise max_count."
            )
        target = _target(repository, name)
        if target is None or (name.endswith("/HEAD") and name.startswith("refs/remotes/")):
            continue
        if (inside and not _has(repository, target, inside)) or (outside and _has(repository, target, outside)):
            continue
        try:
            found.append(_branch(repository, name, repository.commit(target), current))
        except Refused:
            continue
    return BranchList(branches=found)


def _has(repository: Repository, tip: str, ident: str) -> bool:
    return tip == ident or repository.git.descendant_of(tip, ident)


def _branch(repository: Repository, name: str, commit: Commit, current: str | None) -> BranchInfo:
    local = name.startswith("refs/heads/")
    short = name.removeprefix("refs/heads/").removeprefix("refs/remotes/")
    return BranchInfo(
        name=short,
        commit=commit.id,
        date=commit.committer.date,
        subject=cut(commit.subject, SUBJECT),
        current=local and short == current,
        remote=not local,
        upstream=upstream(repository, short) if local else None,
    )


def upstream(repository: Repository, branch: str) -> str | None:
    """Return the remote branch that a local one follows."""
    try:
        following = repository.git.lookup_branch(branch).upstream
    except (KeyError, pygit2.GitError, ValueError, AttributeError):
        return None
    return None if following is None else str(following.branch_name)


def tags(repository: Repository, asked: TagArgs) -> TagList:
    """Return tags, newest first."""
    found: list[tuple[int, TagInfo]] = []
    names = [name for name in _names(repository, "refs/tags/") if asked.containing.lower() in name[10:].lower()]
    for at, name in enumerate(names):
        if repository.late:
            return TagList(tags=_newest(found), note=f"The time was over: {len(names) - at} were not looked at.")
        target = _target(repository, name)
        if target is not None and (tag := _tag(repository, name[10:], target)) is not None:
            found.append(tag)
    note = f"Cut at {asked.max_count} of {len(found)}; raise max_count." if len(found) > asked.max_count else None
    return TagList(tags=_newest(found)[: asked.max_count], note=note)


def _newest(found: list[tuple[int, TagInfo]]) -> list[TagInfo]:
    return [tag for _, tag in sorted(found, key=lambda pair: (-pair[0], pair[1].name))]


def _tag(repository: Repository, name: str, ident: str) -> tuple[int, TagInfo] | None:
    try:
        if repository.git.odb.read_header(pygit2.Oid(hex=ident))[0] == ObjectType.TAG:
            target, tagger, message = parse_tag(repository.read(ident, ObjectType.TAG, COMMIT_BYTES))
            subject = cut(message.lstrip("\n").partition("\n")[0], SUBJECT)
            info = TagInfo(
                name=name,
                commit=target,
                date=tagger.date,
                subject=subject,
                annotated=True,
                tagger=cut(tagger.name, 256),
            )
            return tagger.time, info
        commit = repository.commit(ident)
    except (Refused, KeyError):
        return None
    date, subject = commit.committer.date, cut(commit.subject, SUBJECT)
    return commit.committer.time, TagInfo(name=name, commit=ident, date=date, subject=subject)


def suggest_revisions(repository: Repository, asked: SuggestArgs) -> list[str]:
    """Return branches and tags that begin with what was typed; HEAD first."""
    return [name for name in ("HEAD", *_short(repository)) if name.lower().startswith(asked.typed.lower())][:1000]


def _short(repository: Repository) -> Iterator[str]:
    for prefix in ("refs/heads/", "refs/tags/", "refs/remotes/"):
        for name in _names(repository, prefix):
            yield name.removeprefix(prefix)
