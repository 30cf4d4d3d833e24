"""Queries of a published copy about products: search, exposure, prices, trend, and products bought together."""

from collections.abc import Sequence
from typing import Any, Literal

import pandas as pd

from warehouse.publishing.serving_copy import ServingCopy

ExposureKind = Literal["shown_most", "below_top_10", "never_shown", "stale", "without_price"]

EXPOSURE_LISTS: dict[ExposureKind, tuple[str, str]] = {
    "shown_most": ("top_10_customer_count > 0", "top_10_customer_count desc"),
    "below_top_10": (
        "is_recommendable and top_10_customer_count = 0 and list_customer_count > 0",
        "amount_28d desc, list_customer_count desc",
    ),
    "never_shown": ("is_recommendable and list_customer_count = 0", "amount_28d desc, candidate_customer_count desc"),
    "stale": ("stale_reason is not null", "list_customer_count desc"),
    "without_price": ("is_available and coalesce(price, 0) = 0", "list_customer_count desc"),
}
"""Condition and order of each list of `rec_product_exposure`."""

MAX_SEARCH_WORDS = 8
"""Further words of a search are ignored."""

UNKNOWN_VALUE = "(unknown)"
"""The category or brand of products without one, in `rec_category_exposure`."""


def has_product_exposure(copy: ServingCopy) -> bool:
    """Return whether the copy has the tables of this module; a copy of an earlier version of RecoMart has none."""
    return "rec_product_exposure" in copy.published.rows


def search_products(copy: ServingCopy, search: str, limit: int) -> pd.DataFrame:
    """Find products whose id or name contains all words of a text; without a text, the products shown most.

    Returns:
        Rows of `rec_product_exposure`: the product with this id first, those of this name, then the ones shown most.
    """
    words = search.lower().split()[:MAX_SEARCH_WORDS]
    condition = " and ".join(["contains(lower(product_id) || ' ' || lower(product_name), ?)"] * len(words)) or "true"
    return copy.query_frame(
        f"""
        select product_id, product_name, category, brand, price, currency, top_10_customer_count
        from rec_product_exposure
        where {condition}
        order by
            lower(product_id) = lower(?) desc,
            lower(product_name) = lower(?) desc nulls last,
            top_10_customer_count desc,
            product_id
        limit ?
        """,
        *words,
        search.strip(),
        search.strip(),
        limit,
    )


def get_product(copy: ServingCopy, product_id: str) -> dict[str, Any] | None:
    """Return a product's row of `rec_product_exposure` with margin and addresses, None for an unknown product."""
    rows = copy.query_frame(
        """
        select exposure.*, products.margin, products.product_url, products.image_url
        from rec_product_exposure as exposure
        inner join dim_products as products on exposure.product_id = products.product_id
        where exposure.product_id = ?
        """,
        product_id,
    )
    if rows.empty:
        return None
    return {str(key): None if pd.isna(value) else value for key, value in rows.iloc[0].to_dict().items()}


def get_image_urls(copy: ServingCopy, product_ids: Sequence[str]) -> dict[str, str]:
    """Return the addresses of the pictures of products by id; products without one are left out."""
    products = copy.get_products(product_ids)
    if "image_url" not in products:
        # An earlier version of RecoMart published the copy.
        return {}
    products = products[products["image_url"].notna()]
    return dict(zip(products["product_id"], products["image_url"], strict=True))


def count_lists(copy: ServingCopy) -> int:
    """Return the number of customers with a list."""
    rows = copy.query_frame("select coalesce(sum(first_place_customer_count), 0) as lists from rec_product_exposure")
    return int(rows["lists"].iloc[0])


def get_price_history(copy: ServingCopy, product_id: str) -> pd.DataFrame:
    """Return the prices of a product with the time from which each holds, the newest first."""
    return copy.query_frame(
        """
        select valid_from, price, currency
        from (
            select *, lag(price) over (order by version) as previous_price
            from dim_product_history
            where product_id = ? and price is not null
        )
        where price is distinct from previous_price
        order by valid_from desc
        """,
        product_id,
    )


def get_product_weeks(copy: ServingCopy, product_id: str) -> pd.DataFrame:
    """Return the weeks of a product, oldest first; rows of `rec_product_weeks`."""
    return copy.query_frame("select * from rec_product_weeks where product_id = ? order by week_start", product_id)


def count_customers_by_rank(copy: ServingCopy, product_id: str) -> pd.DataFrame:
    """Return the number of customers who have the product at each rank."""
    query = (
        "select rank, count(*) as customers from rec_product_customers where product_id = ? group by rank order by rank"
    )
    return copy.query_frame(query, product_id)


def get_customers_of_product(copy: ServingCopy, product_id: str, limit: int | None, offset: int = 0) -> pd.DataFrame:
    """Return the customers who have the product in their list, the best rank first."""
    return copy.query_frame(
        "select user_id, rank from rec_product_customers where product_id = ? order by rank, user_id limit ? offset ?",
        product_id,
        limit,
        offset,
    )


def get_products_bought_together(copy: ServingCopy, product_id: str) -> pd.DataFrame:
    """Return the products of the same orders, the most frequent first; rows of `rec_product_pairs`."""
    return copy.query_frame("select * from rec_product_pairs where product_id = ? order by rank", product_id)


def get_facet_exposure(copy: ServingCopy, facet: str) -> pd.DataFrame:
    """Return the categories or brands, the largest share of places first; rows of `rec_category_exposure`."""
    return copy.query_frame(
        """
        select *
        from rec_category_exposure
        where facet = ?
        order by top_10_share desc nulls last, product_count desc, facet_value
        """,
        facet,
    )


def list_products_by_exposure(
    copy: ServingCopy,
    kind: ExposureKind,
    *,
    categories: Sequence[str] = (),
    brands: Sequence[str] = (),
    limit: int | None = None,
    offset: int = 0,
) -> pd.DataFrame:
    """Return the products of a list of `EXPOSURE_LISTS`.

    Args:
        copy: The open copy.
        kind: shown_most: in a top ten, by customers with the product there. below_top_10: recommendable, in lists, but
            in no top ten. never_shown: recommendable, and in no list. stale: with a reason of
            `audit_product_freshness`. without_price: available with the price 0 or none.
        categories: Values of `rec_category_exposure`; all without one.
        brands: Values of `rec_category_exposure`; all without one.
        limit: Maximum number of products.
        offset: Number of products before them that are left out.

    Returns:
        Rows of `rec_product_exposure`.
    """
    conditions, parameters = _build_conditions(kind, categories, brands)
    _, order = EXPOSURE_LISTS[kind]
    return copy.query_frame(
        f"select * from rec_product_exposure where {conditions} order by {order}, product_id limit ? offset ?",
        *parameters,
        limit,
        offset,
    )


def count_products_by_exposure(
    copy: ServingCopy, kind: ExposureKind, categories: Sequence[str] = (), brands: Sequence[str] = ()
) -> int:
    """Return the number of products of `list_products_by_exposure`."""
    conditions, parameters = _build_conditions(kind, categories, brands)
    rows = copy.query_frame(f"select count(*) as products from rec_product_exposure where {conditions}", *parameters)
    return int(rows["products"].iloc[0])


def _build_conditions(
    kind: ExposureKind, categories: Sequence[str], brands: Sequence[str]
) -> tuple[str, list[list[str]]]:
    conditions = [EXPOSURE_LISTS[kind][0]]
    parameters = []
    for column, values in (("category", categories), ("brand", brands)):
        if values:
            conditions.append(f"coalesce({column}, '{UNKNOWN_VALUE}') in (select unnest(?::varchar[]))")
            parameters.append(list(values))
    return " and ".join(conditions), parameters
