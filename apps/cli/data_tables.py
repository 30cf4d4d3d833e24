"""TODO."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from apps.cli.audit_reports import AuditReport, QuarantineReport
from apps.cli.console import print_line, print_table, stdout_console
from apps.cli.rejects import RejectReport
from orchestration.feed_accounting import FeedStatus
from warehouse.fetching.reports import FetchReport
from warehouse.formatting import format_count
from warehouse.loading.reports import LoadReport

MAX_LINE_CHARS = 120
"""Characters of a rejected line in a table; `--json` has all."""


MAX_LISTED_FILES = 5
"""Files that are named where any number may be meant; `--json` has all."""


def print_fetch(report: FetchReport) -> None:
    """Print what a fetch brought, for each feed."""
    print_table("Fetched", [{"feed": name, **vars(feed)} for name, feed in report.feeds.items()])
    for name, feed in report.feeds.items():
        if not feed.is_new:
            print_line(f"{name}: nothing changed since {feed.file} was fetched; no other file was written")


def print_load(report: LoadReport) -> None:
    """Print what a load could not read, what it left, and what it read that nobody declared."""
    for path, reason in report.rejected_files.items():
        print_line(f"could not read {path}: {reason}")
    for path in report.changing_files:
        print_line(f"still being written, left for the next load: {path}")
    if report.unmatched_files:
        print_line(
            f"not loaded, {format_count(len(report.unmatched_files), 'file')} of no feed: {_format_paths(report.unmatched_files)}"
        )
    if report.shared_files:
        shared = [f"{path} ({', '.join(feeds)})" for path, feeds in report.shared_files.items()]
        print_line(f"loaded into each of several feeds, {format_count(len(shared), 'file')}: {_format_paths(shared)}")
    for feed, ways in report.detected_formats.items():
        for way, files in ways.items():
            detected = f"detected in {format_count(files, 'file')}"
            print_line(f"{feed}: read as {way} ({detected}; declare it in sources.yml if it is wrong)")
    for feed, columns in report.undeclared_columns.items():
        print_line(f"{feed}: columns nobody declared are kept in _extra: {', '.join(columns)}")


def _format_paths(files: Sequence[str]) -> str:
    return ", ".join(files[:MAX_LISTED_FILES]) + (", ..." if len(files) > MAX_LISTED_FILES else "")


def print_status(feeds: Sequence[FeedStatus]) -> None:
    """Print the row accounting: lines = loaded + rejected, loaded = clean + duplicates + quarantined."""
    if not feeds:
        print_line("nothing was loaded yet; `recomart run` loads a shop, `make demo` makes one")
        return
    print_table("What arrived, and what became of it", [feed.model_dump(exclude={"reasons"}) for feed in feeds])
    for feed in feeds:
        if feed.reasons:
            said = ", ".join(f"{reason} {rows:,}" for reason, rows in feed.reasons.items())
            print_line(f"{feed.feed}: quarantined for {said}")
    print_line("")
    if any(feed.clean is None for feed in feeds):
        stdout_console.print("rows were loaded since dbt built last; `recomart run` or `dbt build` classifies them\n")


def print_rejects(rejects: RejectReport) -> None:
    """Print rejected lines and files; long lines are cut, and control characters shown as such."""
    lines = [{**line.model_dump(), "text": _format_line_text(line.text)} for line in rejects.lines]
    for title, rows, count in (
        ("Rejected lines", lines, rejects.line_count),
        ("Rejected files", [file.model_dump() for file in rejects.files], rejects.file_count),
    ):
        if rows:
            print_table(f"{title}: {len(rows):,} of {count:,}", rows)
    if not rejects.line_count and not rejects.file_count:
        print_line("nothing was rejected")


def _format_line_text(text: str) -> str:
    printable = "".join(letter if letter.isprintable() else repr(letter)[1:-1] for letter in text[:MAX_LINE_CHARS])
    return printable + (" ..." if len(text) > MAX_LINE_CHARS else "")


def print_audit(report: AuditReport) -> None:
    """Print the newest days of the feeds, what is unusual first, without those on which nothing came or was missed."""
    for warning in report.warnings:
        print_line(f"unusual: {warning}")
    print_line("" if report.warnings else "nothing is unusual about these days\n")
    rows = [
        {
            "day": f"{day.delivery_day:%a %Y-%m-%d}",
            **day.model_dump(include={"feed", "files", "lines"}),
            "usual": None if day.usual_lines is None else round(day.usual_lines),
            **day.model_dump(include={"rejected", "duplicates", "quarantined", "clean"}),
            "bad": None if day.bad_share is None else f"{day.bad_share:.1%}",
            "newest_row": day.newest_row_at,
            "loaded_at": day.last_loaded_at,
            "why": ", ".join(
                f"{name} {rows:,}" for name, rows in (day.rejected_by_reason | day.quarantined_by_reason).items()
            ),
        }
        for day in report.days
        if day.files or day.rejected_files or day.warning
    ]
    print_table("What came, day by day", rows)
    if not report.is_up_to_date:
        print_line("files were loaded since dbt built last; `recomart run` or `dbt build` audits them\n")


def print_quarantine(report: QuarantineReport) -> None:
    """Print rows beside their reasons, then what each reason means and what mends it."""
    if not report.rows:
        print_line("no such row is in quarantine")
        return
    rows = [
        {
            "where": f"{row.file}:{row.line}",
            "feed": row.feed,
            "reasons": ", ".join(row.reasons),
            "row_as_it_arrived": _format_raw_row(row.raw_row),
        }
        for row in report.rows
    ]
    print_table(f"{len(rows):,} of {report.row_count:,} quarantined rows, the newest delivery first", rows)
    print_table("What the reasons mean", [{"reason": name, **vars(reason)} for name, reason in report.reasons.items()])


def _format_raw_row(raw_row: Mapping[str, Any] | None) -> str | None:
    """A raw row on one line; most feeds fill few of the columns that there are."""
    if raw_row is None:
        return None
    return json.dumps({name: value for name, value in raw_row.items() if value is not None}, ensure_ascii=False)
