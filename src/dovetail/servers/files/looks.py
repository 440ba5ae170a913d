"""Tools that look around: listings, trees, searches by name and by content."""

import asyncio
import stat
import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Final, Literal

from msgspec import Meta

from dovetail import Context, ToolError
from dovetail.errors import UnsafePath, quote
from dovetail.servers.files.confirming import Match
from dovetail.servers.files.finding import Search, Wish
from dovetail.servers.files.names import uri_of
from dovetail.servers.files.places import Place
from dovetail.servers.files.site import Site
from dovetail.servers.files.trouble import explain, explained
from dovetail.servers.files.walking import Budget, Entry, described, find, scan, tree
from dovetail.servers.files.watching import Telling

_WALKED: Final = 1_000_000
_TREE: Final = 2_000

_SORTS: Final[dict[str, Callable[[Entry], float]]] = {
    "size": lambda entry: entry.size or 0,
    "modified": lambda entry: entry.modified.timestamp(),
}

Patterns = Annotated[list[str], Meta(max_length=50)]


@dataclass
class Listing:
    """What lies in a directory.

    Attributes:
        path: Of the directory.
        entries: Sorted as asked for.
        total: Entries of the directory.
        next_offset: Where to go on; null when that is all.
    """

    path: str
    entries: list[Entry]
    total: int
    next_offset: int | None


@dataclass
class Names:
    """Paths that were found.

    Attributes:
        paths: Ready to be used in another call; directories are among them.
        note: Why there may be more; empty when that is all.
    """

    paths: list[str]
    note: str


@dataclass
class Matches:
    """Lines that were found.

    Attributes:
        matches: By path and line.
        note: Why there may be more; empty when that is all.
        engine: What searched.
    """

    matches: list[Match]
    note: str
    engine: Literal["ripgrep", "own"]


@dataclass
class Directory:
    """One that may be used.

    Attributes:
        path: Absolute; relative paths begin at the first one.
        uri: Of the resource.
    """

    path: str
    uri: str


@dataclass
class Allowed:
    """What may be used.

    Attributes:
        directories: With all below them; symbolic links are never followed.
        read_only: Nothing can be changed.
        watched: Whether changes that others make are told to who subscribed to a file; "partly" when there are too many
            directories, "not yet" until somebody subscribes.
    """

    directories: list[Directory]
    read_only: bool
    watched: Literal["yes", "partly", "not yet", "no"]


class Looks:
    """The tools."""

    def __init__(self, site: Site, ripgrep: str | None) -> None:
        self._site = site
        self._ripgrep = ripgrep

    async def list_directory(
        self,
        ctx: Context,
        path: str = ".",
        sort_by: Literal["name", "size", "modified"] = "name",
        offset: Annotated[int, Meta(ge=0)] = 0,
        limit: Annotated[int, Meta(ge=1, le=5000)] = 500,
    ) -> Listing:
        """List what lies in one directory, with kinds, sizes and times. For what lies deeper use directory_tree.

        Args:
            path: Of the directory: absolute, or relative to the first allowed directory, which is ".".
            sort_by: The name, or the largest or latest first.
            offset: How many entries to leave out.
            limit: How many entries at most.
        """
        place = await self._site.place(path, ctx)
        return await asyncio.to_thread(self._list, place, path, sort_by, offset, limit)

    def _list(self, place: Place, path: str, sort_by: str, offset: int, limit: int) -> Listing:
        with explained(path):
            _refuse_file(place, path)
        with explained(path), place.root.directory(place.steps) as held:
            found = scan(held)
            if sort_by == "name":
                entries = [entry for one in found[offset : offset + limit] if (entry := described(one))]
            else:
                every = [entry for one in found if (entry := described(one))]
                every.sort(key=_SORTS[sort_by], reverse=True)
                entries = every[offset : offset + limit]
        following = offset + limit if offset + limit < len(found) else None
        return Listing(place.shown, entries, len(found), following)

    async def directory_tree(
        self,
        ctx: Context,
        path: str = ".",
        depth: Annotated[int, Meta(ge=1, le=20)] = 3,
        exclude_patterns: Patterns | None = None,
    ) -> str:
        """Show the names below a directory as an indented text; directories end in a slash, links in @.

        Directories such as .git and node_modules are named, and not gone into: ask for them by their path.

        Args:
            path: Of the directory: absolute, or relative to the first allowed directory, which is ".".
            depth: How many levels; "..." stands where there may be more.
            exclude_patterns: What to leave out with all below it, such as "node_modules", "*.log", "docs/build".
        """
        place = await self._site.place(path, ctx)
        budget = Budget(_TREE, self._site.settings.search_seconds, lambda: ctx.cancelled)

        def draw() -> str:
            with explained(path):
                _refuse_file(place, path)
                return tree(place, depth, exclude_patterns or (), budget)

        return await asyncio.to_thread(draw)

    async def search_files(
        self,
        pattern: str,
        ctx: Context,
        path: str = ".",
        exclude_patterns: Patterns | None = None,
        limit: Annotated[int, Meta(ge=1, le=2000)] = 200,
    ) -> Names:
        """Find files and directories by name. To find what stands in them use search_text.

        Args:
            pattern: Such as "*.py" or "readme*" for names at any depth, "src/**/test_*.py" for paths below `path`. With
                small letters alone, large ones fit, too.
            path: Where to begin: absolute, or relative to the first allowed directory, which is ".".
            exclude_patterns: What to leave out with all below it, such as "node_modules".
            limit: How many paths at most.
        """
        place = await self._site.place(path, ctx)
        budget = Budget(_WALKED, self._site.settings.search_seconds, lambda: ctx.cancelled)

        def look() -> Names:
            with explained(path):
                _refuse_file(place, path)
                found = find(place, pattern, exclude_patterns or (), limit, budget)
            note = f"Cut: {budget.note}. Say a directory below, or a narrower pattern." if budget.note else ""
            return Names(found, note)

        return await asyncio.to_thread(look)

    async def search_text(
        self,
        pattern: Annotated[str, Meta(min_length=1, max_length=1024)],
        ctx: Context,
        path: str = ".",
        regex: bool = False,
        ignore_case: bool = False,
        globs: Patterns | None = None,
        exclude_patterns: Patterns | None = None,
        context: Annotated[int, Meta(ge=0, le=20)] = 0,
        limit: Annotated[int, Meta(ge=1, le=1000)] = 100,
        all_files: bool = False,
    ) -> Matches:
        """Find lines by what stands in them, in all text files below a directory, or in one file.

        Hidden files, and those that .gitignore names, are left out unless asked for; so are binary files and those over
        16 MiB. Long lines are shown in part.

        Args:
            pattern: The text, taken literally, or a regular expression.
            path: A directory or a file: absolute, or relative to the first allowed directory, which is ".".
            regex: Take the pattern for a regular expression; it is matched with one line at a time.
            ignore_case: Take large and small letters for the same.
            globs: Only files that fit one of these, such as "*.py" or "src/**".
            exclude_patterns: No files that fit one of these.
            context: How many lines to show before and after each.
            limit: How many lines at most.
            all_files: Search hidden files, too, and those that .gitignore names.
        """
        place = await self._site.place(path, ctx)
        wish = Wish(
            pattern=pattern,
            regex=regex,
            ignore_case=ignore_case,
            globs=tuple(globs or ()),
            exclude=tuple(exclude_patterns or ()),
            all_files=all_files,
            most=limit,
            context=context,
        )
        search = Search(place, wish, self._ripgrep, sys.executable, self._site.settings.search_seconds)
        try:
            found = await search.run()
        except (OSError, UnsafePath) as failure:
            raise explain(failure, path) from None
        return Matches(found, search.note, "ripgrep" if search.ripgrep else "own")

    async def list_allowed_directories(self, ctx: Context) -> Allowed:
        """Tell which directories may be used, whether they can be changed, and whether outside changes are heard of."""
        roots = await self._site.roots(ctx)
        directories = [Directory(root.path, uri_of(root.path)) for root in roots.items]
        watched = ctx.lifespan.state if isinstance(ctx.lifespan, Telling) else "no"
        return Allowed(directories, self._site.settings.read_only, watched)


def _refuse_file(place: Place, path: str) -> None:
    """Say that a file is none of those whose names can be listed; of anything else, opening it says what is wrong."""
    if stat.S_ISREG(place.root.stat(place.steps).st_mode):
        raise ToolError(
            f"{quote(path, 200)} is a file. Read it with read_text_file, look into it with search_text, "
            "or name a directory."
        )
