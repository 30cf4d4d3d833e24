"""One product: facts, place in the lists, customers, trend, prices, and related products."""

from functools import partial
from typing import Any

import altair as alt
import pandas as pd
import streamlit as st

from apps.merchandiser.copy_cache import query_once
from apps.merchandiser.live_lists import get_blocking_rules
from apps.merchandiser.markdown import escape_markdown, shorten_text
from apps.merchandiser.page_list import show_page_link
from apps.merchandiser.prices import MISSING_TEXT, format_price
from apps.merchandiser.products.product_customers import show_customers_of_product
from apps.merchandiser.products.product_links import show_picture, show_product_link
from apps.merchandiser.products.related_products import show_products_bought_together, show_similar_products
from apps.merchandiser.rules.form_link import show_form_link
from apps.merchandiser.table_columns import format_share, make_time_column
from apps.merchandiser.tabs import show_tabs
from warehouse.formatting import format_count
from warehouse.publishing.product_queries import count_lists, get_price_history, get_product_weeks
from warehouse.publishing.serving_copy import ServingCopy
from warehouse.rules.rule_store import StoredRule

WEEK_SERIES = {
    "view_count": "Views",
    "click_count": "Clicks",
    "add_to_cart_count": "Added to the cart",
    "purchase_count": "Bought",
}
"""Columns of `rec_product_weeks` in the chart, with their labels."""

CHART_HEIGHT = 240


def show_product(copy: ServingCopy, product: dict[str, Any]) -> None:
    """Show the facts of a product above its customers, trend and related products."""
    picture_column, name_column = st.columns([1, 8], vertical_alignment="center")
    with picture_column:
        show_picture(product["image_url"])
    with name_column:
        st.subheader(escape_markdown(shorten_text(product["product_name"], 160)), anchor=False)
        facts = [product["product_id"], product["category"] or "no category", product["brand"] or "no brand"]
        st.caption(" · ".join(escape_markdown(shorten_text(str(fact), 80)) for fact in facts))
        show_product_link(product["product_url"])
        _show_rule_links(product)
    _show_reason(copy, product)
    with st.container(border=True, horizontal=True, gap="medium"):
        for name, (value, delta, help_text) in _describe_product(product, query_once(count_lists, copy)).items():
            st.metric(name, value, delta, width="content", help=help_text)
    views = {
        "Customers": show_customers_of_product,
        "Trend and prices": _show_trend,
        "Bought together": show_products_bought_together,
        "Similar": show_similar_products,
    }
    show_tabs({label: partial(show_view, copy, product) for label, show_view in views.items()}, key="product_view")


def _show_rule_links(product: dict[str, Any]) -> None:
    """Show links to the form of a rule for the product, its brand and its category."""
    with st.container(horizontal=True):
        show_form_link(":material/block: Stop showing it", "block", "product", product["product_id"])
        show_form_link(":material/arrow_upward: Boost", "boost", "product", product["product_id"])
        show_form_link(":material/arrow_downward: Bury", "bury", "product", product["product_id"])
        if product["brand"]:
            show_form_link(":material/rule: Rule for this brand", "boost", "brand", product["brand"])
        if product["category"]:
            show_form_link(":material/rule: Rule for this category", "boost", "category", product["category"])


def _show_reason(copy: ServingCopy, product: dict[str, Any]) -> None:
    """Show why the product is in no list, or should not be in one, and the rule that blocks it."""
    stored = get_blocking_rules(copy).get(product["product_id"])
    rule_text = "" if stored is None else f" {_describe_rule(stored)}."
    if stored is not None and not product["not_shown_reason"]:
        st.warning(
            f"A merchandising rule blocks it now.{rule_text} The figures below are of the published lists.",
            icon=":material/block:",
        )
    elif product["not_shown_reason"]:
        reason = escape_markdown(product["not_shown_reason"])
        st.info(f"Why it is not shown: {reason}.{rule_text}", icon=":material/visibility_off:")
    elif product["exclusion_reason"]:
        st.warning(f"Still in lists, although {escape_markdown(product['exclusion_reason'])}.", icon=":material/block:")
    elif product["stale_reason"]:
        st.warning(f"Stale: {escape_markdown(product['stale_reason'])}.", icon=":material/hourglass_bottom:")
    if stored is not None:
        show_page_link("rules", f":material/rule: Open rule {stored.rule_id}", {"rule": stored.rule_id})


def _describe_rule(stored: StoredRule) -> str:
    """Return which rule blocks a product, who last changed it, and when; as Markdown."""
    change = stored.change
    user = escape_markdown(shorten_text(change.user, 80))
    return f"Rule {stored.rule_id}, last changed by {user} on {change.changed_at:%d %b %Y, %H:%M} UTC"


def _describe_product(product: dict[str, Any], list_count: int) -> dict[str, tuple[str, str | None, str | None]]:
    """Return the figures of a product by name: value, change, and help."""
    previous = None
    if product["previous_price"] is not None:
        day = f"{product['price_changed_at']:%d %b %Y}"
        previous = f"{format_price(product['previous_price'], product['currency'])} before {day}"
    pieces, pieces_before = product["quantity_28d"], product["quantity_before_28d"]
    actions, actions_before = product["action_count_28d"], product["action_count_before_28d"]
    ranks = "Customers who have it at ranks 1 to {}, of {} with recommendations."
    lists = f"{list_count:,}"
    best = MISSING_TEXT if product["best_rank"] is None else f"{product['best_rank']} / {product['median_rank']}"
    return {
        "Price": (format_price(product["price"], product["currency"]), None, previous),
        "Margin": (format_share(product["margin"]), None, "Share of the price."),
        "In the top 3": (f"{product['top_3_customer_count']:,}", None, ranks.format(3, lists)),
        "In the top 10": (f"{product['top_10_customer_count']:,}", None, ranks.format(10, lists)),
        "In any list": (f"{product['list_customer_count']:,}", None, f"Of {lists} customers with recommendations."),
        "Best / median rank": (best, None, "Over the lists that have it."),
        "Share of places": (format_share(product["top_10_share"]), None, "Of the places 1 to 10 of all lists."),
        "Share of sales": (format_share(product["amount_share_28d"]), None, "Of the amount of the last 28 days."),
        "Items bought, 28 days": (
            f"{pieces:,.10g}",
            _format_change(pieces - pieces_before),
            "Less returns; with the change from the 28 days before.",
        ),
        "Actions, 28 days": (
            f"{actions:,}",
            _format_change(actions - actions_before),
            "Views, clicks, cart actions and purchases; with the change from the 28 days before.",
        ),
        "Items bought": (f"{product['quantity']:,.10g}", None, "Since the first data, less returns."),
    }


def _format_change(change: float) -> str | None:
    """Return a change with its sign; None for no change, which a figure would show as a green arrow."""
    return f"{change:+,.10g}" if change else None


def build_week_chart(weeks: pd.DataFrame) -> alt.Chart:
    """Return a line of each action by week, with a label at the first day of each week.

    The axis has the dates as texts: Vega labels times at Sundays and in the time zone of the browser.
    """
    starts = pd.date_range(weeks["week_start"].min(), weeks["week_start"].max(), freq="7D", name="week_start")
    # A week without actions has no row.
    rows = weeks.astype({"week_start": starts.dtype}).set_index("week_start")[list(WEEK_SERIES)].reindex(starts)
    rows = rows.fillna(0).rename(columns=WEEK_SERIES).reset_index()
    rows["week"] = [f"{start.day} {start:%b}" for start in starts]
    rows["first_day"] = [f"{start.day} {start:%b %Y}" for start in starts]
    rows = rows.drop(columns="week_start").melt(["week", "first_day"], var_name="action", value_name="count")
    chart: alt.Chart = (
        alt.Chart(rows, height=CHART_HEIGHT)
        .mark_line(point=True)
        .encode(
            x=alt.X(
                "week:O",
                title="Week from",
                sort=list(rows["week"].unique()),
                axis=alt.Axis(labelAngle=0, labelOverlap=True),
            ),
            y=alt.Y("count:Q", title=None),
            color=alt.Color("action:N", title=None, sort=list(WEEK_SERIES.values())),
            tooltip=[alt.Tooltip("first_day", title="Week from"), "action", "count"],
        )
    )
    return chart


def _show_trend(copy: ServingCopy, product: dict[str, Any]) -> None:
    weeks = get_product_weeks(copy, product["product_id"])
    if weeks.empty:
        st.info("No actions in the newest weeks.", icon=":material/trending_flat:")
    else:
        st.caption(f"Actions by week, {format_count(len(weeks), 'week')} with actions")
        st.altair_chart(build_week_chart(weeks), width="stretch", alt="Actions by week")
    prices = get_price_history(copy, product["product_id"])
    if prices.empty:
        st.info("No price is known.", icon=":material/sell:")
        return
    st.caption(f"{format_count(len(prices), 'price')}, newest first")
    texts = [format_price(row.price, row.currency) for row in prices.itertuples()]
    # The start of the first price is unknown without a dated catalog.
    starts = prices["valid_from"].where(prices["valid_from"] > pd.Timestamp("1900-01-01"))
    st.dataframe(
        pd.DataFrame({"valid_from": starts, "price": texts}),
        hide_index=True,
        width=420,
        alt="Price history",
        placeholder=MISSING_TEXT,
        column_config={"valid_from": make_time_column("From"), "price": st.column_config.TextColumn("Price")},
    )
