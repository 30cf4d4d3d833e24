"""Tables about the effect of recommendations: arms, metrics of experiments, and recommended products."""

from collections.abc import Sequence
from typing import Any

from apps.cli.console import print_line, print_table
from warehouse.effect_report import EffectArm, EffectMetric, EffectReport, RecommendationFigures, select_newest_groups
from warehouse.effect_texts import (
    describe_period,
    format_detectable_lift,
    format_difference,
    format_interval,
    format_lift,
    format_value,
    label_metric,
)

MAX_DAYS = 14
"""Newest days in the table by day; JSON has all of them."""


def print_effect(report: EffectReport) -> None:
    """Print the verdicts and tables of all experiments, the figures of the recommendations, and what is missing."""
    for experiment in report.experiments:
        print_arms(report.get_arms(experiment))
        for metrics in report.get_metrics_by_arm(experiment):
            print_metrics(metrics, is_inferred=report.is_inferred(experiment))
    print_recommendations(report)
    for note in report.notes:
        print_line(note)


def print_arms(arms: Sequence[EffectArm]) -> None:
    """Print the arms of an experiment with their shares and customers."""
    print_table(
        f"Experiment {arms[0].experiment}, {describe_period(arms[0])}",
        [
            {
                "arm": arm.arm,
                "policy": arm.policy,
                "share": f"{arm.share:.2%}",
                "customers": arm.customers,
                "expected": round(arm.expected_customers),
                "note": "share mismatch" if arm.is_mismatch else "no customers" if arm.customers == 0 else "",
            }
            for arm in arms
        ],
    )


def print_metrics(metrics: Sequence[EffectMetric], *, is_inferred: bool) -> None:
    """Print the metrics of an arm beside the control, with the verdicts; the primary metric comes first."""
    print_table(
        f"Arm {metrics[0].arm} ({metrics[0].customers:,} customers) against the control "
        f"({metrics[0].control_customers:,} customers)",
        [_build_metric_row(metric, is_inferred=is_inferred) for metric in metrics],
    )


def _build_metric_row(metric: EffectMetric, *, is_inferred: bool) -> dict[str, Any]:
    name = metric.metric
    return {
        "metric": label_metric(name, is_inferred=is_inferred) + (" (primary)" if metric.is_primary else ""),
        "value": format_value(name, metric.value),
        "control": format_value(name, metric.control_value),
        "adjusted_lift": format_lift(metric.lift),
        "95 % interval": format_interval(metric),
        "adjusted difference": format_difference(name, metric.adjusted_difference),
        "difference": format_difference(name, metric.difference),
        "uncapped difference": format_difference(name, metric.uncapped_difference),
        "smallest visible lift": format_detectable_lift(metric),
        "verdict": metric.verdict,
    }


def print_recommendations(report: EffectReport) -> None:
    """Print impressions, clicks, purchases and revenue of recommended products, in total and by group."""
    if not report.recommendations["total"]:
        return
    period = f"from {report.first_day} to {report.last_day}"
    print_table(f"Recommendations {period}", _build_figure_rows("", report.recommendations["total"]))
    for group in ("placement", "source", "rank"):
        print_table(f"Recommendations by {group}", _build_figure_rows(group, report.recommendations[group]))
    print_table(
        "Recommendations by week, from its Monday on", _build_figure_rows("week", report.recommendations["week"])
    )
    print_table(
        f"Recommendations by day, the newest {MAX_DAYS}",
        _build_figure_rows("day", select_newest_groups(report.recommendations["day"], MAX_DAYS)),
    )


def _build_figure_rows(group: str, figures: Sequence[RecommendationFigures]) -> list[dict[str, Any]]:
    return [
        {
            **({group: row.group} if group else {}),
            "impressions": row.impressions,
            "basis": row.basis,
            "clicks": row.clicks,
            "click_through_rate": "-" if row.click_through_rate is None else f"{row.click_through_rate:.2%}",
            "add_to_carts": row.add_to_carts,
            "purchases": row.purchases,
            "returns": row.returns,
            "revenue": f"{row.revenue:,.2f}",
        }
        for row in figures
    ]
