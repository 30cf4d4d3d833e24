"""Abbreviations of time zones, such as BST, and the offsets that they mean in a feed."""

from collections import defaultdict
from datetime import UTC, datetime
from functools import cache
from zoneinfo import ZoneInfo

UNAMBIGUOUS_OFFSETS = {
    **dict.fromkeys(("Z", "UTC", "UT", "GMT", "WET"), "+00:00"),
    **dict.fromkeys(("CET", "WEST"), "+01:00"),
    **dict.fromkeys(("CEST", "EET", "SAST"), "+02:00"),
    "EEST": "+03:00",
    "JST": "+09:00",
    "AEST": "+10:00",
    "AEDT": "+11:00",
    "NZST": "+12:00",
    "NZDT": "+13:00",
    "EDT": "-04:00",
    "EST": "-05:00",
    "MDT": "-06:00",
    "PDT": "-07:00",
}
"""Offsets of the abbreviations that mean one offset all over the world. CST, IST and BST, for example, do not."""

FIRST_YEAR, LAST_YEAR = 1990, 2037
"""Years whose abbreviations count; plausible times begin in 1990."""


@cache
def find_abbreviations(time_zone: str) -> dict[str, str]:
    """Find the abbreviations that mean one offset in a feed of this time zone; return the offsets by abbreviation.

    The feed's own time zone has precedence. An abbreviation for which it had two offsets is left out.
    """
    zone = ZoneInfo(time_zone)
    offsets: dict[str, set[str]] = defaultdict(set)
    for year in range(FIRST_YEAR, LAST_YEAR + 1):
        for month in (1, 7):
            local_time = datetime(year, month, 1, tzinfo=UTC).astimezone(zone)
            offset = local_time.strftime("%z")
            offsets[local_time.tzname() or ""].add(f"{offset[:3]}:{offset[3:5]}")
    own_offsets = {name: values for name, values in offsets.items() if name.isalpha()}
    return {
        **{name: offset for name, offset in UNAMBIGUOUS_OFFSETS.items() if name not in own_offsets},
        **{name: next(iter(values)) for name, values in own_offsets.items() if len(values) == 1},
    }
