"""Queries of a published copy about one customer: the whole history, and the recommendations with their prices."""

from collections.abc import Sequence
from typing import Any

import pandas as pd

from warehouse.publishing.serving_copy import ServingCopy


def count_actions(copy: ServingCopy, user_id: str) -> dict[str, int]:
    """Return the number of a customer's actions by type, over the whole history."""
    rows = copy.query_frame(
        "select action_type, count(*) as actions from rec_user_timeline where user_id = ? group by action_type", user_id
    )
    return dict(zip(rows["action_type"], rows["actions"].astype(int), strict=True))


def get_timeline(
    copy: ServingCopy,
    user_id: str,
    action_types: Sequence[str] = (),
    limit: int | None = None,
    offset: int = 0,
) -> pd.DataFrame:
    """Return a part of a customer's history, newest first.

    Args:
        copy: The open copy.
        user_id: The customer.
        action_types: Types of the actions; all without one.
        limit: Maximum number of actions.
        offset: Number of newer actions of these types that are left out.

    Returns:
        Rows of `rec_user_timeline` with the product's name, category and brand. `price` is that of the line, else the
        newest known price of the product.
    """
    type_condition = "and actions.action_type in (select unnest(?::varchar[]))" if action_types else ""
    parameters: list[Any] = [user_id, *([list(action_types)] if action_types else []), limit, offset]
    currency = "products.currency" if copy.has_column("dim_products", "currency") else "cast(null as varchar)"
    # A copy of an earlier version has the files instead of the loads, and the names of the products.
    load_column = "_load_id" if copy.has_column("rec_user_timeline", "_load_id") else "_file"
    return copy.query_frame(
        f"""
        with actions as (

            select *
            from rec_user_timeline as actions
            where actions.user_id = ? {type_condition}
            order by actions.action_at desc, actions.{load_column} desc, actions._line desc
            limit ? offset ?

        )

        select
            actions.action_at,
            actions.action_type,
            actions.product_id,
            products.product_name,
            products.category,
            products.brand,
            coalesce(actions.price, products.price) as price,
            {currency} as currency,
            actions.quantity,
            actions.device
        from actions
        left join dim_products as products on actions.product_id = products.product_id
        order by actions.action_at desc, actions.{load_column} desc, actions._line desc
        """,
        *parameters,
    )


def get_shop_currency(copy: ServingCopy) -> str | None:
    """Return the currency of the catalog; None if its products have several or none."""
    if not copy.has_column("dim_products", "currency"):
        return None
    rows = copy.query_frame("select distinct currency from dim_products where currency is not null limit 2")
    return str(rows["currency"].iloc[0]) if len(rows) == 1 else None
