"""What the recommendations earn by experiments, and what followed them."""

from collections.abc import Mapping, Sequence
from datetime import date

import altair as alt
import pandas as pd
import streamlit as st
from streamlit.elements.lib.column_types import ColumnConfig

from apps.merchandiser.chart_colors import MODEL_COLORS, get_theme
from apps.merchandiser.copy_cache import query_once
from apps.merchandiser.effect_answers import (
    OTHER_METRIC_COUNT,
    QUESTION,
    EffectAnswer,
    answer_effect,
    answer_without_experiment,
    describe_arms,
    describe_result,
    describe_values,
    format_day,
    format_metric,
)
from apps.merchandiser.markdown import escape_markdown
from apps.merchandiser.placements.placement_picker import get_placement_titles
from apps.merchandiser.prices import MISSING_TEXT, format_amount, make_amount_column
from apps.merchandiser.product_filter import SOURCE_LABELS
from apps.merchandiser.table_columns import choose_table_height, format_share, make_count_column
from warehouse.effect_report import EffectDay, EffectMetric, EffectReport, RecommendationFigures
from warehouse.effect_texts import SHARE_METRICS, format_interval, format_lift, label_metric
from warehouse.publishing.customer_queries import get_shop_currency
from warehouse.publishing.serving_copy import ServingCopy

CHART_HEIGHT = 260

GROUP_LABELS = {"week": "Week (Monday)", "rank": "Rank", "source": "Source", "placement": "Placement"}

METRIC_COLUMNS = ["Metric", "Value", "Control", "Difference", "Likely range", "Result"]

DIFFERENCE_HELP = (
    "Relative to the control, after a correction for what the customers did in the 28 days before they took part."
)

BASIS_HELP = (
    "measured: the shop reports what its customers saw. inferred: a list counts as seen on days on which its customer "
    "acted."
)

UNKNOWN_LABEL = "Unknown"

SOURCE_HELP = "Unknown: the product was not in the customer's published list at the time of the impression."

RENAMED_PLACEMENTS = {"customer": "home", "similar": "product_page"}
"""Names of placements in copies of an earlier version of RecoMart, with their present names."""


def show_effect(copy: ServingCopy) -> None:
    """Show what the recommendations earn, the figures of the experiments, and what followed the recommendations."""
    report = copy.get_effect()
    if report is None:
        st.info(
            "The effect of the recommendations is not published. An earlier version of RecoMart published this copy, "
            "without the clicks and purchases after recommendations. The next daily run publishes them.",
            icon=":material/hourglass_empty:",
        )
        return
    currency = query_once(get_shop_currency, copy)
    show_answers(report, currency)
    for experiment in report.experiments:
        show_experiment(report, experiment, currency)
    show_recommendations_effect(report, currency, get_placement_titles(copy))


def show_answers(report: EffectReport, currency: str | None) -> None:
    """Show what each arm of the experiments earned, the newest experiment first."""
    answers = [
        (f"Experiment {experiment}, arm {metrics[0].arm}", metrics, report.get_arms(experiment))
        for experiment in report.experiments
        for metrics in report.get_metrics_by_arm(experiment)
    ]
    if not answers and report.recommendations["total"]:
        _show_answer(QUESTION, answer_without_experiment(report, currency))
    for number, (title, metrics, arms) in enumerate(answers):
        _show_answer(title if number else QUESTION, answer_effect(metrics, arms, currency))


def _show_answer(title: str, answer: EffectAnswer) -> None:
    show_box = {"yes": st.success, "no": st.error, "open": st.info, "error": st.warning}[answer.level]
    show_box(escape_markdown(answer.text), title=escape_markdown(title))


def show_experiment(report: EffectReport, experiment: str, currency: str | None) -> None:
    """Show the metrics of an experiment's arms and the difference by day."""
    st.subheader(escape_markdown(f"Experiment {experiment}"), anchor=False)
    arms = report.get_arms(experiment)
    arm_metrics = report.get_metrics_by_arm(experiment)
    is_inferred = report.is_inferred(experiment)
    if not arm_metrics:
        st.info("No customers of an arm and of the control took part yet.", icon=":material/hourglass_empty:")
    st.caption(escape_markdown(describe_arms(arms)))
    if arm_metrics:
        st.caption(
            "Likely range: with 0 in it, the difference can be chance. The first figure decides. Of the "
            f"{OTHER_METRIC_COUNT} others, one is often without 0 by chance, so they need a clearer difference."
        )
    for metrics in arm_metrics:
        st.dataframe(
            build_metric_table(metrics, arms[0].ends_on, currency, is_inferred=is_inferred),
            hide_index=True,
            alt=f"Metrics of arm {metrics[0].arm}",
            column_config={
                "Control": st.column_config.TextColumn(help="Value of the customers in the arm control."),
                "Difference": st.column_config.TextColumn(help=DIFFERENCE_HELP),
                "Result": st.column_config.TextColumn(width="large"),
            },
        )
        st.caption(escape_markdown(describe_values(metrics[0], currency, is_inferred=is_inferred)))
        if days := report.get_days(metrics[0]):
            label = label_metric(metrics[0].metric, is_inferred=is_inferred)
            st.altair_chart(build_day_chart(days, label), alt=f"{label} by day")
            st.caption(
                f"{label}: difference from the control, counted from the start to each day, with its likely range. "
                "A single day is no result: a range is often without 0 on some days by chance."
            )


def build_metric_table(
    metrics: Sequence[EffectMetric], ends_on: date | None, currency: str | None = None, *, is_inferred: bool
) -> pd.DataFrame:
    """Return the metrics of an arm beside those of the control, as texts."""
    rows = [
        (
            label_metric(metric.metric, is_inferred=is_inferred),
            format_metric(metric.metric, metric.value, currency),
            format_metric(metric.metric, metric.control_value, currency),
            format_lift(metric.lift),
            format_interval(metric),
            describe_result(metric, ends_on),
        )
        for metric in metrics
    ]
    return pd.DataFrame(rows, columns=METRIC_COLUMNS)


def build_day_chart(days: Sequence[EffectDay], label: str) -> alt.LayerChart:
    """Return a line of the difference by day in the band of its intervals, beside a line at 0."""
    rows = pd.DataFrame([day.model_dump() for day in days]).astype({"day": "datetime64[ns]"})
    number_format = "+.1%" if days[0].metric in SHARE_METRICS else "+,.2f"
    color = MODEL_COLORS[get_theme()]
    axis = alt.Axis(format="%-d %b", tickCount="day", labelOverlap=True)
    chart = alt.Chart(rows, height=CHART_HEIGHT).encode(x=alt.X("day:T", title=None, axis=axis))
    band = chart.mark_area(opacity=0.2, color=color).encode(
        y=alt.Y("min_difference:Q", title=f"{label}: difference", axis=alt.Axis(format=number_format)),
        y2="max_difference:Q",
    )
    line = chart.mark_line(color=color, point=alt.OverlayMarkDef(color=color)).encode(
        y="difference:Q",
        tooltip=[
            alt.Tooltip("day:T", title="Day", format="%-d %b %Y"),
            alt.Tooltip("difference:Q", title="Difference", format=number_format),
            alt.Tooltip("min_difference:Q", title="At least", format=number_format),
            alt.Tooltip("max_difference:Q", title="At most", format=number_format),
        ],
    )
    zero = alt.Chart(pd.DataFrame({"zero": [0]})).mark_rule(color="#94a3b8", strokeDash=[4, 4]).encode(y="zero:Q")
    return alt.LayerChart(layer=[zero, band, line])


def show_recommendations_effect(report: EffectReport, currency: str | None, titles: Mapping[str, str]) -> None:
    """Show the impressions of recommended products, and the clicks and purchases after them."""
    st.subheader("Recommendations", anchor=False)
    totals = report.recommendations["total"]
    if report.first_day is not None and report.last_day is not None:
        st.caption(f"From {format_day(report.first_day)} to {format_day(report.last_day)}, all customers.")
    for total in totals:
        mark = " (inferred)" if total.basis == "inferred" else ""
        with st.container(border=True, horizontal=True, horizontal_alignment="distribute"):
            st.metric(f"Impressions{mark}", f"{total.impressions:,}", width="content")
            st.metric(f"Clicks{mark}", f"{total.clicks:,}", width="content")
            st.metric(f"Click-through rate{mark}", format_share(total.click_through_rate), width="content")
            st.metric(f"Purchases{mark}", f"{total.purchases:,}", width="content")
            st.metric(f"Revenue{mark}", escape_markdown(format_amount(total.revenue, currency)), width="content")
    if not totals:
        st.info(
            "The effect of the recommendations is not known yet. It needs two things: lists that were published for at "
            "least a day, and views, clicks or purchases of customers after them. The next daily run adds both.",
            icon=":material/hourglass_empty:",
        )
    for note in report.explained_notes:
        st.caption(note.text, help=note.hint or None)
    if not totals:
        return
    for tab, group in zip(st.tabs(list(GROUP_LABELS.values())), GROUP_LABELS, strict=True):
        with tab:
            show_figure_table(group, build_figure_table(group, report.recommendations[group], titles), currency)


def show_figure_table(group: str, table: pd.DataFrame, currency: str | None) -> None:
    """Show the figures of a group; a table of `build_figure_table`."""
    st.dataframe(
        table,
        height=choose_table_height(table),
        hide_index=True,
        alt=f"Recommendations by {group}",
        placeholder=MISSING_TEXT,
        column_config={
            "group": make_group_column(group, GROUP_LABELS[group]),
            "basis": st.column_config.TextColumn("Basis", help=BASIS_HELP),
            "impressions": make_count_column("Impressions"),
            "clicks": make_count_column("Clicks"),
            "click_through_rate": st.column_config.NumberColumn("Click-through rate", format="%.2f%%"),
            "add_to_carts": make_count_column("Carts"),
            "purchases": make_count_column("Purchases"),
            "returns": make_count_column("Returns"),
            "revenue": make_amount_column("Revenue", currency),
        },
    )


def make_group_column(group: str, label: str) -> ColumnConfig:
    """Return the column of the groups of a table."""
    if group == "week":
        return st.column_config.DateColumn(label, format="D MMM YYYY")
    if group == "rank":
        return st.column_config.NumberColumn(label)
    return st.column_config.TextColumn(label, help=SOURCE_HELP if group == "source" else None)


def build_figure_table(group: str, figures: Sequence[RecommendationFigures], titles: Mapping[str, str]) -> pd.DataFrame:
    """Return one row per group, with the label of the group and the click-through rate in percent."""
    table = pd.DataFrame([row.model_dump() for row in figures])
    names = table["group"]
    if group == "week":
        names = pd.to_datetime(names).dt.date
    elif group == "rank":
        names = pd.to_numeric(names).astype("Int64")
    else:
        names = pd.Series([label_group(group, row.group, titles) for row in figures], dtype=object)
    return table.assign(group=names, click_through_rate=100 * table["click_through_rate"].astype(float))


def label_group(group: str, name: str | None, titles: Mapping[str, str]) -> str:
    """Return the label of a source or a placement; a placement without a title has its name."""
    if name is None:
        return UNKNOWN_LABEL
    if group == "source":
        return SOURCE_LABELS.get(name, name)
    return titles.get(RENAMED_PLACEMENTS.get(name, name), name)
