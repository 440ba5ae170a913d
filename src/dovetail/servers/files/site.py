"""What all tools of one server share: its settings, the roots of a call, and how a change is told."""

import os
import threading

from dovetail import Context, ToolError
from dovetail.errors import CapabilityMissing, DefinitionError, UnsafePath
from dovetail.servers.files.beneath import Beneath
from dovetail.servers.files.names import path_of
from dovetail.servers.files.places import Place, Roots
from dovetail.servers.files.settings import Settings
from dovetail.servers.files.trouble import explain
from dovetail.servers.files.watching import Telling

_MOST_ROOTS = 64


class Site:
    """The shared part; it holds nothing open."""

    def __init__(self, settings: Settings) -> None:
        """Take the directories of the settings.

        Raises:
            DefinitionError: One is none.
        """
        self.settings = settings
        self.writing = threading.Lock()
        """One change at a time: between the look at a file and its replacement nobody else of ours comes."""
        self.given: Roots | None = None
        self._told: Roots | None = None
        if settings.directories:
            paths = dict.fromkeys(map(_directory, settings.directories))
            self.given = Roots([Beneath(path, read_only=settings.read_only) for path in paths])

    def __repr__(self) -> str:
        return f"<Site {self.known!r}>"

    @property
    def known(self) -> Roots | None:
        """The roots that are known without asking."""
        return self.given or self._told

    async def roots(self, ctx: Context) -> Roots:
        """Return the roots of a call: those of the command line, else those that the client names.

        Raises:
            ToolError: There are none.
        """
        if self.given is not None:
            return self.given
        if ctx.network:
            # A client elsewhere would name directories of another machine, or all of ours.
            raise ToolError(
                "This server was started without directories, and takes none from a client over a network. "
                "Its owner has to start it with some: dovetail serve files DIR"
            )
        try:
            named = await ctx.roots(key="roots")
        except CapabilityMissing:
            raise ToolError(
                "This server was started without directories, and the client names none. "
                "The user has to start it with some: dovetail serve files DIR"
            ) from None
        return self._take([root.uri for root in named[:_MOST_ROOTS]], ctx)

    def _take(self, uris: list[str], ctx: Context) -> Roots:
        paths = [os.path.normpath(path) for path in map(path_of, uris) if path is not None]
        paths = [path for path in dict.fromkeys(paths) if os.path.isdir(path)]
        if not paths:
            raise ToolError("The client names no directory of this machine. The user has to open one there.")
        if self._told is None or paths != [item.path for item in self._told.items]:
            self._told = Roots([Beneath(path, read_only=self.settings.read_only) for path in paths])
        if isinstance(ctx.lifespan, Telling):
            ctx.lifespan.aim(self._told.items)
        return self._told

    async def place(self, path: str, ctx: Context) -> Place:
        """Find the place that a caller names.

        Raises:
            ToolError: It lies outside the roots, or could be made to.
        """
        roots = self.given or await self.roots(ctx)
        try:
            return roots.place(path)
        except UnsafePath as failure:
            raise explain(failure, path) from None

    async def tell(self, ctx: Context, *places: Place, below: bool = False) -> None:
        """Tell subscribers of a change that we made, and of that in its directory, unless the watch will do so.

        Args:
            ctx: Of the call.
            places: What changed.
            below: They may be directories that came or went with all that lies in them.
        """
        telling = ctx.lifespan
        for place in places:
            if isinstance(telling, Telling) and telling.watch.covers(place.above.path):
                continue
            await ctx.notify.resource_updated(place.uri, below=below)
            await ctx.notify.resource_updated(place.above.uri)


def _directory(path: str) -> str:
    whole = os.path.abspath(os.path.expanduser(path))
    if not path or not os.path.isdir(whole):
        raise DefinitionError(f"files: DIR: expected a directory that is there, not {path!r}")
    return whole
