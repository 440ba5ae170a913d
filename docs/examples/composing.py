"""One server made of parts: a lifespan, middleware, other servers, extensions."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from dovetail import Context, Server, get_context
from dovetail.core import Call


# region lifespan
class Database:
    """Stands for what is expensive to open."""

    def __init__(self) -> None:
        self.open = True

    async def count(self) -> int:
        """Count the orders."""
        return 42


@asynccontextmanager
async def lifespan(server: Server) -> AsyncIterator[Database]:
    """Open the database when the server starts, close it when it ends."""
    database = Database()
    yield database
    database.open = False


app = Server("shop", lifespan=lifespan)


@app.tool
async def orders(ctx: Context) -> int:
    """Count the orders."""
    database: Database = ctx.lifespan
    return await database.count()


# endregion

# region middleware
SEEN: list[str] = []


@app.use
def watched(handler: Any) -> Any:
    """Wrap every call of every method, the lists included."""

    async def handle(call: Call, ctx: Context) -> Any:
        ctx.state["tenant"] = "acme"
        result = await handler(call, ctx)
        SEEN.append(call.method)
        return result

    return handle


@app.tool
async def tenant() -> str:
    """Reach the context without a parameter for it."""
    return str(get_context().state["tenant"])


# endregion

# region mount
billing = Server("billing")


@billing.tool
async def invoice(order_id: str) -> str:
    """Write an invoice."""
    return f"Invoice for {order_id}"


app.mount(billing, prefix="billing")  # offers billing_invoice, and what billing adds later
# endregion


# region extension
async def related(call: Call, ctx: Context) -> dict[str, Any]:
    """Serve a method of ours; its parameters come as a dict."""
    return {"related": [call.params.body["to"]]}


app.extension("com.example/related", {"depth": 1}, {"com.example/related": related})
# endregion


if __name__ == "__main__":
    app.run()
