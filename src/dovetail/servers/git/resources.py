"""Resources: the state, the log and the branches; any file at any revision. With suggestions while somebody types."""

import mimetypes
from collections.abc import Mapping
from typing import Annotated, TypeVar
from urllib.parse import quote

import msgspec

from dovetail import Complete, Context, File, Server, ToolError, get_context
from dovetail.errors import InvalidParams, ResourceNotFound
from dovetail.servers.git.arguments import (
    BranchArgs,
    ContentsArgs,
    LogArgs,
    StatusArgs,
    SuggestArgs,
    SuggestPathArgs,
)
from dovetail.servers.git.reading import ask
from dovetail.servers.git.types import BranchList, CommitInfo, Contents, LogPage, StatusReport
from dovetail.servers.git.workers import Refusal, Workers

T = TypeVar("T")
_JSON = "application/json"


async def suggest_revisions(typed: str) -> list[str]:
    """Suggest branches and tags."""
    return await _suggested("suggest_revisions", SuggestArgs(typed=typed))


async def suggest_paths(typed: str, settled: Mapping[str, str]) -> list[str]:
    """Suggest files of the revision that is settled already; of HEAD, when none is."""
    return await _suggested("suggest_paths", SuggestPathArgs(typed=typed, revision=settled.get("revision") or "HEAD"))


async def _suggested(operation: str, arguments: msgspec.Struct) -> list[str]:
    workers: Workers = get_context().lifespan.workers
    try:
        return await workers.call(operation, arguments, list[str])
    except Refusal:
        return []


def offer(server: Server, *, bare: bool) -> None:
    """Offer the resources; the state of a working tree where there is one."""
    server.add_resource("git://HEAD", head, title="The commit checked out", mime_type=_JSON)
    server.add_resource("git://log", recent, title="The newest commits", mime_type=_JSON)
    server.add_resource("git://branches", all_branches, title="Branches", mime_type=_JSON)
    if not bare:
        server.add_resource("git://status", state, title="State of the working tree", mime_type=_JSON)
    server.add_resource("git://{revision}/{+path}", file_at, title="A file at a revision")
    server.add_resource("git://{revision}/", root_at, title="The files of a revision")


async def head(ctx: Context) -> CommitInfo:
    """The commit that is checked out. Subscribe to hear of every other one."""
    page = await ask(ctx, "log", LogArgs(max_count=1), LogPage)
    return page.commits[0]


async def recent(ctx: Context) -> LogPage:
    """The 20 newest commits of the current branch. Subscribe to hear of new ones."""
    return await ask(ctx, "log", LogArgs(), LogPage)


async def all_branches(ctx: Context) -> BranchList:
    """The repository's branches and those of its remotes. Subscribe to hear when one moves."""
    return await ask(ctx, "branches", BranchArgs(kind="all", max_count=1_000), BranchList)


async def state(ctx: Context) -> StatusReport:
    """Staged, changed and untracked files. Subscribe to hear when something is staged or committed."""
    return await ask(ctx, "status", StatusArgs(), StatusReport)


async def root_at(ctx: Context, revision: Annotated[str, Complete(suggest_revisions)]) -> File | str:
    """The names in the root of a revision."""
    return await file_at(ctx, revision, "")


async def file_at(
    ctx: Context,
    revision: Annotated[str, Complete(suggest_revisions)],
    path: Annotated[str, Complete(suggest_paths)],
) -> File | str:
    """The exact bytes of a file at a revision, or the names in a folder. A `/` in a revision is written %2F."""
    workers: Workers = ctx.lifespan.workers
    try:
        found = await workers.call("contents", ContentsArgs(path=path, revision=revision), Contents)
    except Refusal as error:
        if error.missing:
            raise ResourceNotFound(f"git://{revision}/{path}"[:200]) from None
        raise (InvalidParams(str(error)) if error.invalid else ToolError(str(error))) from None
    if found.folder:
        return found.data.decode()
    kind = mimetypes.guess_type(path, strict=False)[0]
    kind = kind or ("text/plain" if b"\0" not in found.data else "application/octet-stream")
    return File(found.data, kind, uri=f"git://{quote(revision, safe='')}/{quote(path)}")
