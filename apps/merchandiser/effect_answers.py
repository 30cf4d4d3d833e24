"""Plain answers about the effect of the recommendations, for readers without statistics."""

from collections.abc import Sequence
from datetime import date, timedelta
from typing import NamedTuple

from apps.merchandiser.customers.customer_texts import describe_policy
from apps.merchandiser.prices import format_amount
from warehouse.effect_report import METRIC_LABELS, EffectArm, EffectMetric, EffectReport
from warehouse.effect_texts import format_interval, format_value, label_metric
from warehouse.formatting import format_count

QUESTION = "Do the recommendations earn anything?"

AMOUNT_METRICS = {"revenue_per_customer", "average_order_value"}

OTHER_METRIC_COUNT = len(METRIC_LABELS) - 1
"""Number of metrics besides the primary one, which the correction of their results counts."""

COMPARISONS = {
    "conversion": ("bought {} more often", "bought {} less often"),
    "orders_per_customer": ("ordered {} more often", "ordered {} less often"),
    "revenue_per_customer": ("spent {} more", "spent {} less"),
    "returning_customers": ("came back {} more often", "came back {} less often"),
}
"""What the customers of an arm did by a metric, if it is higher and if it is lower than in the control."""


class EffectAnswer(NamedTuple):
    """An answer and whether it is good news, bad news, open, or about an error."""

    level: str
    """yes, no, open or error."""
    text: str


def answer_effect(
    metrics: Sequence[EffectMetric], arms: Sequence[EffectArm], currency: str | None = None
) -> EffectAnswer:
    """Return what an arm earned, by the primary metric, which is the first one.

    Args:
        metrics: Metrics of the arm.
        arms: Arms of the experiment; `control` is the last one.
        currency: Currency of the shop, if it has one only.
    """
    primary = metrics[0]
    if any(arm.is_mismatch for arm in arms):
        return EffectAnswer(
            "error",
            "Not known: an arm has not its share of the customers. An error added or lost customers, so the figures "
            "cannot be compared.",
        )
    difference = _describe_difference(primary, arms)
    if difference is None or primary.verdict.startswith("not measured"):
        return EffectAnswer("open", f"Not known: too few customers for the figure {METRIC_LABELS[primary.metric]}.")
    spend = _describe_spend(metrics, currency)
    if primary.has_effect:
        is_good = ((primary.adjusted_difference or 0) > 0) != (primary.metric == "return_share")
        level, start = ("yes", "Yes") if is_good else ("no", "No")
        return EffectAnswer(level, f"{start}: {difference}. The difference is real{_add_range(primary)}.{spend}")
    ends_on = arms[0].ends_on
    if ends_on is None:
        text = f"Not known: the experiment has no end, and without one there is no result. So far, {difference}"
        return EffectAnswer("open", f"{text}; this can still be chance.")
    if primary.verdict.startswith("no verdict"):
        text = (
            f"Not known yet: the experiment ends after {format_day(ends_on - timedelta(days=1))}. So far, {difference}"
        )
        return EffectAnswer("open", f"{text}; this can still be chance.")
    return EffectAnswer("open", f"Not proven: {difference}; this can still be chance{_add_range(primary)}.{spend}")


def answer_without_experiment(report: EffectReport, currency: str | None = None) -> EffectAnswer:
    """Return what followed the recommendations, where no experiment says what they earned."""
    totals = report.recommendations["total"]
    purchases, revenue = sum(total.purchases for total in totals), sum(total.revenue for total in totals)
    reason = (
        "Not known yet: no customers of an arm and of the control took part in an experiment."
        if report.experiments
        else "Not known: no experiment compares customers with and without recommendations."
    )
    return EffectAnswer(
        "open",
        f"{reason} {format_count(purchases, 'purchase')} for {format_amount(revenue, currency)} followed "
        "recommendations. Customers would have made some of them anyway.",
    )


def describe_result(metric: EffectMetric, ends_on: date | None) -> str:
    """Return what an experiment says about a metric, in agreement with its likely range."""
    if metric.verdict.startswith("no verdict"):
        return "no result without an end" if ends_on is None else f"no result before the end on {format_day(ends_on)}"
    if metric.verdict != "no effect seen":
        return metric.verdict
    if metric.min_lift is None or metric.max_lift is None or metric.min_lift <= 0 <= metric.max_lift:
        return "can be chance"
    return f"can still be chance, because {OTHER_METRIC_COUNT} figures were compared"


def describe_values(metric: EffectMetric, currency: str | None, *, is_inferred: bool) -> str:
    """Return the values of a metric of an arm and of the control, and the smallest difference that can be found."""
    label = label_metric(metric.metric, is_inferred=is_inferred)
    value, control_value = (
        format_metric(metric.metric, value, currency) for value in (metric.value, metric.control_value)
    )
    text = f"Arm {metric.arm}, {label}: {value} against {control_value} in the control."
    if metric.min_detectable_lift is not None:
        text += f" An experiment of this size finds differences from {metric.min_detectable_lift:.1%} on."
    return text


def describe_arms(arms: Sequence[EffectArm]) -> str:
    """Return the days of an experiment, and the customers of its arms with what they get."""
    texts = [f"{arm.arm}: {describe_policy(arm.policy)}, {arm.customers:,} customers" for arm in arms]
    ends_on = arms[0].ends_on
    end = "without an end" if ends_on is None else f"to {format_day(ends_on - timedelta(days=1))}"
    return f"Lists from {format_day(arms[0].starts_on)} {end}. {'; '.join(texts)}."


def format_metric(metric: str, value: float | None, currency: str | None) -> str:
    """Return a value of a metric; an amount has the currency."""
    return format_amount(value, currency) if metric in AMOUNT_METRICS else format_value(metric, value)


def format_day(day: date) -> str:
    """Return a day as in the tables and charts of the app, such as 6 Apr 2026."""
    return f"{day.day} {day:%b %Y}"


def _describe_difference(metric: EffectMetric, arms: Sequence[EffectArm]) -> str | None:
    """Return how an arm differs from the control, as a clause; None without a difference."""
    if metric.lift is None:
        return None
    label = METRIC_LABELS[metric.metric]
    more, less = COMPARISONS.get(metric.metric, (f"have {{}} more by {label}", f"have {{}} less by {label}"))
    policies = {arm.arm: describe_policy(arm.policy) for arm in arms}
    action = (more if metric.lift >= 0 else less).format(f"{abs(metric.lift):.1%}")
    return f"customers with {policies[metric.arm]} {action} than customers with {policies[arms[-1].arm]}"


def _describe_spend(metrics: Sequence[EffectMetric], currency: str | None) -> str:
    """Return the difference of the revenue per customer as a sentence; an empty text where it is unknown."""
    for metric in metrics:
        if metric.metric != "revenue_per_customer" or metric.adjusted_difference is None:
            continue
        if metric.verdict.startswith("not measured"):
            continue
        amount = format_amount(abs(metric.adjusted_difference), currency)
        word = "more" if metric.adjusted_difference >= 0 else "less"
        certainty = "this difference is real" if metric.has_effect else "this can still be chance"
        return f" They spent {amount} {word} per customer; {certainty}."
    return ""


def _add_range(metric: EffectMetric) -> str:
    return "" if metric.min_lift is None else f" (likely range {format_interval(metric)})"
