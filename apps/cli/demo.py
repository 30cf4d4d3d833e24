"""`recomart demo`: the results of a pipeline run on the demo shop."""

from dataclasses import dataclass
from datetime import timedelta

import pandas as pd

from apps.cli import console, data_tables, model_tables, recommendation_tables
from apps.recommendations.recommendation_lists import RecommendationList
from apps.recommendations.recommendation_queries import RecommendationQueries
from orchestration.demo_days import DemoDays
from orchestration.feed_accounting import FeedStatus, read_feed_status
from orchestration.pipeline import PipelineReport
from warehouse.effect_texts import format_interval, format_lift, format_value, label_metric
from warehouse.settings import Settings

EFFECT_STEP = """\
  .venv/bin/recomart effect                  see the experiment, and the recommendations by placement, rank and day
"""

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
    data_tables.print_test_warnings(outcome.report)
    data_tables.print_status(outcome.status)
    model_tables.print_metrics(outcome.metrics, outcome.missing_metrics_reason)
    recommendation_tables.print_recommendations(f"Top 10 for customer {outcome.customer}", outcome.recommendations)
    if outcome.further_days and outcome.further_days.metrics:
        print_further_days(outcome.further_days)
    seconds = outcome.further_days.seconds if outcome.further_days else outcome.report.seconds["all"]
    memory = outcome.report.peak_memory_mib
    console.print_line(f"{seconds:.0f} s in total, peak memory {memory:,} MiB\n")
    steps = NEXT_STEPS + (EFFECT_STEP if outcome.further_days else "")
    for line in steps.splitlines():
        console.print_line(line.format(user=outcome.customer))


def print_further_days(further_days: DemoDays) -> None:
    """Print the metrics of both arms, and the measured lift beside the planted one."""
    last_date = further_days.end_date - timedelta(days=1)
    first = further_days.metrics[0].effect
    console.print_table(
        f"Effect of the lists from {further_days.first_date} to {last_date} ({first.control_customers:,} customers "
        f"without lists, {first.customers:,} with)",
        [
            {
                "metric": label_metric(metric.effect.metric, is_inferred=False),
                "control": format_value(metric.effect.metric, metric.effect.control_value),
                "treatment": format_value(metric.effect.metric, metric.effect.value),
                "adjusted lift": format_lift(metric.effect.lift),
                "95 % interval": format_interval(metric.effect),
                "planted lift": format_lift(metric.true_lift),
                "covered": metric.is_covered,
                "verdict": metric.effect.verdict,
            }
            for metric in further_days.metrics
        ],
    )
