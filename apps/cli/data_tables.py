"""Tables and messages about feeds, rows and files."""

import json
from collections.abc import Mapping, Sequence
from itertools import groupby
from typing import Any

from apps.cli.audit_reports import AuditReport, QuarantineReport, UnreadValue
from apps.cli.console import print_line, print_table
from apps.cli.rejects import RejectReport
from orchestration.feed_accounting import FeedStatus, format_reasons
from orchestration.pipeline import PipelineReport
from orchestration.refusals import Refusal, Step
from warehouse.fetching.reports import FetchReport
from warehouse.formatting import format_count, format_names
from warehouse.loading.reports import LoadReport
from warehouse.sources.columns import LOG_KINDS

MAX_LINE_CHARS = 120
"""Characters of a rejected line in a table; `--json` shows the whole line."""

MAX_UNREAD_VALUES = 5
"""Values not understood that a table shows of a feed and column; `--json` shows up to 100."""

MAX_LISTED_FILES = 5
"""Files that one message names; `--json` names all."""


REFUSED_ACTIONS: Mapping[Step, Sequence[str]] = {
    "training": ("training", "tuning"),
    "scoring": ("scoring", "promotion"),
    "publishing": ("publishing",),
}
"""What a user cannot do while a step is refused."""


def list_refused_actions(refusals: Sequence[Refusal]) -> list[str]:
    """Return what the refusals refuse, each once."""
    steps = [step for refusal in refusals for step in refusal.steps]
    return list(dict.fromkeys(action for step in steps for action in REFUSED_ACTIONS[step]))


def print_fetch(report: FetchReport) -> None:
    """Print the figures of a fetch for each feed."""
    rows = [{"feed": name, **vars(feed)} for name, feed in report.feeds.items()]
    print_table("Fetched", [{column: value for column, value in row.items() if column != "warnings"} for row in rows])
    for name, feed in report.feeds.items():
        for warning in feed.warnings:
            print_line(f"warning: {name}: {warning}")
        if not feed.is_new:
            print_line(f"{name}: no change since {feed.file}; no new file was written")


def print_test_warnings(report: PipelineReport) -> None:
    """Print the failing rows of the dbt tests that warned."""
    for result in (report.marts, report.recommendations):
        for warning in result.warnings if result else []:
            print_line(f"dbt test warned: {warning}")


def print_load(report: LoadReport) -> None:
    """Print the findings of a load: rejected and skipped files, unreadable feeds, detected formats, new columns."""
    for path, reason in report.rejected_files.items():
        print_line(f"rejected file {path}: {reason}")
    if skipped_files := report.skipped_rejected_files:
        print_line(
            f"not read again, {format_count(len(skipped_files), 'file')} that an earlier load rejected: "
            f"{_format_paths(skipped_files)}. See `recomart rejected`; `recomart reload --file` tries again"
        )
    for message in report.unreadable_feeds.values():
        print_line(message)
    for path in report.changing_files:
        print_line(f"changing, left for the next load: {path}")
    if report.unmatched_files:
        print_line(
            f"not loaded, {format_count(len(report.unmatched_files), 'file')} without a feed: "
            f"{_format_paths(report.unmatched_files)}"
        )
    if report.shared_files:
        shared = [f"{path} ({', '.join(feeds)})" for path, feeds in report.shared_files.items()]
        print_line(f"loaded into several feeds, {format_count(len(shared), 'file')}: {_format_paths(shared)}")
    for feed, formats in report.detected_formats.items():
        for file_format, file_count in formats.items():
            print_line(
                f"{feed}: the format ({file_format}) was detected in {format_count(file_count, 'file')}; if it is "
                "wrong, declare it in the sources file"
            )
    for feed, columns in report.undeclared_columns.items():
        print_line(f"{feed}: undeclared columns are kept in _extra: {format_names(columns)}")


def _format_paths(files: Sequence[str]) -> str:
    return ", ".join(files[:MAX_LISTED_FILES]) + (", ..." if len(files) > MAX_LISTED_FILES else "")


def print_status(feeds: Sequence[FeedStatus]) -> None:
    """Print the rows of each feed by status.

    lines = loaded + rejected, and loaded = clean + duplicates + excluded + quarantined.
    """
    if not feeds:
        print_line("no file is loaded yet. Run `recomart run` for your shop, or `make demo` for the demo shop")
        return
    print_table("Rows by feed and status", [feed.model_dump(exclude={"reasons"}) for feed in feeds])
    for feed in feeds:
        if feed.reasons:
            print_line(f"{feed.feed}: quarantined for {format_reasons(feed.reasons)}")
    print_line("")
    # The log of each publication is loaded after its build.
    if any(feed.clean is None and feed.feed not in LOG_KINDS for feed in feeds):
        print_line(
            "some rows have no status yet: files were loaded after the last dbt build. Run `recomart run` or "
            "`dbt build`\n"
        )


def print_rejects(rejects: RejectReport) -> None:
    """Print the rejected lines and files; long lines are cut and control characters are escaped."""
    lines = [{**line.model_dump(), "text": _format_line_text(line.text)} for line in rejects.lines]
    for title, rows, count in (
        ("Rejected lines", lines, rejects.line_count),
        ("Rejected files", [file.model_dump() for file in rejects.files], rejects.file_count),
    ):
        if rows:
            print_table(f"{title}: {len(rows):,} of {count:,}", rows)
    if not rejects.line_count and not rejects.file_count:
        print_line("no line or file was rejected")


def _format_line_text(text: str) -> str:
    return text[:MAX_LINE_CHARS] + (" ..." if len(text) > MAX_LINE_CHARS else "")


def print_audit(report: AuditReport) -> None:
    """Print the warnings, then the figures of each feed and day; days without files and warnings are left out."""
    for warning in report.warnings:
        print_line(f"unusual: {warning}")
    print_line("" if report.warnings else "no warnings for these days\n")
    rows = [
        {
            "day": f"{day.delivery_day:%a %Y-%m-%d}",
            **day.model_dump(include={"feed", "files", "lines"}),
            "usual_lines": None if day.usual_lines is None else round(day.usual_lines),
            **day.model_dump(include={"rejected", "duplicates", "excluded", "quarantined", "clean"}),
            "bad_share": None if day.bad_share is None else f"{day.bad_share:.1%}",
            **day.model_dump(include={"newest_row_at", "last_loaded_at"}),
            "reasons": format_reasons(day.rejected_by_reason | day.quarantined_by_reason),
        }
        for day in report.days
        if day.files or day.rejected_files or day.warning
    ]
    print_table("Rows by feed and day", rows)
    _print_unread_values(report.unread_values)
    if not report.is_up_to_date:
        print_line(
            "the audit is incomplete: files were loaded after the last dbt build. Run `recomart run` or `dbt build`\n"
        )


def _print_unread_values(unread_values: Sequence[UnreadValue]) -> None:
    """Print the most frequent values of each feed and column, and the number of rows with the others."""
    rows: list[dict[str, Any]] = []
    for (feed, column), group in groupby(unread_values, lambda unread: (unread.feed, unread.column)):
        values = list(group)
        shown = [value for value in values if value.value is not None][:MAX_UNREAD_VALUES]
        rows += [{**vars(value), "value": _format_line_text(str(value.value))} for value in shown]
        other_rows = sum(value.rows for value in values) - sum(value.rows for value in shown)
        if other_rows:
            rows.append({"feed": feed, "column": column, "value": "(other values)", "rows": other_rows})
    if rows:
        print_table("Values not understood", rows)


def print_quarantine(report: QuarantineReport) -> None:
    """Print quarantined rows with their reasons, then the meaning and remedy of each reason."""
    if not report.rows:
        print_line("no quarantined row matches")
        return
    rows = [
        {
            "location": f"{row.file}:{row.line}",
            "feed": row.feed,
            "reasons": ", ".join(row.reasons),
            "raw_row": _format_raw_row(row.raw_row),
        }
        for row in report.rows
    ]
    print_table(f"{len(rows):,} of {report.row_count:,} quarantined rows, the newest delivery first", rows)
    print_table("Reasons", [{"reason": name, **vars(reason)} for name, reason in report.reasons.items()])


def _format_raw_row(raw_row: Mapping[str, Any] | None) -> str | None:
    """Return the filled columns of a raw row as JSON on one line."""
    if raw_row is None:
        return None
    return json.dumps({name: value for name, value in raw_row.items() if value is not None}, ensure_ascii=False)
