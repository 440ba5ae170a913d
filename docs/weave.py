"""Weaves code and facts into the pages, so that no page can say what is not so.

    python docs/weave.py            write the pages anew
    python docs/weave.py --check    fail if a page would change

Between `<!-- weave: WHAT -->` and `<!-- end -->` stands what was woven, and nothing else does:

    PATH.py [REGION ...]    regions of a file, from `# region NAME` to `# endregion`, in the order given; with the
                            imports that they need when the first word is `imports`; the whole file without any
    table NAME [ARGUMENT]   a table made from the code: see `TABLES`
"""

import ast
import asyncio
import inspect
import json
import os
import re
import sqlite3
import sys
import tempfile
import textwrap
import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
PAGES = ("README.md", "docs/*.md", "docs/servers/*.md")
_MARK = re.compile(
    r"(^(?P<margin> *)<!-- weave: (?P<what>[^\n]+?) -->\n)(?P<woven>.*?)(^ *<!-- end -->$)", re.MULTILINE | re.DOTALL
)
_REGION = re.compile(r"^[ \t]*# region (?P<name>[\w-]+)\n(?P<body>.*?)^[ \t]*# endregion\n?", re.MULTILINE | re.DOTALL)
_BORDER = re.compile(r"^[ \t]*# (?:region [\w-]+|endregion)\n", re.MULTILINE)


def pages() -> list[Path]:
    """Every page that may hold something woven."""
    return sorted(path for pattern in PAGES for path in ROOT.glob(pattern))


def woven(page: Path) -> str:
    """Return a page as it should be."""

    def fill(found: "re.Match[str]") -> str:
        return found[1] + textwrap.indent(weave(found["what"]), found["margin"]) + found[5]

    return _MARK.sub(fill, page.read_text(encoding="utf-8"))


def sources(page: Path) -> list[str]:
    """What is woven into a page."""
    return [found["what"] for found in _MARK.finditer(page.read_text(encoding="utf-8"))]


def weave(what: str) -> str:
    """Return what stands between the two marks."""
    kind, *words = what.split()
    if kind == "table":
        return TABLES[words[0]](*words[1:]) + "\n"
    return f"```python\n{code(ROOT / kind, words)}\n```\n"


# Code.


def code(path: Path, names: list[str]) -> str:
    """Return regions of a file, one after the other."""
    text = path.read_text(encoding="utf-8")
    if not names:
        return _BORDER.sub("", text).strip()
    with_imports, names = names[0] == "imports", [name for name in names if name != "imports"]
    regions = {found["name"]: textwrap.dedent(found["body"]).strip("\n") for found in _REGION.finditer(text)}
    missing = [name for name in names if name not in regions]
    if missing:
        raise SystemExit(f"{path.name} has no region {missing[0]}")
    body = join([regions[name] for name in names])
    return join([imports(text, body), body]) if with_imports else body


def join(parts: list[str]) -> str:
    """Put pieces of code together: two lines of space around a definition, one elsewhere."""
    whole = ""
    for part in parts:
        if whole and part:
            wide = part.startswith(("@", "def ", "async def ", "class ", "if __name__")) or whole.splitlines()[
                -1
            ].startswith("    ")
            whole += "\n\n\n" if wide else "\n\n"
        whole += part
    return whole


def imports(text: str, body: str) -> str:
    """Return the imports at the top of a file that a piece of it needs."""
    used = {node.id for node in ast.walk(ast.parse(body)) if isinstance(node, ast.Name)}
    lines: list[str] = []
    before = 0
    for node in ast.parse(text).body:
        if isinstance(node, ast.Import | ast.ImportFrom):
            kept = [alias for alias in node.names if (alias.asname or alias.name).partition(".")[0] in used]
            if kept:
                if lines and _ours(node) != before:
                    lines.append("")
                before = _ours(node)
                node.names = kept
                lines.append(ast.unparse(node))
    return "\n".join(lines)


def _ours(node: ast.Import | ast.ImportFrom) -> int:
    name = node.module if isinstance(node, ast.ImportFrom) else node.names[0].name
    return 0 if str(name).partition(".")[0] in sys.stdlib_module_names else 1


# Facts.


def rows(head: list[str], body: Iterator[list[str]]) -> str:
    """Return a Markdown table."""
    lines = [head, ["---"] * len(head), *body]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def documented(owner: type, *, inherit: bool = True) -> dict[str, str]:
    """Return types, and what the strings below a class's annotated names say, by name; bases first."""
    body = ast.parse(textwrap.dedent(inspect.getsource(owner))).body[0]
    assert isinstance(body, ast.ClassDef)
    found: dict[str, str] = {}
    for base in body.bases if inherit else ():  # from the source: a TypedDict forgets its bases
        inherited = vars(sys.modules[owner.__module__]).get(ast.unparse(base))
        if inspect.isclass(inherited) and inherited.__module__.startswith("dovetail."):
            found.update(documented(inherited))
    for this, following in zip(body.body, [*body.body[1:], ast.Pass()], strict=True):
        if isinstance(this, ast.AnnAssign) and isinstance(this.target, ast.Name):
            told = following.value.value if _is_text(following) else ""  # type: ignore[attr-defined]
            kind = ast.unparse(this.annotation).replace('"', "").replace("'", "").replace("|", r"\|")
            found[this.target.id] = f"`{kind}` | {' '.join(str(told).split())}"
    return found


def _is_text(statement: ast.stmt) -> bool:
    return isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant)


def options(path: str, which: str = "all") -> str:
    """The keys of a TypedDict of options; `own`: without those of its bases."""
    from importlib import import_module

    module, _, name = path.rpartition(".")
    found = documented(getattr(import_module(module), name), inherit=which == "all")
    return rows(["option", "type", "meaning"], ([f"`{key}`", told] for key, told in found.items()))


def limits() -> str:
    """Every limit, with its default."""
    from dovetail.wire.limits import Limits

    defaults: Any = Limits()
    found = documented(Limits)
    return rows(
        ["limit", "default", "of what"],
        ([f"`{key}`", amount(getattr(defaults, key), key), told.partition(" | ")[2]] for key, told in found.items()),
    )


def amount(value: float, name: str) -> str:
    """Return an amount for people."""
    if name.endswith("seconds"):
        return f"{value:g} s"
    if value >= 1024 and value % 1024 == 0:
        return f"{value // 1048576:,} MiB" if value % 1048576 == 0 else f"{value // 1024:,} KiB"
    return f"{value:,}"


def tree() -> str:
    """The tree of exceptions, from the docstring that holds it."""
    from dovetail import errors

    lines = (errors.__doc__ or "").splitlines()
    return "```text\n" + textwrap.dedent("\n".join(line for line in lines if line.startswith("    "))) + "\n```"


def metrics() -> str:
    """The metrics, from the docstring that lists them."""
    from dovetail.server.watching import metrics as module

    lines = [line for line in (module.__doc__ or "").splitlines() if line.startswith("    dovetail_")]
    return rows(
        ["metric", "what"], ([f"`{name}`", told] for name, told in (re.split(r"\s{2,}", x.strip()) for x in lines))
    )


def degrade() -> str:
    """What becomes of what a revision cannot say, from the docstring that holds it."""
    from dovetail.wire import degrade as module

    return "\n".join(line for line in (module.__doc__ or "").splitlines() if line.startswith("|"))


def revisions() -> str:
    """What each revision has, from the facts."""
    from dovetail.revisions import REVISIONS, Revision

    facts: dict[str, Callable[[Revision], Any]] = {
        "lifecycle": lambda one: "each request stands alone" if one.stateless else "`initialize`, then a session",
        "a question travels": lambda one: "in a result; the client calls again" if one.stateless else "as a request",
        "`ctx.sample`, `ctx.roots`": lambda one: "sampling/createMessage" in one.questions,
        "`ctx.elicit`": lambda one: one.elicitation,
        "several choices in a form": lambda one: one.multi_select,
        "`ctx.elicit_url`": lambda one: one.url_elicitation,
        "structured results": lambda one: {"none": "no", "object": "objects", "any": "any JSON"}[
            one.structured_content
        ],
        "invalid arguments are": lambda one: "a result" if one.argument_results else "an error",
        "resource not found": lambda one: one.resource_missing,
        "batches": lambda one: f"at most {one.batch_limit}" if one.batching else "no",
        "streams resume": lambda one: one.resumable,
        "caching hints": lambda one: one.cache_hints,
        "standard headers": lambda one: one.request_headers,
    }

    def said(value: Any) -> str:
        return {True: "yes", False: "no"}[value] if isinstance(value, bool) else str(value)

    return rows(
        ["", *(one.version for one in REVISIONS)],
        ([name, *(said(fact(one)) for one in REVISIONS)] for name, fact in facts.items()),
    )


def dialects() -> str:
    """The dialects of JSON Schema that are read."""
    from dovetail.wire.schema import DIALECTS

    return "\n".join(f"* `{uri}`" for uri in DIALECTS)


def requirements() -> str:
    """What the distribution needs, and what its extras add."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = {"(always)": project["dependencies"], **project["optional-dependencies"]}
    names = {extra: ", ".join(re.split(r"[<>=;\[ ]", each)[0] for each in needs) for extra, needs in extras.items()}
    names["all"] = "all of these"
    return rows(["extra", "brings"], ([f"`{extra}`" if extra[0] != "(" else extra, n] for extra, n in names.items()))


def command(name: str) -> str:
    """The options of a command."""
    from dovetail.cli import options
    from dovetail.cli.visits import LOGINS

    own = {"run": options.RUN, "dev": options.DEV, "serve --from": options.SERVE_FROM}
    found = {**own, **{one.name: one.table for one in LOGINS}}.get(name)
    if found is None:
        return rows(["option", "meaning"], visiting(name))

    def cells(one: options.Option) -> list[str]:
        flag = f"{one.flag} {one.value}".strip().replace("|", r"\|")
        default = "" if one.default is None else f"`{one.default}`"
        return [f"`{flag}`", default, f"{one.help}{' May be repeated.' if one.many else ''}"]

    return rows(["option", "default", "meaning"], map(cells, found))


def visiting(name: str = "") -> Iterator[list[str]]:
    """The options that only some commands which visit a server have; without a name, those that all of them have."""
    from dovetail.cli import visits

    tables = {one.name: one.table for one in visits.COMMANDS}
    everywhere = [one for one in tables["list"] if all(one in table for table in tables.values())]
    for one in [each for each in tables[name] if each not in everywhere] if name else everywhere:
        flag = f"{one.flag} {one.value}".strip().replace("|", r"\|")
        yield [f"`{flag}`", one.help]


def serve(name: str) -> str:
    """What can be set about a server that we ship: its own options, without those of all."""
    from dovetail.cli.serve import option
    from dovetail.servers import settings_of

    def cells(one: Any) -> list[str]:
        shown = option(one)
        typed = f"{one.metavar}{'...' if one.many else ''}" if one.argument else f"{shown.flag} {shown.value}".strip()
        default = "" if shown.default is None else f"`{shown.default}`"
        return [f"`{typed}`".replace("|", r"\|"), default, one.about + (" May be repeated." if one.many else "")]

    return rows(["option", "default", "meaning"], map(cells, settings_of(name)))


def offered(name: str, *words: str) -> str:
    """What a server that we ship offers with these options: its tools, resources and prompts."""
    from dovetail import Client
    from dovetail.cli.serve import ordered
    from dovetail.servers import make_server

    async def asked(place: str) -> Iterator[list[str]]:
        order = ordered([name, *_arguments(name, place), *(word for word in words if word.startswith("--"))])
        async with Client(make_server(order.name, order.settings)) as client:
            tools = await client.list_tools()
            found = [[f"tool `{one.name}`", _first(one.description)] for one in tools]
            found += [[f"resource `{one.uri}`", _first(one.description)] for one in await client.list_resources()]
            places = await client.list_resource_templates()
            found += [[f"template `{one.uri_template}`", _first(one.description)] for one in places]
            found += [[f"prompt `{one.name}`", _first(one.description)] for one in await client.list_prompts()]
            return iter(found)

    with tempfile.TemporaryDirectory() as home:
        before = os.environ.get("XDG_DATA_HOME")
        os.environ["XDG_DATA_HOME"] = home  # what a server keeps of itself is not to be kept for a page
        try:
            return rows(["offered", "for what"], asyncio.run(asked(home)))
        finally:
            os.environ.pop("XDG_DATA_HOME") if before is None else os.environ.update(XDG_DATA_HOME=before)


def _arguments(name: str, place: str) -> list[str]:
    """Return what a server needs to be started with, made in an empty folder."""
    if name == "git":
        import pygit2

        pygit2.init_repository(place)
    if name == "sql":
        place = f"{place}/empty.db"
        sqlite3.connect(place).close()
    return [place] if name in ("files", "git", "notes", "sql") else []


def _first(text: str | None) -> str:
    """Return the first sentence of a description, fit for a cell."""
    line = " ".join((text or "").split("\n\n")[0].split())
    return (line.partition(". ")[0].rstrip(".") + ".").replace("|", r"\|")


def shelf() -> str:
    """The servers that we ship."""
    from dovetail.servers import SHELF

    def cells(one: Any) -> list[str]:
        return [f"[{one.name}]({one.name}.md)", one.about, f"`{one.extra}`" if one.extra else "none"]

    return rows(["server", "for what", "extra"], map(cells, SHELF.values()))


def block(*words: str) -> str:
    """What to paste into a client's configuration, so that it starts a server: in the two spellings that there are."""
    entry = {"command": "dovetail", "args": ["serve", *words]}
    common = json.dumps({"mcpServers": {words[0]: entry}}, indent=2)
    code = json.dumps({"servers": {words[0]: {"type": "stdio", **entry}}}, indent=2)
    return (
        "Claude Desktop (`claude_desktop_config.json`), Claude Code (`.mcp.json`), Cursor (`.cursor/mcp.json`):\n\n"
        f"```json\n{common}\n```\n\nVS Code (`.vscode/mcp.json`):\n\n```json\n{code}\n```"
    )


TABLES: dict[str, Callable[..., str]] = {
    "options": options,
    "limits": limits,
    "tree": tree,
    "degrade": degrade,
    "metrics": metrics,
    "revisions": revisions,
    "dialects": dialects,
    "requirements": requirements,
    "serve": serve,
    "offered": offered,
    "block": block,
    "shelf": shelf,
    "command": lambda *words: command(" ".join(words)),
    "visiting": lambda: rows(["option", "meaning"], visiting()),
}


def main(arguments: list[str]) -> int:
    """Weave, or check."""
    stale = [page for page in pages() if woven(page) != page.read_text(encoding="utf-8")]
    if "--check" in arguments:
        for page in stale:
            sys.stderr.write(f"{page.relative_to(ROOT)} is not what the code says: run make docs\n")
        return 1 if stale else 0
    for page in stale:
        page.write_text(woven(page), encoding="utf-8")
        sys.stdout.write(f"wrote {page.relative_to(ROOT)}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
