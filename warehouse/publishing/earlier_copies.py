"""Published copies that are kept beside the live one, to compare lists with."""

import re
from collections.abc import Sequence
from datetime import UTC, datetime

from warehouse.publishing.live_copy import PublishedCopy
from warehouse.settings import Settings

COPY_NAME_PATTERN = re.compile(r"recomart-(\d{8})-(\d{8}T\d{12})Z\.duckdb")


def list_earlier_copies(settings: Settings, live: PublishedCopy) -> Sequence[PublishedCopy]:
    """Return the kept copies from before the live one, the newest first, without their provenance."""
    numbered_copies = []
    live_number = _parse_name(live.file)
    for path in settings.serving_dir.glob("recomart-*.duckdb"):
        name = _parse_name(path.name)
        if name and live_number and name < live_number:
            numbered_copies.append((name, PublishedCopy(file=path.name, published_at=name[1], rows={})))
    return [copy for _, copy in sorted(numbered_copies, key=lambda entry: entry[0], reverse=True)]


def _parse_name(file: str) -> tuple[int, datetime] | None:
    """Return the number and the time in the name of a copy; None for a copy of an earlier version of RecoMart."""
    match = COPY_NAME_PATTERN.fullmatch(file)
    if match is None:
        return None
    return int(match[1]), datetime.strptime(match[2], "%Y%m%dT%H%M%S%f").replace(tzinfo=UTC)
