"""The state of the working tree. Runs in a worker."""

from typing import Final

from pygit2.enums import RepositoryState

from dovetail.servers.git.arguments import StatusArgs
from dovetail.servers.git.changes import Change, staged, unstaged
from dovetail.servers.git.names import quote_name
from dovetail.servers.git.refs import upstream
from dovetail.servers.git.repository import Refused, Repository
from dovetail.servers.git.text import cut
from dovetail.servers.git.types import StatusReport

_DOING: Final = {
    RepositoryState.MERGE: "merge",
    RepositoryState.REVERT: "revert",
    RepositoryState.REVERT_SEQUENCE: "revert",
    RepositoryState.CHERRYPICK: "cherry-pick",
    RepositoryState.CHERRYPICK_SEQUENCE: "cherry-pick",
    RepositoryState.BISECT: "bisect",
    RepositoryState.REBASE: "rebase",
    RepositoryState.REBASE_INTERACTIVE: "rebase",
    RepositoryState.REBASE_MERGE: "rebase",
    RepositoryState.APPLY_MAILBOX: "apply",
    RepositoryState.APPLY_MAILBOX_OR_REBASE: "apply",
}


def status(repository: Repository, asked: StatusArgs) -> StatusReport:
    """Return the state of the working tree."""
    if repository.places.work is None:
        raise Refused("The repository is bare: it has no working tree. git_log and git_branch show what it holds.")
    head = repository.head
    inside = staged(repository)
    repository.check()
    outside = unstaged(repository, untracked=asked.untracked != "no", all_files=asked.untracked == "files")
    conflicts = sorted({change.path for change in (*inside, *outside) if change.state == "conflicted"})
    settled = set(conflicts)
    in_index = [change for change in inside if change.path not in settled]
    new = [change for change in outside if change.state == "untracked"]
    changed = [change for change in outside if change.state != "untracked" and change.path not in settled]
    following, ahead, behind = _upstream(repository, None if head is None else head.id)
    most = asked.max_count
    return StatusReport(
        clean=not (inside or outside),
        branch=repository.branch,
        head=None if head is None else head.id,
        upstream=following,
        ahead=ahead,
        behind=behind,
        doing=doing(repository),
        staged=[change.shown for change in in_index[:most]],
        changed=[change.shown for change in changed[:most]],
        untracked=[_name(change.path) for change in new[:most]],
        conflicts=[_name(path) for path in conflicts[:most]],
        note=_note(most, in_index, changed, new, conflicts),
    )


def _name(path: bytes) -> str:
    return cut(quote_name(path), 8_192)


def _note(most: int, *lists: list[Change] | list[bytes]) -> str | None:
    left = [max(0, len(each) - most) for each in lists]
    if not any(left):
        return None
    kinds = ("staged", "changed", "untracked", "in conflict")
    said = ", ".join(f"{count} more {kind}" for count, kind in zip(left, kinds, strict=True) if count)
    return f"Cut at {most} of each: {said}; raise max_count."


def doing(repository: Repository) -> str | None:
    """Return what is under way: a merge, a rebase and the like; None when nothing is."""
    return _DOING.get(RepositoryState(repository.git.state()))


def _upstream(repository: Repository, head: str | None) -> tuple[str | None, int, int]:
    branch = repository.branch
    following = None if branch is None else upstream(repository, branch)
    if following is None or head is None:
        return following, 0, 0
    try:
        ahead, behind = repository.git.ahead_behind(head, repository.resolve(f"refs/remotes/{following}").id)
    except (Refused, ValueError, KeyError):
        return following, 0, 0
    return following, ahead, behind
