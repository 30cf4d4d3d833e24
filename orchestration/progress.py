"""Progress of the pipeline: the listener interface, and one-line descriptions of fetches, loads and dbt builds."""

import time
from collections.abc import Callable, Sequence
from typing import TypeVar

from orchestration.dbt_runner import DbtProgress, DbtResult
from warehouse.erasure.row_erasure import FileRows
from warehouse.fetching.reports import FetchProgress, FetchReport
from warehouse.formatting import format_count
from warehouse.loading.reports import LoadProgress, LoadReport

T = TypeVar("T")


class PipelineListener:
    """Receives the pipeline's progress; this base class ignores it."""

    def on_step(self, name: str) -> None:
        """Called when a step begins."""

    def on_days(self, done: int, total: int) -> None:
        """Called when a day of the demo shop is written."""

    def on_fetch(self, progress: FetchProgress) -> None:
        """Called when a page is fetched, and when the fetch waits."""

    def on_files(self, progress: LoadProgress) -> None:
        """Called when files are loaded."""

    def on_load_done(self, report: LoadReport) -> None:
        """Called when a load ends, before its feeds are checked."""

    def on_dbt(self, progress: DbtProgress) -> None:
        """Called when dbt finishes a model or a test."""

    def on_stage(self, message: str) -> None:
        """Called when a step reaches a new stage."""

    def on_step_done(self, name: str, summary: str, seconds: float) -> None:
        """Called when a step ends."""


class StepTimer:
    """Runs steps, reports their begin and end to a listener, and records their wall time."""

    def __init__(self, listener: PipelineListener) -> None:
        self.listener = listener
        self.seconds: dict[str, float] = {}
        """Wall time of each step that has ended."""

    def run(self, name: str, action: Callable[[], T], describe: Callable[[T], str]) -> T:
        """Run a step, and report its end with the description of its result."""
        self.listener.on_step(name)
        start_seconds = time.perf_counter()
        result = action()
        self.seconds[name] = time.perf_counter() - start_seconds
        self.listener.on_step_done(name, describe(result), self.seconds[name])
        return result


def describe_fetch(report: FetchReport) -> str:
    """Return one line about a fetch."""
    return "; ".join(
        f"{name}: {format_count(feed.record_count, 'record')} in {feed.file}{'' if feed.is_new else ', unchanged'}"
        for name, feed in report.feeds.items()
    )


def describe_expiry(expired: Sequence[FileRows]) -> str:
    """Return one line about the erasure of rows that are older than their feed keeps."""
    files_by_feed: dict[str, list[FileRows]] = {}
    for rows in expired:
        files_by_feed.setdefault(rows.feed, []).append(rows)
    counts = [
        f"{feed}: {format_count(sum(len(rows.lines) for rows in files), 'row')} of {format_count(len(files), 'file')}"
        for feed, files in files_by_feed.items()
    ]
    return f"older than keep_days and erased: {'; '.join(counts)}" if counts else "no row is older than keep_days"


def describe_load(report: LoadReport) -> str:
    """Return one line about a load."""
    loaded_files = sum(feed.files_loaded for feed in report.feeds.values())
    unchanged_files = sum(feed.files_unchanged for feed in report.feeds.values())
    rejected_rows = sum(feed.rows_rejected for feed in report.feeds.values())
    rejected = f", {format_count(len(report.rejected_files), 'file')} rejected" if report.rejected_files else ""
    if report.skipped_rejected_files:
        rejected += f", {format_count(len(report.skipped_rejected_files), 'file')} rejected earlier"
    changing = f", {format_count(len(report.changing_files), 'file')} changing" if report.changing_files else ""
    rows = f"{format_count(report.rows_loaded, 'row')}, {format_count(rejected_rows, 'line')} rejected"
    return f"{format_count(loaded_files, 'file')} ({unchanged_files:,} unchanged), {rows}{rejected}{changing}"


def describe_dbt(result: DbtResult) -> str:
    """Return one line about a dbt build."""
    words = {"success": ("table", ""), "pass": ("test", " passed"), "warn": ("test", " warned")}
    counts = {status: count for status, count in sorted(result.status_counts.items()) if status != "no-op"}
    return ", ".join(
        f"{format_count(count, words[status][0])}{words[status][1]}" if status in words else f"{count:,} {status}"
        for status, count in counts.items()
    )
