"""Queries of a published copy about audiences: their customers, and the recommendations of these customers."""

from collections.abc import Collection
from datetime import datetime
from typing import Any, NamedTuple

import pandas as pd

from warehouse.audiences import Audience
from warehouse.publishing.serving_copy import ServingCopy

DATA_END = "select max(last_seen_at) as data_end from dim_users"

CONDITIONS = {
    "favourite_category": "users.favourite_category = ?",
    "min_days_since_seen": f"users.last_seen_at <= ({DATA_END}) - to_days(cast(? as integer))",
    "max_days_since_seen": f"users.last_seen_at >= ({DATA_END}) - to_days(cast(? as integer))",
    "min_spend": "users.total_spend >= ?",
    "max_spend": "users.total_spend <= ?",
    "min_orders": "users.order_count >= ?",
    "max_orders": "users.order_count <= ?",
    "experiment_arm": "users.user_id in (select user_id from rec_customer_arms where arm = ?)",
}
"""SQL of each condition of an audience. The days begin at the end of the data."""


CUSTOMER_COLUMNS = ("last_seen_at", "favourite_category", "order_count", "purchase_count", "total_spend")
"""Columns of `dim_users` that a table of customers shows; a copy of an earlier version has no `order_count`."""


class AudienceSize(NamedTuple):
    """Numbers of customers of an audience."""

    customers: int
    customers_with_list: int


def get_data_end(copy: ServingCopy) -> datetime | None:
    """Return the time of the last action of any customer; None without customers."""
    end = copy.query_frame(DATA_END)["data_end"].iloc[0]
    return None if pd.isna(end) else end.to_pydatetime()


def list_favourite_categories(copy: ServingCopy) -> list[str]:
    """Return the favourite categories of customers, the most frequent first."""
    rows = copy.query_frame(
        "select favourite_category from dim_users where favourite_category is not null "
        "group by favourite_category order by count(*) desc, favourite_category"
    )
    return list(rows["favourite_category"])


def list_arms(copy: ServingCopy) -> list[str]:
    """Return the arms of the active experiment."""
    return sorted({arm.arm for arm in copy.get_experiment_arms()})


def has_order_counts(copy: ServingCopy) -> bool:
    """Return whether the copy has the number of orders; a copy of an earlier version has none."""
    return copy.has_column("dim_users", "order_count")


def count_audience(copy: ServingCopy, audience: Audience) -> AudienceSize:
    """Return the number of customers of an audience, and how many of them have recommendations."""
    condition, parameters = _build_condition(audience)
    rows = copy.query_frame(
        f"""
        select
            count(*) as customers,
            count(*) filter (
                where users.user_id in (select user_id from rec_top_n where rank = 1)
            ) as customers_with_list
        from dim_users as users
        where {condition}
        """,
        *parameters,
    )
    return AudienceSize(int(rows["customers"].iloc[0]), int(rows["customers_with_list"].iloc[0]))


def count_by_condition(copy: ServingCopy, audience: Audience) -> dict[str, int]:
    """Return the number of customers that meet each condition of an audience and the conditions before it."""
    values = audience.model_dump(exclude_none=True)
    if not values:
        return {}
    names = list(values)
    columns = ", ".join(
        f"count(*) filter (where {' and '.join(CONDITIONS[name] for name in names[: position + 1])}) as {last_name}"
        for position, last_name in enumerate(names)
    )
    parameters = [values[name] for position in range(len(names)) for name in names[: position + 1]]
    counts = copy.query_frame(f"select {columns} from dim_users as users", *parameters).iloc[0]
    return {name: int(counts[name]) for name in names}


def get_audience_customers(copy: ServingCopy, audience: Audience, limit: int) -> pd.DataFrame:
    """Return customers of an audience, those with the highest spend first; rows of `dim_users`."""
    condition, parameters = _build_condition(audience)
    return copy.query_frame(
        f"select * from dim_users as users where {condition} order by total_spend desc, user_id limit ?",
        *parameters,
        limit,
    )


def get_audience_lists(
    copy: ServingCopy, audience: Audience, n: int, blocked_products: Collection[str] = ()
) -> pd.DataFrame:
    """Return the first n recommendations of each customer of an audience, for a mailing.

    Each row has the customer's `CUSTOMER_COLUMNS`, as far as the copy has them, so that the file can be sorted and
    filtered. Products behind `blocked_products`, which a rule blocked after the publication, move up.
    """
    condition, parameters = _build_condition(audience)
    columns = [name for name in CUSTOMER_COLUMNS if copy.has_column("dim_users", name)]
    lists = copy.query_frame(
        f"""
        with lists as (

            select * replace (cast(row_number() over (partition by user_id order by rank) as integer) as rank)
            from rec_top_n
            where product_id not in (select unnest(?::varchar[])) and rank <= ?

        )

        select
            lists.user_id, {"".join(f"users.{name}, " for name in columns)}
            lists.rank, lists.product_id, lists.product_name, lists.category, lists.brand, lists.price
        from lists
        inner join dim_users as users on lists.user_id = users.user_id
        where lists.rank <= ? and {condition}
        order by lists.user_id, lists.rank
        """,
        list(blocked_products),
        n + len(blocked_products),
        n,
        *parameters,
    )
    # A spreadsheet reads no fractions of seconds.
    lists["last_seen_at"] = lists["last_seen_at"].dt.floor("s")
    return copy.add_currency(lists.astype({"total_spend": float}))


def _build_condition(audience: Audience) -> tuple[str, list[Any]]:
    values = audience.model_dump(exclude_none=True)
    return " and ".join(CONDITIONS[name] for name in values) or "true", list(values.values())
