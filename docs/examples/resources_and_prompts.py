"""Resources, templates, prompts, and what is suggested while somebody types."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Literal

from dovetail import Cache, Complete, Context, Image, Server
from dovetail.errors import ResourceNotFound
from dovetail.store import open_beneath
from dovetail.wire import PromptMessage, TextContent

app = Server("handbook")

# region resource
HOURS = {"shop": "9 to 17"}


@app.resource("handbook://hours", mime_type="application/json", cache=Cache(seconds=60, scope="public"))
def hours() -> dict[str, str]:
    """When we are open: anything but text and bytes is sent as JSON."""
    return HOURS


@app.resource("handbook://logo", mime_type="image/png", size=67)
def logo() -> bytes:
    """Our logo: bytes travel as base64."""
    return Path(__file__).with_name("dot.png").read_bytes()


# endregion

# region template
PAGES = Path(__file__).parent


@app.resource("page://{+path}", mime_type="text/plain")
def page(path: str) -> str:
    """Read a file below a directory, and never beside it."""
    try:
        with open_beneath(PAGES, path) as file:
            return file.read().decode()
    except FileNotFoundError:
        raise ResourceNotFound(f"page://{path}") from None


# endregion

# region complete
CITIES = {"DE": ["Berlin", "Bonn", "Hamburg"], "FR": ["Lyon", "Paris"]}


def cities(typed: str, settled: Mapping[str, str]) -> list[str]:
    """Suggest cities of the country that is settled already."""
    return [city for city in CITIES.get(settled.get("country", ""), []) if city.startswith(typed)]


@app.resource("weather://{country}/{city}")
def weather(country: Annotated[str, Complete(["DE", "FR"])], city: Annotated[str, Complete(cities)]) -> str:
    """What the weather is like."""
    return f"It rains in {city}, {country}."


# endregion


# region prompt
@app.prompt
def triage(ticket: str, tone: Literal["calm", "brisk"] = "calm") -> str:
    """Sort a ticket.

    Args:
        ticket: What the customer wrote.
    """
    return f"Sort this ticket in a {tone} tone: {ticket}"


@app.prompt(title="Describe a picture")
def describe() -> list[str | Image | PromptMessage]:
    """Several messages: text and pictures are the user's, unless a message says otherwise."""
    return [
        "What is on this picture?",
        Image(Path(__file__).with_name("dot.png")),
        PromptMessage(role="assistant", content=TextContent(text="A dot.")),
    ]


# endregion


# region notify
@app.tool
async def set_hours(text: str, ctx: Context) -> str:
    """Change the hours: who subscribed to them hears of it."""
    HOURS["shop"] = text
    await ctx.notify.resource_updated("handbook://hours")
    return "changed"


@app.tool
async def read_aloud(uri: str, ctx: Context) -> str:
    """Read a resource of this server from inside a tool."""
    result = await ctx.read_resource(uri)
    return f"{len(result.contents)} part"


# endregion

if __name__ == "__main__":
    app.run()
