"""TODO."""

from dataclasses import dataclass, field
from typing import NamedTuple


class FetchProgress(NamedTuple):
    """How far a fetch is."""

    feed: str
    reading: int
    pages: int
    records: int
    total: int | None
    """Records in all, where the service tells."""

    waiting: str = ""
    """Why the fetch waits, if it does."""


@dataclass
class FetchedFeed:
    """What one fetch did for one feed."""

    records: int
    file: str
    """The file that holds them, relative to the landing folder."""

    is_new: bool
    """False where the newest fetched file holds the very same records, so that no other was written."""

    readings: int
    requests: int
    resumed_pages: int
    """Pages that an earlier, broken-off fetch had read and that were not asked for again."""

    seconds: float


@dataclass
class FetchReport:
    """What one fetch did."""

    feeds: dict[str, FetchedFeed] = field(default_factory=dict)
    seconds: float = 0.0
