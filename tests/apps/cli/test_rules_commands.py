"""The commands for merchandising rules, on a copy of the demo shop."""

from datetime import timedelta
from pathlib import Path

import pandas as pd
import pytest

from apps.cli.rules import MAX_COMPARED_RULES
from apps.recommendations.recommendation_queries import RecommendationQueries
from tests.recomart_cli import RecomartCli
from warehouse.database import open_reader
from warehouse.publishing.rule_preview import preview_rule
from warehouse.publishing.serving_copy import ServingCopy
from warehouse.rules.rule import Rule
from warehouse.rules.rule_store import RuleStore, get_today
from warehouse.settings import Settings

TODAY = get_today()


def run(cli: RecomartCli, *args: str) -> str:
    """Run a command that must succeed; return its output."""
    result = cli(*args)
    assert result.returncode == 0, result.stderr
    return result.stdout


def read_product(settings: Settings, rank: int) -> tuple[str, str, str]:
    with open_reader(settings) as connection:
        row = connection.execute(
            "select product_id, brand, category from marts.rec_popular_products where rank = ?", [rank]
        ).fetchone()
    assert row is not None
    return row


def assert_lists_equal_preview(settings: Settings, lists: pd.DataFrame, category: str) -> None:
    """Compare the previewed lists whose earlier list had enough products of the category with the published ones."""
    with ServingCopy(settings) as copy:
        products = copy.query_frame("select product_id from dim_products where category = ?", category)["product_id"]
        published = copy.query_frame("select user_id as list_name, rank, product_id from rec_top_n where rank <= 10")
    counts = lists["product_id_after"].isin(products).groupby(lists["list_name"]).sum()
    compared = lists[lists["list_name"].isin(counts[counts >= 5].index)].merge(published, on=["list_name", "rank"])
    assert compared["list_name"].nunique() > 0.1 * len(counts)
    assert (compared["product_id_before"] != compared["product_id_after"]).any()
    assert compared["product_id_after"].tolist() == compared["product_id"].tolist()


def test_rules_from_draft_to_lists(cli: RecomartCli, own_shop: Settings) -> None:
    """A rule waits for the next lists, is live in them, and its end is in the history."""
    product, _, category = read_product(own_shop, 1)
    warehouse = ["--warehouse", str(own_shop.warehouse), "--user", "ann"]
    rule = ["rules", "add", "promote", "--category", category, "--every", "2"]
    preview = run(cli, *rule, "--preview", *warehouse)
    assert "compared lists. Its products have" in preview
    with ServingCopy(own_shop) as copy:
        previewed_lists = preview_rule(copy, Rule(kind="promote", scope="category", value=category, every=2)).lists
    run(cli, *rule, "--draft", *warehouse)
    run(cli, "rules", "submit", "r1", "--why", "agreed", *warehouse)
    later = f"{TODAY + timedelta(days=3)}"
    run(cli, "rules", "add", "pin", "--product", product, "--position", "1", "--first-day", later, *warehouse)
    listed = run(cli, "rules", "list", *warehouse[:2])
    assert "waits for the next lists" in listed
    assert f"starts on {later}" in listed
    applied = run(cli, "rules", "apply", *warehouse[:2])
    assert "is live since" in applied
    assert f"promote at least every 2. place: category {category}" in applied
    assert_lists_equal_preview(own_shop, previewed_lists, category)
    history = run(cli, "rules", "history", "r1", *warehouse[:2])
    assert "agreed" in history
    assert history.count("ann") == 2


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            ["boost", "--brand", "no such brand", "--factor", "3"],
            "the shop has no brand 'no such brand'. Similar ones: ",
        ),
        (["boost", "--factor", "3"], "one option must select the products"),
        (["boost", "--brand", "a", "--category", "b", "--factor", "3"], "one option must select the products"),
        (["cap", "--brand", "a", "--other-brands", "--max-products", "3"], "one option must select the products"),
        (["block", "--max-price", "5", "--placement", "hom"], "there is no placement 'hom'. Use "),
        ([], "the kind is missing"),
        (["block", "--file", "rules.csv"], "--file is beside fields of a rule"),
        (["--last-day", "2030-01-31", "--file", "rules.csv"], "--file is beside fields of a rule"),
        (["block", "--brand", "a", "--last-day", "9999-12-31"], "last_day: 9999-12-31 is too late"),
        (["block", "--brand", "a", "--last-day", f"{TODAY - timedelta(days=1)}"], f"is before today, {TODAY} (UTC)"),
        (["block", "--max-price", "inf"], "max_price: "),
        (["block", "--min-price", "0"], "products and would empty the lists"),
    ],
)
def test_wrong_rule_is_not_added(cli: RecomartCli, demo_warehouse: Settings, options: list[str], message: str) -> None:
    result = cli("rules", "add", *options, "--warehouse", str(demo_warehouse.warehouse))
    assert result.returncode == 1
    assert message in result.stderr


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("kind,scope,value,number\n", "line 1: unknown column 'number'. The columns are "),
        ("", " has no rules"),
        ("kind,scope,value\n", " has no rules"),
        ("kind,scope,value,value\nblock,brand,a,b\n", "line 1: column 'value' is there twice"),
        ('kind,scope,value,reason\nblock,brand,a,"x\nblock,brand,b,y\n', "is not a CSV file in UTF-8: "),
        ("kind,scope,value,last_day\nblock,brand,a,9999-12-31\n", "line 2: last_day: 9999-12-31 is too late"),
        ("kind,scope,value,last_day\nblock,brand,a,2020-01-31\n", "line 2: last_day: 2020-01-31 is before today, "),
        ("kind,scope,value,is_stopped\n", "line 1: unknown column 'is_stopped'. The columns are "),
        ("kind,scope,value\nblock,brand,a\nboost,brand,a\n", "line 3: factor: a rule of kind boost needs it"),
        ("kind,scope,value,last_day\nblock,brand,a,tomorrow\n", "line 2: Invalid isoformat string: 'tomorrow'. Write"),
        ("kind,scope,value\nblock,brand,a,b\n", "line 2: the line has more values than columns"),
        ('kind,scope,value,reason\nblock,new,,"two\nlines"\n', "line 3: max_age_days: a rule with scope new has it"),
        ('kind,scope,value,reason\nblock,brand,no such brand,"two\nlines"\n', "line 3: the shop has no brand"),
        ("kind,scope,value\nblock,brand,no such brand\n", "line 2: the shop has no brand 'no such brand'"),
    ],
)
def test_wrong_file_adds_no_rule(
    cli: RecomartCli, demo_warehouse: Settings, tmp_path: Path, content: str, message: str
) -> None:
    file = tmp_path / "rules.csv"
    file.write_text(content, encoding="utf-8")
    result = cli("rules", "add", "--file", str(file), "--warehouse", str(demo_warehouse.warehouse))
    assert result.returncode == 1
    assert f"no rule added: {file}" in result.stderr
    assert message in result.stderr
    assert not demo_warehouse.rules_file.read_bytes()


def test_add_notes_other_rules(cli: RecomartCli, own_shop: Settings) -> None:
    _, brand, _ = read_product(own_shop, 1)
    rule = ["rules", "add", "boost", "--brand", brand, "--factor", "2", "--warehouse", str(own_shop.warehouse)]
    assert "Note on" not in cli(*rule).stderr
    note = f"Rule r1 also boosts brand {brand} in the same lists: both factors multiply, to 4"
    assert note in cli(*rule, "--preview").stderr
    assert f"Note on r2: {note}" in cli(*rule).stderr


def test_large_file_has_no_notes(cli: RecomartCli, own_shop: Settings, tmp_path: Path) -> None:
    """Each rule is compared with all others, which takes minutes for 20,000 rules."""
    file = tmp_path / "rules.csv"
    line = "boost,new,2,10\n"
    file.write_text(f"kind,scope,factor,max_age_days\n{line * (MAX_COMPARED_RULES + 1)}", encoding="utf-8")
    result = cli("rules", "add", "--file", str(file), "--warehouse", str(own_shop.warehouse))
    assert result.returncode == 0, result.stderr
    assert "the file has 1,001 rules, more than 1,000" in result.stderr
    assert "Note on" not in result.stderr


def test_list_warns_of_undeclared_placement(cli: RecomartCli, own_shop: Settings) -> None:
    RuleStore(own_shop).add([Rule(kind="block", scope="product", value="p1", placements=("checkout",))], "ann")
    result = cli("rules", "list", "--warehouse", str(own_shop.warehouse))
    assert result.returncode == 0
    assert "warning: rule r1: there is no placement checkout" in result.stderr


def test_block_acts_without_build(cli: RecomartCli, own_shop: Settings) -> None:
    """An open copy leaves blocked products out of every list, and the lists stay complete."""
    product, _, category = read_product(own_shop, 1)
    with RecommendationQueries(own_shop) as queries:
        customer = queries.serving_copy.search_customers().iloc[0]["user_id"]
        basket = [read_product(own_shop, 2)[0]]
        before = queries.recommend_for_customer(customer, 10).recommendations["product_id"].tolist()
        warehouse = ["--warehouse", str(own_shop.warehouse)]
        run(cli, "rules", "add", "block", "--product", before[0], *warehouse)
        run(cli, "rules", "add", "block", "--category", category.upper(), "--why", "recalled", *warehouse)
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
        run(cli, "rules", "undo", "r1", *warehouse)
        run(cli, "rules", "stop", "r2", *warehouse)
        assert queries.recommend_for_customer(customer, 10).recommendations["product_id"].tolist() == before
