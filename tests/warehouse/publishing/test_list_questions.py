"""Answers about one customer's list."""

import shutil
from pathlib import Path

import duckdb
import pandas as pd
import pytest

from warehouse.publishing.kept_copies import list_earlier_copies
from warehouse.publishing.list_questions import compare_lists, explain_absence
from warehouse.publishing.publisher import publish
from warehouse.publishing.serving_copy import ServingCopy
from warehouse.settings import Settings


@pytest.fixture
def warehouse(demo_warehouse: Settings, tmp_path: Path) -> Settings:
    """A copy of the demo shop's database; nothing is published yet."""
    shutil.copy(demo_warehouse.database, tmp_path)
    return Settings(warehouse=tmp_path)


@pytest.fixture
def tables(demo_warehouse: Settings) -> list[str]:
    """Names of the published tables."""
    with ServingCopy(demo_warehouse) as copy:
        return list(copy.published.rows)


def test_compare_lists() -> None:
    current = pd.DataFrame({"product_id": ["a", "b", "c", "d"], "rank": [1, 2, 3, 4]})
    earlier = pd.DataFrame({"product_id": ["b", "a", "c", "e"], "rank": [1, 2, 3, 4]})
    changes = compare_lists(current, earlier)
    assert dict(zip(changes["product_id"], changes["change"], strict=True)) == {
        "a": "up",
        "b": "down",
        "c": "same",
        "d": "new",
        "e": "gone",
    }
    assert set(compare_lists(current, earlier.head(0))["change"]) == {"new"}


def test_earlier_copies_newest_first(warehouse: Settings, tables: list[str]) -> None:
    copies = [publish(warehouse, tables) for _ in range(3)]
    assert [copy.file for copy in list_earlier_copies(warehouse, copies[2])] == [copies[1].file, copies[0].file]
    assert list_earlier_copies(warehouse, copies[0]) == []


def test_explain_absence(warehouse: Settings, tables: list[str]) -> None:
    with duckdb.connect(str(warehouse.database)) as connection:
        (user_id, bought_id) = connection.execute(
            "select user_id, product_id from marts.fct_transactions where not is_return and (user_id, product_id) not "
            "in (select (user_id, product_id) from marts.fct_transactions where is_return) limit 1"
        ).fetchall()[0]
        absent_ids = [
            product_id
            for (product_id,) in connection.execute(
                "select product_id from marts.rec_product_rules where is_recommendable and product_id not in (select "
                "product_id from marts.rec_top_n where user_id = $1 union all select product_id from "
                "marts.fct_transactions where user_id = $1) limit 4",
                [user_id],
            ).fetchall()
        ]
        connection.execute(
            "update marts.rec_product_rules set is_recommendable = false, exclusion_reason = 'blocked brand: recall' "
            "where product_id = ?",
            [absent_ids[0]],
        )
        connection.execute(
            "update marts.rec_product_rules set is_recommendable = false, exclusion_reason = 'not available' "
            "where product_id = ?",
            [absent_ids[1]],
        )
        connection.execute("update marts.rec_product_rules set category_cap = 0 where product_id = ?", [absent_ids[2]])
        connection.execute(
            "update marts.rec_product_rules set has_repurchase_rule = true where product_id = ?", [bought_id]
        )
    publish(warehouse, tables)
    with ServingCopy(warehouse) as copy:
        recommendations = copy.get_recommendations(user_id, copy.get_max_list_length())
        first = recommendations.iloc[0]

        def explain(product_id: str) -> list[str]:
            return explain_absence(copy, user_id, product_id, recommendations)

        assert explain(first["product_id"]) == [f"It is recommended at rank 1: {first['reason']}."]
        assert explain(absent_ids[0]) == ["Blocked brand: recall."]
        assert explain(absent_ids[1]) == ["Not available."]
        assert explain(absent_ids[2])[0].startswith("The cap is reached: ")
        assert explain(absent_ids[3])[0].startswith("The list is full: ")
        (bought,) = explain(bought_id)
        assert bought.startswith("Already bought, the last time on ")
        assert bought.endswith(". A rule never allows it again.")
        assert explain("no such product") == ["The published copy has no such product."]
