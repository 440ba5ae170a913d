"""Real repositories, made with pygit2: one with an ordinary history, and a builder for those that are not ordinary."""

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any, cast

import pygit2
import pytest
from pygit2.enums import FileMode
from pygit2.ffi import C

from dovetail import Client
from dovetail.servers.git import Settings, make

ASSUMED = (1 << 15, 0)
SKIPPED = (0, 1 << 14)
INTENDED = (0, 1 << 13)
"""Marks of files in an index: bits of libgit2's `flags` and `flags_extended`."""
ERAS = ["2025-11-25", "2026-07-28"]


class Maker:
    """A repository that is being made: files are written, staged and committed, a minute after each other."""

    def __init__(self, path: Path, *, bare: bool = False) -> None:
        self.path = path
        self.git = pygit2.init_repository(str(path), bare=bare, initial_head="main")
        self.git.config["user.name"] = "Ann Author"
        self.git.config["user.email"] = "ann@example.com"
        self.time = 1_700_000_000

    def write(self, name: str, data: str | bytes) -> None:
        target = self.path / name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(data.encode() if isinstance(data, str) else data)

    def stage(self, *names: str) -> None:
        index = self.git.index
        index.read(True)
        for name in names:
            if (self.path / name).exists() or (self.path / name).is_symlink():
                index.add(name)
            else:
                index.remove(name)
        index.write()

    def commit(self, message: str, files: Mapping[str, str | bytes] | None = None, author: str = "Ann Author") -> str:
        for name, data in (files or {}).items():
            self.write(name, data)
        if files:
            self.stage(*files)
        return self.record(message, self.git.index.write_tree(), author)

    def record(
        self,
        message: str,
        tree: pygit2.Oid,
        author: str = "Ann Author",
        parents: list[str] | None = None,
        ref: str | None = "HEAD",
    ) -> str:
        self.time += 60
        by = pygit2.Signature(author, f"{author.split()[0].lower()}@example.com", self.time, 60)
        if parents is None:
            parents = [] if self.git.head_is_unborn else [str(self.git.head.target)]
        return str(self.git.create_commit(ref, by, by, message, tree, [pygit2.Oid(hex=one) for one in parents]))

    def mark(self, bits: tuple[int, int], *names: str) -> None:
        """Do as `git update-index --skip-worktree` and its like."""
        index = self.git.index
        index.read(True)
        for name in names:
            entry = C.git_index_get_byindex(index._index, list(index).index(index[name]))
            entry.flags |= bits[0]
            entry.flags_extended |= bits[1]
        index.write()

    def intend(self, name: str, data: str, mode: int = 0o644) -> None:
        """Do as `git add -N` of a new file: an entry without contents, of the third version of the index."""
        self.write(name, data)
        (self.path / name).chmod(mode)
        self.git.index.read(True)
        kind = FileMode.BLOB_EXECUTABLE if mode & 0o100 else FileMode.BLOB
        self.git.index.add(pygit2.IndexEntry(name, self.git.create_blob(b""), kind))
        self.git.index.write()
        self.mark(INTENDED, name)

    @property
    def tip(self) -> pygit2.Commit:
        """The commit checked out."""
        found = self.git[self.git.head.target]
        return cast("pygit2.Commit", found)

    def raw(self, kind: Any, data: bytes) -> str:
        return str(self.git.odb.write(kind, data))

    def branch(self, name: str, commit: str) -> None:
        self.git.references.create(f"refs/heads/{name}", pygit2.Oid(hex=commit), force=True)


Open = Callable[..., AbstractAsyncContextManager[Client]]


@pytest.fixture
def maker(tmp_path: Path) -> Maker:
    return Maker(tmp_path / "repo")


@pytest.fixture
def story(maker: Maker) -> Maker:
    """Four commits on main by two people, one of them on a branch, one tag; README.md has lines of several."""
    maker.commit("Begin\n\nA first page.\n", {"README.md": "# Title\n\nOne.\n", "src/main.py": "print(1)\n"})
    maker.commit("Say two", {"README.md": "# Title\n\nOne.\nTwo.\n"}, author="Bob Builder")
    by = pygit2.Signature("Ann Author", "ann@example.com", maker.time, 60)
    maker.git.create_tag("v1.0", maker.git.head.target, pygit2.enums.ObjectType.COMMIT, by, "The first release\n")
    maker.branch("feature/x", str(maker.git.head.target))
    maker.commit("Print two", {"src/main.py": "print(1)\nprint(2)\n"})
    maker.commit("Say zero", {"README.md": "# Title\n\nZero.\nOne.\nTwo.\n"})
    return maker


@pytest.fixture
def opened() -> Open:
    """A client of a server for a repository: `async with opened(path, revision=..., allow_commit=True) as client`."""

    @asynccontextmanager
    async def open_it(path: Path, *, revision: str | None = None, **more: Any) -> AsyncIterator[Client]:
        options: dict[str, Any] = {name: more.pop(name) for name in ("on_elicit",) if name in more}
        settings = Settings(repository=str(path), **more)
        if revision is not None:
            options["revision"] = revision
        async with Client(make(settings), **options) as client:
            yield client

    return open_it
