"""Sections of the quality page: plain answers, metrics of the model and of the lists, trends and data quality."""

import altair as alt
import pandas as pd
import streamlit as st

from apps.merchandiser.chart_colors import MODEL_COLORS, get_theme
from apps.merchandiser.markdown import escape_markdown
from apps.merchandiser.quality.list_quality import show_lists, show_purchases
from apps.merchandiser.quality.metric_tables import (
    METHODS_HELP,
    METRIC_HELP,
    METRIC_LABELS,
    compute_gain_over_popularity,
    format_differences,
    melt_metrics,
    pivot_metrics,
)
from apps.merchandiser.quality.quality_answers import show_answers
from apps.merchandiser.quality.trends import show_coverage, show_drift, show_quality_trend
from apps.merchandiser.table_columns import (
    choose_table_height,
    make_count_column,
    make_metric_column,
    make_time_column,
)
from warehouse.publishing.serving_copy import ServingCopy

HEADLINE_K = 10
CHART_HEIGHT = 300
METHOD_COLORS = {
    "light": {
        "This model": MODEL_COLORS["light"],
        "Item-item": "#64748b",
        "User-item graph": "#7c3aed",
        "EASE": "#be185d",
        "Buy again": "#65a30d",
        "Recent popularity": "#7dd3fc",
        "Popularity": "#94a3b8",
        "Best possible": "#e2e8f0",
    },
    # On a dark background the palest color of the light theme would be the strongest one.
    "dark": {
        "This model": MODEL_COLORS["dark"],
        "Item-item": "#7c8ba1",
        "User-item graph": "#8b5cf6",
        "EASE": "#db2777",
        "Buy again": "#65a30d",
        "Recent popularity": "#0284c7",
        "Popularity": "#8492a6",
        "Best possible": "#56637a",
    },
}
DEFAULT_COLOR = "#d97706"


def show_live_copy(copy: ServingCopy, metrics: pd.DataFrame) -> None:
    """Show the published copy, and the metrics of its model with their gain over the popularity baseline."""
    published = copy.published
    with st.container(border=True, horizontal=True, horizontal_alignment="distribute"):
        st.metric(
            "Last updated (UTC)",
            f"{published.published_at:%d %b %Y, %H:%M}",
            width="content",
            help=escape_markdown(published.file),
        )
        st.metric("Model run", escape_markdown(published.run_id or "none (popular products)"), width="content")
        st.metric("Customers", f"{published.rows.get('dim_users', 0):,}", width="content")
        st.metric("Products", f"{published.rows.get('dim_products', 0):,}", width="content")
        for metric in METRIC_LABELS.values():
            value, gain = compute_gain_over_popularity(metrics, metric, HEADLINE_K)
            if pd.notna(value):
                st.metric(
                    f"{metric}@{HEADLINE_K}",
                    f"{value:.3f}",
                    f"{gain:+.0%}" if pd.notna(gain) else None,
                    delta_description="vs. popularity",
                    width="content",
                    help=METRIC_HELP[metric],
                )


def show_ranking(copy: ServingCopy, metrics: pd.DataFrame, *, has_repeats: bool) -> None:
    """Show the ranking metrics of the published model and the baselines as charts and a table.

    `has_repeats` is whether the lists may contain purchased products.
    """
    st.subheader("Ranking quality", anchor=False)
    if metrics.empty:
        st.info(copy.explain_missing_metrics(), icon=":material/hourglass_empty:")
        return
    products = "new and repeat products" if has_repeats else "new products"
    st.caption(
        f"Each method ranked the products as of an earlier day. The metrics compare these ranks with the {products} "
        f"that {metrics['users'].max():,} customers were interested in afterwards. Higher is better."
    )
    for column, metric in zip(st.columns(len(METRIC_LABELS)), METRIC_LABELS.values(), strict=True):
        column.altair_chart(_build_metric_chart(metrics, metric), alt=f"{metric} of each method")
    table = pivot_metrics(metrics)
    st.dataframe(
        table,
        hide_index=True,
        alt="Ranking metrics of each method",
        column_config={
            "method": st.column_config.TextColumn("Method", help=METHODS_HELP),
            **{
                f"{metric}@{k}": make_metric_column(f"{metric}@{k}", METRIC_HELP[metric])
                for metric in METRIC_LABELS.values()
                for k in metrics["k"].unique()
            },
        },
    )


def show_differences(differences: pd.DataFrame) -> None:
    """Show the metric differences between the published model and each baseline, with confidence intervals."""
    if differences.empty:
        return
    st.caption(
        f"Difference of the model to each baseline at {HEADLINE_K} recommended products. Likely range in brackets; "
        "without 0 the difference is real. Best possible is not a baseline: it ranks by the real preferences of a demo "
        "shop's customers."
    )
    st.dataframe(
        format_differences(differences, HEADLINE_K),
        hide_index=True,
        alt="Differences to the baselines",
        column_config={"method": "Compared with"},
    )


def _build_metric_chart(metrics: pd.DataFrame, metric: str) -> alt.Chart:
    rows = metrics[metrics["metric"] == metric]
    methods = list(rows["method"].cat.remove_unused_categories().cat.categories)
    colors = METHOD_COLORS[get_theme()]
    scale = alt.Scale(domain=methods, range=[colors.get(method, DEFAULT_COLOR) for method in methods])
    # Two narrow columns fit beneath a third of a page that is 800 pixels wide.
    legend = alt.Legend(orient="bottom", columns=2, columnPadding=6, labelFontSize=11, labelOffset=2, symbolSize=60)
    chart: alt.Chart = (
        alt.Chart(rows.astype({"method": str}), title=metric, height=CHART_HEIGHT)
        .mark_bar(cornerRadiusEnd=3)
        .encode(
            x=alt.X("k:O", title="Recommended products", axis=alt.Axis(labelAngle=0)),
            xOffset=alt.XOffset("method:N", sort=methods),
            y=alt.Y("value:Q", title=None),
            color=alt.Color("method:N", title=None, scale=scale, legend=legend),
            tooltip=["method", "k", alt.Tooltip("value", format=".4f")],
        )
    )
    return chart


def show_model_runs(runs: pd.DataFrame, published_run_id: str | None) -> None:
    """Show all training runs, the newest first; the published one is marked."""
    st.subheader("Model runs", anchor=False)
    columns = {
        "is_published": st.column_config.TextColumn("Published"),
        "trained_at": make_time_column("Trained"),
        "ndcg_at_10": make_metric_column("NDCG@10", METRIC_HELP["NDCG"]),
        "popularity_ndcg_at_10": make_metric_column("NDCG@10 of popularity"),
        "interactions": make_count_column("Interactions"),
        "users": make_count_column("Customers"),
        "products": make_count_column("Products"),
        "factors": make_count_column("Factors", "Length of the factor vectors of customers and products."),
        "epochs": make_count_column("Epochs", "Training passes over customers and products; a warm start has fewer."),
        "fit_seconds": st.column_config.NumberColumn("Fitting (s)", format="%.1f"),
        "run_id": st.column_config.TextColumn("Run"),
        "rejection_reason": st.column_config.TextColumn("Rejected because", width="large"),
    }
    st.caption("All training runs, the newest first.")
    st.dataframe(
        runs.assign(is_published=(runs["run_id"] == published_run_id).map({True: "published", False: ""})),
        height=choose_table_height(runs),
        hide_index=True,
        alt="Model runs",
        placeholder="",
        column_order=list(columns),
        column_config=columns,
    )


def find_best_baseline(runs: pd.DataFrame, run_id: str | None) -> str | None:
    """Return the method that is the best baseline of a run in `eval_model_runs`; None if it is unknown."""
    # A copy that an earlier version of RecoMart published may lack the column.
    methods = runs.reindex(columns=["best_baseline"])["best_baseline"][runs["run_id"] == run_id].dropna()
    return None if methods.empty else str(methods.iloc[0])


def show_row_accounting(feeds: pd.DataFrame) -> None:
    """Show the row accounting: the rows of each feed by status."""
    st.subheader("Data quality", anchor=False)
    st.caption("Lines = loaded + rejected; loaded = clean + duplicates + excluded + quarantined.")
    columns = {
        "feed": st.column_config.TextColumn("Feed"),
        "clean_share": st.column_config.ProgressColumn("Share clean", format="%.1f%%", min_value=0, max_value=100),
        "files": make_count_column("Files"),
        "rejected_files": make_count_column("Rejected files"),
        "lines": make_count_column("Lines"),
        "loaded": make_count_column("Loaded"),
        "rejected": make_count_column("Rejected"),
        "clean": make_count_column("Clean"),
        "duplicates": make_count_column("Duplicates"),
        "excluded": make_count_column("Excluded", "Rows that the sources file excludes."),
        "quarantined": make_count_column("Quarantined"),
        "newest_row_at": make_time_column("Newest row"),
        "last_loaded_at": make_time_column("Last loaded"),
    }
    st.dataframe(
        feeds.assign(clean_share=100 * feeds["clean"] / feeds["lines"].where(feeds["lines"] > 0)),
        hide_index=True,
        alt="Rows by feed and status",
        placeholder="",
        column_order=list(columns),
        column_config=columns,
    )


def show_quality(copy: ServingCopy) -> None:
    """Show the plain answers, and behind tabs the metrics of the model and of the lists, and data quality."""
    parts = {"In short": show_answers, "Model": _show_model, "Lists": _show_lists, "Data": _show_data}
    for tab, show_part in zip(st.tabs(list(parts), key="part", bind="query-params"), parts.values(), strict=True):
        if tab.open:
            with tab:
                show_part(copy)


def _show_model(copy: ServingCopy) -> None:
    ranking_metrics, model_runs = copy.get_metrics(), copy.get_model_runs()
    metrics = melt_metrics(ranking_metrics)
    show_live_copy(copy, metrics)
    show_ranking(copy, metrics, has_repeats=not copy.get_metrics("purchase").empty)
    show_differences(copy.get_metric_differences())
    show_quality_trend(model_runs)
    show_model_runs(model_runs, copy.published.run_id)


def _show_lists(copy: ServingCopy) -> None:
    best_baseline = find_best_baseline(copy.get_model_runs(), copy.published.run_id)
    show_lists(copy.get_metrics(), best_baseline, HEADLINE_K)
    show_purchases(copy.get_metrics("purchase"), copy.get_shop_repeats(), best_baseline, HEADLINE_K)
    show_coverage(copy.get_coverage())


def _show_data(copy: ServingCopy) -> None:
    show_drift(copy.get_drift())
    show_row_accounting(copy.get_feed_accounting())
