"""Files of the published copies: their names, and which earlier ones are kept."""

import re
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

from warehouse.publishing.live_copy import PublishedCopy
from warehouse.settings import Settings

COPY_NAME_PATTERN = re.compile(r"recomart-(\d{8})-(\d{8}T\d{12})Z\.duckdb")
NUMBER_PATTERN = re.compile(r"recomart-(\d{8})-")


def get_copy_number(path: Path) -> int:
    """Return the number in the name of a copy; 0 for the copies of earlier versions of RecoMart."""
    match = NUMBER_PATTERN.match(path.name)
    return int(match[1]) if match else 0


def list_earlier_copies(settings: Settings, live: PublishedCopy) -> Sequence[PublishedCopy]:
    """Return the kept copies from before the live one, the newest first, without their provenance."""
    copies = [
        PublishedCopy(file=path.name, published_at=_get_copy_time(path), rows={})
        for path in _sort_copies(settings.serving_dir)
        if COPY_NAME_PATTERN.fullmatch(path.name) and get_copy_number(path) < get_copy_number(Path(live.file))
    ]
    return copies[::-1]


def delete_old_copies(folder: Path, max_copies: int, live_copy: Path) -> None:
    """Delete all copies but the live one, the `max_copies` newest, and the first one of this week and of the last week.

    The first ones of the weeks answer what changed since last week. With `max_copies` 1, only the live copy is kept.
    """
    copies = _sort_copies(folder)
    kept_copies = {live_copy, *copies[-max_copies:]}
    if max_copies > 1:
        published_at = _get_copy_time(live_copy)
        weeks = {time.isocalendar()[:2] for time in (published_at, published_at - timedelta(days=7))}
        # From the newest to the oldest, so that the first copy of each week stays.
        first_copies = {_get_copy_time(path).isocalendar()[:2]: path for path in reversed(copies)}
        kept_copies |= {path for week, path in first_copies.items() if week in weeks}
    for copy in copies:
        if copy not in kept_copies:
            copy.unlink()


def _sort_copies(folder: Path) -> list[Path]:
    # The time in the name may come from a wrong clock, so it orders only copies without a number.
    return sorted(folder.glob("recomart-*.duckdb"), key=lambda path: (get_copy_number(path), path.name))


def _get_copy_time(path: Path) -> datetime:
    """Return the time in the name of a copy; the first instant for a copy of an earlier version of RecoMart."""
    match = COPY_NAME_PATTERN.fullmatch(path.name)
    if match is None:
        return datetime.min.replace(tzinfo=UTC)
    return datetime.strptime(match[2], "%Y%m%dT%H%M%S%f").replace(tzinfo=UTC)
