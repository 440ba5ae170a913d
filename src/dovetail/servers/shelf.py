"""What is on the shelf: each server by its name, what can be set, and how it is made.

Nothing of a server is loaded before it is asked for, and of one that is asked for help only its settings.
"""

from collections.abc import Mapping
from importlib import import_module
from typing import Any, Final, cast

import msgspec

from dovetail import Server
from dovetail.errors import DefinitionError


class Shelved(msgspec.Struct, frozen=True):
    """A server that we ship.

    Attributes:
        name: As in `dovetail serve NAME`.
        about: What it is for, in one line.
        extra: The extra of the distribution that it needs; empty when it needs none.
    """

    name: str
    about: str
    extra: str = ""


SHELF: Final[Mapping[str, Shelved]] = {
    one.name: one
    for one in (
        Shelved("files", "Read, search, edit and watch files below folders that you name.", "files"),
        Shelved("git", "Look into a repository: history, differences, blame, files at any revision.", "git"),
        Shelved("sql", "Ask an SQLite or PostgreSQL database; nothing is changed unless you allow it.", "sql"),
        Shelved("memory", "A knowledge graph that models keep: entities, relations, observations."),
        Shelved("notes", "Markdown notes in a folder: write, find and change them, and lose none.", "notes"),
        Shelved("fetch", "Web pages as Markdown, and never anything of your own network.", "fetch"),
        Shelved("weather", "Forecasts and alerts of the National Weather Service, and of OpenWeather with a key."),
        Shelved("calculator", "Exact arithmetic, units and equations.", "calculator"),
        Shelved("everything", "Each feature of the protocol once, for those who build clients."),
    )
}


class Setting(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that can be set.

    Attributes:
        name: Of the field, such as `read_only`.
        about: One sentence.
        metavar: What its value is called; empty for one that is said or not said.
        argument: Whether it is given by its place, not by its name.
        many: Whether it takes any number of values.
        choices: All values that it may have; empty for any.
        default: What holds without it; None for nothing.
        required: Whether it must be given.
    """

    name: str
    about: str
    metavar: str = ""
    argument: bool = False
    many: bool = False
    choices: tuple[str, ...] = ()
    default: str | int | float | None = None
    required: bool = False


def on_shelf(name: str) -> Shelved:
    """Return the server of a name.

    Raises:
        DefinitionError: There is none; the text names those that there are.
    """
    found = SHELF.get(name)
    if found is None:
        from difflib import get_close_matches

        close = get_close_matches(name, SHELF, 1)
        meant = f"did you mean {close[0]}?" if close else f"there are {', '.join(SHELF)}"
        raise DefinitionError(f"There is no server {name[:64]!r}; {meant}")
    return found


def settings_of(name: str) -> list[Setting]:
    """Return what can be set about a server, in the order of its record.

    Raises:
        DefinitionError: There is no such server.
    """
    from msgspec import inspect

    described = inspect.type_info(_record(name))
    return [_setting(field) for field in cast("inspect.StructType", described).fields]


def make_server(name: str, given: Mapping[str, Any]) -> Server:
    """Return a server that is set as given.

    Args:
        name: As in `SHELF`.
        given: Values by the names of its settings; texts are read as what the setting is.

    Raises:
        DefinitionError: No such server, a setting that it cannot have, or an extra that is not installed.
    """
    shelved = on_shelf(name)
    try:
        settings = msgspec.convert(given, _record(name), strict=False)
    except msgspec.ValidationError as error:
        raise DefinitionError(f"{name}: {_explained(str(error))}") from None
    try:
        server: Server = import_module(f"{_ROOM}.{name}").make(settings)
    except ModuleNotFoundError as error:
        if not shelved.extra or (error.name or "").startswith("dovetail"):
            raise
        raise DefinitionError(
            f'`{name}` needs the "{shelved.extra}" extra: pip install "dovetail-mcp[{shelved.extra}]"'
        ) from None
    return server


_ROOM: Final = "dovetail.servers"


def _record(name: str) -> type[msgspec.Struct]:
    return cast("type[msgspec.Struct]", import_module(f"{_ROOM}.{on_shelf(name).name}").Settings)


def _setting(field: Any) -> Setting:
    from msgspec import inspect

    kind: Any = field.type
    told: Mapping[str, Any] = {}
    extra: Mapping[str, Any] = {}
    if isinstance(kind, inspect.Metadata):
        kind, told, extra = kind.type, kind.extra_json_schema or {}, kind.extra or {}
    if isinstance(kind, inspect.UnionType):  # with None
        kind = next(each for each in kind.types if not isinstance(each, inspect.NoneType))
    choices = tuple(map(str, kind.values)) if isinstance(kind, inspect.LiteralType) else ()
    default = field.default if isinstance(field.default, str | int | float) else None
    flag = isinstance(kind, inspect.BoolType)
    word = extra.get("argument") or extra.get("metavar") or ("|".join(choices) or field.name.upper())
    return Setting(
        name=field.name,
        about=told.get("description", ""),
        metavar="" if flag else word,
        argument="argument" in extra,
        many=isinstance(kind, inspect.VarTupleType | inspect.ListType),
        choices=choices,
        default=None if flag or default == "" else default,
        required=bool(field.required),
    )


def _explained(told: str) -> str:
    """Return what msgspec says of a record, with the setting before it: `page_size: expected `int` >= 1`."""
    what, _, where = told.partition(" - at `$.")
    name = where.rstrip("`").partition("[")[0]
    what = what[:1].lower() + what[1:]
    return f"{name}: {what}" if name else what
