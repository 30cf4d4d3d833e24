"""The demo shop day by day: customers see the live lists, and the pipeline runs on what they do."""

import csv
import io
import time
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

from models_ml.config import TrainConfig
from orchestration.demo_lists import CONTROL, EXPERIMENT, TREATMENT, compile_treatment_lists, read_lists
from orchestration.pipeline import PipelineReport, run_pipeline
from orchestration.progress import PipelineListener
from warehouse.atomic_files import write_text_atomically
from warehouse.database import CATALOG, open_reader
from warehouse.demo.config import DemoConfig
from warehouse.demo.line_format import format_day
from warehouse.demo.next_day import find_next_day, generate_next_day
from warehouse.demo.outcomes import compute_true_metrics
from warehouse.effect_report import EffectMetric, fetch_metrics
from warehouse.settings import Settings

POLICIES = {CONTROL: "none", TREATMENT: "model"}
"""Arms of the demo shop's experiment, half of the customers each, with their policies."""

DAYS_PER_RUN = 2
"""Days between two runs of the pipeline. A run takes 20 seconds, and 14 days with a run each would take six minutes."""


@dataclass(frozen=True)
class DemoMetric:
    """A metric of the demo shop's experiment, as measured and as planted."""

    effect: EffectMetric
    """Of the customers with the lists of the model."""
    true_lift: float | None
    """Relative difference between all customers with the lists of the model and all customers without lists."""

    @property
    def is_covered(self) -> bool | None:
        """Whether the interval covers the planted lift; None when one of them is unknown."""
        if self.effect.min_lift is None or self.effect.max_lift is None or self.true_lift is None:
            return None
        return self.effect.min_lift <= self.true_lift <= self.effect.max_lift


@dataclass(frozen=True)
class DemoDays:
    """Results of the further days of the demo shop."""

    first_date: date
    end_date: date
    """First day after the further days."""
    metrics: list[DemoMetric]
    report: PipelineReport
    """The last run of the pipeline."""
    seconds: float
    """Wall time of all runs and of the data of the days."""


def run_demo_days(
    settings: Settings, shop: DemoConfig, config: TrainConfig, day_count: int, listener: PipelineListener
) -> DemoDays:
    """Run the pipeline on a demo shop, then on its next days, whose customers see the lists that went live last.

    The first run and the one after the last day are whole ones. The runs between them, one per `DAYS_PER_RUN` days,
    build only what the lists need, and train no model.

    Half of the customers are in a control arm without lists. The experiment is in a file of the warehouse, and so the
    project's seed stays as it is.

    Raises:
        RecomartError: See `run_pipeline` and `generate_next_day`.
        ModelError: See `run_pipeline`.
    """
    start_seconds = time.perf_counter()
    first_day = find_next_day(shop, settings.landing_dir)
    end_day = first_day + day_count
    experiment_start = write_demo_experiment(settings, shop, first_day, end_day)
    report = _run_pipeline(settings, shop, config, first_day, listener)
    treatment_query = compile_treatment_lists(settings)
    for day in range(first_day, end_day):
        lists = read_lists(settings, treatment_query)
        generate_next_day(shop, settings.landing_dir, settings.demo_truth_dir, lists)
        done_count = day + 1 - first_day
        listener.on_days(done_count, day_count)
        is_last = done_count == day_count
        if is_last or done_count % DAYS_PER_RUN == 0:
            report = _run_pipeline(settings, shop, config, day + 1, listener, is_lists_only=not is_last)
    end_date = shop.start_date + timedelta(days=end_day)
    metrics = compare_with_truth(settings, experiment_start, end_date)
    return DemoDays(experiment_start, end_date, metrics, report, time.perf_counter() - start_seconds)


def write_demo_experiment(settings: Settings, shop: DemoConfig, first_day: int, end_day: int) -> date:
    """Write the experiment of the days from `first_day` to before `end_day`; return the first day with lists of it.

    An experiment that is there goes on until the new end.
    """
    file = settings.demo_experiments_file
    # An experiment is active from the day of the newest data on, and lists of that day are live on the next one.
    starts_on = format_day(shop, first_day - 1)
    if file.exists():
        starts_on = next(csv.DictReader(io.StringIO(file.read_text(encoding="utf-8"))))["starts_on"]
    rows = [
        f"{EXPERIMENT},{arm},{1 / len(POLICIES)},{policy},{starts_on},{format_day(shop, end_day)}"
        for arm, policy in POLICIES.items()
    ]
    write_text_atomically(file, "\n".join(["name,arm,share,policy,starts_on,ends_on", *rows]) + "\n")
    return date.fromisoformat(starts_on) + timedelta(days=1)


def compare_with_truth(settings: Settings, first_date: date, end_date: date) -> list[DemoMetric]:
    """Return the metrics whose effect is planted, as measured in the warehouse and as planted."""
    truth = compute_true_metrics(settings.demo_truth_dir, EXPERIMENT, first_date, end_date)
    true_control, true_treatment = (truth.get(arm, {}) for arm in (CONTROL, TREATMENT))
    with open_reader(settings) as connection:
        connection.execute(f"use {CATALOG}.marts")
        effects = [row for row in fetch_metrics(connection) if (row.experiment, row.arm) == (EXPERIMENT, TREATMENT)]
    return [
        DemoMetric(effect, _compute_lift(true_treatment[effect.metric], true_control[effect.metric]))
        for effect in effects
        if effect.metric in true_treatment
    ]


def _compute_lift(treatment: float | None, control: float | None) -> float | None:
    """Return the relative difference; None without a value, such as that of an arm without orders."""
    return treatment / control - 1 if treatment is not None and control else None


def _run_pipeline(
    settings: Settings,
    shop: DemoConfig,
    config: TrainConfig,
    day: int,
    listener: PipelineListener,
    *,
    is_lists_only: bool = False,
) -> PipelineReport:
    """Run the pipeline as of the start of a day: the lists go live before its first session."""
    published_at = datetime.combine(shop.start_date + timedelta(days=day), datetime.min.time(), UTC)
    return run_pipeline(
        settings, config, listener, is_forced=True, is_lists_only=is_lists_only, published_at=published_at
    )
