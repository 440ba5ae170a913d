"""One repository in a worker process: opened confined, objects read within limits, revisions resolved by our own rules.

libgit2's `revparse` is never used: what it can do is more than a revision should (`:/regex`, reflogs, dates).
"""

import os
import re
import time
from collections.abc import Iterator
from typing import Final, TypeVar

import pygit2
from pygit2.enums import ObjectType, RepositoryOpenFlag

from dovetail.servers.git.names import read_path
from dovetail.servers.git.objects import TREE, Commit, Entry, parse_commit, parse_tag, parse_tree
from dovetail.servers.git.places import Places, locate
from dovetail.servers.git.revisions import Range, Revision, parse_range, parse_revision

T = TypeVar("T")

_KEPT_BYTES: Final = 8_192
_KEPT_COMMITS: Final = 60_000
_KEPT_TREES: Final = 4_000
_SPECIAL: Final = ("HEAD", "ORIG_HEAD", "FETCH_HEAD", "MERGE_HEAD", "CHERRY_PICK_HEAD", "REVERT_HEAD")
_DESCRIBED: Final = re.compile(r".+-[0-9]+-g([0-9a-f]{4,40})")
_NULL: Final = "0" * 40
_TREE_BYTES: Final = 67_108_864
COMMIT_BYTES: Final = 8_388_608


class Refused(Exception):
    """What cannot be done; the text is for the model and says what to do next."""


class Missing(Refused):
    """What was asked for is not there."""


class Late(Exception):
    """The time of the call is over."""


class Repository:
    """A repository that was checked, and what was read of it.

    Attributes:
        places: Where its parts are.
        git: libgit2's own object; of this process and thread only.
        max_file: Bytes of a blob that is read.
        max_output: Bytes of text in one answer.
    """

    def __init__(self, places: Places, max_file: int, max_output: int) -> None:
        self.places = places
        self.max_file = max_file
        self.max_output = max_output
        self.git = self._open()
        self._deadline = float("inf")
        self._commits: dict[str, Commit] = {}
        self._trees: dict[str, list[Entry]] = {}
        self._check()

    def _check(self) -> None:
        """Look at where libgit2 sees the working tree, which a configuration may have moved."""
        work = self.git.workdir
        found = None if work is None else os.path.realpath(work)
        if found is not None and not any(found == str(root) for root in (self.places.work, *self.places.also)):
            if self.places.work is None and "core.worktree" not in self.git.config:
                raise Refused("This is not bare: it belongs to a working tree. The server is started with that folder.")
            raise Refused("The repository's configuration puts its working tree elsewhere (core.worktree): not opened.")
        for name in ("config", "config.worktree"):
            self._check_config(str(self.places.common / name))

    def _check_config(self, path: str) -> None:
        if not os.path.isfile(path):
            return
        config = pygit2.Config(path)
        for key in ("core.excludesfile", "core.attributesfile"):
            value = config[key] if key in config else ""
            real = os.path.realpath(os.path.expanduser(value)) if value else ""
            if real and not any(real.startswith(f"{root}{os.sep}") for root in self.places.roots):
                raise Refused(f"The repository's configuration reads a file outside of it ({key}): not opened.")

    def again(self) -> None:
        """Open it anew for the next call: libgit2 remembers attributes and ignored files longer than they hold.

        What we remember ourselves are commits and trees by their ids, which never change.
        """
        places = locate(str(self.places.top), tuple(map(str, self.places.also)))
        if places != self.places:
            raise Refused("The repository was moved while it was served; start the server anew.")
        self.git = self._open()
        self._check()

    def _open(self) -> pygit2.Repository:
        return pygit2.Repository(str(self.places.git), RepositoryOpenFlag.NO_SEARCH)

    # Time.

    def start(self, seconds: float) -> None:
        """Give the call that begins so much time."""
        self._deadline = time.monotonic() + seconds

    @property
    def late(self) -> bool:
        """True when the time is over: say what was found so far."""
        return time.monotonic() > self._deadline

    @property
    def left(self) -> float:
        """Seconds that the call has left."""
        return max(0.0, self._deadline - time.monotonic())

    def check(self) -> None:
        """Go on only in time.

        Raises:
            Late: The time is over.
        """
        if self.late:
            raise Late

    # Objects.

    def read(self, ident: str, kind: ObjectType, most: int) -> bytes:
        """Return an object's bytes, when it is of that kind and not too large: its size is looked at first.

        Raises:
            Refused: It is another, larger, missing, or damaged.
        """
        oid = pygit2.Oid(hex=ident)
        try:
            found, size = self.git.odb.read_header(oid)
        except KeyError:
            raise Missing(f"The repository lacks the object {ident[:12]} (a shallow or partial clone?).") from None
        if found != kind:
            raise Refused(f"The object {ident[:12]} is a {_kind(found)}, not a {_kind(kind)}.")
        if size > most:
            raise Refused(f"The {_kind(kind)} {ident[:12]} has {size} bytes; at most {most} are read.")
        return bytes(self.git.odb.read(oid)[1])

    def size(self, ident: str) -> int | None:
        """Return the bytes of a blob without reading it; None when it is not there."""
        try:
            return int(self.git.odb.read_header(pygit2.Oid(hex=ident))[1])
        except KeyError:
            return None

    def blob(self, ident: str) -> bytes:
        """Return a file's contents."""
        return self.read(ident, ObjectType.BLOB, self.max_file)

    def commit(self, ident: str) -> Commit:
        """Return a commit; those of ordinary size are remembered."""
        found = self._commits.get(ident)
        if found is None:
            # No look at the size first: it would double the time of a log. The memory of the process is bounded.
            try:
                kind, raw = self.git.odb.read(pygit2.Oid(hex=ident))
            except KeyError:
                raise Missing(f"The repository lacks the commit {ident[:12]} (a shallow clone?).") from None
            if kind != ObjectType.COMMIT or len(raw) > COMMIT_BYTES:
                raise Refused(f"The object {ident[:12]} is no commit, or larger than {COMMIT_BYTES >> 20} MiB.")
            found = parse_commit(ident, raw)
            if len(raw) <= _KEPT_BYTES:
                _keep(self._commits, ident, found, _KEPT_COMMITS)
        return found

    def tree(self, ident: str) -> list[Entry]:
        """Return a tree's entries; those of ordinary size are remembered."""
        found = self._trees.get(ident)
        if found is None:
            raw = self.read(ident, ObjectType.TREE, _TREE_BYTES)
            found = parse_tree(raw)
            if len(raw) <= _KEPT_BYTES:
                _keep(self._trees, ident, found, _KEPT_TREES)
        return found

    def find(self, tree: str, steps: tuple[bytes, ...]) -> Entry | None:
        """Return what lies at a path below a tree; None when nothing does."""
        entry = Entry(b"", TREE, tree)
        for step in steps:
            if entry.mode != TREE:
                return None
            following = next((one for one in self.tree(entry.id) if one.name == step), None)
            if following is None:
                return None
            entry = following
        return entry

    def walk(self, tree: str, prefix: bytes = b"") -> Iterator[tuple[bytes, Entry]]:
        """Go through all that is not a folder below a tree, in its order; without recursion, however deep."""
        waiting = [(prefix, iter(self.tree(tree)))]
        while waiting:
            path, entries = waiting[-1]
            entry = next(entries, None)
            if entry is None:
                waiting.pop()
                continue
            self.check()
            where = path + entry.name
            if entry.mode == TREE:
                waiting.append((where + b"/", iter(self.tree(entry.id))))
            else:
                yield where, entry

    # Revisions.

    def resolve(self, text: str) -> Commit:
        """Return the commit that a revision names.

        Raises:
            BadRevision: A string that is no revision.
            Refused: There is none, or it names no commit.
        """
        return self.resolved(parse_revision(text))

    def resolve_range(self, text: str) -> tuple[Commit, Commit | None, Range]:
        """Return the end of a range, its start if it has one, and the range."""
        found = parse_range(text)
        end = self.resolved(found.end)
        start = None if found.start is None else self.resolved(found.start)
        return end, start, found

    def resolved(self, revision: Revision) -> Commit:
        """Return the commit at the end of a revision's steps."""
        commit = self.commit(self._peeled(self._named(revision)))
        for step in revision.steps:
            if step.kind == "peel":
                if step.peel in ("tree", "tag"):
                    raise Refused(f"^{{{step.peel}}} names no commit; this needs one.")
            elif step.kind == "parent":
                commit = self._parent(commit, step.number)
            else:
                for _ in range(step.number):
                    self.check()
                    commit = self._parent(commit, 1)
        return commit

    def _parent(self, commit: Commit, number: int) -> Commit:
        if number == 0:
            return commit
        if number > len(commit.parents):
            raise Missing(f"The commit {commit.id[:12]} has {len(commit.parents)} parents; the history ends there.")
        return self.commit(commit.parents[number - 1])

    def resolved_parent(self, commit: Commit) -> Commit | None:
        """Return the first parent of a commit; None of the first commit, and where a shallow clone ends."""
        if not commit.parents:
            return None
        if pygit2.Oid(hex=commit.parents[0]) not in self.git.odb and (self.places.common / "shallow").exists():
            return None
        return self.commit(commit.parents[0])

    def _named(self, revision: Revision) -> str:
        name = revision.name
        if name == _NULL:
            raise Missing("40 zeros name no commit: Git writes them where there is none. git_log lists commits.")
        if len(name) == 40 and revision.is_hex and pygit2.Oid(hex=name) in self.git.odb:
            return name.lower()
        found = self._reference(name)
        if found is not None:
            return found
        described = _DESCRIBED.fullmatch(name)
        prefix = name if revision.is_hex else described[1] if described else ""
        if prefix:
            try:
                return str(self.git.expand_id(prefix.lower()))
            except KeyError:
                pass
            except ValueError:
                raise Refused("More than one object begins with these digits; give more of them.") from None
        if name == "HEAD":
            raise Missing("The repository has no commit yet: HEAD names a branch that is still empty.")
        raise Missing("There is no such revision. git_branch and git_tags list names; git_log lists commits.")

    def _reference(self, name: str) -> str | None:
        candidates = [name] if name in _SPECIAL or name.startswith("refs/") else []
        candidates += [f"refs/{kind}{name}" for kind in ("", "tags/", "heads/", "remotes/")]
        for candidate in (*candidates, f"refs/remotes/{name}/HEAD"):
            if pygit2.reference_is_valid_name(candidate):
                try:
                    return str(self.git.lookup_reference(candidate).resolve().target)
                except (KeyError, pygit2.GitError, ValueError):
                    continue
        return None

    def _peeled(self, ident: str) -> str:
        """Follow annotated tags to what they name."""
        for _ in range(10):
            try:
                kind, size = self.git.odb.read_header(pygit2.Oid(hex=ident))
            except KeyError:
                break
            if kind == ObjectType.COMMIT:
                return ident
            if kind != ObjectType.TAG or size > COMMIT_BYTES:
                raise Refused(f"That names a {_kind(kind)}, not a commit.")
            ident = parse_tag(self.read(ident, ObjectType.TAG, COMMIT_BYTES))[0]
        raise Missing("That tag names nothing that is here.")

    # Paths.

    def entry(self, commit: Commit, path: str) -> tuple[Entry, tuple[bytes, ...]]:
        """Return what lies at a path of a revision.

        Raises:
            BadName: A path that cannot be one.
            Refused: Nothing lies there.
        """
        steps = read_path(path)
        found = self.find(commit.tree, steps)
        if found is None:
            raise Missing(f"There is no such path in {commit.id[:12]}; git_list_files lists those that there are.")
        return found, steps

    @property
    def head(self) -> Commit | None:
        """The commit checked out; None before the first one."""
        try:
            return self.resolve("HEAD")
        except Refused:
            return None

    @property
    def branch(self) -> str | None:
        """The current branch; None when HEAD is detached."""
        try:
            target = self.git.lookup_reference("HEAD").raw_target
        except (KeyError, pygit2.GitError):
            return None
        text = target.decode("utf-8", "replace") if isinstance(target, bytes) else ""
        return text.removeprefix("refs/heads/") or None


def _kind(found: int) -> str:
    return {1: "commit", 2: "tree", 3: "file", 4: "tag"}.get(int(found), "thing of another kind")


def _keep(kept: dict[str, T], ident: str, found: T, most: int) -> None:
    if len(kept) >= most:
        kept.clear()
    kept[ident] = found
