"""The commands for merchandising rules, on a copy of the demo shop."""

from datetime import timedelta
from pathlib import Path

import pytest

from apps.recommendation_queries import RecommendationQueries
from tests.recomart_cli import RecomartCli
from warehouse.database import open_reader
from warehouse.rules.rule_store import get_today
from warehouse.settings import Settings

TODAY = get_today()


def read_product(settings: Settings, rank: int) -> tuple[str, str, str]:
    with open_reader(settings) as connection:
        row = connection.execute(
            "select product_id, brand, category from marts.rec_popular_products where rank = ?", [rank]
        ).fetchone()
    assert row is not None
    return row


def test_rules_from_draft_to_lists(recomart: RecomartCli, demo_copy: Settings) -> None:
    """A rule waits for the next lists, is live in them, and its end is in the history."""
    product, brand, _ = read_product(demo_copy, 1)
    warehouse = ["--warehouse", str(demo_copy.warehouse), "--user", "ann"]
    recomart.run("rules", "add", "bury", "--brand", brand, "--places", "200", "--draft", *warehouse)
    recomart.run("rules", "submit", "r1", "--why", "agreed", *warehouse)
    later = f"{TODAY + timedelta(days=3)}"
    recomart.run("rules", "add", "pin", "--product", product, "--position", "1", "--first-day", later, *warehouse)
    listed = recomart.run("rules", "list", *warehouse[:2]).stdout
    assert "waits for the next lists" in listed
    assert f"starts on {later}" in listed
    applied = recomart.run("rules", "apply", *warehouse[:2]).stdout
    assert "is live since" in applied
    assert f"bury by 200 places brand {brand}" in applied
    with RecommendationQueries(demo_copy) as queries:
        assert brand not in set(queries.serving_copy.get_popular_products(10)["brand"])
    history = recomart.run("rules", "history", "r1", *warehouse[:2]).stdout
    assert "agreed" in history
    assert history.count("ann") == 2


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            ["boost", "--brand", "no such brand", "--places", "3"],
            "the shop has no brand 'no such brand'. Similar ones: ",
        ),
        (["boost", "--places", "3"], "one option must select the products"),
        (["boost", "--brand", "a", "--category", "b", "--places", "3"], "one option must select the products"),
        (["block", "--max-price", "5", "--placement", "hom"], "there is no placement 'hom'. Use "),
        ([], "the kind is missing"),
    ],
)
def test_wrong_rule_is_not_added(
    recomart: RecomartCli, demo_warehouse: Settings, options: list[str], message: str
) -> None:
    run = recomart.start("rules", "add", *options, "--warehouse", str(demo_warehouse.warehouse))
    assert run.returncode == 1
    assert message in run.stderr


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("kind,scope,value,number\n", "line 1: unknown column 'number'. The columns are "),
        ("kind,scope,value\nblock,brand,a\nboost,brand,a\n", "line 3: a rule of kind boost needs places"),
        ("kind,scope,value,last_day\nblock,brand,a,tomorrow\n", "line 2: Invalid isoformat string: 'tomorrow'. Write"),
        ("kind,scope,value\nblock,brand,a,b\n", "line 2: the line has more values than columns"),
        ("kind,scope,value\nblock,brand,no such brand\n", "line 2: the shop has no brand 'no such brand'"),
    ],
)
def test_wrong_file_adds_no_rule(
    recomart: RecomartCli, demo_warehouse: Settings, tmp_path: Path, content: str, message: str
) -> None:
    file = tmp_path / "rules.csv"
    file.write_text(content, encoding="utf-8")
    run = recomart.start("rules", "add", "--file", str(file), "--warehouse", str(demo_warehouse.warehouse))
    assert run.returncode == 1
    assert f"no rule added: {file}" in run.stderr
    assert message in run.stderr
    assert not demo_warehouse.rules_file.read_bytes()


def test_block_acts_without_build(recomart: RecomartCli, demo_copy: Settings) -> None:
    """An open copy leaves blocked products out of every list, and the lists stay complete."""
    product, _, category = read_product(demo_copy, 1)
    with RecommendationQueries(demo_copy) as queries:
        customer = queries.serving_copy.search_customers().iloc[0]["user_id"]
        basket = [read_product(demo_copy, 2)[0]]
        before = queries.recommend_for_customer(customer, 10).recommendations["product_id"].tolist()
        warehouse = ["--warehouse", str(demo_copy.warehouse)]
        recomart.run("rules", "add", "block", "--product", before[0], *warehouse)
        recomart.run("rules", "add", "block", "--category", category.upper(), "--why", "recalled", *warehouse)
        lists = [
            queries.recommend_for_customer(customer, 10),
            queries.recommend_for_customer("unknown", 10),
            queries.recommend_for_basket(basket, 10),
            queries.find_similar(product, 10),
        ]
        for result in lists:
            rows = result.recommendations
            assert before[0] not in set(rows["product_id"])
            assert category not in set(rows["category"])
            assert rows["rank"].tolist() == list(range(1, 11))
        recomart.run("rules", "undo", "r1", *warehouse)
        recomart.run("rules", "stop", "r2", *warehouse)
        assert queries.recommend_for_customer(customer, 10).recommendations["product_id"].tolist() == before
