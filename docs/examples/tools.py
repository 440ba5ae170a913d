"""Tools: what they take, what they return, how they fail, and what they may cost."""

import asyncio
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Annotated, Any, Literal

from msgspec import Meta

from dovetail import Cache, Context, File, Header, Icon, Image, Server, ToolAnnotations, ToolError
from dovetail.wire import CallToolResult, ResourceLink, TextContent

app = Server("shop")


# region types
class Size(Enum):
    SMALL = "s"
    LARGE = "l"


@dataclass
class Line:
    """One thing that is ordered.

    Attributes:
        sku: Its number in the catalogue.
        amount: How many, 1 to 99.
    """

    sku: str
    amount: Annotated[int, Meta(ge=1, le=99)] = 1


@app.tool
def price(
    lines: list[Line],
    size: Size = Size.SMALL,
    currency: Literal["EUR", "USD"] = "EUR",
    note: Annotated[str | None, "What the customer wrote."] = None,
) -> float:
    """Tell what an order costs.

    Args:
        lines: What is ordered.
        size: Of the parcel.
    """
    return sum(line.amount for line in lines) * (2.5 if size is Size.SMALL else 4.0)


# endregion


# region results
@dataclass
class Parcel:
    """Where a parcel is."""

    id: str
    place: str
    days: int


@app.tool
async def track(parcel_id: str) -> Parcel:
    """Find a parcel."""
    return Parcel(parcel_id, "Hamburg", 2)


@app.tool
def label(parcel_id: str) -> list[str | Image | File | ResourceLink]:
    """Make a label: text, a picture, a file and a link, in this order."""
    return [
        f"Label of {parcel_id}",
        Image(Path(__file__).with_name("dot.png")),
        File(b"id,place\n1,Hamburg\n", "text/csv", name="route.csv"),
        ResourceLink(uri=f"parcel://{parcel_id}", name=parcel_id),
    ]


@app.tool
def weigh(grams: int) -> CallToolResult:
    """Weigh a parcel; made by hand, `_meta` and all."""
    return CallToolResult(content=[TextContent(text=f"{grams} g")], meta={"example.com/scale": 3})


# endregion


# region describe
@app.tool(
    name="cancel-order",
    title="Cancel an order",
    annotations=ToolAnnotations(destructive_hint=True, idempotent_hint=True),
    icons=[Icon(src="https://example.com/cancel.png", mime_type="image/png")],
    cache=Cache(seconds=0),
    version="2.1",
    tags=["orders"],
    meta={"example.com/team": "orders"},
)
def cancel_order(order_id: str) -> str:
    """Cancel an order that was not sent yet."""
    return f"Cancelled {order_id}"


# endregion


# region errors
@app.tool
def refund(order_id: str) -> str:
    """Pay an order back."""
    if not order_id.startswith("ORD-"):
        raise ToolError("An order's id looks like ORD-1042. Ask the user for it.")
    raise RuntimeError("the bank at 10.0.0.7 is down")  # an accident: nobody outside reads this


# endregion


# region limits
@app.tool(timeout=0.05, limit="100/m burst 20", concurrency=2)
async def report() -> str:
    """Write a report: at most 50 ms, two at a time, and 100 a minute for each caller."""
    await asyncio.Event().wait()
    return "never"


# endregion


# region repair
@app.tool
def pick(ids: list[int], exact: bool = False) -> str:
    """Pick things."""
    return f"Picked {ids}{' exactly' if exact else ''}"


@app.tool(repair=False)
def pick_strictly(ids: list[int]) -> str:
    """Pick things, and take no text for a list."""
    return f"Picked {ids}"


# endregion


# region verbatim
SEARCH = {
    "type": "object",
    "properties": {"query": {"type": "string", "minLength": 1}, "limit": {"type": "integer", "maximum": 50}},
    "required": ["query"],
    "additionalProperties": False,
}


@app.tool(input_schema=SEARCH, output_schema={"type": "object", "required": ["hits"]})
def search(query: str, limit: int = 10) -> dict[str, Any]:
    """Search, by a schema that stood somewhere already."""
    return {"hits": [query] * min(limit, 2)}


# endregion


# region headers
@app.tool
async def stock(region: Annotated[str, Header("Region")], sku: str) -> int:
    """Tell how many are in stock; a gateway routes by the region without reading the body."""
    return 7


# endregion


# region progress
@app.tool
async def pack(parcels: int, ctx: Context) -> str:
    """Pack parcels."""
    for done in range(1, parcels + 1):
        await ctx.progress(done, parcels, f"Packed {done}")
    await ctx.log.info({"packed": parcels})
    return f"Packed {parcels}"


@app.tool
def shred(pages: int, ctx: Context) -> str:
    """Shred pages in a thread; stop when nobody wants it any more."""
    for page in range(pages):
        if ctx.cancelled:
            return f"Stopped at page {page}"
    return f"Shredded {pages}"


# endregion


# region change
def wrap(order_id: str) -> str:
    """Wrap an order as a gift."""
    return f"Wrapped {order_id}"


@app.tool
def season(open: bool) -> str:
    """Open or close the season: every client hears that there is a tool more, or less."""
    if open:
        app.add_tool(wrap)
    else:
        app.remove_tool("wrap")
    return "done"


# endregion

if __name__ == "__main__":
    app.run()
