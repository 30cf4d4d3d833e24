"""The page about the effect of recommendations: experiments with their intervals, and weeks side by side."""

from collections.abc import Sequence
from datetime import date, timedelta
from pathlib import Path

from apps.profile.cards import Card, build_card, render_page
from apps.profile.charts import compute_chart_height, make_band_chart, make_bar_chart, make_interval_chart
from apps.profile.sections import Finding
from warehouse.atomic_files import write_text_atomically
from warehouse.effect_report import (
    METRIC_LABELS,
    EffectDay,
    EffectMetric,
    EffectReport,
    RecommendationFigures,
    sum_purchases,
)
from warehouse.effect_texts import (
    describe_basis,
    describe_metric,
    describe_period,
    format_lift,
    format_value,
    label_groups,
    label_metric,
)
from warehouse.errors import RecomartError
from warehouse.formatting import format_count


def write_effect_page(report: EffectReport, path: Path) -> None:
    """Write the page of a report.

    Raises:
        RecomartError: The path is a folder.
        OSError: The file cannot be written.
    """
    if path.is_dir():
        raise RecomartError(f"cannot write the page: {path} is a folder. Give the path of a file with --html")
    chapters = {f"Experiment {name}": _build_experiment_cards(report, name) for name in report.experiments}
    if report.recommendations["total"]:
        chapters["Recommendations"] = _build_recommendation_cards(report)
    if report.notes:
        notes = " ".join(report.notes)
        chapters["Limits"] = [build_card("What is inferred or missing", Finding(notes), ("audit_feeds",))]
    page = render_page(
        "effect.html.j2", _build_tiles(report), chapters, first_day=report.first_day, last_day=report.last_day
    )
    write_text_atomically(path, page)


def _build_tiles(report: EffectReport) -> dict[str, str]:
    return {
        f"{label}{' (inferred)' if totals.basis == 'inferred' else ''}": value
        for totals in report.recommendations["total"]
        for label, value in _format_figures(totals).items()
    }


def _format_figures(figures: RecommendationFigures) -> dict[str, str]:
    """Return the figures of a group as texts, by label."""
    rate = figures.click_through_rate
    return {
        "impressions": f"{figures.impressions:,}",
        "clicks": f"{figures.clicks:,}",
        "click-through rate": "-" if rate is None else f"{rate:.2%}",
        "purchases": f"{figures.purchases:,}",
        "revenue": f"{figures.revenue:,.2f}",
    }


def _build_experiment_cards(report: EffectReport, experiment: str) -> list[Card]:
    arms = report.get_arms(experiment)
    counts = ", ".join(f"{arm.arm} {arm.customers:,} of {arm.expected_customers:,.0f} expected" for arm in arms)
    overview = Finding(f"Lists {describe_period(arms[0])}. Customers: {counts}.")
    cards = [build_card("Arms", overview, ("effect_arms",))]
    for metrics in report.get_metrics_by_arm(experiment):
        title = f"Arm {metrics[0].arm}"
        finding = _describe_arm(metrics, is_inferred=report.is_inferred(experiment))
        cards.append(build_card(f"{title} against the control", finding, ("effect_experiments",)))
        if days := report.get_days(metrics[0]):
            title += f": {METRIC_LABELS[metrics[0].metric]} from the start to each day"
            cards.append(build_card(title, _describe_days(days), ("effect_days",)))
    return cards


def _describe_arm(metrics: Sequence[EffectMetric], *, is_inferred: bool) -> Finding:
    """Describe the verdict about the first metric; chart the lifts of all metrics with their intervals."""
    labels = [label_metric(metric.metric, is_inferred=is_inferred) for metric in metrics]
    table = [
        {
            "metric": label,
            "value": format_value(metric.metric, metric.value),
            "control": format_value(metric.metric, metric.control_value),
            "adjusted_lift": format_lift(metric.lift),
            "verdict": metric.verdict,
        }
        for label, metric in zip(labels, metrics, strict=True)
    ]
    sentence = describe_metric(metrics[0], is_inferred=is_inferred)
    lifts = [
        (label, metric.lift, metric.min_lift, metric.max_lift)
        for label, metric in zip(labels, metrics, strict=True)
        if metric.lift is not None and metric.min_lift is not None and metric.max_lift is not None
    ]
    if not lifts:
        return Finding(sentence, table=table)
    chart_labels, values, lows, highs = zip(*lifts, strict=True)
    return Finding(
        sentence,
        make_interval_chart(chart_labels, values, lows, highs, "lift with 95 % interval"),
        "Points with intervals: lift of each metric.",
        compute_chart_height(len(lifts)),
        table,
    )


def _describe_days(days: Sequence[EffectDay]) -> Finding:
    """Chart the difference of an arm from the control from the start to each day."""
    return Finding(
        "Difference from the control, not adjusted. The intervals of days are no verdict.",
        make_band_chart(
            [row.day for row in days],
            _fill([row.difference for row in days]),
            _fill([row.min_difference for row in days]),
            _fill([row.max_difference for row in days]),
            "difference",
        ),
        "Line in a band: difference with its 95 % interval.",
    )


def _fill(values: Sequence[float | None]) -> list[float]:
    """Return the values with NaN, which charts leave out, for missing ones."""
    return [float("nan") if value is None else value for value in values]


def _build_recommendation_cards(report: EffectReport) -> list[Card]:
    sources = ("effect_recommendation_days",)
    return [
        build_card("Weeks", _describe_weeks(report), sources),
        *(
            build_card(f"By {group}", _describe_groups(group, report.recommendations[group]), sources)
            for group in ("rank", "source", "placement")
        ),
    ]


def _describe_weeks(report: EffectReport) -> Finding:
    """Describe the purchases of the newest week; chart the clicks and purchases of all weeks."""
    weeks = report.recommendations["week"]
    purchases = sum_purchases(weeks)
    monday = str(weeks[-1].group)
    monday_before = str(date.fromisoformat(monday) - timedelta(days=7))
    sentence = (
        f"{format_count(purchases[monday], 'purchase line')} followed a recommendation in the week from {monday} on"
    )
    sentence += f", {purchases[monday_before]:,} in the week before" if monday_before in purchases else ""
    labels = label_groups(weeks)
    figures = [_format_figures(week) for week in weeks]
    table = [
        {"figure": name, **{label: texts[name] for label, texts in zip(labels, figures, strict=True)}}
        for name in figures[0]
    ]
    return Finding(
        f"{sentence}. The newest week ends on {report.last_day}. {describe_basis(weeks)}".rstrip(),
        make_bar_chart(
            labels,
            {"clicks": [week.clicks for week in weeks], "purchases": [week.purchases for week in weeks]},
            is_share=False,
        ),
        "Bars: clicks and purchases by week.",
        compute_chart_height(2 * len(weeks)),
        table,
    )


def _describe_groups(name: str, groups: Sequence[RecommendationFigures]) -> Finding:
    """Describe the group with most purchases; chart the click-through rates."""
    purchases = sum_purchases(groups)
    purchase_count = sum(purchases.values())
    best = max(purchases, key=lambda group: purchases[group])
    labels = label_groups(groups)
    table = [{name: label, **_format_figures(row)} for label, row in zip(labels, groups, strict=True)]
    sentence = (
        f"Most purchases after a recommendation are of {name} {best or 'unknown'}: {purchases[best]:,} of "
        f"{purchase_count:,}."
        if purchase_count
        else "No purchase followed a recommendation."
    )
    sentence = f"{sentence} {describe_basis(groups)}".rstrip()
    if not any(row.clicks for row in groups):
        return Finding(sentence, table=table)
    return Finding(
        f"{sentence} The chart shows click-through rates.",
        make_bar_chart(labels, {"": [row.click_through_rate or 0 for row in groups]}, is_share=True),
        f"Bars: click-through rate by {name}.",
        compute_chart_height(len(groups)),
        table,
    )
