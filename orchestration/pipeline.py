"""The pipeline's steps over one warehouse, in the order in which `recomart run` runs them.

Dagster's assets run the same steps, but build with dagster-dbt, which reports each table and test (assets/dbt.py).
"""

import time
from dataclasses import dataclass, field
from datetime import datetime
from subprocess import Popen
from typing import TYPE_CHECKING
from uuid import uuid4

from models_ml.config import TrainConfig
from orchestration.config_files import read_gate_policy
from orchestration.dbt_runner import DbtResult, start_dbt
from orchestration.process_memory import get_peak_memory_mib
from orchestration.progress import PipelineListener, StepTimer, describe_dbt, describe_fetch
from orchestration.run_state import begin_run, complete_run, find_reasons_to_run
from orchestration.steps import build_marts, build_recommendations, load_landing, publish_and_load_log
from warehouse.fetching.fetch_run import fetch_feeds, find_api_feeds
from warehouse.fetching.reports import FetchReport
from warehouse.loading.reports import LoadReport
from warehouse.publishing.live_copy import PublishedCopy
from warehouse.settings import Settings

if TYPE_CHECKING:
    from orchestration.batch_scoring import ScoringSummary
    from orchestration.training_run import TrainingSummary


@dataclass
class PipelineReport:
    """Results of the steps of a run."""

    fetch: FetchReport
    load: LoadReport
    reasons: list[str]
    """What had changed since the last complete run. When nothing had, the run ended after the load, and all results of
    later steps are None."""

    marts: DbtResult | None = None
    training: "TrainingSummary | None" = None
    """None when no training was due."""

    scoring: "ScoringSummary | None" = None
    """None when no model may serve: all customers then get popular products."""

    recommendations: DbtResult | None = None
    published: PublishedCopy | None = None
    seconds: dict[str, float] = field(default_factory=dict)
    """Wall time of each step, and of the run under `all`."""

    peak_memory_mib: int = 0
    """Largest resident memory of any process of the run."""


def run_pipeline(
    settings: Settings,
    config: TrainConfig,
    listener: PipelineListener,
    *,
    is_training_requested: bool | None = None,
    is_forced: bool = False,
    is_lists_only: bool = False,
    published_at: datetime | None = None,
) -> PipelineReport:
    """Run all steps: fetch, load, build, train, score, evaluate and publish.

    The policy decides whether the run trains, unless `is_training_requested` is set. The run ends after the load when
    nothing has changed since the last complete run, unless it is forced or a training is requested. With
    `is_lists_only`, it builds only what the lists of the serving model need; a later run completes the other tables.
    `published_at` is the time of publication of a simulated shop.

    Raises:
        RecomartError: A step failed, or no line of a feed could be read. The results of the steps before it stay.
        ModelError: There are no rows to train on, or the training failed.
    """
    start_seconds = time.perf_counter()
    # Reports a wrong policy before the run loads and builds.
    read_gate_policy(settings, config)
    timer = StepTimer(listener)
    fetch_report = (
        timer.run("fetch", lambda: fetch_feeds(settings, listener.on_fetch), describe_fetch)
        if find_api_feeds(settings)
        else FetchReport()
    )
    # Each dbt process starts one step ahead: its imports then take no extra time, and it uses memory for one step only.
    with start_dbt(settings) as dbt:
        load_report, _ = load_landing(settings, timer)
        reasons = ["requested"] if is_forced or is_training_requested else find_reasons_to_run(settings, config)
        report = PipelineReport(fetch_report, load_report, reasons, seconds=timer.seconds)
        if reasons:
            if is_lists_only:
                is_training_requested = False
            _build_and_publish(settings, config, timer, report, dbt, is_training_requested, is_lists_only, published_at)
    timer.seconds["all"] = time.perf_counter() - start_seconds
    report.peak_memory_mib = get_peak_memory_mib()
    return report


def _build_and_publish(
    settings: Settings,
    config: TrainConfig,
    timer: StepTimer,
    report: PipelineReport,
    dbt: Popen[str],
    is_training_requested: bool | None,
    is_lists_only: bool,
    published_at: datetime | None,
) -> None:
    """Run the steps after the load, and add their results to the report; the first build uses the process `dbt`."""
    # Imported here, because torch takes longer to import than a run with nothing new takes without it.
    from orchestration.batch_scoring import score_customers
    from orchestration.model_steps import describe_scoring, describe_training, train_if_due

    run_id = uuid4().hex
    begin_run(settings, config, run_id)
    listener = timer.listener
    report.marts = timer.run(
        "build",
        lambda: build_marts(settings, listener.on_dbt, dbt, is_lists_only=is_lists_only),
        lambda result: f"{describe_dbt(result)}; reason: {', '.join(report.reasons)}",
    )
    report.training = timer.run(
        "train",
        lambda: train_if_due(settings, config, listener.on_stage, is_training_requested=is_training_requested),
        lambda summary: describe_training(summary) if is_training_requested is not False else "not requested",
    )
    with start_dbt(settings) as next_dbt:
        report.scoring = timer.run("score", lambda: score_customers(settings, listener.on_stage), describe_scoring)
        report.recommendations = timer.run(
            "recommend",
            lambda: build_recommendations(settings, listener.on_dbt, next_dbt, is_lists_only=is_lists_only),
            describe_dbt,
        )
    report.published = timer.run(
        "publish",
        lambda: publish_and_load_log(settings, published_at=published_at),
        lambda published: published.file,
    )
    # After a run that was not allowed to train, a training may be due.
    if is_training_requested is not False:
        complete_run(settings, run_id)
