"""Sections of the quality page about changes over time: model quality, drift and catalog coverage."""

import altair as alt
import pandas as pd
import streamlit as st

from apps.merchandiser.chart_colors import MODEL_COLORS, get_theme
from apps.merchandiser.table_columns import choose_table_height, make_count_column

QUALITY_SERIES = {
    "ndcg_at_10": "Models",
    "best_baseline_ndcg_at_10": "Best baseline",
    "popularity_ndcg_at_10": "Popularity",
}
"""Columns of `eval_model_runs` in the chart, with their labels."""

BASELINE_COLORS = {"light": ["#64748b", "#94a3b8"], "dark": ["#8492a6", "#56637a"]}
"""Colors of the series after the models."""

DRIFT_SUBJECTS = {
    "action_type": "Actions of customers",
    "device": "Devices",
    "category": "Categories of the actions",
    "price": "Prices of the actions",
    "customer": "New and known customers",
    "feat_user_activity.action_count_28d": "Actions per customer in 28 days",
    "feat_user_activity.average_order_value": "Order value per customer",
    "feat_user_activity.add_to_cart_rate": "Add-to-cart rate per customer",
    "feat_user_activity.purchase_rate": "Purchase rate per customer",
    "feat_user_activity.mobile_share": "Mobile share per customer",
    "feat_product_popularity.event_count_28d": "Views, clicks and cart actions per product in 28 days",
    "feat_product_popularity.purchase_count_28d": "Items bought per product in 28 days",
    "feat_product_popularity.user_count_28d": "Customers per product in 28 days",
    "feat_product_popularity.recent_popularity": "Recent popularity per product",
    "feat_product_popularity.conversion_rate": "Conversion rate per product",
    "ml_product_features.price": "Prices of the catalog",
}
"""Labels of the distributions in `audit_drift`."""

DRIFT_KINDS = {"mix": "Actions", "feature": "Customers and products"}
"""Labels of the kinds of distributions in `audit_drift`."""

CHART_HEIGHT = 260
SHARE_FORMAT = "%.1f%%"


def show_quality_trend(runs: pd.DataFrame) -> None:
    """Show the quality of the models by day, and which of them served."""
    if runs["ndcg_at_10"].notna().sum() < 2:
        return
    st.subheader("Quality over time", anchor=False)
    st.caption(
        "NDCG@10 of each model, by the last day of its training data. Hollow points are models that never served. The "
        "lines connect one model per day, the last one that served."
    )
    st.altair_chart(build_quality_chart(runs), alt="Quality of the models over time")


def build_quality_chart(runs: pd.DataFrame) -> alt.LayerChart:
    """Return a chart with a point for each measured model and lines through one model per day.

    The points of one day are spread horizontally, so that models of equal quality do not overlap.
    """
    measured_runs = runs[runs["ndcg_at_10"].notna()].sort_values(
        ["promotion_number", "run_number"], na_position="first"
    )
    runs_by_day = measured_runs.groupby("data_date")["run_id"]
    day_offset = (runs_by_day.cumcount() + 0.5) / runs_by_day.transform("size") - 0.5
    points = (
        measured_runs.assign(
            served=measured_runs["serving_started_at"].notna().map({True: "served", False: "never served"}),
            drawn_at=measured_runs["data_date"] + day_offset * pd.Timedelta(hours=12),
            is_on_line=~measured_runs.duplicated("data_date", keep="last"),
        )
        .melt(["data_date", "drawn_at", "run_id", "served", "is_on_line"], list(QUALITY_SERIES), var_name="series")
        .dropna(subset="value")
        .assign(series=lambda table: table["series"].map(QUALITY_SERIES))
    )
    theme = get_theme()
    scale = alt.Scale(domain=list(QUALITY_SERIES.values()), range=[MODEL_COLORS[theme], *BASELINE_COLORS[theme]])
    chart = alt.Chart(points, height=CHART_HEIGHT).encode(
        x=alt.X(
            "drawn_at:T",
            title=None,
            scale=alt.Scale(nice="day"),
            axis=alt.Axis(format="%-d %b", tickCount="day", labelOverlap=True),
        ),
        y=alt.Y("value:Q", title="NDCG@10", scale=alt.Scale(zero=False)),
        color=alt.Color("series:N", title=None, scale=scale, legend=alt.Legend(orient="bottom")),
        tooltip=[
            alt.Tooltip("data_date:T", format="%-d %b %Y"),
            "series",
            alt.Tooltip("value", format=".4f"),
            "run_id",
            "served",
        ],
    )
    marks = (
        chart.transform_filter(alt.datum.series == QUALITY_SERIES["ndcg_at_10"])
        .mark_point(size=70)
        .encode(
            fillOpacity=alt.condition(alt.datum.served == "served", alt.value(1), alt.value(0)),
            fill=alt.Fill("series:N", scale=scale, legend=None),
        )
    )
    line_chart = chart.transform_filter(alt.datum.is_on_line)
    # A line with a single day is invisible without dots.
    dots = line_chart.transform_filter(alt.datum.series != QUALITY_SERIES["ndcg_at_10"]).mark_circle(size=40)
    return alt.LayerChart(layer=[line_chart.mark_line(), dots, marks])


def show_drift(drift: pd.DataFrame) -> None:
    """Show the distributions that drifted from the reference period."""
    st.subheader("Data drift", anchor=False)
    if drift.empty:
        st.info("There is not enough history for a comparison yet.", icon=":material/hourglass_empty:")
        return
    drifted_distributions = drift[drift["drift_level"] != "stable"].assign(
        name=lambda table: table["name"].map(lambda name: DRIFT_SUBJECTS.get(name, name))
    )
    periods = describe_compared_periods(drift)
    if drifted_distributions.empty:
        st.caption(f"None of {len(drift)} distributions has drifted. {describe_period_overlap(drift)}{periods}")
        return
    st.dataframe(
        drifted_distributions,
        height=choose_table_height(drifted_distributions),
        hide_index=True,
        alt="Drifted distributions",
        column_order=["name", "drift_level", "psi", "largest_shift"],
        column_config={
            "name": st.column_config.TextColumn("Distribution"),
            "drift_level": st.column_config.TextColumn("Drift level"),
            "psi": st.column_config.NumberColumn("PSI", format="%.2f"),
            "largest_shift": st.column_config.TextColumn("Largest shift", width="large"),
        },
    )
    st.caption(
        f"{len(drift) - len(drifted_distributions)} other distributions are stable. "
        f"PSI is the population stability index. {describe_period_overlap(drift)}{periods}"
    )


def describe_compared_periods(drift: pd.DataFrame) -> str:
    """Return the compared and the reference period of each kind."""
    return " ".join(
        f"{label}: {row.current_first_date:%d %b} to {row.current_last_date:%d %b %Y} compared with "
        f"{row.reference_first_date:%d %b} to {row.reference_last_date:%d %b %Y}."
        for kind, label in DRIFT_KINDS.items()
        for row in drift[drift["kind"] == kind].head(1).itertuples()
    )


def describe_period_overlap(drift: pd.DataFrame) -> str:
    """Return a sentence about feature periods that share days; an empty text when they share none."""
    features = drift[drift["kind"] == "feature"]
    if not (features["current_first_date"] <= features["reference_last_date"]).any():
        return ""
    return (
        "The two periods of customers and products share days, because both have 28 days and the second begins earlier "
        "than the first ends. "
    )


def show_coverage(coverage: pd.DataFrame) -> None:
    """Show the share of the recommendable products that are in the lists, by category."""
    st.subheader("Catalog coverage", anchor=False)
    overall, categories = (coverage[coverage["segment"] == segment] for segment in ("all", "category"))
    if overall.empty:
        return
    total = overall.iloc[0]
    st.caption(
        f"{total.recommended_product_count:,} of the {total.recommendable_product_count:,} recommendable products "
        "are in at least one customer's recommendations."
    )
    shares = ["coverage", "catalog_share", "list_entry_share"]
    st.dataframe(
        categories.assign(**{share: 100 * categories[share] for share in shares}),
        height=choose_table_height(categories),
        hide_index=True,
        alt="Catalog coverage of each category",
        column_order=["segment_value", "recommendable_product_count", *shares],
        column_config={
            "segment_value": st.column_config.TextColumn("Category"),
            "recommendable_product_count": make_count_column("Recommendable products"),
            "coverage": st.column_config.ProgressColumn("Coverage", format=SHARE_FORMAT, min_value=0, max_value=100),
            "catalog_share": st.column_config.NumberColumn("Catalog share", format=SHARE_FORMAT),
            "list_entry_share": st.column_config.NumberColumn("Recommendation share", format=SHARE_FORMAT),
        },
    )
