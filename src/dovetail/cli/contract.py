"""`dovetail contract`: a golden file of what a server offers, written and compared.

The file is for people and for version control: canonical (sorted keys, sorted lists), two spaces, one newline at the
end. It is written anew only when it would differ, and never half: a new file takes the place of the old.
"""

import contextlib
import json
import os
import sys
import tempfile
from pathlib import Path
from typing import Any, Final

import msgspec

from dovetail.cli.differences import KINDS, Difference, differences
from dovetail.cli.loading import NotLoaded, fail, load
from dovetail.cli.offered import LISTS, offered
from dovetail.cli.showing import Line, show
from dovetail.net import say

FORMAT: Final = 1
_WIDEST: Final = 32
"""Names that are longer push their description to the right."""
_KEY: Final = "dovetailContract"

Json = dict[str, Any]


class Verdict(msgspec.Struct, frozen=True):
    """What `--json` prints.

    Attributes:
        contract: The golden file.
        matches: Whether it said, before it was written, what the server offers.
        breaking: Whether a difference may break a client.
        written: Whether it was written now.
        differences: What it said otherwise; empty when there was none.
        offers: How many of each kind the server offers.
    """

    contract: str
    matches: bool
    breaking: bool
    written: bool
    differences: list[Difference]
    offers: dict[str, int]


def contract(source: str, *, snapshot: Path | None, check: bool, as_json: bool) -> int:
    """Write or check a server's golden file; return the exit status."""
    try:
        # What a file prints when it is loaded does not belong to what a program reads from here.
        with contextlib.redirect_stdout(sys.stderr):
            now = offered(load(source))
        path = snapshot or default_path(source)
        before = read(path)
    except NotLoaded as error:
        say(error.report("contract"))
        return 1
    if before is None and check:
        return fail("contract", f"there is no {path}: dovetail contract {source} writes it")
    found = [] if before is None else differences(before, now)
    stale = before != now
    try:
        if stale and not check:
            write(path, now)
    except OSError as error:
        return fail("contract", f"cannot write {path}: {error.strerror}")
    count = {plural: len(now[plural]) for plural in KINDS}
    breaking = any(each.breaking for each in found)
    verdict = Verdict(str(path), not stale, breaking, stale and not check, found, count)
    if as_json:
        sys.stdout.write(msgspec.json.format(msgspec.json.encode(verdict)).decode() + "\n")
    else:
        show(list(_told(verdict, source, now, first=before is None, check=check)))
    return 1 if check and stale else 0


def default_path(source: str) -> Path:
    """Return where a file's golden file is: beside it; a named object's has the name in it."""
    file, _, name = source.rpartition(":") if not Path(source).is_file() else (source, "", "")
    stem = Path(file).stem + (f".{name}" if name else "")
    return Path(file).with_name(f"{stem}.contract.json")


def read(path: Path) -> Json | None:
    """Return what a golden file says; None where there is none.

    Raises:
        NotLoaded: It is not a golden file, or one of another version.
    """
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except OSError as error:
        raise NotLoaded(f"cannot read {path}: {error.strerror}") from None
    except (ValueError, RecursionError):
        raise NotLoaded(f"{path} is not JSON: restore it, or remove it and write it anew") from None
    if not isinstance(found, dict) or found.pop(_KEY, None) != FORMAT:
        raise NotLoaded(f"{path} is not a contract that this version reads: remove it and write it anew")
    return found


def write(path: Path, picture: Json) -> None:
    """Write a golden file, in one step."""
    text = json.dumps({_KEY: FORMAT, **picture}, indent=2, sort_keys=True, ensure_ascii=False) + "\n"
    handle, new = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with open(handle, "w", encoding="utf-8", newline="\n") as file:
            file.write(text)
        umask = os.umask(0)
        os.umask(umask)
        os.chmod(new, 0o666 & ~umask)
        os.replace(new, path)
    except BaseException:
        os.unlink(new)
        raise


def _told(verdict: Verdict, source: str, now: Json, *, first: bool, check: bool) -> Any:
    if first:
        yield Line([("Wrote ", ""), (verdict.contract, "bold"), (f": {_count(verdict.offers)}", "")])
        yield from _listed(now)
        return
    if verdict.matches:
        yield Line([(verdict.contract, "bold"), (f" is what {source} offers: {_count(verdict.offers)}", "")])
        return
    broken = sum(each.breaking for each in verdict.differences)
    head = f": {broken} breaking, {len(verdict.differences) - broken} compatible" if verdict.differences else " in form"
    yield Line([(f"{source} differs from " if check else "Wrote ", ""), (verdict.contract, "bold"), (head, "")])
    for each in verdict.differences:
        mark = ("breaking  ", "bold red") if each.breaking else ("compatible", "green")
        yield Line([("  ", ""), mark, (f"  {each.kind} ", "dim"), (each.name, "bold"), (f" {each.what}", "")])
    if check:
        yield Line([(f"To accept this: dovetail contract {source}", "dim")])


def _listed(now: Json) -> Any:
    names = [str(entry[LISTS[plural][3]]) for plural in KINDS for entry in now[plural]]
    width = min(_WIDEST, max(map(len, names), default=0))
    for plural, kind in KINDS.items():
        for entry in now[plural]:
            about = str(entry.get("description", "")).partition("\n")[0]
            name = str(entry[LISTS[plural][3]])
            pieces = [(f"  {kind:<8}  ", "dim"), (f"{name:<{width}}" if about else name, "bold")]
            yield Line([*pieces, (f"  {about}" if about else "", "")], cut=True)


def _count(offers: dict[str, int]) -> str:
    names = [f"{number} {KINDS[plural]}{'' if number == 1 else 's'}" for plural, number in offers.items() if number]
    return ", ".join(names) or "nothing"
