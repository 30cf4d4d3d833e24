"""The pipeline's steps over one warehouse, in the order in which `recomart run` runs them.

Dagster's assets run the same steps, but build with dagster-dbt, which reports each table and test (assets/dbt.py).
"""

import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import TypeVar
from uuid import uuid4

from models_ml.config import TrainConfig
from models_ml.evaluation.baselines import read_oracle
from orchestration.batch_scoring import ScoringSummary, score_customers
from orchestration.dbt_runner import DbtResult, start_dbt
from orchestration.process_memory import get_peak_memory_mib
from orchestration.progress import PipelineListener, describe_dbt, describe_fetch, describe_load
from orchestration.retraining import TrainingRequest, find_due_training
from orchestration.run_state import begin_run, complete_run, find_reasons_to_run
from orchestration.steps import build_marts, build_recommendations, publish_copy
from orchestration.training_run import TrainingSummary, read_gate_policy, train_model
from warehouse.fetching.fetch_run import fetch_feeds, find_api_feeds
from warehouse.fetching.reports import FetchReport
from warehouse.formatting import format_count
from warehouse.loading.loader import load
from warehouse.loading.reports import LoadReport
from warehouse.publishing.live_copy import PublishedCopy
from warehouse.settings import Settings

T = TypeVar("T")


@dataclass
class PipelineReport:
    """Results of the steps of a run."""

    fetch: FetchReport
    load: LoadReport
    reasons: list[str]
    """What had changed since the last complete run. When nothing had, the run ended after the load, and all results of
    later steps are None."""

    marts: DbtResult | None = None
    training: TrainingSummary | None = None
    """None when no training was due."""

    scoring: ScoringSummary | None = None
    """None when no model may serve: all customers then get popular products."""

    recommendations: DbtResult | None = None
    published: PublishedCopy | None = None
    seconds: dict[str, float] = field(default_factory=dict)
    """Wall time of each step, and of the run under `all`."""

    peak_memory_mib: int = 0
    """Largest resident memory of any process of the run."""


def train_if_due(
    settings: Settings,
    config: TrainConfig,
    on_stage: Callable[[str], None] = lambda _: None,
    *,
    is_training_requested: bool | None = None,
) -> TrainingSummary | None:
    """Train if a training is due; `is_training_requested` overrides the policy. Return None without a training.

    Raises:
        RecomartError: The policy is wrong, or the training fails (see `train_model`).
    """
    # Every run reports a wrong policy, not only the next run that trains.
    read_gate_policy(settings, config)
    if is_training_requested is False:
        return None
    request = (
        TrainingRequest("it was requested", is_warm_start=False)
        if is_training_requested
        else find_due_training(settings, config)
    )
    if request is None:
        return None
    on_stage(f"training ({'warm' if request.is_warm_start else 'cold'} start) because {request.reason}")
    return replace(
        train_model(
            settings, config, on_stage, is_warm_start=request.is_warm_start, oracle=read_oracle(settings.demo_truth_dir)
        ),
        reason=request.reason,
    )


def run_pipeline(
    settings: Settings,
    config: TrainConfig,
    listener: PipelineListener,
    *,
    is_training_requested: bool | None = None,
    is_forced: bool = False,
) -> PipelineReport:
    """Run all steps: fetch, load, build, train, score, evaluate and publish.

    The policy decides whether the run trains, unless `is_training_requested` is set. The run ends after the load when
    nothing has changed since the last complete run, unless it is forced or a training is requested.

    Raises:
        RecomartError: A step failed. The results of the steps before it stay.
        ModelError: There are no rows to train on, or the training failed.
    """
    seconds: dict[str, float] = {}

    def run_step(name: str, action: Callable[[], T], describe: Callable[[T], str]) -> T:
        listener.on_step(name)
        start_seconds = time.perf_counter()
        result = action()
        seconds[name] = time.perf_counter() - start_seconds
        listener.on_step_done(name, describe(result), seconds[name])
        return result

    def finish(report: PipelineReport) -> PipelineReport:
        seconds["all"] = time.perf_counter() - run_start_seconds
        report.peak_memory_mib = get_peak_memory_mib()
        return report

    run_id, run_start_seconds = uuid4().hex, time.perf_counter()
    # Reports a wrong policy before the run loads and builds.
    read_gate_policy(settings, config)
    fetch_report = (
        run_step("fetch", lambda: fetch_feeds(settings, listener.on_fetch), describe_fetch)
        if find_api_feeds(settings)
        else FetchReport()
    )
    # Each dbt process starts one step ahead: its imports then take no extra time, and it uses memory for one step only.
    with start_dbt(settings) as dbt:
        load_report = run_step("load", lambda: load(settings, listener.on_files), describe_load)
        reasons = ["requested"] if is_forced or is_training_requested else find_reasons_to_run(settings, config)
        report = PipelineReport(fetch_report, load_report, reasons, seconds=seconds)
        if not reasons:
            return finish(report)
        begin_run(settings, config, run_id)
        report.marts = run_step("build", lambda: build_marts(settings, listener.on_dbt, dbt), describe_dbt)
    report.training = run_step(
        "train",
        lambda: train_if_due(settings, config, listener.on_stage, is_training_requested=is_training_requested),
        lambda summary: describe_training(summary) if is_training_requested is not False else "not requested",
    )
    with start_dbt(settings) as dbt:
        report.scoring = run_step("score", lambda: score_customers(settings, listener.on_stage), describe_scoring)
        report.recommendations = run_step(
            "recommend", lambda: build_recommendations(settings, listener.on_dbt, dbt), describe_dbt
        )
    report.published = run_step("publish", lambda: publish_copy(settings), lambda published: published.file)
    # After a run that was not allowed to train, a training may be due.
    if is_training_requested is not False:
        complete_run(settings, run_id)
    return finish(report)


def describe_training(summary: TrainingSummary | None) -> str:
    """Return one line about a training run, or about why there was none."""
    if summary is None:
        return "no training is due"
    rejection_text = f"; rejected: {summary.rejection_reason}" if summary.rejection_reason else ""
    return (
        f"trained because {summary.reason}; {format_count(summary.interactions, 'interaction')} of "
        f"{format_count(summary.users, 'customer')} and {format_count(summary.products, 'product')}, "
        f"{format_count(summary.epochs, 'epoch')}{rejection_text}"
    )


def describe_scoring(summary: ScoringSummary | None) -> str:
    """Return one line about a scoring."""
    if summary is None:
        return "no model may serve yet: all customers get popular products"
    state = "serves from now on" if summary.is_newly_serving else "continues to serve"
    counts = (
        f"{format_count(summary.candidate_count, 'candidate')} for {format_count(summary.customer_count, 'customer')}"
    )
    return f"{counts}; model {summary.run_id} {state}"
