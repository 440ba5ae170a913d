"""Files at a revision: listed, read, suggested. Runs in a worker."""

from typing import Final

from dovetail.servers.git.arguments import ContentsArgs, ListArgs, ReadArgs, SuggestPathArgs
from dovetail.servers.git.names import BadName, quote_name, read_path
from dovetail.servers.git.objects import LINK, MODULE, TREE, Entry
from dovetail.servers.git.repository import Refused, Repository
from dovetail.servers.git.text import cut, is_binary, readable
from dovetail.servers.git.types import Contents, FileEntry, FileList

_LONG_LINE: Final = 100_000
_LISTED: Final = 2_000


def list_files(repository: Repository, asked: ListArgs) -> FileList:
    """Return files below a folder of a revision."""
    commit_id, skip = asked.cursor.partition("!")[::2] if asked.cursor else ("", "0")
    if asked.cursor and (len(commit_id) != 40 or not skip.isascii() or not skip.isdigit() or len(skip) > 9):
        raise Refused("That is no cursor of this tool; call it without one.")
    commit = repository.resolve(commit_id or asked.revision)
    folder, steps = repository.entry(commit, asked.path)
    prefix = b"/".join(steps)
    if folder.mode != TREE:
        return FileList(commit=commit.id, files=[_listed(repository, prefix, folder)])
    prefix += b"/" if prefix else b""
    entries = (
        repository.walk(folder.id, prefix)
        if asked.recursive
        else ((prefix + entry.name, entry) for entry in repository.tree(folder.id))
    )
    files: list[FileEntry] = []
    for at, (where, entry) in enumerate(entries):
        if at < int(skip):
            continue
        if len(files) == asked.max_count:
            return FileList(commit=commit.id, files=files, next=f"{commit.id}!{at}")
        files.append(_listed(repository, where, entry))
    return FileList(commit=commit.id, files=files)


def _listed(repository: Repository, where: bytes, entry: Entry) -> FileEntry:
    size = None if entry.mode in (TREE, MODULE) else repository.size(entry.id)
    kind = entry.kind
    return FileEntry(path=cut(quote_name(where), 8_192), kind=kind, size=size)  # type: ignore[arg-type]


def read_text(repository: Repository, asked: ReadArgs) -> str:
    """Return lines of a text file of a revision."""
    commit = repository.resolve(asked.revision)
    entry, _ = repository.entry(commit, asked.path)
    if entry.mode == TREE:
        raise Refused("That is a folder; git_list_files lists what is in it.")
    if entry.mode == MODULE:
        raise Refused(f"That is a submodule at commit {entry.id}; its files are in a repository of their own.")
    data = repository.blob(entry.id)
    if entry.mode == LINK:
        return f"(a symbolic link to) {readable(data[:4096])}"
    if is_binary(data):
        raise Refused(
            f"That is a binary file of {len(data)} bytes; its bytes are the resource git://{{revision}}/{{path}}."
        )
    return _lines(repository, data, asked)


def _lines(repository: Repository, data: bytes, asked: ReadArgs) -> str:
    lines = data.split(b"\n")
    lines = [line + b"\n" for line in lines[:-1]] + ([lines[-1]] if lines[-1] else [])
    total = len(lines)
    if asked.start > max(total, 1):
        raise Refused(f"The file has {total} lines; begin within them.")
    room = repository.max_output
    shown: list[str] = []
    for line in lines[asked.start - 1 : asked.end]:
        text = cut(readable(line), _LONG_LINE)
        room -= len(text.encode("utf-8", "replace"))
        if room < 0:
            last = asked.start + len(shown) - 1
            return "".join(shown) + f"\n[cut after line {last} of {total}; go on with start_line={last + 1}]"
        shown.append(text)
    return "".join(shown)


def contents(repository: Repository, asked: ContentsArgs) -> Contents:
    """Return the bytes of a file, exactly; of a folder, its listing."""
    commit = repository.resolve(asked.revision)
    entry, _ = repository.entry(commit, asked.path)
    if entry.mode == TREE:
        names = [quote_name(one.name) + ("/" if one.mode == TREE else "") for one in repository.tree(entry.id)]
        more = [f"[{len(names) - _LISTED} more; git_list_files lists them]"] if len(names) > _LISTED else []
        return Contents(data="\n".join([*names[:_LISTED], *more]).encode(), folder=True)
    if entry.mode == MODULE:
        raise Refused("That is a submodule; its files are in a repository of their own.")
    return Contents(data=repository.blob(entry.id))


def suggest_paths(repository: Repository, asked: SuggestPathArgs) -> list[str]:
    """Return paths of a revision that begin with what was typed, one folder deep."""
    folder, _, begun = asked.typed.rpartition("/")
    try:
        commit = repository.resolve(asked.revision or "HEAD")
        found = repository.find(commit.tree, read_path(folder))
    except (Refused, BadName, ValueError):
        return []
    if found is None or found.mode != TREE:
        return []
    prefix = f"{folder}/" if folder else ""
    names = (quote_name(one.name) + ("/" if one.mode == TREE else "") for one in repository.tree(found.id))
    return [prefix + name for name in names if name.startswith(begun) and not name.startswith('"')][:1000]
