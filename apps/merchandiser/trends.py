"""What changes from day to day: the models' quality, the shop itself, and how much of it is shown."""

import altair as alt
import pandas as pd
import streamlit as st

from apps.merchandiser.table_columns import choose_table_height, make_count_column

QUALITY_SERIES = {
    "ndcg_at_10": ("Models", "#0f766e"),
    "best_baseline_ndcg_at_10": ("Best of what needs no model", "#64748b"),
    "popularity_ndcg_at_10": ("Popularity", "#94a3b8"),
}
"""Columns of `eval_quality_by_day` that are drawn, with their names and colors."""

DRIFT_LABELS = {"significant": "has shifted", "moderate": "worth a look", "stable": "stable"}

DRIFT_SUBJECTS = {
    "action_type": "What customers do",
    "device": "Devices",
    "category": "Categories that customers deal with",
    "price": "Prices that customers deal with",
    "customer": "New and known customers",
    "feat_user_activity.action_count_28d": "Actions of a customer in 28 days",
    "feat_user_activity.average_order_value": "Value of a customer's orders",
    "feat_user_activity.add_to_cart_rate": "How often a customer puts in the cart what they see",
    "feat_user_activity.purchase_rate": "How often a customer buys what they see",
    "feat_user_activity.mobile_share": "How much a customer does on a mobile",
    "feat_product_popularity.event_count_28d": "Events of a product in 28 days",
    "feat_product_popularity.purchase_count_28d": "Purchase lines of a product in 28 days",
    "feat_product_popularity.user_count_28d": "Customers of a product in 28 days",
    "feat_product_popularity.recent_popularity": "Recent popularity of a product",
    "feat_product_popularity.conversion_rate": "How many of a product's customers buy it",
    "ml_product_features.price": "Prices of the catalog",
}
"""What `audit_drift` compares, in words."""

DRIFT_KINDS = {"mix": "Actions", "feature": "Customers and products"}
"""What its days are days of."""

CHART_HEIGHT = 260
SHARE_FORMAT = "%.1f%%"


def show_quality_trend(quality: pd.DataFrame) -> None:
    """Show how good each day's model was, and which of them served."""
    if quality["ndcg_at_10"].notna().sum() < 2:
        return
    st.subheader("Quality over the days", anchor=False)
    st.caption(
        "NDCG@10 of every model, by the last day of the data that it knew; those that never served are hollow, and "
        "those of one day stand side by side. The lines go through one model a day, the last that served."
    )
    st.altair_chart(build_quality_chart(quality), alt="Quality of the models over the days")


def build_quality_chart(quality: pd.DataFrame) -> alt.LayerChart:
    """Points for all models that were measured, lines through one of each day, so that none goes straight up.

    The models of a day stand side by side around it, lest those that are as good lie on one another.
    """
    measured = quality[quality["ndcg_at_10"].notna()].sort_values(
        ["serving_started_at", "trained_at"], na_position="first"
    )
    of_day = measured.groupby("data_date")["run_id"]
    place = (of_day.cumcount() + 0.5) / of_day.transform("size") - 0.5
    names = {column: name for column, (name, _) in QUALITY_SERIES.items()}
    drawn = (
        measured.assign(
            served=measured["serving_started_at"].notna().map({True: "served", False: "never served"}),
            drawn_at=measured["data_date"] + place * pd.Timedelta(hours=12),
            is_on_line=~measured.duplicated("data_date", keep="last"),
        )
        .melt(["data_date", "drawn_at", "run_id", "served", "is_on_line"], list(QUALITY_SERIES), var_name="series")
        .dropna(subset="value")
        .assign(series=lambda table: table["series"].map(names))
    )
    scale = alt.Scale(domain=list(names.values()), range=[color for _, color in QUALITY_SERIES.values()])
    chart = alt.Chart(drawn, height=CHART_HEIGHT).encode(
        x=alt.X(
            "drawn_at:T",
            title=None,
            scale=alt.Scale(nice="day"),
            axis=alt.Axis(format="%-d %b", tickCount="day", labelOverlap=True),
        ),
        y=alt.Y("value:Q", title="NDCG@10", scale=alt.Scale(zero=False)),
        color=alt.Color("series:N", title=None, scale=scale, legend=alt.Legend(orient="bottom")),
        tooltip=["data_date:T", "series", alt.Tooltip("value", format=".4f"), "run_id", "served"],
    )
    points = (
        chart.transform_filter(alt.datum.series == names["ndcg_at_10"])
        .mark_point(size=70)
        .encode(
            fillOpacity=alt.condition(alt.datum.served == "served", alt.value(1), alt.value(0)),
            fill=alt.Fill("series:N", scale=scale, legend=None),
        )
    )
    is_on_line = chart.transform_filter(alt.datum.is_on_line)
    # A line through a single day is none.
    dots = is_on_line.transform_filter(alt.datum.series != names["ndcg_at_10"]).mark_circle(size=40)
    return alt.LayerChart(layer=[is_on_line.mark_line(), dots, points])


def show_drift(drift: pd.DataFrame) -> None:
    """Show what customers do and buy differently than they used to."""
    st.subheader("Is it still the same shop?", anchor=False)
    if drift.empty:
        st.info("The shop is too young to be compared with its past.", icon=":material/hourglass_empty:")
        return
    moved = drift[drift["drift_level"] != "stable"].assign(
        name=lambda table: table["name"].map(lambda name: DRIFT_SUBJECTS.get(name, name)),
        drift_level=lambda table: table["drift_level"].map(DRIFT_LABELS),
    )
    days = describe_compared_periods(drift)
    if moved.empty:
        st.caption(f"Yes: of {len(drift)} things that are compared with what was usual, none has moved. {days}")
        return
    st.dataframe(
        moved,
        height=choose_table_height(moved),
        hide_index=True,
        alt="What has moved",
        column_order=["name", "drift_level", "psi", "largest_shift"],
        column_config={
            "name": st.column_config.TextColumn("What"),
            "drift_level": st.column_config.TextColumn("Reading"),
            "psi": st.column_config.NumberColumn("Stability index", format="%.2f"),
            "largest_shift": st.column_config.TextColumn("What moved most", width="large"),
        },
    )
    st.caption(
        f"{len(drift) - len(moved)} other things are as usual. The index is the population stability index. {days}"
    )


def describe_compared_periods(drift: pd.DataFrame) -> str:
    """Say which days are held against which."""
    return " ".join(
        f"{what}: {days.current_first_date:%d %b} to {days.current_last_date:%d %b %Y} beside "
        f"{days.reference_first_date:%d %b} to {days.reference_last_date:%d %b %Y}."
        for kind, what in DRIFT_KINDS.items()
        for days in drift[drift["kind"] == kind].head(1).itertuples()
    )


def show_coverage(coverage: pd.DataFrame) -> None:
    """Show how much of what is offered the lists show, by category."""
    st.subheader("How much of the catalog is shown", anchor=False)
    overall, categories = (coverage[coverage["segment"] == segment] for segment in ("all", "category"))
    if overall.empty:
        return
    whole = overall.iloc[0]
    st.caption(
        f"{whole.recommended_product_count:,} of the {whole.recommendable_product_count:,} products on offer are in "
        "somebody's list."
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
            "recommendable_product_count": make_count_column("Offered products"),
            "coverage": st.column_config.ProgressColumn(
                "Of them shown", format=SHARE_FORMAT, min_value=0, max_value=100
            ),
            "catalog_share": st.column_config.NumberColumn("Share of the catalog", format=SHARE_FORMAT),
            "list_entry_share": st.column_config.NumberColumn("Share of the lists", format=SHARE_FORMAT),
        },
    )
