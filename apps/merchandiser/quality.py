"""How good the offers are, which copy is live, and what became of everything that arrived."""

import altair as alt
import pandas as pd
import streamlit as st

from apps.merchandiser.comparison import MEANINGS, METHODS_HELP, METRICS, as_table, certainty, compare, lift
from apps.merchandiser.live_copy import live_copy
from apps.merchandiser.markdown import literal
from apps.merchandiser.over_time import show_coverage, show_drift, show_quality
from apps.merchandiser.tables import count_column, height_of, instant_column, metric_column
from warehouse.publishing.serving_copy import ServingCopy

CUT_OFF = 10
CHART_HEIGHT = 300
COLORS = {
    "This model": "#0f766e",
    "Item-item": "#64748b",
    "Recent popularity": "#7dd3fc",
    "Popularity": "#94a3b8",
    "Best possible": "#e2e8f0",
}
OTHER_COLOR = "#d97706"


def show_live(copy: ServingCopy, compared: pd.DataFrame) -> None:
    """Show which copy is live, and how much better than popularity its model is."""
    published = copy.published
    with st.container(border=True, horizontal=True, horizontal_alignment="distribute"):
        st.metric(
            "Live since (UTC)",
            f"{published.published_at:%d %b %Y, %H:%M}",
            width="content",
            help=literal(published.file),
        )
        st.metric("Model run", literal(published.run_id or "none: popularity"), width="content")
        st.metric("Customers", f"{published.rows.get('dim_users', 0):,}", width="content")
        st.metric("Products", f"{published.rows.get('dim_products', 0):,}", width="content")
        for metric in METRICS.values():
            value, better = lift(compared, metric, CUT_OFF)
            if pd.notna(value):
                st.metric(
                    f"{metric}@{CUT_OFF}",
                    f"{value:.3f}",
                    f"{better:+.0%}" if pd.notna(better) else None,
                    delta_description="vs. popularity",
                    width="content",
                    help=MEANINGS[metric],
                )


def show_ranking(copy: ServingCopy, compared: pd.DataFrame) -> None:
    """Show the live model beside its baselines, as charts and as a table."""
    st.subheader("How well it ranks", anchor=False)
    if compared.empty:
        st.info(copy.why_no_metrics(), icon=":material/hourglass_empty:")
        return
    st.caption(
        f"Every method ranked the products as of an earlier day; what {compared['users'].max():,} customers newly took "
        "an interest in afterwards is what it should have ranked high. More is better."
    )
    for column, metric in zip(st.columns(len(METRICS)), METRICS.values(), strict=True):
        column.altair_chart(_chart(compared, metric), alt=f"{metric} of each method")
    table = as_table(compared)
    st.dataframe(
        table,
        hide_index=True,
        alt="Ranking metrics of each method",
        column_config={
            "method": st.column_config.TextColumn("Method", help=METHODS_HELP),
            **{
                f"{metric}@{k}": metric_column(f"{metric}@{k}", MEANINGS[metric])
                for metric in METRICS.values()
                for k in compared["k"].unique()
            },
        },
    )


def show_certainty(differences: pd.DataFrame) -> None:
    """Show by how much the live model is better than each baseline, and how sure that is."""
    if differences.empty:
        return
    st.caption(
        f"How much more the model has than each of the others at {CUT_OFF} products shown. In brackets between what it "
        "may lie with other customers of the kind (95 %): without zero in there, the difference is more than chance."
    )
    st.dataframe(
        certainty(differences, CUT_OFF),
        hide_index=True,
        alt="How sure the differences are",
        column_config={"method": "Compared with"},
    )


def _chart(compared: pd.DataFrame, metric: str) -> alt.Chart:
    rows = compared[compared["metric"] == metric]
    methods = list(rows["method"].cat.remove_unused_categories().cat.categories)
    scale = alt.Scale(domain=methods, range=[COLORS.get(method, OTHER_COLOR) for method in methods])
    chart: alt.Chart = (
        alt.Chart(rows.astype({"method": str}), title=metric, height=CHART_HEIGHT)
        .mark_bar(cornerRadiusEnd=3)
        .encode(
            x=alt.X("k:O", title="Products shown", axis=alt.Axis(labelAngle=0)),
            xOffset=alt.XOffset("method:N", sort=methods),
            y=alt.Y("value:Q", title=None),
            color=alt.Color("method:N", title=None, scale=scale, legend=alt.Legend(orient="bottom", columns=3)),
            tooltip=["method", "k", alt.Tooltip("value", format=".4f")],
        )
    )
    return chart


def show_runs(runs: pd.DataFrame, live_run: str | None) -> None:
    """Show every training run, newest first, and which of them made what is offered."""
    st.subheader("Model runs", anchor=False)
    columns = {
        "is_live": st.column_config.CheckboxColumn("Live"),
        "trained_at": instant_column("Trained"),
        "ndcg_at_10": metric_column("NDCG@10", MEANINGS["NDCG"]),
        "popularity_ndcg_at_10": metric_column("NDCG@10 of popularity"),
        "interactions": count_column("Interactions"),
        "users": count_column("Customers"),
        "products": count_column("Products"),
        "factors": count_column("Factors", "Numbers by which the model tells customers and products apart."),
        "sweeps": count_column("Sweeps", "How often the training went over all customers and products."),
        "fit_seconds": st.column_config.NumberColumn("Fitting (s)", format="%.1f"),
        "run_id": st.column_config.TextColumn("Run"),
        "held_back_because": st.column_config.TextColumn("Held back because", width="large"),
    }
    st.dataframe(
        runs.assign(is_live=runs["run_id"] == live_run),
        height=height_of(runs),
        hide_index=True,
        alt="Model runs",
        placeholder="",
        column_order=list(columns),
        column_config=columns,
    )


def show_accounting(feeds: pd.DataFrame) -> None:
    """Show what became of every line that arrived."""
    st.subheader("What became of every line that arrived", anchor=False)
    columns = {
        "feed": st.column_config.TextColumn("Feed"),
        "clean_share": st.column_config.ProgressColumn("Share clean", format="%.1f%%", min_value=0, max_value=100),
        "files": count_column("Files"),
        "rejected_files": count_column("Unreadable files"),
        "lines": count_column("Lines"),
        "loaded": count_column("Loaded"),
        "rejected": count_column("Rejected"),
        "clean": count_column("Clean"),
        "duplicates": count_column("Duplicates"),
        "quarantined": count_column("Quarantined"),
        "newest_row_at": instant_column("Newest row"),
        "last_loaded_at": instant_column("Last loaded"),
    }
    st.dataframe(
        feeds.assign(clean_share=100 * feeds["clean"] / feeds["lines"].where(feeds["lines"] > 0)),
        hide_index=True,
        alt="Row accounting of each feed",
        placeholder="",
        column_order=list(columns),
        column_config=columns,
    )
    st.caption("Lines = loaded + rejected; loaded = clean + duplicates + quarantined.")


live = live_copy()
ranking = compare(live.metrics())
show_live(live, ranking)
show_ranking(live, ranking)
show_certainty(live.metric_differences())
show_quality(live.quality_by_day())
show_runs(live.model_runs(), live.published.run_id)
show_coverage(live.coverage())
show_drift(live.drift())
show_accounting(live.accounting())
