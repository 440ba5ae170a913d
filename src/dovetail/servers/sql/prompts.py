"""What a person asks of a database."""

from dovetail import Context, Server
from dovetail.servers.sql.answers import Table
from dovetail.servers.sql.database import Database
from dovetail.servers.sql.resources import schema

MOST = 40
"""Tables whose columns stand in a prompt."""


def offer(app: Server) -> None:
    """Offer them."""

    @app.prompt(title="Answer a question from the database")
    async def answer(question: str, ctx: Context) -> str:
        """Answer a question with what the database holds, and show how the answer was found.

        Args:
            question: In plain words, such as: which airline was late most often in March?
        """
        return (
            f"Answer this question from the database: {question}\n\n{await _outline(ctx.lifespan.database)}\n\n"
            "Look at a few rows before you rely on what a column seems to mean. Let the database count, sum and sort. "
            "Bind values as parameters. When the data cannot answer the question, say what is missing. Give the answer "
            "first, then the statement that it comes from, and say what you took for granted."
        )

    @app.prompt(title="Explore the database")
    async def explore(ctx: Context, focus: str = "") -> str:
        """Get to know a database: what it is about, how its tables belong together, what looks odd.

        Args:
            focus: A table or a subject to look at more closely; empty for all.
        """
        about = f" Look most closely at: {focus}." if focus else ""
        return (
            f"Explore this database and tell me what it is about.{about}\n\n{await _outline(ctx.lifespan.database)}\n\n"
            "For the tables that matter find the number of rows, the span of dates and numbers, the commonest values, "
            "and what is missing or implausible; a few small queries for each are enough. Then describe in one page: "
            "the subject, how the tables belong together, what can be asked of them, what to be careful with, and "
            "three questions worth asking, each with its statement."
        )


async def _outline(database: Database) -> str:
    found = await schema(database, MOST)
    lines = [f"{database.title}; its tables:", *(_line(table) for table in found.tables), *found.notes]
    return "\n".join(lines)


def _line(table: Table) -> str:
    columns = ", ".join(f"{column.name} {column.type}".strip() for column in table.columns[:60])
    keys = f"; key {', '.join(table.primary_key)}" if table.primary_key else ""
    refers = "".join(f"; {', '.join(key.columns)} refers to {key.table}" for key in table.foreign_keys)
    return f"- {table.name} ({columns}){keys}{refers}"
