"""Texts of the effect of recommendations: labels, values, lifts and verdicts."""

from collections.abc import Sequence
from datetime import timedelta

from warehouse.effect_report import METRIC_LABELS, EffectArm, EffectMetric, RecommendationFigures

SHARE_METRICS = {"conversion", "click_through_rate", "returning_customers", "return_share"}

INFERRED_METRICS = {"click_through_rate"}
"""Metrics that depend on impressions."""


def describe_period(arm: EffectArm) -> str:
    """Return the days of an arm's experiment, the last one included."""
    return f"from {arm.starts_on} {f'to {arm.ends_on - timedelta(days=1)}' if arm.ends_on else 'without an end'}"


def label_metric(metric: str, *, is_inferred: bool) -> str:
    """Return the label of a metric, with a mark when it depends on inferred impressions."""
    mark = " (inferred)" if is_inferred and metric in INFERRED_METRICS else ""
    return METRIC_LABELS[metric] + mark


def label_groups(figures: Sequence[RecommendationFigures]) -> list[str]:
    """Return the label of each group; where others are measured, inferred ones have a mark."""
    has_measured = any(row.basis == "measured" for row in figures)
    return [
        (row.group or "unknown") + (" (inferred)" if has_measured and row.basis == "inferred" else "")
        for row in figures
    ]


def describe_basis(figures: Sequence[RecommendationFigures]) -> str:
    """Return a sentence about inferred impressions; empty without any."""
    bases = {row.basis for row in figures}
    if "inferred" not in bases:
        return ""
    return "Impressions are inferred." if len(bases) == 1 else "Figures marked as inferred are of inferred impressions."


def format_value(metric: str, value: float | None) -> str:
    """Return a value of a metric: a share as a percentage, other values with three digits after the point."""
    if value is None:
        return "-"
    return f"{value:.2%}" if metric in SHARE_METRICS else f"{value:,.3f}"


def format_difference(metric: str, difference: float | None) -> str:
    """Return a difference of two values of a metric; that of shares in percentage points."""
    if difference is None:
        return "-"
    return f"{100 * difference:+.2f} pp" if metric in SHARE_METRICS else f"{difference:+,.3f}"


def format_lift(lift: float | None) -> str:
    """Return a relative difference as a percentage."""
    return "-" if lift is None else f"{lift:+.1%}"


def format_interval(metric: EffectMetric) -> str:
    """Return the 95 % interval of a lift."""
    if metric.min_lift is None or metric.max_lift is None:
        return "-"
    return f"{metric.min_lift:+.1%} to {metric.max_lift:+.1%}"


def format_detectable_lift(metric: EffectMetric) -> str:
    """Return the smallest lift that such an experiment finds."""
    return "-" if metric.min_detectable_lift is None else f"{metric.min_detectable_lift:.1%}"


def describe_metric(metric: EffectMetric, *, is_inferred: bool) -> str:
    """Return the verdict about a metric of an arm, with its figures, as sentences."""
    text = f"Arm {metric.arm}, {label_metric(metric.metric, is_inferred=is_inferred)}: {metric.verdict}."
    if metric.value is None or metric.control_value is None:
        return text
    value, control_value = (format_value(metric.metric, value) for value in (metric.value, metric.control_value))
    text += f" {value} against {control_value} in the control"
    if metric.lift is None or metric.min_lift is None:
        return f"{text}."
    return (
        f"{text}; lift {format_lift(metric.lift)}, 95 % interval {format_interval(metric)}. "
        f"Such an experiment finds lifts from {format_detectable_lift(metric)} on."
    )
