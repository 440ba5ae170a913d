"""Who may do what, what is limited, and which keys seal."""

from collections.abc import Mapping
from typing import Any

from dovetail import Context, Limits, Principal, Server
from dovetail.store import FixedKeys, Handles, MemoryStores, SqliteStores

# region identify
TOKENS = {b"Bearer alice-s-token": Principal(key="alice", bucket="alice", scopes=frozenset({"orders:write"}))}


def identify(scope: Any, headers: Mapping[bytes, bytes]) -> Principal | None:
    """Say who calls, from what your proxy or your own check established; None is a stranger without scopes."""
    return TOKENS.get(headers.get(b"authorization", b""))


# endregion

# region server
stores = MemoryStores()

app = Server(
    "orders",
    identify=identify,
    stores=stores,
    rate="50/s burst 100",
    limits=Limits(body=64 * 1024, rounds=3, session_seconds=600),
    single_use=True,
)
# endregion


# region scopes
@app.tool(scopes=["orders:write"])
async def cancel(order_id: str, ctx: Context) -> str:
    """Cancel an order: who lacks the scope neither sees this tool nor can call it."""
    return f"{ctx.principal.key} cancelled {order_id}"


@app.tool
async def whoami(ctx: Context) -> str:
    """Say who calls."""
    return ctx.principal.key or "a stranger"


# endregion

# region handles
baskets = Handles(stores.ledger, ttl=600)


@app.tool
async def open_basket(ctx: Context) -> str:
    """Begin a basket; the handle is worth nothing to anybody else."""
    return await baskets.create(ctx.principal.key, b"empty")


@app.tool
async def look_into(basket: str, ctx: Context) -> str:
    """Look into a basket."""
    return (await baskets.load(ctx.principal.key, basket)).decode()


# endregion


# region keys
def stores_in(directory: str) -> SqliteStores:
    """Keep everything in a directory, and the keys in a secret of the environment."""
    return SqliteStores(directory, keys=FixedKeys.from_environment("ORDERS_KEYS"))


# endregion

if __name__ == "__main__":
    app.run("http")
