"""The verdicts of experiments, and what followed the recommendations."""

from collections.abc import Sequence

import altair as alt
import pandas as pd
import streamlit as st

from apps.merchandiser.customers.customer_texts import describe_policy
from apps.merchandiser.markdown import escape_markdown
from apps.merchandiser.product_filter import SOURCE_LABELS
from apps.merchandiser.table_columns import choose_table_height, format_share, make_count_column
from warehouse.effect_report import EffectArm, EffectDay, EffectMetric, EffectReport, RecommendationFigures
from warehouse.effect_texts import (
    describe_metric,
    describe_period,
    format_interval,
    format_lift,
    format_value,
    label_metric,
)
from warehouse.publishing.serving_copy import ServingCopy

CHART_HEIGHT = 260

GROUP_LABELS = {"week": "Week (Monday)", "rank": "Rank", "source": "Source", "placement": "Placement"}

METRIC_COLUMNS = ["Metric", "Value", "Control", "Adjusted lift", "Likely range", "Verdict"]


def show_effect(copy: ServingCopy) -> None:
    """Show the verdicts of the experiments, and what followed the recommendations."""
    report = copy.get_effect()
    if report is None:
        st.info(
            "The effect of the recommendations is not published. An earlier version of RecoMart published this copy, "
            "without the clicks and purchases after recommendations. The next `recomart run` publishes them.",
            icon=":material/hourglass_empty:",
        )
        return
    for experiment in report.experiments:
        show_experiment(report, experiment)
    show_recommendations_effect(report)


def show_experiment(report: EffectReport, experiment: str) -> None:
    """Show the verdicts about an experiment's arms, then their metrics and the difference by day."""
    st.subheader(escape_markdown(f"Experiment {experiment}"), anchor=False)
    arms = report.get_arms(experiment)
    arm_metrics = report.get_metrics_by_arm(experiment)
    is_inferred = report.is_inferred(experiment)
    for metrics in arm_metrics:
        text = escape_markdown(describe_metric(metrics[0], is_inferred=is_inferred))
        if any(arm.is_mismatch for arm in arms):
            st.warning(text, icon=":material/warning:")
        elif not metrics[0].has_effect:
            st.info(text, icon=":material/balance:")
        elif (metrics[0].adjusted_difference or 0) > 0:
            st.success(text, icon=":material/trending_up:")
        else:
            st.error(text, icon=":material/trending_down:")
    if not arm_metrics:
        st.info("No customers of an arm and of the control took part yet.", icon=":material/hourglass_empty:")
    st.caption(escape_markdown(describe_arms(arms)))
    st.caption("Likely range: without 0 the difference is real.")
    for metrics in arm_metrics:
        st.dataframe(
            build_metric_table(metrics, is_inferred=is_inferred),
            hide_index=True,
            alt=f"Metrics of arm {metrics[0].arm}",
            column_config={"Verdict": st.column_config.TextColumn(width="large")},
        )
        if days := report.get_days(metrics[0]):
            label = label_metric(metrics[0].metric, is_inferred=is_inferred)
            st.altair_chart(build_day_chart(days, label), alt=f"{label} by day")
            st.caption(
                f"{label}: difference from the control, counted from the start to each day, with its likely range. "
                "The days are no verdict: a range is often without 0 on some of them by chance."
            )


def describe_arms(arms: Sequence[EffectArm]) -> str:
    """Return the days of an experiment, and the customers of its arms with what they get."""
    texts = [f"{arm.arm}: {describe_policy(arm.policy)}, {arm.customers:,} customers" for arm in arms]
    return f"Lists {describe_period(arms[0])}. {'; '.join(texts)}."


def build_metric_table(metrics: Sequence[EffectMetric], *, is_inferred: bool) -> pd.DataFrame:
    """Return the metrics of an arm beside those of the control, as texts."""
    rows = [
        (
            label_metric(metric.metric, is_inferred=is_inferred),
            format_value(metric.metric, metric.value),
            format_value(metric.metric, metric.control_value),
            format_lift(metric.lift),
            format_interval(metric),
            metric.verdict,
        )
        for metric in metrics
    ]
    return pd.DataFrame(rows, columns=METRIC_COLUMNS)


def build_day_chart(days: Sequence[EffectDay], label: str) -> alt.LayerChart:
    """Return a line of the difference by day in the band of its intervals, beside a line at 0."""
    rows = pd.DataFrame([day.model_dump() for day in days]).astype({"day": "datetime64[ns]"})
    axis = alt.Axis(format="%-d %b", tickCount="day", labelOverlap=True)
    chart = alt.Chart(rows, height=CHART_HEIGHT).encode(
        x=alt.X(alt.Tooltip("day:T", format="%-d %b %Y"), title=None, axis=axis)
    )
    band = chart.mark_area(opacity=0.2, color="#0f766e").encode(
        y=alt.Y("min_difference:Q", title=f"{label}: difference"), y2="max_difference:Q"
    )
    line = chart.mark_line(color="#0f766e", point=True).encode(
        y="difference:Q", tooltip=["day:T", "difference", "min_difference", "max_difference"]
    )
    zero = alt.Chart(pd.DataFrame({"zero": [0]})).mark_rule(color="#94a3b8", strokeDash=[4, 4]).encode(y="zero:Q")
    return alt.LayerChart(layer=[zero, band, line])


def show_recommendations_effect(report: EffectReport) -> None:
    """Show the impressions of recommended products, and the clicks and purchases after them."""
    st.subheader("Recommendations", anchor=False)
    totals = report.recommendations["total"]
    if totals:
        st.caption(f"From {report.first_day} to {report.last_day}, all customers.")
    for total in totals:
        mark = " (inferred)" if total.basis == "inferred" else ""
        with st.container(border=True, horizontal=True, horizontal_alignment="distribute"):
            st.metric(f"Impressions{mark}", f"{total.impressions:,}", width="content")
            st.metric(f"Clicks{mark}", f"{total.clicks:,}", width="content")
            st.metric(f"Click-through rate{mark}", format_share(total.click_through_rate), width="content")
            st.metric(f"Purchases{mark}", f"{total.purchases:,}", width="content")
            st.metric(f"Revenue{mark}", f"{total.revenue:,.2f}", width="content")
    if not totals:
        st.info(
            "The effect of the recommendations is not known yet. It needs two things: lists that were published for at "
            "least a day, and views, clicks or purchases of customers after them. The next daily run adds both.",
            icon=":material/hourglass_empty:",
        )
    for note in report.notes:
        st.caption(note)
    if not totals:
        return
    for tab, (group, label) in zip(st.tabs(list(GROUP_LABELS.values())), GROUP_LABELS.items(), strict=True):
        table = build_figure_table(report.recommendations[group]).replace({"group": SOURCE_LABELS})
        tab.dataframe(
            table,
            height=choose_table_height(table),
            hide_index=True,
            alt=f"Recommendations by {group}",
            placeholder="unknown",
            column_config={
                "group": st.column_config.TextColumn(label),
                "basis": st.column_config.TextColumn("Basis"),
                "impressions": make_count_column("Impressions"),
                "clicks": make_count_column("Clicks"),
                "click_through_rate": st.column_config.NumberColumn("Click-through rate", format="%.2f%%"),
                "add_to_carts": make_count_column("Carts"),
                "purchases": make_count_column("Purchases"),
                "returns": make_count_column("Returns"),
                "revenue": st.column_config.NumberColumn("Revenue", format="%.2f"),
            },
        )


def build_figure_table(figures: Sequence[RecommendationFigures]) -> pd.DataFrame:
    """Return one row per group, with the click-through rate in percent."""
    table = pd.DataFrame([row.model_dump() for row in figures])
    return table.assign(click_through_rate=100 * table["click_through_rate"].astype(float))
