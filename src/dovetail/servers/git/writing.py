"""The one tool that writes, offered only when it was allowed: stage named files and commit."""

from typing import Annotated

import msgspec
from msgspec import Meta

from dovetail import CapabilityMissing, Context, Server, ToolAnnotations, ToolError
from dovetail.servers.git.arguments import CommitArgs
from dovetail.servers.git.reading import ask
from dovetail.servers.git.settings import Settings
from dovetail.servers.git.types import Committed, Preview
from dovetail.servers.git.workers import Refusal, Workers


def offer(server: Server, settings: Settings) -> None:
    """Offer git_commit."""

    async def git_commit(
        ctx: Context,
        message: Annotated[str, Meta(min_length=1, max_length=65_536)],
        paths: Annotated[list[str], Meta(max_length=1_000)] | None = None,
    ) -> Committed:
        """Commit on the current branch: named files are staged first; what was staged before is part of it.

        The author is the one of the repository's configuration. The user may be asked before. No hook is run and
        nothing is signed or pushed.

        Args:
            message: The commit's message: a short first line, an empty line, why.
            paths: Files to stage, each by its path from the root; a file that is gone is staged as deleted. What is
                staged already is committed, when none are given.
        """
        asked = CommitArgs(message=message, paths=tuple(paths or ()))
        shown = await _confirm(ctx, settings, asked)
        workers: Workers = ctx.lifespan.workers
        try:
            made = await workers.finish("commit", msgspec.structs.replace(asked, shown=shown), Committed)
        except Refusal as error:
            raise ToolError(str(error)) from None
        for uri in ("git://HEAD", "git://log", "git://status"):
            await ctx.notify.resource_updated(uri)
        return made

    server.add_tool(
        git_commit,
        title="Commit",
        annotations=ToolAnnotations(
            title="Commit", read_only_hint=False, destructive_hint=False, idempotent_hint=False, open_world_hint=False
        ),
    )


async def _confirm(ctx: Context, settings: Settings, asked: CommitArgs) -> str:
    """Ask the user; return the mark of what they agreed to, and nothing when they were not asked."""

    async def look() -> Preview:
        return await ask(ctx, "preview", asked, Preview)

    if settings.confirm == "never":
        await look()
        return ""
    # Once in the life of the call: where a question ends the turn, the answer is to what was seen before it.
    found = await ctx.once("preview", look)
    files = "\n".join(found.files)
    more = f"\nand {found.more} more" if found.more else ""
    where = f"on {found.branch}" if found.branch else "with HEAD detached"
    question = f"Commit {where} as {found.author}?\n\n{asked.message.strip()}\n\n{files}{more}"
    try:
        answer = await ctx.elicit(question)
    except CapabilityMissing:
        if settings.confirm == "always":
            raise ToolError(
                "A commit needs the user's consent, and this client cannot ask for it. Ask the user to commit."
            ) from None
        return ""
    if not answer.accepted:
        raise ToolError("The user did not agree: nothing was committed. Ask what they would like instead.")
    mark: str = found.mark
    return mark
