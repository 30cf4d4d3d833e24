"""The report and the progress of a load."""

from dataclasses import dataclass, field
from typing import NamedTuple


class LoadProgress(NamedTuple):
    """Progress of a load; bytes are counted as stored on the disk, before decompression."""

    files_done: int
    files_total: int
    bytes_done: int
    bytes_total: int


@dataclass
class FeedLoadReport:
    """Counts of one load for one feed."""

    files_loaded: int = 0
    files_replaced: int = 0
    files_unchanged: int = 0
    files_rejected: int = 0
    files_skipped: int = 0
    """Files that an earlier load rejected, and that were not read again."""
    files_changing: int = 0
    lines: int = 0
    rows_loaded: int = 0
    rows_rejected: int = 0


@dataclass
class LoadReport:
    """Counts and findings of one load."""

    feeds: dict[str, FeedLoadReport] = field(default_factory=dict)
    rejected_files: dict[str, str] = field(default_factory=dict)
    """The error of each file that cannot be read, by path."""

    skipped_rejected_files: list[str] = field(default_factory=list)
    """Paths of the files that an earlier load rejected, and that were not read again."""

    unreadable_feeds: dict[str, str] = field(default_factory=dict)
    """A message for each feed that has lines but no loaded row, from this load or an earlier one."""

    changing_files: list[str] = field(default_factory=list)
    """Paths of the changing files; the next load reads them."""

    unmatched_files: list[str] = field(default_factory=list)
    """Paths of the files that no feed's globs match; they are not loaded."""

    shared_files: dict[str, list[str]] = field(default_factory=dict)
    """The feeds of each file that the globs of several feeds match, by path; the file is loaded into each feed."""

    undeclared_columns: dict[str, list[str]] = field(default_factory=dict)
    """Columns that a feed's files have and the feed does not declare, by feed; they are kept in `_extra`."""

    detected_formats: dict[str, dict[str, int]] = field(default_factory=dict)
    """Number of files by feed and by detected format, if the format is neither declared nor the default."""

    seconds: float = 0.0

    @property
    def rows_loaded(self) -> int:
        """Rows loaded for all feeds."""
        return sum(feed.rows_loaded for feed in self.feeds.values())
