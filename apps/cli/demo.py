"""`recomart demo`: a shop to try everything on, and a guided look at what came out."""

from dataclasses import dataclass

import pandas as pd

from apps.cli import console, data_tables, model_tables, recommendation_tables
from apps.recommendation_queries import RecommendationList, RecommendationQueries
from orchestration.feed_accounting import FeedStatus, read_feed_status
from orchestration.pipeline import PipelineReport
from warehouse.demo.config import DemoConfig
from warehouse.settings import Settings

DEMO_SHOP_CONFIG = DemoConfig()
"""The shop that `make demo` makes."""

NEXT_STEPS = """\
What to type next:
  make app                                   browse customers and their recommendations (Streamlit)
  make dev                                   the whole graph, from files to the published copy (Dagster)
  cd dbt_project && ../.venv/bin/dbt build   rebuild and test every table
  .venv/bin/recomart recommend --user {user} -n 10
  .venv/bin/recomart --help
"""


@dataclass(frozen=True)
class DemoOutcome:
    """What there is to see after the demo."""

    status: list[FeedStatus]
    metrics: pd.DataFrame
    missing_metrics_reason: str | None
    """None when there are some."""

    customer: str
    """The busiest customer, whose list is shown."""

    recommendations: RecommendationList
    report: PipelineReport


def collect_demo_outcome(settings: Settings, report: PipelineReport) -> DemoOutcome:
    """Gather the row accounting, the metrics beside the baselines, and the busiest customer's top 10."""
    with RecommendationQueries(settings) as storefront:
        copy = storefront.serving_copy
        metrics = copy.get_metrics()
        customer = str(copy.search_customers(limit=1)["user_id"].iloc[0])
        return DemoOutcome(
            status=read_feed_status(settings),
            metrics=metrics,
            missing_metrics_reason=copy.explain_missing_metrics() if metrics.empty else None,
            customer=customer,
            recommendations=storefront.recommend_for_customer(customer, 10),
            report=report,
        )


def print_demo_outcome(outcome: DemoOutcome) -> None:
    """Print what there is to see, and what to type next."""
    console.print_line("")
    data_tables.print_status(outcome.status)
    model_tables.print_metrics(outcome.metrics, outcome.missing_metrics_reason)
    recommendation_tables.print_recommendations(f"Top 10 for customer {outcome.customer}", outcome.recommendations)
    seconds, memory = outcome.report.seconds["all"], outcome.report.peak_memory_mib
    console.print_line(f"{seconds:.0f} s in all, {memory:,} MiB of memory at the most\n")
    console.print_line(NEXT_STEPS.format(user=outcome.customer))
