"""The weather server: forecasts and alerts of the National Weather Service, and of OpenWeather with a key."""

from typing import TYPE_CHECKING

from dovetail._lazy import lazy

if TYPE_CHECKING:
    from dovetail.servers.weather.server import make as make
    from dovetail.servers.weather.service import Means as Means
    from dovetail.servers.weather.settings import Settings as Settings

__getattr__, __dir__, __all__ = lazy(__name__, {"server": "make", "service": "Means", "settings": "Settings"})
