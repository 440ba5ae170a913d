"""What can be set about the weather server. A key is no setting: see `key`."""

from typing import Annotated, Literal

import msgspec
from msgspec import Meta


class Settings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Settings of `dovetail serve weather`."""

    units: Annotated[
        Literal["metric", "imperial"], Meta(description="Where a call does not say: °C and km/h, or °F and mph.")
    ] = "metric"
    user_agent: Annotated[
        str | None,
        Meta(
            description="Sent to the services; the National Weather Service asks for a way to reach you.",
            extra={"metavar": "TEXT"},
        ),
    ] = None
    no_keyring: Annotated[
        bool, Meta(description="Look for OpenWeather's key in the environment only, not in the system's keyring.")
    ] = False
    nws_url: Annotated[str, Meta(description="Where the National Weather Service is.", extra={"metavar": "URL"})] = (
        "https://api.weather.gov"
    )
    openweather_url: Annotated[str, Meta(description="Where OpenWeather is.", extra={"metavar": "URL"})] = (
        "https://api.openweathermap.org"
    )
    use_proxy: Annotated[bool, Meta(description="Go through the proxy that the environment names.")] = False
    seconds: Annotated[
        float, Meta(description="For an answer, with all attempts.", gt=0, le=120, extra={"metavar": "SECONDS"})
    ] = 20.0
    attempts: Annotated[
        int, Meta(description="Attempts at what may only have failed for now.", ge=1, le=10, extra={"metavar": "COUNT"})
    ] = 4
    pause: Annotated[
        float,
        Meta(description="The longest pause after the first attempt; doubled each time.", ge=0, le=10,
             extra={"metavar": "SECONDS"}),
    ] = 0.5  # fmt: skip
    cache_entries: Annotated[
        int, Meta(description="Answers that are kept; 0 for none.", ge=0, le=10_000, extra={"metavar": "COUNT"})
    ] = 500
