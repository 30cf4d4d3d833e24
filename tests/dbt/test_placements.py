"""Lists of the placements besides home, under the merchandising rules."""

from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import pytest

from apps.recommendations.recommendation_queries import RecommendationQueries
from orchestration.steps import publish_copy
from tests.analyst_project import AnalystProject
from warehouse.database import open_reader, open_writer
from warehouse.publishing.placement_queries import CATEGORY_KINDS, get_placement, list_placements
from warehouse.settings import Settings

LIST_KEY = ["placement", "rule_profile", "user_id", "list_product_id", "list_category"]
RULES = (
    {"kind": "boost", "scope": "category", "value": "kitchen", "factor": 3},
    {"kind": "cap", "scope": "brand", "max_products": 3},
    {"kind": "block", "scope": "category", "value": "toys", "placements": ["email", "popular_in_category"]},
    {"kind": "promote", "scope": "category", "value": "shoes", "every": 4, "placements": ["product_page"]},
    {"kind": "cap", "scope": "category", "max_products": 2, "placements": ["recently_viewed"]},
    {"kind": "repurchase", "scope": "category", "value": "groceries", "after_days": 7},
)


@pytest.fixture(scope="module")
def placements_project(demo_warehouse: Settings, analyst_folder: Path) -> AnalystProject:
    """A published shop with rules for all placements and for some."""
    analyst = AnalystProject(demo_warehouse, analyst_folder)
    pinned = get_pinned_product(analyst)
    analyst.write_rules(*RULES, {"kind": "pin", "scope": "product", "value": pinned, "position": 2})
    result = analyst.build("source:merchandising+")
    assert result.returncode == 0, result.stdout[-3000:]
    publish_copy(analyst.settings)
    return analyst


def get_pinned_product(analyst: AnalystProject) -> str:
    """Return the second most popular book."""
    rows = analyst.query(
        "select product_id from marts.rec_popular_products where category = 'books' order by rank limit 2"
    )
    return str(rows[1][0])


@pytest.fixture(scope="module")
def queries(placements_project: AnalystProject) -> Iterator[RecommendationQueries]:
    """Queries over the published copy of the shop."""
    with RecommendationQueries(placements_project.settings) as recommendation_queries:
        yield recommendation_queries


def read_frame(queries: RecommendationQueries, query: str) -> pd.DataFrame:
    """Return rows of the published copy, with an empty text in place of null in the keys of lists."""
    rows = queries.serving_copy.query_frame(query)
    return rows.fillna(dict.fromkeys([name for name in LIST_KEY if name in rows], ""))


def test_every_placement_has_lists(queries: RecommendationQueries) -> None:
    placements = {placement.placement for placement in list_placements(queries.serving_copy)}
    listed = set(read_frame(queries, "select distinct placement from rec_placement_lists")["placement"])
    assert listed == placements - {"home", "basket"}


def test_lists_equal_rules_in_python(placements_project: AnalystProject, queries: RecommendationQueries) -> None:
    """The rules that Python applies to the candidates give the same lists."""
    copy = queries.serving_copy
    lists = read_frame(queries, "select * from rec_placement_lists order by rank")
    expected = {key: list(rows["product_id"]) for key, rows in lists.groupby(LIST_KEY)}
    with open_reader(placements_project.settings) as connection:
        candidates = connection.sql(
            "select * from intermediate.int_placement_candidates as candidates "
            "inner join intermediate.int_product_rules as rules using (rule_profile, product_id) "
            "where placement != 'email' order by list_order / boost_factor, list_order desc"
        ).df()
    exclusions = set(
        placements_project.query("select user_id, product_id from intermediate.int_user_product_exclusions")
    )
    candidates = candidates.fillna(dict.fromkeys(LIST_KEY, ""))
    profiles = {profile: copy.get_merchandising_rules(profile) for profile in candidates["rule_profile"].unique()}
    lengths = {placement.placement: placement.list_length for placement in list_placements(copy)}
    compared_count = 0
    for key, rows in candidates.groupby(LIST_KEY):
        placement, rule_profile, user, list_product, _ = key
        products = [product for product in rows["product_id"] if (user, product) not in exclusions]
        result = profiles[rule_profile].apply(
            products,
            lengths[placement],
            allowed_products=None if list_product else set(products),
            excluded_products=[list_product],
            is_boosted=True,
        )
        assert expected.get(key, []) == result, key
        compared_count += 1
    assert compared_count > 1000


def test_email_has_one_product_per_category(queries: RecommendationQueries) -> None:
    lists = read_frame(queries, "select * from rec_placement_lists where placement = 'email'")
    assert lists.groupby("user_id")["category"].nunique().equals(lists.groupby("user_id")["product_id"].count())
    assert lists["rank"].max() == 3
    assert "toys" not in set(lists["category"])
    home = read_frame(queries, "select * from rec_top_n where rank = 1 and category != 'toys' and source = 'model'")
    firsts = lists[lists["rank"] == 1].merge(home, on="user_id")
    assert (firsts["product_id_x"] == firsts["product_id_y"]).mean() > 0.9


def test_buy_again_has_due_purchases(queries: RecommendationQueries) -> None:
    lists = read_frame(queries, "select * from rec_placement_lists where placement = 'buy_again'")
    assert set(lists["category"]) == {"groceries"}
    assert lists["reason"].str.startswith("Bought ").all()


def test_query_reads_list_of_placement(queries: RecommendationQueries) -> None:
    """The list of each kind is that of the table."""
    lists = read_frame(
        queries, "select * from rec_placement_lists where list_category != '' or list_product_id != '' or user_id != ''"
    )
    for (placement, _, user, product, category), rows in list(lists.groupby(LIST_KEY))[::500]:
        declared = get_placement(queries.serving_copy, placement)
        result = queries.recommend_for_placement(
            declared, 100, user_id=user or None, product_id=product or None, category=category or None
        )
        assert list(result.recommendations["product_id"]) == list(rows.sort_values("rank")["product_id"])
        if category:
            assert declared.list_kind in CATEGORY_KINDS


def test_customer_gets_favourite_category(queries: RecommendationQueries) -> None:
    users = read_frame(queries, "select user_id from dim_users where favourite_category = 'audio' limit 1")
    placement = get_placement(queries.serving_copy, "popular_in_category")
    by_customer, by_category = (
        queries.recommend_for_placement(placement, 5, user_id=user, category=category).recommendations
        for user, category in ((users["user_id"][0], None), (None, "audio"))
    )
    assert by_customer.equals(by_category)
    assert set(by_category["category"]) == {"audio"}


def test_empty_list_falls_back_if_declared(queries: RecommendationQueries) -> None:
    copy = queries.serving_copy
    page = queries.recommend_for_placement(get_placement(copy, "product_page"), 5, product_id="no such")
    again = queries.recommend_for_placement(get_placement(copy, "buy_again"), 5, user_id="no such")
    assert (page.is_fallback, len(page.recommendations)) == (True, 5)
    assert (again.is_fallback, len(again.recommendations)) == (False, 0)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("test", "change"),
    [
        ("assert_placement_lists_follow_rules", "list_product_id = product_id where list_product_id != ''"),
        ("assert_placement_lists_follow_boosts", "rank = 13 - rank where list_category = 'kitchen'"),
        ("assert_placement_lists_follow_promotions", "rank = (rank + 6) % 12 + 1 where list_product_id != ''"),
    ],
)
def test_dbt_tests_find_broken_lists(
    placements_project: AnalystProject, test: str, change: str, tmp_path: Path
) -> None:
    table = "intermediate.int_placement_lists"
    kept = tmp_path / "lists.parquet"
    with open_writer(placements_project.settings) as connection:
        connection.execute(f"copy {table} to '{kept}'")
        connection.execute(f"update {table} set {change}")
    broken = placements_project.build(test)
    with open_writer(placements_project.settings) as connection:
        connection.execute(f"delete from {table}")
        connection.execute(f"insert into {table} from '{kept}'")
    assert broken.returncode == 1
    assert f"{test}: " in broken.stdout
    assert placements_project.build(test).returncode == 0
