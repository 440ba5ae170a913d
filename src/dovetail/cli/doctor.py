"""`dovetail doctor`: looks a server over as a client meets it, and says of each thing whether it is well.

A finding is `ok`, a `note` (works, and could be better) or `wrong`; what is not ok says what to do. Nothing is called
that could have an effect: no tool, no prompt, no resource.
"""

import contextlib
import sys
import time
from collections.abc import AsyncGenerator, AsyncIterator
from typing import Any, Final

import msgspec

from dovetail.cli.commands import KINDS, server_name_of
from dovetail.cli.contents import pretty, show_text
from dovetail.cli.doctor_http import examined_http
from dovetail.cli.findings import Finding, note, ok, wrong
from dovetail.cli.tables import entry
from dovetail.cli.targets import url_of
from dovetail.cli.terminal import shown
from dovetail.cli.visiting import Visit, advised, parted, told
from dovetail.client import Client
from dovetail.errors import (
    METHOD_NOT_FOUND,
    Disconnected,
    DovetailError,
    InvalidName,
    InvalidSchema,
    NoCommonRevision,
    PeerError,
    Timeout,
)
from dovetail.revisions import NEWEST, REVISIONS
from dovetail.wire import ServerCapabilities, Tool, check_tool_name, compile_schema

PINGS: Final = 20
_SLOW: Final = 1.0
_STYLES: Final = {"ok": "green", "note": "yellow", "wrong": "bold red"}


class Report(msgspec.Struct, frozen=True):
    """What `--json` prints."""

    target: str
    ok: bool
    findings: list[Finding]


async def doctor(doing: Visit) -> int:
    """Look a server over; the status is 1 when something is wrong."""
    findings: list[Finding] = []
    async with contextlib.aclosing(_findings(doing)) as found:
        async for finding in found:
            findings.append(finding)
            if not doing.as_json:
                _show(finding)
    bad = sum(finding.verdict == "wrong" for finding in findings)
    if doing.as_json:
        report = Report(str(doing.client().target), not bad, findings)
        sys.stdout.write(pretty(report) + "\n")
    else:
        notes = sum(finding.verdict == "note" for finding in findings)
        summary = "Nothing is wrong" if not bad else f"{bad} {'thing is' if bad == 1 else 'things are'} wrong"
        show_text(summary + (f", {notes} could be better." if notes else "."))
    return 1 if bad else 0


def _show(finding: Finding) -> None:
    entry([(finding.verdict, 5, _STYLES[finding.verdict]), (finding.check, 12, "dim")], finding.said)
    if finding.advice:
        entry([("", 5, ""), ("->".rjust(12), 12, "dim")], finding.advice)
    sys.stdout.flush()


async def _findings(doing: Visit) -> AsyncGenerator[Finding, None]:
    url = url_of(doing.target)
    if url is not None:
        async for finding in examined_http(url, doing):
            yield finding
    client = doing.client(on_progress=lambda progress: None)
    began = time.perf_counter()
    try:
        await client.connect()
    except DovetailError as error:
        first, rest = parted(error)
        last = [line.strip(" |") for line in rest if line.strip(" |")]
        advice = f"it said last: {last[-1]}" if last else advised(error, doing) or _first_aid(error, doing)
        yield wrong("connection", first, shown(advice))
        return
    try:
        yield ok("connection", f"open after {_time(time.perf_counter() - began)}")
        async for finding in _looked_over(client, doing):
            yield finding
    except DovetailError as error:
        yield wrong("connection", f"it broke in the middle: {told(error, doing)[0]}", "see what the server logs")
    finally:
        began = time.perf_counter()
        await client.aclose()
    seconds = time.perf_counter() - began
    if seconds > 2:
        yield note("closing", f"it ends only after {_time(seconds)}", "a program should end when its input does")


async def _looked_over(client: Client, doing: Visit) -> AsyncIterator[Finding]:
    peer = client.server
    version = f" {shown(peer.info.version)}" if peer.info is not None else ""
    if peer.info is None:
        yield note("server", "it does not say who it is", "give it a name and a version")
    else:
        yield ok("server", f"{server_name_of(doing, peer.info)}{version}")
    if "revision" in doing.options:
        yield ok("revision", f"it speaks {peer.revision.version}, as was asked for")
    else:
        async for finding in _revisions(client, doing):
            yield finding
    yield _capabilities(peer.capabilities)
    for name in KINDS:
        async for finding in _listed(client, name):
            yield finding
    yield await _timed(client, doing.options.get("pings", PINGS))


# Revisions.


async def _revisions(client: Client, doing: Visit) -> AsyncIterator[Finding]:
    """Ask the server for each revision by itself: what it says of one says little about another."""
    chosen = client.server.revision
    spoken, failed = [chosen], []
    for revision in REVISIONS:
        if revision is chosen:
            continue
        other = doing.client(revision=revision.version, opening=doing.options.get("timeout", 15.0))
        try:
            await other.connect()
        except (NoCommonRevision, PeerError):
            continue
        except DovetailError as error:
            if not revision.stateless:  # a server of the stateful era may take a probe for the end of the world
                failed.append((revision, error))
            continue
        await other.aclose()
        spoken.append(revision)
    versions = ", ".join(each.version for each in sorted(spoken, key=lambda each: each.index))
    if NEWEST in spoken:
        yield ok("revision", f"it speaks {versions}")
    else:
        yield note(
            "revision", f"it speaks {versions}", f"{NEWEST.version} is there: newer clients fall back to speak with it"
        )
    for revision, failure in failed:
        reason = told(failure, doing)[0]
        yield wrong("revision", f"asked for {revision.version}: {reason}", "it should answer with one that it speaks")


# What it offers.


def _capabilities(declared: ServerCapabilities) -> Finding:
    named = [name for name in ServerCapabilities.__struct_fields__ if getattr(declared, name) is not None]
    details = {
        "tools": [("list_changed", "changes")],
        "resources": [("subscribe", "subscriptions"), ("list_changed", "changes")],
        "prompts": [("list_changed", "changes")],
    }
    said = []
    for name in named:
        more = [word for key, word in details.get(name, ()) if getattr(getattr(declared, name), key)]
        said.append(name + (f" ({', '.join(more)})" if more else ""))
    if not said:
        return note("capabilities", "it declares none", "declare what it offers: clients ask for nothing else")
    return ok("capabilities", ", ".join(said))


async def _listed(client: Client, name: str) -> AsyncIterator[Finding]:
    kind = KINDS[name]
    declared = getattr(client.server.capabilities, kind.capability) is not None
    if not declared:
        return
    began = time.perf_counter()
    try:
        entries = await kind.ask(client)
    except PeerError as error:
        if name == "templates" and error.code == METHOD_NOT_FOUND:
            yield ok(name, "none")
        else:
            yield wrong(
                name,
                f"declared, and cannot be listed: {shown(error.message)} ({error.code})",
                "declare what it offers, and no more",
            )
        return
    except Disconnected:
        raise
    except DovetailError as error:
        yield wrong(name, f"cannot be listed: {shown(str(error))}", "mend the list: clients see nothing of it")
        return
    seconds = time.perf_counter() - began
    faults = _faults(name, entries)
    yield ok(name, f"{len(entries) or 'none'}{f', listed in {_time(seconds)}' if entries else ''}")
    for finding in faults:
        yield finding


def _faults(name: str, entries: list[Any]) -> list[Finding]:
    key = {"resources": "uri", "templates": "uri_template"}.get(name, "name")
    names = [getattr(entry, key) for entry in entries]
    found = []
    if twice := sorted({each for each in names if names.count(each) > 1}) if len(names) < 1000 else []:
        found.append(wrong(name, f"listed more than once: {_few(twice)}", f"each needs a {key} of its own"))
    if name in ("tools", "prompts") and (bare := [e.name for e in entries if not (e.description or "").strip()]):
        found.append(note(name, f"without a description: {_few(bare)}", "a model chooses by the description"))
    if name == "tools":
        found += _tool_faults(entries)
    return found


def _tool_faults(tools: list[Tool]) -> list[Finding]:
    named, bad = [], []
    for tool in tools:
        try:
            check_tool_name(tool.name)
        except InvalidName:
            named.append(tool.name)
        for what, schema in (("input", tool.input_schema), ("output", tool.output_schema)):
            if isinstance(schema, msgspec.UnsetType):
                continue
            try:
                compile_schema(bytes(schema))
            except InvalidSchema as error:
                bad.append(
                    wrong("tools", f"{shown(tool.name)}: its {what} schema: {shown(str(error))}", "mend the schema")
                )
    if named:
        bad.append(note("tools", f"names that not every client takes: {_few(named)}", "use A-Z a-z 0-9 _ . -"))
    return bad


def _few(names: list[str]) -> str:
    said = ", ".join(shown(name) for name in names[:5])
    return said if len(names) <= 5 else f"{said} and {len(names) - 5} more"


# Time.


async def _timed(client: Client, pings: int) -> Finding:
    times = []
    try:
        for _ in range(max(pings, 1)):
            began = time.perf_counter()
            await client.ping()
            times.append(time.perf_counter() - began)
    except (PeerError, Timeout) as error:
        return wrong("timing", f"no sign of life: {shown(str(error))}", "it must answer a ping at once")
    times.sort()
    middle, most, last = (times[min(int(len(times) * part), len(times) - 1)] for part in (0.5, 0.95, 1.0))
    said = f"{len(times)} answers: half within {_time(middle)}, 95 % within {_time(most)}, the slowest {_time(last)}"
    return note("timing", said, "something keeps it from answering") if most > _SLOW else ok("timing", said)


def _time(seconds: float) -> str:
    return f"{seconds:.1f} s" if seconds >= 1 else f"{seconds * 1000:.1f} ms"


def _first_aid(error: DovetailError, doing: Visit) -> str:
    if isinstance(error, Disconnected) and url_of(doing.target) is None:
        return "run the program by hand, and look at what it says"
    return "look at what the server logs"
