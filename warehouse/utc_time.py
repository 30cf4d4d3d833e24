"""The current time as the tables have it: UTC, without a time zone."""

from datetime import UTC, datetime


def get_utc_now() -> datetime:
    """Return the current time in UTC, without a time zone."""
    return datetime.now(UTC).replace(tzinfo=None)
