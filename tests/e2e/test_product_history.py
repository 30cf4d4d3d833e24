"""What was true of a product then: the demo shop's weekly catalog, kept version by version."""

import shutil
from datetime import datetime, time
from pathlib import Path

import duckdb

from orchestration.dbt_runner import run_dbt
from tests.warehouse.demo.file_audit import read_catalog
from warehouse.database import open_reader
from warehouse.settings import Settings

Version = tuple[str, float, bool, datetime]
"""Product, price, availability and the instant from which they hold."""


def read_delivered_versions(landing: Path) -> list[Version]:
    """The changes of price and availability that the catalog's own files tell, in the order of products and days."""
    known: dict[str, tuple[float, bool]] = {}
    versions = []
    for day, record in read_catalog(landing):
        product, price = (record["product_id"] or "").strip(), record["price"]
        if not product or isinstance(price, str) or price < 0:
            continue
        facts = (float(price), record["in_stock"])
        if known.get(product) != facts:
            known[product] = facts
            versions.append((product, *facts, datetime.combine(day, time())))
    return sorted(versions, key=lambda version: (version[0], version[3]))


def test_every_price_change_of_the_catalog_is_a_version_from_the_day_of_its_delivery(demo_warehouse: Settings) -> None:
    expected = read_delivered_versions(demo_warehouse.landing_dir)
    with open_reader(demo_warehouse) as connection:
        found = connection.execute(
            "select product_id, price::double, is_available, valid_from from marts.dim_product_history order by all"
        ).fetchall()
    assert len(expected) > len({product for product, *_ in expected}) * 1.2
    assert sorted(found) == sorted(expected)


def test_features_of_the_past_have_the_prices_of_the_past(demo_warehouse: Settings) -> None:
    with open_reader(demo_warehouse) as connection:
        found = connection.execute(
            "select as_of, product_id, price::double from marts.ml_product_features where price is not null"
        ).fetchall()
    versions = read_delivered_versions(demo_warehouse.landing_dir)
    changed = 0
    for as_of in {as_of for as_of, _, _ in found}:
        then = {product: price for product, price, _, since in sorted(versions, key=lambda v: v[3]) if since < as_of}
        assert {product: price for at, product, price in found if at == as_of} == then
        changed += sum(price != then[product] for at, product, price in found if at != as_of and product in then)
    assert changed


def test_revenue_counts_under_the_category_that_a_product_had_when_it_was_bought(
    demo_warehouse: Settings, tmp_path: Path
) -> None:
    copy = Settings(warehouse=tmp_path)
    shutil.copyfile(demo_warehouse.database, copy.database)
    run_dbt(copy, "compile", "--select", "revenue_by_historical_category")
    query = (copy.dbt_target_dir / "compiled/recomart/analyses/revenue_by_historical_category.sql").read_text("utf-8")
    with duckdb.connect(str(copy.database)) as connection:
        connection.execute(
            """
            create table moved as
            select product_id, valid_from from marts.dim_product_history
            where is_current and version > 1 and product_id in (
                select product_id from marts.fct_transactions group by all having min(purchased_at) < valid_from
            )
            """
        )
        connection.execute(
            "update marts.dim_product_history as versions set category = 'moved' "
            "from moved where versions.product_id = moved.product_id and versions.is_current"
        )
        lines = dict(connection.execute(f"select historical_category, purchase_lines from ({query})").fetchall())
        since, all_lines, of_moved = connection.execute(
            """
            select count(*) filter (purchased_at >= valid_from), count(*), count(valid_from)
            from marts.fct_transactions left join moved using (product_id)
            """
        ).fetchall()[0]
    assert 0 < lines["moved"] == since < of_moved
    assert sum(lines.values()) == all_lines
