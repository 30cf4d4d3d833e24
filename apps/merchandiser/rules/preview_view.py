"""The preview of a rule: what it would change in the published lists."""

import pandas as pd
import streamlit as st

from apps.merchandiser.copy_cache import query_once
from apps.merchandiser.markdown import escape_markdown, shorten_text
from apps.merchandiser.prices import MISSING_TEXT
from apps.merchandiser.table_columns import (
    WRAPPED_ROW_HEIGHT,
    choose_table_height,
    choose_wrapped_height,
    make_count_column,
)
from warehouse.errors import RecomartError
from warehouse.formatting import format_count
from warehouse.publishing.rule_examples import list_examples
from warehouse.publishing.rule_preview import MAX_LISTS, PREVIEW_DEPTH, RulePreview, preview_rule
from warehouse.publishing.serving_copy import ServingCopy
from warehouse.rules.rule import Rule

MAX_SHOWN_PRODUCTS = 10


def show_preview(copy: ServingCopy, rule: Rule) -> None:
    """Show how many lists change, the places of the products, the loss by the model, and examples."""
    try:
        with st.spinner("Comparing lists …"):
            # Neither the reason nor the draft changes the lists.
            preview, examples = query_once(_preview, copy, rule.model_copy(update={"reason": None, "is_draft": False}))
    except RecomartError as error:
        st.info(escape_markdown(f"{error}."), icon=":material/visibility_off:")
        return
    st.markdown(f"**Preview:** {escape_markdown(rule.describe())}, {escape_markdown(rule.describe_lists())}")
    with st.container(border=True, horizontal=True, gap="medium"):
        st.metric(
            "Lists that change",
            f"{preview.changed_count:,} of {preview.compared_count:,}",
            width="content",
            help=f"Compared are the first {PREVIEW_DEPTH} places of up to {MAX_LISTS:,} lists.",
        )
        st.metric("Places before", f"{preview.place_share_before:.1%}", width="content")
        st.metric("Places after", f"{preview.place_share_after:.1%}", width="content")
        st.metric(
            "By the model's scores, the lists lose",
            MISSING_TEXT if preview.lost_dcg_share is None else f"{max(0.0, preview.lost_dcg_share):.1%}",
            width="content",
            help="Loss of discounted gain (DCG), with the model's scores as gains: an estimate.",
        )
    if not preview.changed_count:
        st.info("The rule changes none of the compared lists.", icon=":material/info:")
        return
    entering, leaving = st.columns(2)
    with entering:
        _show_products("Products that come in", preview.entering)
    with leaving:
        _show_products("Products that go out", preview.leaving)
    _show_examples(examples)


def _preview(copy: ServingCopy, rule: Rule) -> tuple[RulePreview, pd.DataFrame]:
    preview = preview_rule(copy, rule)
    return preview, list_examples(copy, preview)


def _show_products(title: str, products: pd.DataFrame) -> None:
    more = f", the first {MAX_SHOWN_PRODUCTS}" if len(products) > MAX_SHOWN_PRODUCTS else ""
    st.caption(f"{title}: {format_count(len(products), 'product')}{more}")
    rows = products.head(MAX_SHOWN_PRODUCTS)
    if rows.empty:
        return
    st.dataframe(
        rows.assign(product_name=rows["product_name"].fillna(rows["product_id"])),
        hide_index=True,
        height=choose_table_height(rows),
        alt=title,
        column_order=["product_name", "list_count", "product_id"],
        column_config={
            "product_name": st.column_config.TextColumn("Product", width=240),
            "product_id": st.column_config.TextColumn("Product id", width=90),
            "list_count": make_count_column("Lists"),
        },
    )


def _show_examples(examples: pd.DataFrame) -> None:
    list_name = st.selectbox(
        "Example list, those that change most",
        list(dict.fromkeys(examples["list_name"])),
        format_func=lambda name: shorten_text(str(name), 60),
        key="rule_example",
        width=420,
    )
    rows = examples[examples["list_name"] == list_name]
    st.dataframe(
        rows.assign(change=[_mark_change(rows, row.before, row.after) for row in rows.itertuples()]),
        hide_index=True,
        height=choose_wrapped_height(len(rows)),
        row_height=WRAPPED_ROW_HEIGHT,
        alt="Example list before and after",
        placeholder=MISSING_TEXT,
        column_order=["rank", "before", "after", "change"],
        column_config={
            "rank": st.column_config.NumberColumn("Rank", width=50),
            "before": st.column_config.TextColumn("Before", width=150),
            "after": st.column_config.TextColumn("After", width=150),
            "change": st.column_config.TextColumn("Change", width=90),
        },
    )


def _mark_change(rows: pd.DataFrame, before: str | None, after: str | None) -> str:
    """Return whether the product after the rule is new in the list or moved."""
    if pd.isna(after) or before == after:
        return ""
    return "moved" if after in set(rows["before"]) else "new"
