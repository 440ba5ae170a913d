"""A tool that asks in the middle of its work."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Annotated, Literal

from dovetail import Ask, Context, Depends, Server

app = Server("travel")


# region elicit
@dataclass
class Trip:
    """What the traveller fills in."""

    days: int = 3
    train: bool = True


@app.tool
async def book(city: str, ctx: Context) -> str:
    """Book a trip."""
    answer = await ctx.elicit(f"How should we go to {city}?", Trip)
    if answer.declined:
        return "The traveller would rather stay."
    if answer.cancelled:
        return "Nobody answered."
    return f"{answer.value.days} days in {city} by {'train' if answer.value.train else 'plane'}"


# endregion


# region forms
@app.tool
async def seat(ctx: Context) -> str:
    """Ask for one value, and for a bare yes."""
    row = await ctx.elicit("Which row?", int)
    side = await ctx.elicit("Window or aisle?", Literal["window", "aisle"])
    sure = await ctx.elicit("Shall I reserve it?")
    if not (row.accepted and side.accepted and sure.accepted):
        return "Nothing reserved."
    return f"Reserved row {row.value}, {side.value}"


# endregion


# region url
@app.tool
async def pay(ctx: Context, trip: int = 7) -> str:
    """Let the user pay, out of the client's and the model's sight."""
    visit = await ctx.elicit_url("Please pay the trip", f"https://pay.example.com/{trip}", visit=f"trip-{trip}")
    return "Please pay there; the trip is booked then." if visit.accepted else "Not booked."


def paid(trip: int) -> None:
    """Your web page calls this, from any thread, when the money is there."""
    app.complete_url(f"trip-{trip}")


# endregion


# region model
@app.tool
async def postcard(city: str, ctx: Context) -> str:
    """Ask the client's model, and where the client works."""
    written = await ctx.sample(f"Write a postcard from {city}.", max_tokens=200, system_prompt="Be brief.")
    roots = await ctx.roots()
    return f"{written.model} wrote; save it in {roots[0].uri}"


# endregion


# region once
def charge(city: str, amount: int) -> str:
    """Charge a card; it must not happen twice."""
    CHARGES.append(amount)
    return f"receipt {len(CHARGES)}"


CHARGES: list[int] = []


@app.tool
async def buy(city: str, ctx: Context) -> str:
    """Charge first, ask after: the handler runs again from the top, the charge does not."""
    receipt = await ctx.once("charge", charge, city, 99)
    mail = await ctx.elicit("Send the receipt by mail?")
    return f"{receipt}{', mailed' if mail.accepted else ''}"


# endregion


# region declared
class Agency:
    """Something that is opened for a call and closed after it."""

    def __init__(self) -> None:
        self.log = ["open"]

    def close(self) -> None:
        """End."""
        self.log.append("close")


OPENED: list[Agency] = []


async def agency() -> AsyncIterator[Agency]:
    """Open an agency; what follows the `yield` is done when the turn ends, however it ends."""
    opened = Agency()
    OPENED.append(opened)
    try:
        yield opened
    finally:
        opened.close()


Class = Literal["first", "second"]


@app.tool
async def upgrade(
    travel_class: Annotated[Class, Ask("Which class?")],
    office: Annotated[Agency, Depends(agency)],
) -> str:
    """Upgrade: the question is asked before the function runs, and the function never sees a refusal."""
    return f"{travel_class} class, {office.log[0]}"


# endregion


# region plain
@app.tool
def insure(ctx: Context) -> str:
    """A plain function asks through `ask_sync`; its place in the thread pool is free meanwhile."""
    answer = ctx.ask_sync(ctx.elicit("Insure the luggage?"))
    return "insured" if answer.accepted else "not insured"


# endregion


# region together
@app.tool
async def both(ctx: Context) -> str:
    """Two questions in one round."""
    first, second = await asyncio.gather(ctx.elicit("Meal?", str, key="meal"), ctx.elicit("Drink?", str, key="drink"))
    return f"{first.value}, {second.value}"


# endregion


# region stopped
@app.tool
async def careful(ctx: Context) -> str:
    """Clean up knowing why: `suspended` is not `cancelled`."""
    try:
        answer = await ctx.elicit("Go on?")
        return "went on" if answer.accepted else "stopped"
    finally:
        if ctx.cancelled:
            ENDED.append("the caller gave up: undo")
        elif ctx.suspended:
            ENDED.append("the answer is awaited: the function runs again")


ENDED: list[str] = []

# endregion

if __name__ == "__main__":
    app.run()
