"""A published copy of a synthetic shop of any size for the app, with the small tables of another copy."""

from collections.abc import Callable
from string import Template

import duckdb
from pydantic import BaseModel, ConfigDict, Field

from warehouse.database import open_writer
from warehouse.publishing.live_copy import PublishedCopy, read_pointer
from warehouse.publishing.publisher import publish
from warehouse.settings import Settings
from warehouse.sql_text import quote_literal

LIST_LENGTH = 50

TABLE_QUERIES = {
    "dim_products": """
        select
            format('P{:07d}', i) as product_id,
            format(
                '{} {} {}',
                ['Kestrelle', 'Rosmere', 'Yarrow', 'Alderly', 'Arvenna', 'Quillon', 'Lumora'][
                    1 + cast(hash(i) % 7 as integer)
                ],
                ['Kettle', 'Amplifier', 'Building Set', 'Loafers', 'Webcam', 'Olive Oil'][
                    1 + cast(hash(i, 1) % 6 as integer)
                ],
                i
            ) as product_name,
            format('category {}', i % 40) as category,
            format('brand {}', i % 400) as brand,
            cast((1 + hash(i) % 20000) / 100 as decimal(18, 4)) as price,
            'EUR' as currency,
            0.3 as margin,
            format('https://shop.example/products/P{:07d}', i) as product_url,
            i % 10 > 0 as is_available,
            timestamp '2026-01-01' as first_seen_at
        from range($products) as products(i)
    """,
    "dim_users": """
        select
            format('U{:08d}', i) as user_id,
            timestamp '2026-01-01' as first_seen_at,
            timestamp '2026-03-31' as last_seen_at,
            $actions as event_count,
            hash(i) % 5 as purchase_count,
            0 as return_count,
            cast(hash(i) % 100000 / 100 as decimal(38, 4)) as total_spend,
            format('category {}', hash(i) % 40) as favourite_category,
            format('brand {}', hash(i) % 400) as favourite_brand,
            'web' as main_device
        from range($customers) as customers(i)
    """,
    # The products of lists are skewed: the most frequent one is in a sixth of them.
    "rec_top_n": """
        with places as (

            select
                customers.i as customer,
                ranks.rank,
                cast(
                    floor($products * pow(hash(customers.i, ranks.rank) % 1000003 / 1000003.0, 3)) as bigint
                ) as product
            from range($customers) as customers(i)
            cross join range(1, $list_length + 1) as ranks(rank)

        )

        select
            $run_id as run_id,
            format('U{:08d}', places.customer) as user_id,
            cast(places.rank as integer) as rank,
            products.product_id,
            products.product_name,
            products.category,
            products.brand,
            products.price,
            1.0 / places.rank as score,
            'model' as source,
            products.product_id as reason_product_id,
            'Because you viewed ' || products.product_name as reason,
            'viewed' as reason_key
        from places
        inner join marts.dim_products as products on products.product_id = format('P{:07d}', places.product)
    """,
    "rec_product_customers": "select product_id, rank, user_id from marts.rec_top_n",
    "rec_user_timeline": """
        select
            format('U{:08d}', customers.i) as user_id,
            timestamp '2026-03-31' - to_hours(cast(hash(customers.i, actions.j) % 2000 as integer)) as action_at,
            ['view', 'view', 'click', 'add_to_cart', 'purchase'][
                1 + cast(hash(customers.i, actions.j) % 5 as integer)
            ] as action_type,
            format('P{:07d}', hash(actions.j, customers.i) % $products) as product_id,
            1 as quantity,
            'web' as device,
            1 as _load_id,
            actions.j as _line
        from range($customers) as customers(i)
        cross join range($actions) as actions(j)
    """,
    "rec_popular_products": """
        select
            cast(row_number() over (order by hash(product_id)) as integer) as rank,
            product_id, product_name, category, brand, price,
            1e6 / rank as score,
            'popularity' as source,
            'Popular this month' as reason,
            'popular_this_month' as reason_key
        from marts.dim_products
        where is_available
    """,
    "rec_product_exposure": """
        with lists as (

            select
                product_id,
                count(*) filter (rank = 1) as first_place_customer_count,
                count(*) filter (rank <= 3) as top_3_customer_count,
                count(*) filter (rank <= 10) as top_10_customer_count,
                count(*) as list_customer_count,
                min(rank) as best_rank,
                cast(median(rank) as integer) as median_rank
            from marts.rec_top_n
            group by product_id

        )

        select
            products.*,
            products.is_available as is_recommendable,
            case when not products.is_available then 'not available' end as exclusion_reason,
            lists.* exclude (product_id) replace (
                coalesce(first_place_customer_count, 0) as first_place_customer_count,
                coalesce(top_3_customer_count, 0) as top_3_customer_count,
                coalesce(top_10_customer_count, 0) as top_10_customer_count,
                coalesce(list_customer_count, 0) as list_customer_count
            ),
            10 as candidate_customer_count,
            100 as action_count_28d,
            90 as action_count_before_28d,
            5.0 as quantity_28d,
            4.0 as quantity_before_28d,
            100 as amount_28d,
            90 as amount_before_28d,
            20.0 as quantity,
            coalesce(top_10_customer_count, 0) / (10.0 * $customers) as top_10_share,
            1.0 / $products as quantity_share_28d,
            1.0 / $products as amount_share_28d,
            case when lists.product_id is null then 'low_score' end as not_shown_reason_key,
            case when lists.product_id is null then 'Score too low: among the candidates of 10 customers' end
                as not_shown_reason
        from marts.dim_products as products
        left join lists on products.product_id = lists.product_id
    """,
    "rec_category_exposure": """
        select
            facet, facet_value,
            5000 as product_count, 4500 as recommendable_product_count, 4000 as top_10_product_count,
            4200 as shown_product_count, 300 as never_shown_product_count, 250000 as top_10_place_count,
            10.0 as quantity_28d, 100 as amount_28d, 0.9 as top_10_coverage, 0.0025 as top_10_share,
            0.0025 as quantity_share_28d, 0.0025 as amount_share_28d
        from (
            select distinct 'category' as facet, category as facet_value from marts.dim_products
            union all
            select distinct 'brand' as facet, brand as facet_value from marts.dim_products
        )
    """,
    "rec_product_pairs": """
        select
            products.product_id,
            cast(ranks.rank as integer) as rank,
            others.product_id as other_product_id,
            others.product_name as other_product_name,
            others.category as other_category,
            others.price as other_price,
            30 - ranks.rank as joint_order_count,
            100 as order_count,
            0.1 as confidence,
            2.0 as lift,
            timestamp '2026-03-31' as last_joint_order_at
        from marts.dim_products as products
        cross join range(1, 21) as ranks(rank)
        inner join marts.dim_products as others
            on others.product_id = format('P{:07d}', hash(products.product_id, ranks.rank) % $products)
    """,
    "rec_product_weeks": """
        select
            products.product_id,
            date '2026-03-31' - cast(7 * weeks.week as integer) as week_start,
            100 as view_count, 50 as click_count, 10 as add_to_cart_count, 5 as purchase_count,
            5.0 as quantity,
            50 as amount
        from marts.dim_products as products
        cross join range(26) as weeks(week)
    """,
    "rec_product_prices": """
        select
            products.*,
            timestamp '2026-01-01' + to_days(cast(20 * versions.version as integer)) as valid_from,
            versions.version = 3 as is_current
        from marts.dim_products as products
        cross join range(1, 4) as versions(version)
    """,
}
"""The query of each large table; columns that the table does not have are left out, missing ones are null."""


class SyntheticCopy(BaseModel):
    """Sizes of the synthetic shop."""

    model_config = ConfigDict(frozen=True, use_attribute_docstrings=True)

    customers: int = Field(default=1_000_000, ge=1)
    """Number of customers, each with a list of 50 products."""

    products: int = Field(default=200_000, ge=100)
    """Number of products."""

    actions: int = Field(default=30, ge=1)
    """Number of actions of each customer."""


def publish_synthetic_copy(
    settings: Settings, shop: SyntheticCopy, template: Settings, on_stage: Callable[[str], None] = lambda _: None
) -> PublishedCopy:
    """Make and publish the tables of the app for a large shop.

    Args:
        settings: The new warehouse.
        shop: Its sizes.
        template: A warehouse with a published copy of this version, which has the columns and the small tables.
        on_stage: Called with the name of each table.

    Raises:
        RecomartError: The template has no published copy.
    """
    published = read_pointer(template)
    settings.landing_dir.mkdir(parents=True, exist_ok=True)
    file = quote_literal(str(template.serving_dir / published.file))
    values = {
        **shop.model_dump(),
        "list_length": LIST_LENGTH,
        "run_id": quote_literal(published.run_id or "20260101T000000000000Z"),
    }
    with open_writer(settings) as connection:
        connection.execute(f"attach {file} as template (read_only)")
        connection.execute("create schema if not exists marts")
        # In the order of the queries, which read earlier tables.
        for table in [*TABLE_QUERIES, *(name for name in published.rows if name not in TABLE_QUERIES)]:
            on_stage(table)
            query = TABLE_QUERIES.get(table)
            is_small = query is None
            connection.execute(
                f"create or replace table marts.{table} as from template.{table} {'' if is_small else 'limit 0'}"
            )
            if query is not None:
                _fill_table(connection, table, Template(query).substitute(values))
    on_stage("publication")
    return publish(settings.model_copy(update={"effect_depth": 0, "serving_copies": 1}), list(published.rows))


def _fill_table(connection: duckdb.DuckDBPyConnection, table: str, query: str) -> None:
    made_columns = connection.sql(f"from ({query}) limit 0").columns
    columns = ", ".join(column for column in connection.table(f"marts.{table}").columns if column in made_columns)
    connection.execute(f"insert into marts.{table} by name select {columns} from ({query})")
