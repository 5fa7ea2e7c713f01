"""A configured time zone -> what Python knows under that name."""

from __future__ import annotations

from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from tieout.errors import BadInput, Problem


def zone_of(name: str, place: str) -> ZoneInfo:
    """The zone of that name.

    Raises:
        BadInput: There is none; *place* is the setting.
    """
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError):
        raise BadInput(
            [Problem("configuration", place, "no time zone", 'write one such as "America/New_York"')]
        ) from None
