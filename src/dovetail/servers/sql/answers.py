"""What the tools return. Data only; a `Cell` is what JSON has words for."""

from msgspec import Struct

Cell = str | int | float | bool | None


class Page(Struct, omit_defaults=True):
    """Rows of a query.

    Attributes:
        columns: Names, in order; two columns may have the same.
        rows: A list of values for each row, in the order of the columns.
        next_cursor: Pass it as `cursor`, with the same statement and parameters, for the rows after these.
        notes: What was cut, and how to get at it.
    """

    columns: list[str]
    rows: list[list[Cell]]
    next_cursor: str | None = None
    notes: list[str] = []


class TableName(Struct, omit_defaults=True):
    """One table or view.

    Attributes:
        name: As it is written in a statement; with its schema, where it needs that.
        kind: `table`, `view` or what else it is.
        rows: How many, by the database's own estimate.
        comment: What its owner says of it.
    """

    name: str
    kind: str
    rows: int | None = None
    comment: str | None = None


class TableList(Struct, omit_defaults=True):
    """Tables and views.

    Attributes:
        database: What kind of SQL to write.
        tables: Sorted by name.
        notes: What was left out.
    """

    database: str
    tables: list[TableName]
    notes: list[str] = []


class Column(Struct, omit_defaults=True):
    """One column.

    Attributes:
        name: As it is written in a statement.
        type: In the database's words; empty where SQLite has none.
        nullable: It may be NULL.
        default: An expression in SQL.
        generated: Its value is computed and cannot be set.
        comment: What its owner says of it.
    """

    name: str
    type: str
    nullable: bool = True
    default: str | None = None
    generated: bool = False
    comment: str | None = None


class ForeignKey(Struct):
    """Columns that refer to those of another table."""

    columns: list[str]
    table: str
    references: list[str]


class Index(Struct, omit_defaults=True):
    """An index: what can be looked up fast."""

    name: str
    columns: list[str]
    unique: bool = False


class Table(Struct, omit_defaults=True):
    """A table or view with its columns.

    Attributes:
        name: As it is written in a statement.
        kind: `table`, `view` or what else it is.
        columns: In order.
        primary_key: Names of its columns.
        foreign_keys: What its columns refer to.
        indexes: What can be looked up fast.
        comment: What its owner says of it.
    """

    name: str
    kind: str
    columns: list[Column]
    primary_key: list[str] = []
    foreign_keys: list[ForeignKey] = []
    indexes: list[Index] = []
    comment: str | None = None


class Schema(Struct, omit_defaults=True):
    """All tables with their columns."""

    database: str
    tables: list[Table]
    notes: list[str] = []


class Changed(Struct):
    """What a change did.

    Attributes:
        table: Which table.
        rows: How many rows were inserted, updated or deleted.
    """

    table: str
    rows: int
