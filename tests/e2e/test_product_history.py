"""Product history: the versions of the demo shop's weekly catalog, and the tables that use them."""

from datetime import datetime, time
from pathlib import Path

import duckdb

from orchestration.dbt_runner import run_dbt
from tests.warehouse.demo.file_audit import read_catalog
from warehouse.database import open_reader
from warehouse.settings import Settings

Version = tuple[str, float, bool, datetime]
"""Product, price, availability and `valid_from`."""


def read_delivered_versions(landing: Path) -> list[Version]:
    """Return the changes of price and availability in the catalog's files, in order of products and days."""
    current: dict[str, tuple[float, bool]] = {}
    versions = []
    for day, record in read_catalog(landing):
        product, price = (record["product_id"] or "").strip(), record["price"]
        if not product or isinstance(price, str) or price < 0:
            continue
        attributes = (float(price), record["in_stock"])
        if current.get(product) != attributes:
            current[product] = attributes
            versions.append((product, *attributes, datetime.combine(day, time())))
    return sorted(versions, key=lambda version: (version[0], version[3]))


def test_history_has_every_catalog_change(demo_warehouse: Settings) -> None:
    expected = read_delivered_versions(demo_warehouse.landing_dir)
    with open_reader(demo_warehouse) as connection:
        versions = connection.execute(
            "select product_id, price::double, is_available, valid_from from marts.dim_product_history order by all"
        ).fetchall()
    assert len(expected) > len({product for product, *_ in expected}) * 1.2
    assert sorted(versions) == sorted(expected)


def test_features_use_prices_of_their_cutoff(demo_warehouse: Settings) -> None:
    with open_reader(demo_warehouse) as connection:
        rows = connection.execute(
            "select as_of, product_id, price::double from marts.ml_product_features where price is not null"
        ).fetchall()
    versions = sorted(read_delivered_versions(demo_warehouse.landing_dir), key=lambda version: version[3])
    changed_count = 0
    for cutoff in {as_of for as_of, _, _ in rows}:
        prices = {product: price for product, price, _, valid_from in versions if valid_from < cutoff}
        assert {product: price for as_of, product, price in rows if as_of == cutoff} == prices
        changed_count += sum(
            price != prices[product] for as_of, product, price in rows if as_of != cutoff and product in prices
        )
    assert changed_count


def test_revenue_uses_category_at_purchase(demo_copy: Settings) -> None:
    run_dbt(demo_copy, "compile", "--select", "revenue_by_historical_category")
    query = (demo_copy.dbt_target_dir / "compiled/recomart/analyses/revenue_by_historical_category.sql").read_text(
        "utf-8"
    )
    with duckdb.connect(str(demo_copy.database)) as connection:
        connection.execute(
            """
            create table moved_products as
            select product_id, valid_from from marts.dim_product_history
            where is_current and version > 1 and product_id in (
                select product_id from marts.fct_transactions group by all having min(purchased_at) < valid_from
            )
            """
        )
        connection.execute(
            "update marts.dim_product_history as versions set category = 'moved' "
            "from moved_products where versions.product_id = moved_products.product_id and versions.is_current"
        )
        lines = dict(connection.execute(f"select historical_category, purchase_lines from ({query})").fetchall())
        lines_since_move, line_count, moved_product_lines = connection.execute(
            """
            select count(*) filter (purchased_at >= valid_from), count(*), count(valid_from)
            from marts.fct_transactions left join moved_products using (product_id)
            """
        ).fetchall()[0]
    assert 0 < lines["moved"] == lines_since_move < moved_product_lines
    assert sum(lines.values()) == line_count
