"""The lines and files that the loader rejected."""

from datetime import datetime

from pydantic import BaseModel, ConfigDict

from apps.cli.audit_reports import require_feed
from warehouse.database import open_ledger_reader
from warehouse.settings import Settings


class RejectedLine(BaseModel):
    """A line that the loader could not read as a record."""

    model_config = ConfigDict(frozen=True, use_attribute_docstrings=True)

    feed: str
    file: str
    line: int
    """Line number in the file, from 1; for a JSON document the number of the element."""
    text: str
    error: str


class RejectedFile(BaseModel):
    """A file of which no row could be loaded."""

    model_config = ConfigDict(frozen=True, use_attribute_docstrings=True)

    feed: str
    file: str
    size_bytes: int
    error: str
    rejected_at: datetime
    """Time of the loader's last attempt (UTC)."""


class RejectReport(BaseModel):
    """Rejected lines and files."""

    model_config = ConfigDict(frozen=True, use_attribute_docstrings=True)

    lines: list[RejectedLine]
    line_count: int
    """Number of all matching lines, shown or not."""
    files: list[RejectedFile]
    file_count: int
    """Number of all matching files, shown or not."""


FILTER_CLAUSE = "where ($feed is null or feed = $feed) and ($file is null or path glob $file)"


def read_rejects(settings: Settings, feed: str | None, file: str | None, max_rows: int) -> RejectReport:
    """Return up to `max_rows` rejected lines and files, optionally of one feed or of paths that match a glob.

    The lines of the newest files come first.

    Raises:
        WarehouseBusyError: Another process is writing the warehouse.
        RecomartError: There is no warehouse yet, nothing is loaded, or the feed is unknown.
    """
    filters = {"feed": feed, "file": file}
    filters_and_limit = {**filters, "max_rows": max_rows}
    with open_ledger_reader(settings) as connection:
        require_feed(connection, feed)
        lines = connection.execute(
            f"""
            select feed, path, line, text, error
            from raw.rejected_rows
            left join raw.loaded_files using (feed, path)
            {FILTER_CLAUSE}
            order by load_id desc, feed, path, line
            limit $max_rows
            """,
            filters_and_limit,
        ).fetchall()
        files = connection.execute(
            f"""
            select feed, path, size_bytes, error, rejected_at
            from raw.rejected_files {FILTER_CLAUSE}
            order by feed, path
            limit $max_rows
            """,
            filters_and_limit,
        ).fetchall()
        counts = [
            connection.execute(f"select count(*) from raw.{table} {FILTER_CLAUSE}", filters).fetchall()[0][0]
            for table in ("rejected_rows", "rejected_files")
        ]
    return RejectReport(
        lines=[
            RejectedLine(feed=feed_name, file=path, line=line, text=text, error=error)
            for feed_name, path, line, text, error in lines
        ],
        line_count=counts[0],
        files=[
            RejectedFile(feed=feed_name, file=path, size_bytes=size_bytes, error=error, rejected_at=rejected_at)
            for feed_name, path, size_bytes, error, rejected_at in files
        ],
        file_count=counts[1],
    )
