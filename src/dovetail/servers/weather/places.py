"""Where: coordinates and states, checked. No I/O."""

import math
from decimal import Decimal
from typing import Final

import msgspec

from dovetail.errors import ToolError

STATES: Final[dict[str, str]] = {
    "AL": "Alabama", "AK": "Alaska", "AZ": "Arizona", "AR": "Arkansas", "CA": "California", "CO": "Colorado",
    "CT": "Connecticut", "DE": "Delaware", "DC": "District of Columbia", "FL": "Florida", "GA": "Georgia",
    "HI": "Hawaii", "ID": "Idaho", "IL": "Illinois", "IN": "Indiana", "IA": "Iowa", "KS": "Kansas", "KY": "Kentucky",
    "LA": "Louisiana", "ME": "Maine", "MD": "Maryland", "MA": "Massachusetts", "MI": "Michigan", "MN": "Minnesota",
    "MS": "Mississippi", "MO": "Missouri", "MT": "Montana", "NE": "Nebraska", "NV": "Nevada", "NH": "New Hampshire",
    "NJ": "New Jersey", "NM": "New Mexico", "NY": "New York", "NC": "North Carolina", "ND": "North Dakota",
    "OH": "Ohio", "OK": "Oklahoma", "OR": "Oregon", "PA": "Pennsylvania", "RI": "Rhode Island",
    "SC": "South Carolina", "SD": "South Dakota", "TN": "Tennessee", "TX": "Texas", "UT": "Utah", "VT": "Vermont",
    "VA": "Virginia", "WA": "Washington", "WV": "West Virginia", "WI": "Wisconsin", "WY": "Wyoming",
    "AS": "American Samoa", "GU": "Guam", "MP": "Northern Mariana Islands", "PR": "Puerto Rico",
    "VI": "Virgin Islands",
    "AM": "Western North Atlantic Ocean, south of North Carolina", "AN": "Western North Atlantic Ocean, north of North "
    "Carolina", "GM": "Gulf of Mexico", "LC": "Lake St. Clair", "LE": "Lake Erie", "LH": "Lake Huron",
    "LM": "Lake Michigan", "LO": "Lake Ontario", "LS": "Lake Superior", "PH": "Central Pacific Ocean, Hawaii",
    "PK": "North Pacific Ocean, Alaska", "PM": "Western Pacific Ocean", "PS": "South Central Pacific Ocean",
    "PZ": "Eastern North Pacific Ocean", "SL": "St. Lawrence River",
}  # fmt: skip
"""The areas that alerts are for: states, territories and waters, by their codes."""
_CODES: Final = {name.lower(): code for code, name in STATES.items()}
_PRECISION: Final = Decimal("0.0001")
"""About eleven metres; the service takes no more."""


class Point(msgspec.Struct, frozen=True):
    """A place on Earth: degrees north and east, with four decimals at most, as text."""

    latitude: str
    longitude: str

    @property
    def path(self) -> str:
        """As the services write it."""
        return f"{self.latitude},{self.longitude}"


def point(latitude: float, longitude: float) -> Point:
    """Check coordinates.

    Raises:
        ToolError: They are none; the text says what is expected.
    """
    return Point(_degrees(latitude, 90, "latitude"), _degrees(longitude, 180, "longitude"))


def area(state: str) -> str:
    """Return the code of a state, a territory or a water, from its code or name.

    Raises:
        ToolError: There is none.
    """
    text = " ".join(state.split()).lower()
    code = text.upper() if text.upper() in STATES else _CODES.get(text)
    if code is None:
        raise ToolError("No such state: give its two letters, such as CA, or its English name. Alerts are for the US")
    return code


def suggested(typed: str) -> list[str]:
    """Suggest codes for what somebody types: a code's beginning, or that of a name."""
    text = typed.strip().lower()
    codes = [code for code in STATES if code.lower().startswith(text)]
    return codes + [code for code, name in STATES.items() if name.lower().startswith(text) and code not in codes]


def _degrees(value: float, most: int, name: str) -> str:
    if not math.isfinite(value) or not -most <= value <= most:
        raise ToolError(
            f"{name}: expected degrees from -{most} to {most}, such as {'38.8894' if most == 90 else '-77.0352'}"
        )
    text = f"{Decimal(repr(float(value))).quantize(_PRECISION):f}".rstrip("0").rstrip(".")
    return "0" if text in ("-0", "") else text
