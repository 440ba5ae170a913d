"""Tables for people: fitted to a terminal, whole and unwrapped in a pipe; and what a server offers, as tables."""

import sys
from collections.abc import Iterable, Sequence
from typing import Any, Final

import msgspec
from rich.console import Console
from rich.padding import Padding
from rich.table import Table

from dovetail.cli.giving import types_of
from dovetail.cli.terminal import shown
from dovetail.wire import Prompt, Resource, ResourceTemplate, Tool, sanitize_text

_UNBOUNDED: Final = 100_000
_NARROW: Final = 72

Row = Sequence[str]


def console() -> Console:
    """Return where results go: as wide as the terminal, and without an edge in a pipe."""
    wide = None if sys.stdout.isatty() else _UNBOUNDED
    return Console(highlight=False, emoji=False, markup=False, width=wide)


def table(title: str, columns: Sequence[str], rows: Iterable[Row]) -> None:
    """Print a table; of its columns, those that are empty are left out, and the first is bold."""
    body = [tuple(row) for row in rows]
    kept = [index for index in range(len(columns)) if any(row[index] for row in body)]
    out = console()
    out.print(title, style="bold", soft_wrap=True)
    if out.is_terminal and out.width < _NARROW:
        _stacked(out, columns, kept, body)
        return
    grid = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), show_header=len(kept) > 1, header_style="dim")
    for index in kept:
        grid.add_column(columns[index], style="cyan" if index == 0 else "", overflow="fold", no_wrap=False)
    for row in body:
        grid.add_row(*(row[index] for index in kept))
    with out.capture() as captured:
        out.print(grid, width=out.width - 2)
    out.file.write("".join(f"  {line.rstrip()}\n" for line in captured.get().splitlines()))


def _stacked(out: Console, columns: Sequence[str], kept: Sequence[int], body: Iterable[Row]) -> None:
    """Print each row as lines, where the terminal is too narrow for columns."""
    for row in body:
        first, *rest = kept
        out.print(Padding(row[first], (0, 0, 0, 2)), style="cyan")
        for index in rest:
            if row[index]:
                out.print(Padding(row[index], (0, 0, 0, 4)))


def entry(head: Sequence[tuple[str, int, str]], text: str) -> None:
    """Print an entry: words of fixed widths with their styles, and a text that hangs beside them, however long."""
    out = console()
    grid = Table.grid(padding=(0, 2, 0, 0))
    for _, width, style in head:
        grid.add_column(width=width, style=style, no_wrap=True)
    grid.add_column(overflow="fold")
    grid.add_row(*(word for word, _, _ in head), text)
    with out.capture() as captured:
        out.print(grid)
    out.file.write("".join(f"{line.rstrip()}\n" for line in captured.get().splitlines()))


# What a server offers.


def tools(entries: Sequence[Tool]) -> None:
    """Print tools."""
    rows = ((shown(each.name), arguments_of(each), about(each)) for each in entries)
    table(f"Tools ({len(entries)})", ("name", "arguments", "what it does"), rows)


def resources(entries: Sequence[Resource]) -> None:
    """Print resources."""
    rows = ((shown(each.uri), shown(each.mime_type or ""), about(each) or shown(each.name)) for each in entries)
    table(f"Resources ({len(entries)})", ("uri", "type", "what it is"), rows)


def templates(entries: Sequence[ResourceTemplate]) -> None:
    """Print resource templates."""
    rows = (
        (shown(each.uri_template), shown(each.mime_type or ""), about(each) or shown(each.name)) for each in entries
    )
    table(f"Resource templates ({len(entries)})", ("uri", "type", "what it is"), rows)


def prompts(entries: Sequence[Prompt]) -> None:
    """Print prompts."""
    rows = (
        (
            shown(each.name),
            ", ".join(shown(one.name) + ("" if one.required else "?") for one in each.arguments or ()),
            about(each),
        )
        for each in entries
    )
    table(f"Prompts ({len(entries)})", ("name", "arguments", "what it is for"), rows)


def about(entry: Tool | Resource | ResourceTemplate | Prompt) -> str:
    """Return the first paragraph that an entry says of itself, on one line."""
    text = sanitize_text(entry.description or entry.title or "").strip()
    return shown(text.split("\n\n")[0])


def arguments_of(tool: Tool) -> str:
    """Return a tool's arguments, as `name: type`, the optional ones with a question mark."""
    schema: Any = msgspec.json.decode(tool.input_schema)
    properties = schema.get("properties") if isinstance(schema, dict) else None
    if not isinstance(properties, dict):
        return ""
    required = schema.get("required")
    needed = frozenset(map(str, required)) if isinstance(required, list) else frozenset()
    named = []
    for name, part in properties.items():
        kinds = " or ".join(sorted(types_of(part, schema)))
        named.append(f"{shown(name)}{'' if name in needed else '?'}" + (f": {shown(kinds)}" if kinds else ""))
    return ", ".join(named)
