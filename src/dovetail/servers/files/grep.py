"""A small ripgrep, where there is no ripgrep: run as a program of its own, with the standard library alone.

It gets its task as JSON on the command line and a held directory, or a file as its standard input; it says what it
finds as ripgrep does with `--json`, one line each, and is stopped like it when it takes too long: a regular expression
that goes on for ever ends with its process. No link is followed; each directory is opened relative to the one before.
A line is text without its end: what is UTF-8 is characters, and each byte that is not is one of its own.
"""

import base64
import json
import os
import re
import stat
import sys
from collections.abc import Iterator, Sequence
from fnmatch import fnmatchcase
from functools import cache
from typing import Any

LONGEST = 16 << 20
LINE = 16 << 10
"""Bytes of a line that are said from its match on."""
BINARY = 64 << 10
"""A file with NUL in so many bytes at its beginning is no text, as with ripgrep."""
BLOCK = 256 << 10
SKIPPED = {"node_modules", "__pycache__", "venv", "build", "dist", "target"}
_DIR = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


def main(task: dict[str, Any]) -> int:
    """Search, and say what was found."""
    source = task["pattern"]
    try:
        pattern = re.compile(
            source if task["regex"] else re.escape(source), re.IGNORECASE if task["ignore_case"] else 0
        )
    except re.error as error:
        sys.stderr.write(f"regex parse error: {error}\n")
        return 2
    if task["directory"] is None:
        search(pattern, 0, "<stdin>", task)
        return 0
    for path, file in files(task["directory"], "", bool(task["all_files"])):
        try:
            names = tuple(path.split("/"))
            wanted = not task["globs"] or any(fits(glob, names) for glob in task["globs"])
            if wanted and not any(
                fits(glob, names[:end]) for glob in task["excluded"] for end in range(1, len(names) + 1)
            ):
                search(pattern, file, path, task)
        finally:
            os.close(file)
    return 0


def fits(pattern: Sequence[str], names: Sequence[str]) -> bool:
    """Tell whether names, a path, fit a pattern, step by step: `**` stands for any number of them."""

    @cache
    def rest(at: int, name: int) -> bool:
        if at == len(pattern):
            return name == len(names)
        if pattern[at] == "**":
            return rest(at + 1, name) or (name < len(names) and rest(at, name + 1))
        return name < len(names) and fnmatchcase(names[name], pattern[at]) and rest(at + 1, name + 1)

    return rest(0, 0)


def files(directory: int, above: str, every: bool) -> Iterator[tuple[str, int]]:
    """Yield the path and a descriptor of each regular file; the caller closes it."""
    with os.scandir(directory) as entries:
        names = sorted((entry.name, entry.is_dir(follow_symlinks=False)) for entry in entries)
    for name, is_directory in names:
        if name == ".git" or (not every and (name.startswith(".") or (is_directory and name in SKIPPED))):
            continue
        try:
            held = os.open(name, _DIR if is_directory else _FILE, dir_fd=directory)
        except OSError:
            continue
        if is_directory:
            try:
                yield from files(held, f"{above}{name}/", every)
            finally:
                os.close(held)
        elif stat.S_ISREG(os.fstat(held).st_mode):
            yield above + name, held
        else:
            os.close(held)


def search(pattern: "re.Pattern[str]", file: int, path: str, task: dict[str, Any]) -> None:
    """Say which lines of one file fit; binary files and very large ones are left out.

    For an expression, the first line begins behind a byte order mark, from which offsets count then, as with ripgrep.
    """
    data, most, before = content(file), task["most"], 1
    if task["regex"]:
        data = data.removeprefix(b"\xef\xbb\xbf")
    elif not task["ignore_case"] and task["pattern"].encode() not in data:
        return
    if b"\0" in data[:BINARY]:
        return
    for block, end in blocks(data):
        begin, passed = block, 0
        for line, found in fitting(pattern, data[block:end].decode("utf-8", "surrogateescape"), task):
            for _ in range(line - passed):
                begin = data.index(b"\n", begin) + 1
            passed = line
            at = len(found.string[: found.start()].encode("utf-8", "surrogateescape"))
            text = data[begin : data.find(b"\n", begin) + 1 or len(data)]
            say(path, text[: at + LINE], before + line, begin, at)
            most -= 1
            if not most:
                return
        before += data.count(b"\n", block, end)
        sys.stdout.flush()  # what was found is heard of, though the next block may take all the time that there is


def blocks(data: bytes) -> Iterator[tuple[int, int]]:
    """Yield where parts of whole lines begin and end: as text and cut into lines, they are far larger."""
    begin = 0
    while begin < len(data):
        end = data.find(b"\n", begin + BLOCK) + 1 or len(data)
        yield begin, end
        begin = end


def fitting(pattern: "re.Pattern[str]", text: str, task: dict[str, Any]) -> Iterator[tuple[int, "re.Match[str]"]]:
    """Yield which of some whole lines fit, each looked at by itself, with the match.

    Nothing is learned from a match in all of them at once, but where there is no line end in what is looked for: an
    expression would go on into the next line, and hide what fits there.
    """
    if not task["regex"] and pattern.search(text) is None:
        return
    if task["crlf"]:
        text = text.replace("\r\n", "\n")
    for number, found in enumerate(map(pattern.search, text.removesuffix("\n").split("\n"))):
        if found is not None:
            yield number, found


def content(file: int) -> bytes:
    """Return what a file holds; nothing of one that is very large."""
    size = os.fstat(file).st_size
    if size > LONGEST:
        return b""
    data = b""
    while len(data) <= size:
        more = os.read(file, size + 1 - len(data))
        if not more:
            break
        data += more
    return data


def say(path: str, text: bytes, number: int, offset: int, at: int) -> None:
    """Write one match, as ripgrep does."""
    data = {
        "path": {"bytes": base64.b64encode(os.fsencode(path)).decode()},
        "lines": {"bytes": base64.b64encode(text).decode()},
        "line_number": number,
        "absolute_offset": offset,
        "submatches": [{"start": at}],
    }
    sys.stdout.write(json.dumps({"type": "match", "data": data}, separators=(",", ":")) + "\n")


if __name__ == "__main__":
    sys.exit(main(json.loads(sys.argv[1])))
