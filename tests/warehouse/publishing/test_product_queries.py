"""Queries about products compared with small published tables."""

from pathlib import Path

import duckdb
import pandas as pd
import pytest

from warehouse.publishing import product_queries
from warehouse.publishing.published_rules import check_rule_values
from warehouse.publishing.publisher import publish
from warehouse.publishing.serving_copy import ServingCopy
from warehouse.rules.rule import Rule
from warehouse.settings import Settings


def publish_tables(folder: Path, **queries: str) -> Settings:
    """Publish the tables of queries, and a list."""
    settings = Settings(warehouse=folder)
    with duckdb.connect(str(settings.database)) as connection:
        connection.execute("create schema marts")
        for name, query in queries.items():
            connection.execute(f"create table marts.{name} as {query}")
        connection.execute("create table marts.rec_top_n as select 'run' as run_id, 'u' as user_id")
    publish(settings, [*queries, "rec_top_n"])
    return settings


def test_pairs_beyond_chance_are_first(tmp_path: Path) -> None:
    """Neither many orders by chance nor a large lift of few orders is first."""
    settings = publish_tables(
        tmp_path,
        rec_product_pairs="select * from (values ('a', 1, 'chance', 40, 1.0), ('a', 2, 'strong', 12, 3.0), "
        "('a', 3, 'rare', 2, 50.0), ('a', 4, 'avoided', 2, 0.5), ('b', 1, 'a', 9, 9.0)) "
        "as pairs (product_id, rank, other_product_id, joint_order_count, lift)",
    )
    with ServingCopy(settings) as copy:
        pairs = product_queries.get_products_bought_together(copy, "a")
    assert list(pairs["other_product_id"]) == ["strong", "rare", "chance", "avoided"]
    assert list(pairs["rank"]) == [1, 2, 3, 4]
    assert list(pairs["extra_order_count"]) == pytest.approx([8, 1.96, 0, -2])


def publish_exposure(folder: Path, facet_amount_share: str = "amount_share_28d") -> Settings:
    """Publish products and categories with shares of places and sales."""
    return publish_tables(
        folder,
        rec_product_exposure="""
            select *, true as is_recommendable, top_10_share > 0 as list_customer_count, 0 as amount_28d,
            from (values ('much', 0.6, 0.1), ('unsold', 0.25, 0.0), ('fair', 0.1, 0.2), ('few', 0.05, 0.0),
                ('none', 0.0, 0.7)) as products (product_id, top_10_share, amount_share_28d)
            union all select 'blocked', 0, 0, false, false, 0
        """,
        rec_category_exposure=f"""
            select facet, facet_value, top_10_share, {facet_amount_share} as amount_share_28d, 1 as product_count
            from (values ('category', 'toys', 0.75, 0.25), ('category', 'shoes', 0.0, 0.2),
                ('category', 'books', 0.25, 0.55), ('category', 'new', 0.0, 0.0), ('brand', 'acme', 1.0, 1.0))
                as facets (facet, facet_value, top_10_share, amount_share_28d)
        """,
    )


def test_exposure_summary_names_over_shown(tmp_path: Path) -> None:
    """A product with less than the average share of places is not shown too much, also without sales."""
    with ServingCopy(publish_exposure(tmp_path)) as copy:
        summary = product_queries.summarize_exposure(copy)
        products = product_queries.list_products_by_exposure(copy, "over_shown")
        facets = product_queries.get_facet_exposure(copy, "category").set_index("facet_value")
    assert list(products["product_id"]) == ["much", "unsold"]
    assert summary == product_queries.ExposureSummary(
        6, 5, 1, 2, {"category": ["toys"], "brand": []}, {"category": ["shoes"], "brand": []}
    )
    assert products["places_per_sales"].iloc[0] == pytest.approx(6)
    assert pd.isna(products["places_per_sales"].iloc[1])
    assert facets["places_per_sales"]["toys"] == pytest.approx(3)
    assert facets["places_per_sales"]["shoes"] == 0


def test_exposure_summary_without_sales(tmp_path: Path) -> None:
    settings = publish_exposure(tmp_path, "null::double")
    with duckdb.connect(str(settings.database)) as connection:
        connection.execute("update marts.rec_product_exposure set amount_share_28d = null")
    publish(settings, ["rec_top_n", "rec_product_exposure", "rec_category_exposure"])
    with ServingCopy(settings) as copy:
        summary = product_queries.summarize_exposure(copy)
    assert summary.over_shown_product_count is None
    assert summary.over_shown_values == summary.under_shown_values == {"category": [], "brand": []}


def test_search_ignores_case_of_all_letters(tmp_path: Path) -> None:
    """The lower case of a capital İ has two characters in Python, and one in DuckDB."""
    query = """
        select 'p1' as product_id, 'İstanbul Mug' as product_name, 'home' as category, 'ipek' as brand, 1 as price,
            'TRY' as currency, 0 as top_10_customer_count
    """
    settings = publish_tables(
        tmp_path, rec_product_exposure=query, dim_products=query, rec_placements="select 1 limit 0"
    )
    with ServingCopy(settings) as copy:
        for search in ("İstanbul", "istanbul MUG", "P1"):
            assert list(product_queries.search_products(copy, search, 2)["product_id"]) == ["p1"]
        check_rule_values(copy, Rule(kind="boost", scope="brand", value="İpek", factor=2))
