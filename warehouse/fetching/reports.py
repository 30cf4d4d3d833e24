"""TODO."""

from dataclasses import dataclass, field
from typing import NamedTuple


class FetchProgress(NamedTuple):
    """How far a fetch is."""

    feed: str
    pass_number: int
    page_count: int
    record_count: int
    total_count: int | None
    """Records in all, where the service tells."""

    wait_reason: str = ""
    """Why the fetch waits, if it does."""


@dataclass
class FeedFetchReport:
    """What one fetch did for one feed."""

    record_count: int
    file: str
    """The file that holds them, relative to the landing folder."""

    is_new: bool
    """False where the newest fetched file holds the very same records, so that no other was written."""

    pass_count: int
    request_count: int
    resumed_page_count: int
    """Pages that an earlier, broken-off fetch had read and that were not asked for again."""

    seconds: float


@dataclass
class FetchReport:
    """What one fetch did."""

    feeds: dict[str, FeedFetchReport] = field(default_factory=dict)
    seconds: float = 0.0
