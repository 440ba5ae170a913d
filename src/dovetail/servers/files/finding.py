"""Searching in contents: a program looks, and we show nothing but what we find in the same place ourselves.

The program is ripgrep, or `grep.py` where there is none. It starts in the directory that is searched, by the descriptor
that we hold; still, ripgrep opens what it finds by names, and somebody may swap a directory for a link at that moment.
So what it says is a hint: each line is read again through `beneath`, at the offset that it named, and dropped when
other bytes stand there (`confirming.py`). Nothing that the program read elsewhere gets out, and nothing that is dropped
counts: the program is listened to until there are enough lines that do stand there.
"""

import asyncio
import contextlib
import os
import re
import stat
from pathlib import Path
from typing import Final

import msgspec

from dovetail import ToolError
from dovetail.errors import quote
from dovetail.servers.files.confirming import Found, Match
from dovetail.servers.files.globs import Glob
from dovetail.servers.files.hits import Splitter
from dovetail.servers.files.places import Place

LONGEST_FILE: Final = 16
"""MiB of a file that is searched."""
_STDERR: Final = 4096
_CHUNK: Final = 1 << 16
_GREP: Final = str(Path(__file__).with_name("grep.py"))
_ENV: Final = {"LC_ALL": "C.UTF-8", "PATH": "/usr/bin:/bin"}
_LINE_END: Final = re.compile(r"\n|(?<!\\)(?:\\\\)*\\n")
HELD_BY_NUMBER: Final = os.path.isdir("/proc/self/fd")
"""A program can be started in a directory that is held open."""


class Wish(msgspec.Struct, frozen=True, kw_only=True):
    """What to search for, and where not."""

    pattern: str
    regex: bool = False
    ignore_case: bool = False
    globs: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    all_files: bool = False
    most: int = 100
    context: int = 0

    @property
    def crlf(self) -> bool:
        """Whether `$` stands before CRLF, too; not for an expression that asks for the CR itself."""
        return self.regex and "\r" not in self.pattern and "\\r" not in self.pattern


def ripgrep_command(program: str, wish: Wish, *, one_file: bool) -> list[str]:
    """Return the argument vector; nothing of the wish can become another option."""
    command = [
        program, "--no-config", "--json", "--no-follow", "--no-messages", "--no-ignore-parent", "--no-ignore-global",
        "--no-require-git", f"--max-filesize={LONGEST_FILE}M", f"--max-count={wish.most + 1}",
        "--ignore-case" if wish.ignore_case else "--case-sensitive",
    ]  # fmt: skip
    # For an expression, a line begins behind a byte order mark: `auto` passes over that, and counts from there on. It
    # makes UTF-8 of UTF-16, too; those lines do not stand in the file like that, and are dropped.
    command += ["--encoding=auto"] if wish.regex else ["--encoding=none", "--fixed-strings"]
    command += ["--crlf"] if wish.crlf else []
    command += ["--hidden", "--no-ignore", "--glob=!.git"] if wish.all_files else []
    for glob in (*wish.globs, *wish.exclude):
        Glob(glob)  # the same bounds for both programs
        if glob.startswith("!"):
            raise ToolError("A glob does not begin with `!`: name what to leave out in exclude")
    # For ripgrep, a glob that fits brings hidden files back; the last one that fits counts.
    hidden = ("--glob=!.*",) if wish.globs and not wish.all_files else ()
    command += [*(f"--glob={glob}" for glob in wish.globs), *hidden, *(f"--glob=!{glob}" for glob in wish.exclude)]
    return [*command, "--", wish.pattern, "-" if one_file else "./"]


def own_command(program: str, wish: Wish, directory: int | None) -> list[str]:
    """Return the argument vector of our own searcher: an interpreter that sees no environment and no packages."""
    task = {
        "pattern": wish.pattern,
        "regex": wish.regex,
        "crlf": wish.crlf,
        "ignore_case": wish.ignore_case,
        "globs": [Glob(glob).steps for glob in wish.globs],
        "excluded": [Glob(glob).steps for glob in wish.exclude],
        "all_files": wish.all_files,
        "most": wish.most + 1,
        "directory": directory,
    }
    return [program, "-I", "-S", _GREP, msgspec.json.encode(task).decode()]


class Search:
    """One search in one place."""

    def __init__(self, place: Place, wish: Wish, ripgrep: str | None, python: str, seconds: float) -> None:
        """Nothing is started yet.

        Args:
            place: A directory, or one file.
            wish: What to search for.
            ripgrep: The program; None for our own searcher.
            python: The interpreter that runs our own.
            seconds: How long it may take.
        """
        self.place = place
        self.wish = wish
        self.note = ""
        self.ripgrep = ripgrep if HELD_BY_NUMBER else None
        self._python = python
        self._seconds = seconds
        self._found = Found(place, wish.most, wish.context, behind_mark=wish.regex)

    async def run(self) -> list[Match]:
        """Search; `note` says whether more could be found.

        Raises:
            ToolError: The pattern is none that the program understands.
        """
        if not self.wish.pattern or "\0" in self.wish.pattern or len(self.wish.pattern) > 1024:
            raise ToolError("pattern: expected 1 to 1024 characters, NUL not among them")
        if "\n" in self.wish.pattern or (self.wish.regex and _LINE_END.search(self.wish.pattern)):
            raise ToolError("pattern: lines are looked at one by one, so no line end can be in it: give one line of it")
        found = await asyncio.to_thread(self.place.root.stat, self.place.steps)
        if stat.S_ISDIR(found.st_mode):
            with self.place.root.directory(self.place.steps) as held:
                await self._ask(held, None)
        else:
            file, _ = self.place.root.open(self.place.steps)
            try:
                await self._ask(None, file)
            finally:
                os.close(file)
        return self._found.matches()

    async def _ask(self, directory: int | None, file: int | None) -> None:
        if self.ripgrep is not None:
            command = ripgrep_command(self.ripgrep, self.wish, one_file=file is not None)
        else:
            command = own_command(self._python, self.wish, directory)
        try:
            process = await asyncio.create_subprocess_exec(
                *command,
                stdin=asyncio.subprocess.DEVNULL if file is None else file,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.PIPE,
                cwd="/" if directory is None or self.ripgrep is None else f"/proc/self/fd/{directory}",
                env=_ENV,
                pass_fds=() if directory is None else (directory,),
            )
        except OSError:
            if self.ripgrep is None:
                raise ToolError("The search could not be started. Try again later.") from None
            self.ripgrep = None  # it is gone, or cannot be run
            await self._ask(directory, file)
            return
        splitter = Splitter()
        errors = asyncio.ensure_future(_read_all(process.stderr))
        try:
            async with asyncio.timeout(self._seconds):
                await self._listen(process, splitter)
        except TimeoutError:
            self.note = f"The search was stopped after {self._seconds:g} s. Search a directory below, or say a glob."
        finally:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await _read_all(process.stdout)
            said = await errors
            await process.wait()
        if process.returncode not in ((0, 1) if self.ripgrep else (0,)) and said and not splitter.any and not self.note:
            raise ToolError(f"The pattern is not understood: {quote(_reason(said), 250)}")
        if splitter.left_out and not self.note:
            self.note = "Matches in lines of more than about 1 MB were left out."

    async def _listen(self, process: asyncio.subprocess.Process, splitter: Splitter) -> None:
        assert process.stdout is not None, "it was asked for"
        while data := await process.stdout.read(_CHUNK):
            hits = splitter.feed(data)
            if hits and (note := self._found.add(await asyncio.to_thread(self._found.confirmed, hits))):
                self.note = note
                return
        await process.wait()


async def _read_all(stream: asyncio.StreamReader | None) -> bytes:
    """Read a stream to its end and keep its beginning: a program that says much must not wait for us."""
    kept = b""
    while stream is not None and (data := await stream.read(_CHUNK)):
        kept = (kept + data)[:_STDERR] if len(kept) < _STDERR else kept
    return kept


def _reason(said: bytes) -> str:
    """Return what a program complains about, without how it is called."""
    lines = [line.strip() for line in said.decode("utf-8", "replace").splitlines() if line.strip()]
    telling = [line for line in lines if line.startswith(("error:", "regex parse error: "))]
    return re.sub(r"^(rg: )+", "", telling[-1] if telling else lines[-1] if lines else "")
