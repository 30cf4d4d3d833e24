"""Queries about products compared with small published tables."""

from pathlib import Path

import duckdb
import pytest

from warehouse.publishing import product_queries
from warehouse.publishing.publisher import publish
from warehouse.publishing.serving_copy import ServingCopy
from warehouse.settings import Settings


def publish_table(folder: Path, name: str, query: str) -> Settings:
    """Publish one table of a query, and a list."""
    settings = Settings(warehouse=folder)
    with duckdb.connect(str(settings.database)) as connection:
        connection.execute("create schema marts")
        connection.execute(f"create table marts.{name} as {query}")
        connection.execute("create table marts.rec_top_n as select 'run' as run_id, 'u' as user_id")
    publish(settings, [name, "rec_top_n"])
    return settings


def test_pairs_beyond_chance_are_first(tmp_path: Path) -> None:
    """Neither many orders by chance nor a large lift of few orders is first."""
    settings = publish_table(
        tmp_path,
        "rec_product_pairs",
        "select * from (values ('a', 1, 'chance', 40, 1.0), ('a', 2, 'strong', 12, 3.0), ('a', 3, 'rare', 2, 50.0), "
        "('a', 4, 'avoided', 2, 0.5), ('b', 1, 'a', 9, 9.0)) "
        "as pairs (product_id, rank, other_product_id, joint_order_count, lift)",
    )
    with ServingCopy(settings) as copy:
        pairs = product_queries.get_products_bought_together(copy, "a")
    assert list(pairs["other_product_id"]) == ["strong", "rare", "chance", "avoided"]
    assert list(pairs["rank"]) == [1, 2, 3, 4]
    assert list(pairs["extra_order_count"]) == pytest.approx([8, 1.96, 0, -2])
