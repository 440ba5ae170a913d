"""What a model reads when PostgreSQL refuses. Sans-I/O; details, which may hold values, are left out."""

from collections.abc import Iterable
from re import search
from typing import Any, Final

from dovetail.errors import ToolError, quote
from dovetail.servers.sql.names import unknown

_REACH = "The database cannot be reached now. Try again later; its owner finds the reason in this server's log."


NUL: Final = (
    "A value has a NUL character in it, which no text of PostgreSQL can hold. Leave it out, or write bytes in "
    "hexadecimal as a text, '\\x6100', for a column or a cast of type bytea."
)


def late(seconds: float) -> ToolError:
    """Say that a statement took too long."""
    return ToolError(
        f"The statement ran longer than {seconds:g} seconds and was stopped. Narrow it down with WHERE, look at its "
        "plan with explain, or aggregate less."
    )


def unreachable() -> ToolError:
    """Say that there is no connection."""
    return ToolError(_REACH)


def busy(connections: int) -> ToolError:
    """Say that others use all connections."""
    return ToolError(
        f"All {connections} connections to the database are busy with other calls. Try again in a moment; if it is "
        "often so, the user can start this server with a larger --connections."
    )


def explained(
    error: Any, seconds: float, columns: Iterable[str] = (), tables: Iterable[str] = (), shift: int = 0, sql: str = ""
) -> ToolError:
    """Return the error for the model.

    Args:
        error: A `psycopg.Error`.
        seconds: That the statement had.
        columns: Those that are to be had, for a name that is not known.
        tables: The same of tables.
        shift: Characters that stand before the statement in what was run.
        sql: The statement, if it was run as it was written.
    """
    state = getattr(error, "sqlstate", None) or ""
    diagnosed = getattr(error, "diag", None)
    message = getattr(diagnosed, "message_primary", None) or ""
    if state == "57014":
        return late(seconds)
    if not state and _unbound(error):
        return ToolError(NUL if "NUL" in str(error) else f"A value cannot be bound: {quote(str(error), 200)}.")
    if not state or state.startswith(("08", "57", "28")):
        return unreachable()
    if state == "42703" and (found := search(r'column (?:"?\w+"?\.)?"?([^"]+?)"? (?:of|does)', message)):
        return ToolError(unknown("column", found[1], columns, "describe_table shows the columns."))
    if state == "42P01" and (found := search(r'relation "(.+)" does not exist', message)):
        return ToolError(unknown("table", found[1], tables, "list_tables shows what there is."))
    if said := _SAID.get(state) or _SAID.get(state[:2]):
        return ToolError(said.format(message=quote(message, 220)))
    hint = getattr(diagnosed, "message_hint", None) or ""
    if state == "42883" and message.startswith("operator does not exist"):
        hint = _UNLIKE
    said = f"PostgreSQL refused: {quote(message, 220)}{_place(diagnosed, shift, sql)}."
    return ToolError(f"{said} {hint[:160]}".rstrip())


def _unbound(error: Any) -> bool:
    """Tell whether the driver refused before it sent anything: what it was given fits no type."""
    from psycopg import DataError, NotSupportedError, ProgrammingError

    return isinstance(error, DataError | NotSupportedError | ProgrammingError)


_UNLIKE = (
    "Values and columns that are compared need types that fit: give a text to compare with a text column, or cast."
)
_READS = "Only reading is possible in a statement. To change rows use insert, update or delete."
_SAID = {
    "25006": _READS,
    "25001": _READS,
    "42501": "This server's database user may not do that: use what list_tables shows.",
    "55P03": "The rows are locked by somebody else. Try again in a moment.",
    "53": "The database has not enough memory, space or connections for this. Select less.",
    "23": "Nothing was changed, the database has a rule against it: {message}",
}
"""By SQLSTATE, or by its class."""


def _place(diagnosed: Any, shift: int, sql: str) -> str:
    found = getattr(diagnosed, "statement_position", None)
    at = int(found) - 1 - shift if found and str(found).isdigit() else -1
    if not sql or not 0 <= at < len(sql):
        return ""
    line = sql.count("\n", 0, at) + 1
    return f" at line {line}, column {at - (sql.rfind(chr(10), 0, at))}"
