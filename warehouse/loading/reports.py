"""What a load did, and how far it is."""

from dataclasses import dataclass, field
from typing import NamedTuple


class LoadProgress(NamedTuple):
    """How far a load is; bytes as they lie on the disk."""

    files_done: int
    files_total: int
    bytes_done: int
    bytes_total: int


@dataclass
class FeedLoadReport:
    """What one load did for one feed."""

    files_loaded: int = 0
    files_replaced: int = 0
    files_unchanged: int = 0
    files_rejected: int = 0
    files_changing: int = 0
    lines: int = 0
    rows_loaded: int = 0
    rows_rejected: int = 0


@dataclass
class LoadReport:
    """What one load did."""

    feeds: dict[str, FeedLoadReport] = field(default_factory=dict)
    rejected_files: dict[str, str] = field(default_factory=dict)
    """Path of each file that could not be read, and why."""

    changing_files: list[str] = field(default_factory=list)
    """Paths of the files that are still being written; the next load takes them."""

    unmatched_files: list[str] = field(default_factory=list)
    """Paths of the files that no feed's globs mean; they are not loaded."""

    shared_files: dict[str, list[str]] = field(default_factory=dict)
    """Path of each file that the globs of several feeds mean, and those feeds; it is loaded into each."""

    undeclared_columns: dict[str, list[str]] = field(default_factory=dict)
    """Feed, and the columns its files have that nobody declared; they are kept in `_extra`."""

    detected_formats: dict[str, dict[str, int]] = field(default_factory=dict)
    """Feed, and how its files were found to be written where nobody declared it, with the number of files."""

    seconds: float = 0.0

    @property
    def rows_loaded(self) -> int:
        """Rows loaded over all feeds."""
        return sum(feed.rows_loaded for feed in self.feeds.values())
