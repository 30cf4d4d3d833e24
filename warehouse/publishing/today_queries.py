"""Queries of a published copy about the state of the shop's data, lists and model today."""

from datetime import date, datetime, timedelta
from typing import Any, NamedTuple

import pandas as pd

from warehouse.publishing.serving_copy import ServingCopy
from warehouse.sources.columns import LOG_KINDS

WARNING_DAYS = 7
"""Days up to the newest delivery whose warnings are read."""


class Deliveries(NamedTuple):
    """The files of a day, and the warnings about the days before it."""

    files: int
    lines: int
    newest_day: date | None
    warnings: list[str]


class ProductCounts(NamedTuple):
    """Numbers of recommendable products with a problem."""

    products: int
    zero_prices: int
    missing_prices: int
    stale: int | None
    stale_in_lists: int | None


class ModelComparison(NamedTuple):
    """The serving model beside the one that served some days before; each a row of `eval_model_runs`."""

    current: dict[str, Any]
    earlier: dict[str, Any] | None


def get_deliveries(copy: ServingCopy, day: date) -> Deliveries | None:
    """Return what the shop delivered on a day, and the warnings of the last days; None in a copy of an earlier version.

    The log of RecoMart's own lists is no delivery.
    """
    if "audit_feed_days" not in copy.published.rows:
        return None
    totals = copy.query_frame(
        """
        select
            coalesce(sum(files) filter (where delivery_day = $1), 0) as files,
            coalesce(sum(lines) filter (where delivery_day = $1), 0) as lines,
            max(delivery_day) filter (where files > 0) as newest_day
        from audit_feed_days
        where not list_contains($2, feed)
        """,
        day,
        list(LOG_KINDS),
    ).iloc[0]
    newest_day = None if pd.isna(totals["newest_day"]) else pd.Timestamp(totals["newest_day"]).date()
    warnings: list[str] = []
    if newest_day is not None:
        rows = copy.query_frame(
            """
            select feed, delivery_day, warning
            from audit_feed_days
            where warning is not null and delivery_day > ?
            order by delivery_day desc, feed
            """,
            newest_day - timedelta(days=WARNING_DAYS),
        )
        warnings = [f"{row.feed}, {row.delivery_day:%d %b %Y}: {row.warning}" for row in rows.itertuples()]
    return Deliveries(int(totals["files"]), int(totals["lines"]), newest_day, warnings)


def count_customers_with_list(copy: ServingCopy) -> int:
    """Return the number of customers with recommendations."""
    return int(copy.query_frame("select count(*) as customers from rec_top_n where rank = 1")["customers"].iloc[0])


def count_product_problems(copy: ServingCopy) -> ProductCounts:
    """Return the number of available products without a usable price, and of stale ones."""
    prices = copy.query_frame(
        """
        select
            count(*) as products,
            count(*) filter (where price = 0) as zero_prices,
            count(*) filter (where price is null) as missing_prices
        from dim_products
        where is_available
        """
    ).iloc[0]
    stale = stale_in_lists = None
    if "audit_product_freshness" in copy.published.rows:
        row = copy.query_frame(
            """
            select count(*) as stale, count(*) filter (where list_entry_count > 0) as stale_in_lists
            from audit_product_freshness
            where is_stale
            """
        ).iloc[0]
        stale, stale_in_lists = int(row["stale"]), int(row["stale_in_lists"])
    return ProductCounts(
        int(prices["products"]), int(prices["zero_prices"]), int(prices["missing_prices"]), stale, stale_in_lists
    )


def compare_with_earlier_model(copy: ServingCopy, at: datetime) -> ModelComparison | None:
    """Return the published model, and the one that served at an earlier time or else the one before it.

    `at` is a time in UTC without a time zone. None when no model serves, or its quality was not measured.
    """
    runs = copy.get_model_runs()
    current = runs[(runs["run_id"] == copy.published.run_id) & runs["ndcg_difference"].notna()]
    if current.empty:
        return None
    earlier = runs[
        (runs["run_id"] != copy.published.run_id) & runs["ndcg_difference"].notna() & runs["serving_started_at"].notna()
    ]
    started_before = earlier[earlier["serving_started_at"] <= pd.Timestamp(at)]
    present_started_at = current["serving_started_at"].iloc[0]
    if pd.notna(present_started_at) and present_started_at <= pd.Timestamp(at):
        earlier = current
    elif not started_before.empty:
        earlier = started_before.sort_values("promotion_number", ascending=False)
    else:
        earlier = earlier.sort_values("promotion_number")
    return ModelComparison(
        {str(name): value for name, value in current.iloc[0].items()},
        None if earlier.empty else {str(name): value for name, value in earlier.iloc[0].items()},
    )
