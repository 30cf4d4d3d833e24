"""Queries of a published copy about products: search, exposure, prices, trend, and products bought together."""

from collections.abc import Sequence
from typing import Any, Literal, NamedTuple

import pandas as pd

from warehouse.errors import RecomartError
from warehouse.publishing.serving_copy import ServingCopy

ExposureKind = Literal["shown_most", "over_shown", "below_top_10", "never_shown", "stale", "without_price"]

OVER_SHOWN_RATIO = 3
"""Share of places divided by share of sales from which a product, category or brand is shown too much; its inverse is
the limit of being shown too little. Personal lists differ from the sales, and a cheap product has a small share of the
amount: in the demo shop, half of the categories are above 2, and two of twelve above 3."""

PLACES_PER_SALES = "round(top_10_share / nullif(amount_share_28d, 0), 9) as places_per_sales"
"""Column with the share of places divided by the share of sales; null without sales."""

EXPOSURE_LISTS: dict[ExposureKind, tuple[str, str]] = {
    "shown_most": ("top_10_customer_count > 0", "top_10_customer_count desc"),
    "over_shown": (
        f"top_10_share >= {OVER_SHOWN_RATIO} * amount_share_28d "
        # A product with less than the average share of places is not shown much, also without any sales.
        "and top_10_share >= (select 1 / count(*) from rec_product_exposure where is_recommendable)",
        "top_10_share - amount_share_28d desc",
    ),
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


class ExposureSummary(NamedTuple):
    """What the lists show too much and never."""

    product_count: int
    recommendable_product_count: int
    never_shown_product_count: int

    over_shown_product_count: int | None
    """Products of the list over_shown; None without sales."""

    over_shown_values: dict[str, list[str]]
    """Values by facet (category, brand) whose share of places is at least `OVER_SHOWN_RATIO` times that of sales, the
    largest difference first."""

    under_shown_values: dict[str, list[str]]
    """Values by facet whose share of sales is at least `OVER_SHOWN_RATIO` times that of places."""


def has_product_exposure(copy: ServingCopy) -> bool:
    """Return whether the copy has the tables of this module; a copy of an earlier version of RecoMart has none."""
    return "rec_product_exposure" in copy.published.rows


def search_products(copy: ServingCopy, search: str, limit: int) -> pd.DataFrame:
    """Find products whose id or name contains all words of a text; without a text, the products shown most.

    Returns:
        Rows of `rec_product_exposure`: the product with this id first, those of this name, then the ones shown most.
    """
    words = search.split()[:MAX_SEARCH_WORDS]
    # DuckDB's lower case, because that of Python differs for letters such as İ.
    condition = " and ".join(["contains(lower(product_id || ' ' || product_name), lower(?))"] * len(words)) or "true"
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
    """Return the prices of a product, the newest first; rows of `rec_product_prices`.

    Raises:
        RecomartError: An earlier version of RecoMart published the copy.
    """
    if "rec_product_prices" not in copy.published.rows:
        raise RecomartError(
            "The history of prices is not published: an earlier version of RecoMart published this copy. "
            "`recomart run` builds and publishes it"
        )
    query = "select * from rec_product_prices where product_id = ? order by valid_from desc"
    return copy.query_frame(query, product_id)


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
    """Return the products of the same orders, the strongest pair first; rows of `rec_product_pairs`, ranked anew.

    The strength is the column `extra_order_count`: the orders with both products beyond those expected by chance.
    Unlike the number of orders, it is near 0 for bestsellers that meet by chance. Unlike the lift, it is small for few
    orders.
    """
    return copy.query_frame(
        """
        with pairs as (

            select *, round(joint_order_count * (1 - 1 / lift), 9) as extra_order_count
            from rec_product_pairs
            where product_id = ?

        )

        select * replace (
            cast(row_number() over (order by extra_order_count desc, lift desc, other_product_id) as integer) as rank
        )
        from pairs
        order by rank
        """,
        product_id,
    )


def get_facet_exposure(copy: ServingCopy, facet: str) -> pd.DataFrame:
    """Return the categories or brands, the largest share of places first.

    Returns:
        Rows of `rec_category_exposure` with the column `places_per_sales`.
    """
    return copy.query_frame(
        f"""
        select *, {PLACES_PER_SALES}
        from rec_category_exposure
        where facet = ?
        order by top_10_share desc nulls last, product_count desc, facet_value
        """,
        facet,
    )


def summarize_exposure(copy: ServingCopy) -> ExposureSummary:
    """Return what the lists show too much, too little and never."""
    counts = copy.query_frame(
        f"""
        select
            count(*) as products,
            count(*) filter (where is_recommendable) as recommendable,
            count(*) filter (where {EXPOSURE_LISTS["never_shown"][0]}) as never_shown,
            count(*) filter (where {EXPOSURE_LISTS["over_shown"][0]}) as over_shown,
            count(amount_share_28d) > 0 as has_sales
        from rec_product_exposure
        """
    ).iloc[0]
    facets = copy.query_frame(
        f"""
        select facet, facet_value, top_10_share >= amount_share_28d as is_over_shown
        from rec_category_exposure
        where
            greatest(top_10_share, amount_share_28d) > 0
            and greatest(top_10_share, amount_share_28d) >= {OVER_SHOWN_RATIO} * least(top_10_share, amount_share_28d)
            -- Greatest and least ignore a missing share.
            and top_10_share is not null and amount_share_28d is not null
        order by abs(top_10_share - amount_share_28d) desc, facet_value
        """
    )

    def list_values(*, is_over_shown: bool) -> dict[str, list[str]]:
        rows = facets[facets["is_over_shown"] == is_over_shown]
        return {facet: list(rows.loc[rows["facet"] == facet, "facet_value"]) for facet in ("category", "brand")}

    return ExposureSummary(
        int(counts["products"]),
        int(counts["recommendable"]),
        int(counts["never_shown"]),
        int(counts["over_shown"]) if counts["has_sales"] else None,
        list_values(is_over_shown=True),
        list_values(is_over_shown=False),
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
        kind: shown_most: in a top ten, by customers with the product there. over_shown: at least the average share of
            places, and `OVER_SHOWN_RATIO` times the share of sales. below_top_10: recommendable, in lists, but in no
            top ten. never_shown: recommendable, and in no list. stale: with a reason of
            `audit_product_freshness`. without_price: available with the price 0 or none.
        categories: Values of `rec_category_exposure`; all without one.
        brands: Values of `rec_category_exposure`; all without one.
        limit: Maximum number of products.
        offset: Number of products before them that are left out.

    Returns:
        Rows of `rec_product_exposure` with the column `places_per_sales`.
    """
    conditions, parameters = _build_conditions(kind, categories, brands)
    _, order = EXPOSURE_LISTS[kind]
    return copy.query_frame(
        f"select *, {PLACES_PER_SALES} from rec_product_exposure where {conditions} "
        f"order by {order}, product_id limit ? offset ?",
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
