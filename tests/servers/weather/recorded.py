"""Answers in the shape that the services document, written by hand: GeoJSON of api.weather.gov, JSON of OpenWeather."""

import json
from typing import Any

CONTEXT = [
    "https://geojson.org/geojson-ld/geojson-context.jsonld",
    {"@version": "1.1", "wx": "https://api.weather.gov/ontology#"},
]


def geojson(properties: dict[str, Any]) -> str:
    feature = {"@context": CONTEXT, "id": "https://api.weather.gov/x", "type": "Feature", "geometry": None}
    return json.dumps(feature | {"properties": properties})


POINT = geojson(
    {
        "@id": "https://api.weather.gov/points/38.8894,-77.0352",
        "@type": "wx:Point",
        "cwa": "LWX",
        "forecastOffice": "https://api.weather.gov/offices/LWX",
        "gridId": "LWX",
        "gridX": 97,
        "gridY": 71,
        "forecast": "http://169.254.169.254/gridpoints/LWX/97,71/forecast",
        "forecastHourly": "http://169.254.169.254/gridpoints/LWX/97,71/forecast/hourly",
        "relativeLocation": {
            "type": "Feature",
            "geometry": {"type": "Point", "coordinates": [-77.017229, 38.904103]},
            "properties": {
                "city": "Washington",
                "state": "DC",
                "distance": {"unitCode": "wmoUnit:m", "value": 2256.46},
                "bearing": {"unitCode": "wmoUnit:degree_(angle)", "value": 223},
            },
        },
        "timeZone": "America/New_York",
        "radarStation": "KLWX",
    }
)


def period(number: int, temperature: Any, unit: str | None, wind: Any, day: bool = True) -> dict[str, Any]:
    return {
        "number": number,
        "name": "Saturday" if day else "Saturday Night",
        "startTime": f"2026-11-21T{6 + number:02}:00:00-05:00",
        "endTime": f"2026-11-21T{7 + number:02}:00:00-05:00",
        "isDaytime": day,
        "temperature": temperature,
        "temperatureUnit": unit,
        "temperatureTrend": "",
        "probabilityOfPrecipitation": {"unitCode": "wmoUnit:percent", "value": 30 if day else None},
        "windSpeed": wind,
        "windDirection": "NW",
        "icon": "https://api.weather.gov/icons/land/day/rain,30?size=medium",
        "shortForecast": "Chance Rain Showers",
        "detailedForecast": "A chance of rain showers. Partly sunny.",
    }


def forecast(*periods: dict[str, Any]) -> str:
    return geojson(
        {
            "units": "us",
            "forecastGenerator": "BaselineForecastGenerator",
            "generatedAt": "2026-11-21T15:00:00+00:00",
            "updateTime": "2026-11-21T14:39:00+00:00",
            "validTimes": "2026-11-21T08:00:00+00:00/P7DT17H",
            "elevation": {"unitCode": "wmoUnit:m", "value": 6.096},
            "periods": list(periods),
        }
    )


US = forecast(period(1, 50, "F", "10 to 15 mph"), period(2, 32, "F", "5 mph", day=False))
SI = forecast(period(1, 10, "C", "16 to 24 km/h"))
QUANTITIES = forecast(
    period(
        1,
        {"unitCode": "wmoUnit:degC", "value": 10},
        None,
        {"unitCode": "wmoUnit:km_h-1", "minValue": 16.09344, "maxValue": 24.14016},
    )
)
HOURS = forecast(*(period(number, 50 + number, "F", "10 mph") for number in range(1, 13)))


def stations(**names: str) -> str:
    return json.dumps(
        {
            "@context": CONTEXT,
            "type": "FeatureCollection",
            "features": [
                {
                    "id": f"https://api.weather.gov/stations/{station}",
                    "type": "Feature",
                    "geometry": {"type": "Point", "coordinates": [-77.03417, 38.84833]},
                    "properties": {
                        "@type": "wx:ObservationStation",
                        "stationIdentifier": station,
                        "name": name,
                        "timeZone": "America/New_York",
                    },
                }
                for station, name in names.items()
            ],
        }
    )


STATIONS = stations(KDCA="Washington/Reagan National Airport, DC")


def measured(code: str, value: float | None) -> dict[str, Any]:
    return {"unitCode": f"wmoUnit:{code}", "value": value, "qualityControl": "V"}


def observation(**given: Any) -> str:
    return geojson(
        {
            "@type": "wx:ObservationStation",
            "station": "https://api.weather.gov/stations/KDCA",
            "timestamp": "2026-11-21T14:52:00+00:00",
            "textDescription": "Mostly Cloudy",
            "presentWeather": [],
            "temperature": measured("degC", 11.1),
            "dewpoint": measured("degC", 1.7),
            "windDirection": measured("degree_(angle)", 310),
            "windSpeed": measured("km_h-1", 16.56),
            "windGust": measured("km_h-1", None),
            "barometricPressure": measured("Pa", 101_325),
            "visibility": measured("m", 16_093.44),
            "precipitationLastHour": measured("mm", 2.54),
            "relativeHumidity": measured("percent", 52.345),
            "windChill": measured("degC", None),
            "heatIndex": measured("degC", None),
        }
        | given
    )


OBSERVATION = observation()


def alert(event: str, severity: str, status: str = "Actual", **more: Any) -> dict[str, Any]:
    properties = {
        "@id": "https://api.weather.gov/alerts/urn:oid:2.49.0.1.840.0.1",
        "@type": "wx:Alert",
        "id": "urn:oid:2.49.0.1.840.0.1",
        "areaDesc": "Coastal Humboldt; Mendocino Coast",
        "geocode": {"SAME": ["006023"], "UGC": ["CAZ103"]},
        "sent": "2026-11-21T05:00:00-08:00",
        "effective": "2026-11-21T05:00:00-08:00",
        "onset": "2026-11-21T16:00:00-08:00",
        "expires": "2026-11-21T20:00:00-08:00",
        "ends": "2026-11-22T04:00:00-08:00",
        "status": status,
        "messageType": "Alert",
        "category": "Met",
        "severity": severity,
        "certainty": "Likely",
        "urgency": "Expected",
        "event": event,
        "senderName": "NWS Eureka CA",
        "headline": f"{event} issued November 21 by NWS Eureka CA",
        "description": "* WHAT...Southwest winds 20 to 30 mph.\n\n* WHERE...The coast.",
        "instruction": "Secure outdoor objects.",
        "response": "Execute",
    } | more
    return {"id": properties["@id"], "type": "Feature", "geometry": None, "properties": properties}


def alerts(*features: dict[str, Any]) -> str:
    return json.dumps(
        {
            "@context": CONTEXT,
            "type": "FeatureCollection",
            "features": list(features),
            "title": "Current watches, warnings, and advisories",
            "updated": "2026-11-21T15:00:00+00:00",
        }
    )


PROBLEM = json.dumps(
    {
        "correlationId": "1a2b3c",
        "title": "Data Unavailable For Requested Point",
        "type": "https://api.weather.gov/problems/InvalidPoint",
        "status": 404,
        "detail": "Unable to provide data for requested point 48.8566,2.3522",
        "instance": "https://api.weather.gov/requests/1a2b3c",
    }
)
NOW = json.dumps(
    {
        "coord": {"lon": 2.3522, "lat": 48.8566},
        "weather": [{"id": 803, "main": "Clouds", "description": "broken clouds", "icon": "04d"}],
        "base": "stations",
        "main": {"temp": 10.5, "feels_like": 9.25, "temp_min": 9, "temp_max": 11, "pressure": 1013.25, "humidity": 81},
        "visibility": 10000,
        "wind": {"speed": 5, "deg": 200, "gust": 10},
        "rain": {"1h": 0.5},
        "clouds": {"all": 75},
        "dt": 1_795_000_000,
        "sys": {"country": "FR", "sunrise": 1_794_990_000, "sunset": 1_795_020_000},
        "timezone": 3600,
        "id": 2988507,
        "name": "Paris",
        "cod": 200,
    }
)


def step(dt: int, temp: float, low: float, high: float, pop: float, text: str) -> dict[str, Any]:
    return {
        "dt": dt,
        "main": {"temp": temp, "feels_like": temp, "temp_min": low, "temp_max": high, "pressure": 1010, "humidity": 80},
        "weather": [{"id": 500, "main": "Rain", "description": text, "icon": "10d"}],
        "clouds": {"all": 90},
        "wind": {"speed": temp / 2, "deg": 180, "gust": temp},
        "visibility": 10000,
        "pop": pop,
        "sys": {"pod": "d"},
        "dt_txt": "2026-11-18 12:00:00",
    }


MIDNIGHT = 1_795_039_200  # 2026-11-18T23:20 in Paris; the next step is of the day after
STEPS = json.dumps(
    {
        "cod": "200",
        "message": 0,
        "cnt": 3,
        "list": [
            step(MIDNIGHT - 10_800, 10, 8, 12, 0.2, "light rain"),
            step(MIDNIGHT, 6, 5, 7, 0.456, "clear sky"),
            step(MIDNIGHT + 10_800, 4, 3, 5, 1, "snow"),
        ],
        "city": {"id": 2988507, "name": "Paris", "country": "FR", "timezone": 3600, "sunrise": 1, "sunset": 2},
    }
)
UNMEASURED = observation(
    textDescription="",
    **{
        name: measured("x", None)
        for name, value in json.loads(OBSERVATION)["properties"].items()
        if isinstance(value, dict)
    },
)
