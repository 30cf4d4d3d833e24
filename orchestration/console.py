"""How the command line looks: tables and JSON on standard output, progress on standard error."""

import json
import shlex
import sys
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import asdict, is_dataclass
from datetime import date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn, Self

import pandas as pd
from pydantic import BaseModel
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, Progress, SpinnerColumn, TaskProgressColumn, TextColumn, TimeElapsedColumn
from rich.table import Table
from rich.text import Text

from apps.storefront import Explanation, Offers
from orchestration.auditing import AuditReport, Quarantine
from orchestration.dbt import DbtProgress
from orchestration.model_runs import ModelRun, is_waiting, serving_run
from orchestration.rejects import Rejects
from orchestration.status import FeedStatus
from orchestration.steps import PipelineListener
from orchestration.tuning import TuningSummary
from warehouse.fetching.fetch import FetchProgress, FetchReport
from warehouse.loading.reports import LoadReport
from warehouse.loading.reports import Progress as LoadProgress
from warehouse.wording import counted

if TYPE_CHECKING:
    from models_ml.gates import GateResult

PIPED_WIDTH = 200
"""Columns of output that goes to a file or another program, where nobody's window is the measure."""

SHOWN_OF_LINE = 120
"""Characters of a rejected line in a table; `--json` has all."""

ACCURACY = ("precision", "recall", "ndcg", "map", "hit_rate")
EXPOSURE = ("coverage", "novelty", "long_tail_share")
"""What ranking is measured by, in the order of tables."""

SHOWN_FILES = 5
"""Files that are named where any number may be meant; `--json` has all."""


def _console(*, stderr: bool) -> Console:
    console = Console(stderr=stderr, highlight=False)
    return console if console.is_terminal else Console(stderr=stderr, highlight=False, width=PIPED_WIDTH)


out = _console(stderr=False)
err = _console(stderr=True)


def say(message: str) -> None:
    """Print a line as it is; square brackets in file names and data are no markup."""
    out.print(message, markup=False, soft_wrap=True)


def print_json(value: Any) -> None:
    """Print a value as JSON; data frames become lists of objects, missing values null."""
    out.file.write(json.dumps(value, default=_plain, indent=2, ensure_ascii=False) + "\n")


def _plain(value: Any) -> Any:
    if isinstance(value, pd.DataFrame):
        return json.loads(value.to_json(orient="records", date_format="iso"))
    if isinstance(value, BaseModel):
        return value.model_dump(mode="json")
    if is_dataclass(value) and not isinstance(value, type):
        return asdict(value)
    if isinstance(value, datetime | date):
        return value.isoformat()
    if hasattr(value, "item"):
        return value.item()
    return str(value)


def print_table(title: str, rows: Sequence[Mapping[str, Any]], columns: Sequence[str] | None = None) -> None:
    """Print rows under a title; numbers stand right, with thousands separated."""
    columns = list(columns or (rows[0] if rows else []))
    table = Table(
        title=Text(title), title_justify="left", title_style="bold", header_style="bold", box=None, pad_edge=False
    )
    for column in columns:
        is_number = any(isinstance(row[column], int | float) for row in rows)
        table.add_column(column.replace("_", " "), justify="right" if is_number else "left", overflow="fold")
    for row in rows:
        # As plain text: a product may well be called "Mug [red]".
        table.add_row(*(Text(_cell(row[column])) for column in columns))
    out.print(table)
    out.print()


def _cell(value: Any) -> str:
    if value is None or value is pd.NA or value is pd.NaT or (isinstance(value, float) and pd.isna(value)):
        return "-"
    if isinstance(value, datetime):
        return f"{value:%Y-%m-%d %H:%M}"
    if isinstance(value, float):
        return f"{value:,.4f}" if abs(value) < 1 else f"{value:,.2f}"
    if isinstance(value, int) and not isinstance(value, bool):
        return f"{value:,}"
    return str(value)


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


def print_metrics(metrics: pd.DataFrame, why_none: str | None = None) -> None:
    """Print ranking metrics over all known customers, the model beside its baselines; or why there are none."""
    columns = ["cutoff", "k", "method", "users", *ACCURACY, *EXPOSURE]
    if metrics.empty:
        say(f"{why_none or 'There was nothing to evaluate on.'}\n")
    else:
        print_table("How well the top K would have met what customers did next", _records(metrics), columns)


def print_gates(gates: "Sequence[GateResult]") -> None:
    """Print how a new model stood before every gate, and whether it may serve."""
    print_table(
        "May it serve?", [{"gate": gate.gate, "passed": gate.is_passed, "finding": gate.finding} for gate in gates]
    )
    if held_back := [gate for gate in gates if not gate.is_passed]:
        say(f"It was held back by {len(held_back)} of {len(gates)} gates; the model before it goes on serving.")


def print_models(runs: Sequence[ModelRun]) -> None:
    """Print the register of models, the newest first."""
    serving = serving_run(runs)
    print_table(
        "Models",
        [
            {
                "run_id": run.run_id,
                "as_of": f"{run.as_of:%Y-%m-%d %H:%M}",
                "data": run.dataset_hash[:12],
                "start": "warm" if run.warm_from else "cold",
                "ndcg_at_10": run.ndcg_at_10,
                "popularity": run.popularity_ndcg_at_10,
                "state": _state(run, serving),
            }
            for run in runs
        ],
    )


def _state(run: ModelRun, serving: ModelRun | None) -> str:
    if run.is_serving:
        return f"serves since {run.promoted_at:%Y-%m-%d %H:%M}"
    if run.promoted_at:
        return f"served from {run.promoted_at:%Y-%m-%d %H:%M}"
    if run.held_back_because:
        return f"held back: {run.held_back_because}"
    return "passed, serves from the next scoring" if is_waiting(run, serving) else "passed, a newer one serves"


def print_comparison(metrics: pd.DataFrame, differences: pd.DataFrame, *, by_segment: bool) -> None:
    """Print what `ServingCopy.metrics` and `metric_differences` say at one list length, for each value of a segment."""
    (k,) = set(metrics["k"])
    parts = ["segment_value"] if by_segment else []
    measured = [metric for metric in (*ACCURACY, *EXPOSURE) if metrics[metric].notna().any()]
    print_table(
        f"How well the top {k} met what customers did next", _records(metrics), [*parts, "method", "users", *measured]
    )
    stated = differences.assign(
        value=[
            f"{difference:+.4f} ({lower:+.4f} to {upper:+.4f})"
            for difference, lower, upper in differences[["difference", "lower_bound", "upper_bound"]].to_numpy()
        ]
    ).pivot(index=[*parts, "method"], columns="metric", values="value")
    shown = [metric for metric in ACCURACY if metric in stated]
    print_table(
        f"How much more the model's top {k} has than each baseline's (95 % intervals)",
        _records(stated[shown].reset_index()),
    )


def print_tuning(summary: TuningSummary, warehouse: Path | None) -> None:
    """Print the best trials of a search, and what to do with them in the warehouse that was named, if one was."""
    shown = summary.trials.drop(columns=["failure"]).head(10)
    print_table("Best trials", _records(shown))
    begun = "failed" if summary.default_ndcg is None else f"{summary.default_ndcg:.4f}"
    say(f"validation NDCG {summary.ndcg:.4f}; the settings that the search began with: {begun}")
    say(f"table, picture and settings: {summary.folder}")
    if summary.is_adopted:
        say("every training of this warehouse goes by the best settings from now on")
    else:
        where = [] if warehouse is None else ["--warehouse", str(warehouse)]
        command = shlex.join(["recomart", "train", "--config", str(summary.folder / "config.json"), *where])
        say(f"to train with them: {command}, or tune again with --adopt")


def print_offers(title: str, offers: Offers) -> None:
    """Print a top list with its reasons."""
    columns = ["rank", "product_id", "product_name", "category", "brand", "price", "score", "reason"]
    # No score put there what is pinned.
    products = offers.products.assign(score=lambda rows: rows["score"].mask(rows["source"] == "pinned"))
    print_table(title, _records(products), columns)
    for note in offers.notes:
        say(note)


def print_explanation(explanation: Explanation) -> None:
    """Print what a score is the sum of."""
    product = f"{explanation.product_name or ''} ({explanation.product_id})".strip()
    if explanation.score is not None:
        say(f"{product} scores {explanation.score:.4f}, the sum of these:\n")
        print_table("Past products", _records(explanation.contributions))
    for note in explanation.notes:
        say(note)


def print_customers(customers: pd.DataFrame) -> None:
    """Print customers, one a line."""
    columns = ["user_id", "last_seen_at", "event_count", "purchase_count", "total_spend", "favourite_category"]
    print_table("Customers", _records(customers), columns)


def _records(frame: pd.DataFrame) -> list[dict[str, Any]]:
    return [{str(key): value for key, value in row.items()} for row in frame.to_dict("records")]


def fail(message: str) -> NoReturn:
    """Print one line to standard error and end with status 1."""
    sys.stderr.write(f"recomart: {' '.join(message.split())}\n")
    sys.exit(1)


class StepProgress(PipelineListener, AbstractContextManager["StepProgress"]):
    """Shows each step of the pipeline on standard error: a bar while it runs, a line when it is done."""

    def __init__(self) -> None:
        self._progress = Progress(
            SpinnerColumn(),
            TextColumn("{task.description}"),
            BarColumn(bar_width=24),
            TaskProgressColumn(),
            TextColumn("{task.fields[detail]}"),
            TimeElapsedColumn(),
            console=err,
            transient=True,
        )
        self._task = self._progress.add_task("", total=None, detail="", visible=False)

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._progress.stop()

    def on_step(self, name: str) -> None:
        """Start a new bar."""
        self._progress.reset(self._task, total=None, description=f"{name:<10}", detail="", visible=True)

    def on_days(self, done: int, total: int) -> None:
        """Move the bar by days."""
        self._progress.update(self._task, total=total, completed=done, detail=f"{done} of {total} days")

    def on_fetch(self, progress: FetchProgress) -> None:
        """Move the bar by records, where the service tells how many there are."""
        brought = f"{counted(progress.records, 'record')}, {counted(progress.pages, 'page')}"
        detail = progress.waiting or f"{progress.feed}: {brought}, reading {progress.reading}"
        self._progress.update(self._task, total=progress.total, completed=progress.records, detail=escape(detail))

    def on_files(self, progress: LoadProgress) -> None:
        """Move the bar by bytes."""
        detail = f"{progress.files_done:,} of {progress.files_total:,} files"
        self._progress.update(
            self._task, total=max(1, progress.bytes_total), completed=progress.bytes_done, detail=detail
        )

    def on_dbt(self, progress: DbtProgress) -> None:
        """Move the bar by nodes."""
        self._progress.update(self._task, total=progress.total, completed=progress.done, detail=progress.node[:50])

    def on_stage(self, message: str) -> None:
        """Say what the step is at."""
        self._progress.update(self._task, detail=escape(message))

    def on_step_done(self, name: str, summary: str, seconds: float) -> None:
        """Leave one line behind."""
        self._progress.update(self._task, visible=False)
        err.print(f"[green]done[/green] {name:<10} {seconds:6.1f} s  {escape(summary)}", soft_wrap=True)
