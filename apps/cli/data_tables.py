"""TODO."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from apps.cli.auditing import AuditReport, Quarantine
from apps.cli.console import out, print_table, say
from apps.cli.rejects import Rejects
from orchestration.feed_accounting import FeedStatus
from warehouse.fetching.reports import FetchReport
from warehouse.formatting import counted
from warehouse.loading.reports import LoadReport

SHOWN_OF_LINE = 120
"""Characters of a rejected line in a table; `--json` has all."""


SHOWN_FILES = 5
"""Files that are named where any number may be meant; `--json` has all."""


def print_fetch(report: FetchReport) -> None:
    """Print what a fetch brought, for each feed."""
    print_table("Fetched", [{"feed": name, **vars(feed)} for name, feed in report.feeds.items()])
    for name, feed in report.feeds.items():
        if not feed.is_new:
            say(f"{name}: nothing changed since {feed.file} was fetched; no other file was written")


def print_load(report: LoadReport) -> None:
    """Print what a load could not read, what it left, and what it read that nobody declared."""
    for path, reason in report.rejected_files.items():
        say(f"could not read {path}: {reason}")
    for path in report.waiting_files:
        say(f"still being written, left for the next load: {path}")
    if report.files_of_no_feed:
        say(f"not loaded, {counted(len(report.files_of_no_feed), 'file')} of no feed: {_some(report.files_of_no_feed)}")
    if report.files_of_several_feeds:
        shared = [f"{path} ({', '.join(feeds)})" for path, feeds in report.files_of_several_feeds.items()]
        say(f"loaded into each of several feeds, {counted(len(shared), 'file')}: {_some(shared)}")
    for feed, ways in report.detected.items():
        for way, files in ways.items():
            detected = f"detected in {counted(files, 'file')}"
            say(f"{feed}: read as {way} ({detected}; declare it in sources.yml if it is wrong)")
    for feed, columns in report.undeclared_columns.items():
        say(f"{feed}: columns nobody declared are kept in _extra: {', '.join(columns)}")


def _some(files: Sequence[str]) -> str:
    return ", ".join(files[:SHOWN_FILES]) + (", ..." if len(files) > SHOWN_FILES else "")


def print_status(feeds: Sequence[FeedStatus]) -> None:
    """Print the row accounting: lines = loaded + rejected, loaded = clean + duplicates + quarantined."""
    if not feeds:
        say("nothing was loaded yet; `recomart run` loads a shop, `make demo` makes one")
        return
    print_table("What arrived, and what became of it", [feed.model_dump(exclude={"reasons"}) for feed in feeds])
    for feed in feeds:
        if feed.reasons:
            said = ", ".join(f"{reason} {rows:,}" for reason, rows in feed.reasons.items())
            say(f"{feed.feed}: quarantined for {said}")
    say("")
    if any(feed.clean is None for feed in feeds):
        out.print("rows were loaded since dbt built last; `recomart run` or `dbt build` classifies them\n")


def print_rejects(rejects: Rejects) -> None:
    """Print rejected lines and files; long lines are cut, and control characters shown as such."""
    lines = [{**line.model_dump(), "text": _shown(line.text)} for line in rejects.lines]
    for title, rows, count in (
        ("Rejected lines", lines, rejects.line_count),
        ("Rejected files", [file.model_dump() for file in rejects.files], rejects.file_count),
    ):
        if rows:
            print_table(f"{title}: {len(rows):,} of {count:,}", rows)
    if not rejects.line_count and not rejects.file_count:
        say("nothing was rejected")


def _shown(text: str) -> str:
    printable = "".join(letter if letter.isprintable() else repr(letter)[1:-1] for letter in text[:SHOWN_OF_LINE])
    return printable + (" ..." if len(text) > SHOWN_OF_LINE else "")


def print_audit(report: AuditReport) -> None:
    """Print the newest days of the feeds, what is unusual first, without those on which nothing came or was missed."""
    for warning in report.warnings:
        say(f"unusual: {warning}")
    say("" if report.warnings else "nothing is unusual about these days\n")
    rows = [
        {
            "day": f"{day.delivery_day:%a %Y-%m-%d}",
            **day.model_dump(include={"feed", "files", "lines"}),
            "usual": None if day.usual_lines is None else round(day.usual_lines),
            **day.model_dump(include={"rejected", "duplicates", "quarantined", "clean"}),
            "bad": None if day.bad_share is None else f"{day.bad_share:.1%}",
            "newest_row": day.newest_row_at,
            "loaded_at": day.last_loaded_at,
            "why": ", ".join(f"{name} {rows:,}" for name, rows in (day.rejected_for | day.quarantined_for).items()),
        }
        for day in report.days
        if day.files or day.rejected_files or day.warning
    ]
    print_table("What came, day by day", rows)
    if not report.is_up_to_date:
        say("files were loaded since dbt built last; `recomart run` or `dbt build` audits them\n")


def print_quarantine(found: Quarantine) -> None:
    """Print rows beside their reasons, then what each reason means and what mends it."""
    if not found.rows:
        say("no such row is in quarantine")
        return
    rows = [
        {
            "where": f"{row.file}:{row.line}",
            "feed": row.feed,
            "reasons": ", ".join(row.reasons),
            "row_as_it_arrived": _without_nulls(row.raw_row),
        }
        for row in found.rows
    ]
    print_table(f"{len(rows):,} of {found.total:,} quarantined rows, the newest delivery first", rows)
    print_table("What the reasons mean", [{"reason": name, **vars(reason)} for name, reason in found.reasons.items()])


def _without_nulls(raw_row: Mapping[str, Any] | None) -> str | None:
    """A raw row on one line; most feeds fill few of the columns that there are."""
    if raw_row is None:
        return None
    return json.dumps({name: value for name, value in raw_row.items() if value is not None}, ensure_ascii=False)
