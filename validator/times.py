"""pure. Moments as people read them. All are Unix seconds; the zone is passed in."""

from datetime import datetime, tzinfo
from typing import Final

_UNITS: Final = (("day", 86_400), ("hour", 3_600), ("minute", 60), ("second", 1))


def moment(seconds: int, zone: tzinfo | None) -> str:
    """`2026-05-01 09:30:05 CEST`; None is the device's own zone."""
    try:
        when = datetime.fromtimestamp(seconds, zone).astimezone(zone)
    except (OverflowError, ValueError, OSError):
        return "(not a date)"
    return f"{when:%Y-%m-%d %H:%M:%S %Z}"


def age(seconds: int, now: float) -> str:
    """`3 hours ago`: the largest unit that fits; what lies ahead is `in the future`."""
    elapsed = int(now) - seconds
    if elapsed < 0:
        return "in the future"
    for unit, length in _UNITS:
        count = elapsed // length
        if count:
            return f"{count} {unit}{'' if count == 1 else 's'} ago"
    return "just now"
