"""The report and the progress of a fetch."""

from dataclasses import dataclass, field
from typing import NamedTuple


class FetchProgress(NamedTuple):
    """Progress of a fetch."""

    feed: str
    pass_number: int
    page_count: int
    record_count: int
    total_count: int | None
    """Total number of records, if the service declares it."""

    wait_reason: str = ""
    """Why the fetch waits before a retry; empty if it does not wait."""


@dataclass
class FeedFetchReport:
    """Counts of one fetch for one feed."""

    record_count: int
    file: str
    """Path of the file with the records, relative to the landing folder."""

    is_new: bool
    """False if the newest fetched file has the same records, so that no new file was written."""

    pass_count: int
    request_count: int
    resumed_page_count: int
    """Pages of an earlier, interrupted fetch that were not requested again."""

    seconds: float

    warnings: list[str] = field(default_factory=list)
    """What should be corrected although the fetch succeeded."""


@dataclass
class FetchReport:
    """Counts of one fetch by feed."""

    feeds: dict[str, FeedFetchReport] = field(default_factory=dict)
    seconds: float = 0.0
