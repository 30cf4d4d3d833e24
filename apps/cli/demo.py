"""`recomart demo`: the results of a pipeline run on the demo shop."""

from dataclasses import dataclass
from datetime import timedelta

import pandas as pd

from apps.cli import console, data_tables, model_tables, recommendation_tables
from apps.recommendation_queries import RecommendationList, RecommendationQueries
from orchestration.demo_days import DemoDays, DemoMetric
from orchestration.feed_accounting import FeedStatus, read_feed_status
from orchestration.pipeline import PipelineReport
from warehouse.settings import Settings

NEXT_STEPS = """\
Next steps:
  make app                                   browse customers and their recommendations (Streamlit)
  make dev                                   open the asset graph, from files to the published copy (Dagster)
  cd dbt_project && ../.venv/bin/dbt build   rebuild and test every table
  .venv/bin/recomart recommend --user {user} -n 10
  .venv/bin/recomart --help
"""


@dataclass(frozen=True)
class DemoOutcome:
    """The results that the demo shows."""

    status: list[FeedStatus]
    metrics: pd.DataFrame
    missing_metrics_reason: str | None
    """None when there are metrics."""

    customer: str
    """The most active customer with recommendations, which are shown."""

    recommendations: RecommendationList
    report: PipelineReport
    further_days: DemoDays | None
    """The days on which customers saw the lists; None without `--days`."""


def collect_demo_outcome(
    settings: Settings, report: PipelineReport, further_days: DemoDays | None = None
) -> DemoOutcome:
    """Collect the rows by status, the ranking metrics, and the top 10 of the most active customer who gets some."""
    with RecommendationQueries(settings) as queries:
        copy = queries.serving_copy
        metrics = copy.get_metrics()
        # In an experiment, the most active customers can be in an arm without lists.
        customers = copy.search_customers(limit=50)["user_id"].astype(str)
        customer = next((user for user in customers if not copy.get_recommendations(user, 1).empty), customers.iloc[0])
        return DemoOutcome(
            status=read_feed_status(settings),
            metrics=metrics,
            missing_metrics_reason=copy.explain_missing_metrics() if metrics.empty else None,
            customer=customer,
            recommendations=queries.recommend_for_customer(customer, 10),
            report=report,
            further_days=further_days,
        )


def print_demo_outcome(outcome: DemoOutcome) -> None:
    """Print the results and the next steps."""
    console.print_line("")
    data_tables.print_status(outcome.status)
    model_tables.print_metrics(outcome.metrics, outcome.missing_metrics_reason)
    recommendation_tables.print_recommendations(f"Top 10 for customer {outcome.customer}", outcome.recommendations)
    if outcome.further_days:
        print_further_days(outcome.further_days)
    seconds, memory = outcome.report.seconds["all"], outcome.report.peak_memory_mib
    console.print_line(f"{seconds:.0f} s in total, peak memory {memory:,} MiB\n")
    for line in NEXT_STEPS.splitlines():
        console.print_line(line.format(user=outcome.customer))


def print_further_days(further_days: DemoDays) -> None:
    """Print the metrics of both arms, and the measured lift beside the planted one."""
    last_date = further_days.end_date - timedelta(days=1)
    counts = {(metric.control_customers, metric.customers) for metric in further_days.metrics}
    customers = "; ".join(f"{control:,} customers without lists, {treatment:,} with" for control, treatment in counts)
    console.print_table(
        f"Effect of the lists from {further_days.first_date} to {last_date} ({customers})",
        [
            {
                "metric": metric.metric,
                "control": _format(metric.control_value, ".4g"),
                "treatment": _format(metric.value, ".4g"),
                "lift": _format(metric.lift, "+.1%"),
                "95 % interval": _format_interval(metric),
                "planted lift": _format(metric.true_lift, "+.1%"),
                "covered": metric.is_covered,
                "verdict": metric.verdict,
            }
            for metric in further_days.metrics
        ],
    )


def _format(value: float | None, specification: str) -> str:
    return "-" if value is None else format(value, specification)


def _format_interval(metric: DemoMetric) -> str:
    if metric.min_lift is None or metric.max_lift is None:
        return "-"
    return f"{metric.min_lift:+.1%} to {metric.max_lift:+.1%}"
