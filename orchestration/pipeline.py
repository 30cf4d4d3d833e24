"""The pipeline's steps over one warehouse, in the order that the command line runs them in.

Dagster's assets run the same, but have dagster-dbt build, which tells of each table and test (assets/transformed.py).
"""

import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from subprocess import Popen
from typing import TypeVar

from models_ml.config import TrainConfig
from models_ml.evaluation.baselines import read_oracle
from orchestration.batch_scoring import ScoringSummary, score_customers
from orchestration.dbt_manifest import list_published_tables
from orchestration.dbt_runner import (
    BUILD_COMMAND,
    MODEL_INPUT_SELECTION,
    MODEL_OUTPUT_SELECTION,
    DbtProgress,
    DbtResult,
    build_lock,
    run_dbt,
    start_dbt,
)
from orchestration.process_memory import get_peak_memory_mib
from orchestration.retraining import TrainingRequest, find_due_training
from orchestration.training_run import TrainingSummary, read_gate_policy, train_model
from warehouse.fetching.fetch_run import fetch_feeds, find_api_feeds
from warehouse.fetching.reports import FetchProgress, FetchReport
from warehouse.formatting import format_count
from warehouse.loading.loader import load
from warehouse.loading.reports import LoadProgress, LoadReport
from warehouse.publishing.live_copy import PublishedCopy
from warehouse.publishing.publisher import publish
from warehouse.settings import Settings

T = TypeVar("T")


class PipelineListener:
    """Hears what the pipeline does; the command line shows it, tests and jobs need not."""

    def on_step(self, name: str) -> None:
        """A step begins."""

    def on_days(self, done: int, total: int) -> None:
        """Days of the demo shop were written."""

    def on_fetch(self, progress: FetchProgress) -> None:
        """A page was fetched, or the fetch waits."""

    def on_files(self, progress: LoadProgress) -> None:
        """Files were loaded."""

    def on_dbt(self, progress: DbtProgress) -> None:
        """dbt finished a model or test."""

    def on_stage(self, message: str) -> None:
        """A step reached a new stage."""

    def on_step_done(self, name: str, summary: str, seconds: float) -> None:
        """A step ended."""


@dataclass
class PipelineReport:
    """What a whole run did."""

    fetch: FetchReport
    load: LoadReport
    marts: DbtResult
    training: TrainingSummary | None
    """None when the policy asked for none."""

    scoring: ScoringSummary | None
    """None when no model may serve: everybody is then offered what is popular."""

    recommendations: DbtResult
    published: PublishedCopy
    seconds: dict[str, float] = field(default_factory=dict)
    """Wall time of each step, and in all."""

    peak_memory_mib: int = 0
    """Largest resident memory of any of the run's processes."""


def build_marts(
    settings: Settings,
    on_progress: Callable[[DbtProgress], None] = lambda _: None,
    started_process: Popen[str] | None = None,
) -> DbtResult:
    """Build and test everything that the model is trained from, by a dbt that was `started` or a new one."""
    return _build(settings, MODEL_INPUT_SELECTION, on_progress, started_process)


def train_if_due(
    settings: Settings,
    config: TrainConfig,
    on_stage: Callable[[str], None] = lambda _: None,
    *,
    is_training_requested: bool | None = None,
) -> TrainingSummary | None:
    """Train when the warehouse's policy asks for it, or as `is_asked` says; None when the model stays as it is.

    Raises:
        RecomartError: The policy is wrong, or what `train` raises.
    """
    # A wrong policy is said by every run, not by the one that trains in a week.
    read_gate_policy(settings, config)
    if is_training_requested is False:
        return None
    due = (
        TrainingRequest("asked for", is_warm_start=False)
        if is_training_requested
        else find_due_training(settings, config)
    )
    if due is None:
        return None
    on_stage(f"training {'from the serving model' if due.is_warm_start else 'anew'}: {due.reason}")
    return replace(
        train_model(
            settings, config, on_stage, is_warm_start=due.is_warm_start, oracle=read_oracle(settings.demo_truth_dir)
        ),
        reason=due.reason,
    )


def build_recommendations(
    settings: Settings,
    on_progress: Callable[[DbtProgress], None] = lambda _: None,
    started_process: Popen[str] | None = None,
) -> DbtResult:
    """Build and test everything that is made from the model's output, by a dbt that was `started` or a new one."""
    return _build(settings, MODEL_OUTPUT_SELECTION, on_progress, started_process)


def _build(
    settings: Settings,
    selection: tuple[str, str],
    on_progress: Callable[[DbtProgress], None],
    started_process: Popen[str] | None,
) -> DbtResult:
    with build_lock(settings):
        return run_dbt(settings, *BUILD_COMMAND, *selection, on_progress=on_progress, started_process=started_process)


def publish_copy(settings: Settings) -> PublishedCopy:
    """Publish the tables that the app's and the service's exposures name."""
    return publish(settings, list_published_tables(settings))


def run_pipeline(
    settings: Settings, config: TrainConfig, listener: PipelineListener, *, is_training_requested: bool | None = None
) -> PipelineReport:
    """Fetch what is declared to come from a web service, load, build, train, score, evaluate and publish.

    Whether it trains the policy decides, unless `train_anew` does.

    Raises:
        RecomartError: A step could not be done; what the steps before it did stays.
        ModelError: There is nothing to learn from, or training failed.
    """
    seconds: dict[str, float] = {}

    def run_step(name: str, action: Callable[[], T], describe: Callable[[T], str]) -> T:
        listener.on_step(name)
        started = time.perf_counter()
        result = action()
        seconds[name] = time.perf_counter() - started
        listener.on_step_done(name, describe(result), seconds[name])
        return result

    started = time.perf_counter()
    # Loading and building may take long, and `learn` would say it only then.
    read_gate_policy(settings, config)
    fetched = (
        run_step("fetch", lambda: fetch_feeds(settings, listener.on_fetch), describe_fetch)
        if find_api_feeds(settings)
        else FetchReport()
    )
    # Each dbt is started a step ahead: it has then imported what it needs, and kept its memory no longer than that.
    with start_dbt(settings) as dbt:
        loaded = run_step("load", lambda: load(settings, listener.on_files), describe_load)
        marts = run_step("build", lambda: build_marts(settings, listener.on_dbt, dbt), describe_dbt)
    trained = run_step(
        "train",
        lambda: train_if_due(settings, config, listener.on_stage, is_training_requested=is_training_requested),
        lambda summary: describe_training(summary) if is_training_requested is not False else "none, as asked",
    )
    with start_dbt(settings) as dbt:
        scored = run_step("score", lambda: score_customers(settings, listener.on_stage), describe_scoring)
        recommended = run_step("recommend", lambda: build_recommendations(settings, listener.on_dbt, dbt), describe_dbt)
    report = PipelineReport(
        fetch=fetched,
        load=loaded,
        marts=marts,
        training=trained,
        scoring=scored,
        recommendations=recommended,
        published=run_step("publish", lambda: publish_copy(settings), lambda published: published.file),
        seconds=seconds,
    )
    seconds["all"] = time.perf_counter() - started
    report.peak_memory_mib = get_peak_memory_mib()
    return report


def describe_fetch(report: FetchReport) -> str:
    """One line about a fetch."""
    return "; ".join(
        f"{name}: {format_count(feed.record_count, 'record')} in {feed.file}{'' if feed.is_new else ', nothing new'}"
        for name, feed in report.feeds.items()
    )


def describe_load(report: LoadReport) -> str:
    """One line about a load."""
    files = sum(feed.files_loaded for feed in report.feeds.values())
    same = sum(feed.files_unchanged for feed in report.feeds.values())
    rejected = sum(feed.rows_rejected for feed in report.feeds.values())
    unreadable = f", {format_count(len(report.rejected_files), 'file')} unreadable" if report.rejected_files else ""
    waiting = (
        f", {format_count(len(report.changing_files), 'file')} still being written" if report.changing_files else ""
    )
    rows = f"{format_count(report.rows_loaded, 'row')}, {format_count(rejected, 'line')} rejected"
    return f"{format_count(files, 'file')} ({same:,} unchanged), {rows}{unreadable}{waiting}"


def describe_dbt(result: DbtResult) -> str:
    """One line about a dbt build."""
    words = {"success": ("table", ""), "pass": ("test", " passed"), "warn": ("test", " warned")}
    counts = {status: count for status, count in sorted(result.status_counts.items()) if status != "no-op"}
    return ", ".join(
        f"{format_count(count, words[status][0])}{words[status][1]}" if status in words else f"{count:,} {status}"
        for status, count in counts.items()
    )


def describe_training(summary: TrainingSummary | None) -> str:
    """One line about a training run, or about there being none."""
    if summary is None:
        return "the policy asks for no new model"
    held_back = f"; held back: {summary.rejection_reason}" if summary.rejection_reason else ""
    return (
        f"{summary.reason}: {format_count(summary.interactions, 'interaction')} of {format_count(summary.users, 'customer')} and "
        f"{format_count(summary.products, 'product')}, {format_count(summary.epochs, 'epoch')}{held_back}"
    )


def describe_scoring(summary: ScoringSummary | None) -> str:
    """One line about a scoring."""
    if summary is None:
        return "no model may serve yet; everybody is offered what is popular"
    serves = "serves from now on" if summary.is_newly_serving else "goes on serving"
    lists = (
        f"{format_count(summary.candidate_count, 'candidate')} for {format_count(summary.customer_count, 'customer')}"
    )
    return f"{lists}; model {summary.run_id} {serves}"
