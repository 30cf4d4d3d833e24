"""What could not be loaded, and why: lines of files, and files as a whole."""

from datetime import datetime

from pydantic import BaseModel, ConfigDict

from apps.cli.audit_reports import require_feed
from warehouse.database import open_ledger_reader
from warehouse.settings import Settings


class RejectedLine(BaseModel):
    """A line that is no record; one row for each."""

    model_config = ConfigDict(frozen=True, use_attribute_docstrings=True)

    feed: str
    file: str
    line: int
    """Number of the line in the file, from 1; of the element in a JSON document."""

    text: str
    error: str


class RejectedFile(BaseModel):
    """A file that no row could be taken from."""

    model_config = ConfigDict(frozen=True, use_attribute_docstrings=True)

    feed: str
    file: str
    size_bytes: int
    error: str
    rejected_at: datetime
    """When the loader tried last (UTC)."""


class RejectReport(BaseModel):
    """What could not be loaded, as far as it was asked for."""

    model_config = ConfigDict(frozen=True, use_attribute_docstrings=True)

    lines: list[RejectedLine]
    line_count: int
    """How many there are in all, shown or not."""

    files: list[RejectedFile]
    file_count: int


FILTER_CLAUSE = "where ($feed is null or feed = $feed) and ($file is null or path glob $file)"


def read_rejects(settings: Settings, feed: str | None, file: str | None, max_rows: int) -> RejectReport:
    """The rejected lines and files of a feed and of paths that match a glob, so many of each at the most.

    The lines of the newest files come first.

    Raises:
        WarehouseBusyError: Another process is writing the warehouse.
        RecomartError: There is no warehouse yet, nothing was loaded into it, or there is no such feed.
    """
    asked = {"feed": feed, "file": file}
    limits = {**asked, "most": max_rows}
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
            limits,
        ).fetchall()
        files = connection.execute(
            f"""
            select feed, path, size_bytes, error, rejected_at
            from raw.rejected_files {FILTER_CLAUSE}
            order by feed, path
            limit $max_rows
            """,
            limits,
        ).fetchall()
        counts = [
            connection.execute(f"select count(*) from raw.{table} {FILTER_CLAUSE}", asked).fetchall()[0][0]
            for table in ("rejected_rows", "rejected_files")
        ]
    return RejectReport(
        lines=[
            RejectedLine(feed=of, file=path, line=line, text=text, error=error) for of, path, line, text, error in lines
        ],
        line_count=counts[0],
        files=[
            RejectedFile(feed=of, file=path, size_bytes=size, error=error, rejected_at=at)
            for of, path, size, error, at in files
        ],
        file_count=counts[1],
    )
