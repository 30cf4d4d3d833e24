"""Merchandising rules in the recommendation lists: an analyst changes the rules of a trained shop and builds."""

from collections import Counter
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from apps.recommendations.recommendation_queries import RecommendationQueries
from orchestration.steps import publish_copy
from tests.analyst_project import AnalystProject
from tests.dbt.list_simulation import ANONYMOUS_USER_ID, TOP_N, simulate_lists
from warehouse.database import open_writer
from warehouse.rules.rule_store import get_today
from warehouse.settings import Settings

PINNED_REASON = "Picked by our team"
ADD_IMPRESSIONS = """
insert into intermediate.int_impressions_classified (user_id, product_id, seen_at, row_status)
select
    products.user_id,
    products.product_id,
    cutoffs.as_of - to_seconds(numbers.number),
    'clean'
from (
    select user_id, product_id from ml.candidates where rank <= 3
    union
    select users.user_id, unnest($products) from marts.dim_users as users
) as products
cross join range(1, 11) as numbers (number)
cross join intermediate.int_feature_cutoffs as cutoffs
where cutoffs.cutoff = 'now' and products.user_id like '%7'
"""


@pytest.fixture(scope="module")
def analyst_project(demo_warehouse: Settings, analyst_folder: Path) -> AnalystProject:
    """A shop with rules of every kind, its own text for pins, and too few candidates of the model to fill the lists.

    Customers with an id that ends with 7 saw their best candidates, a pin and a popular product ten times without
    an action.
    """
    analyst = AnalystProject(demo_warehouse, analyst_folder)
    with open_writer(analyst.settings) as connection:
        connection.execute("delete from ml.candidates where rank > 80")
    today = get_today()
    (recalled,), (blocked_later,), (pinned,), (pinned_in_toys,), (blocked_pin,), (popular,) = analyst.query(
        "select product_id from marts.rec_popular_products order by rank limit 6"
    )
    ((unavailable,),) = analyst.query("select min(product_id) from marts.dim_products where not is_available")
    brands = analyst.query("select brand from marts.dim_products group by brand order by count(*), brand")
    brand, boosted_brand = brands[0][0], brands[-1][0]
    with open_writer(analyst.settings) as connection:
        connection.execute(ADD_IMPRESSIONS, {"products": [pinned, popular]})
    analyst.write_rules(
        {"kind": "block", "scope": "product", "value": f" {recalled}", "reason": "recalled, again"},
        {"kind": "block", "scope": "product", "value": blocked_later, "valid_from": today + timedelta(days=1)},
        {"kind": "block", "scope": "product", "value": blocked_pin, "valid_from": today},
        {"kind": "block", "scope": "brand", "value": str(brand).upper(), "reason": "dispute"},
        {
            "kind": "block", "scope": "category", "value": "Garden", "reason": "out of season",
            "valid_from": "2020-01-01", "valid_until": today + timedelta(days=1),
        },
        {"kind": "block", "scope": "category", "value": "toys", "is_draft": True},
        {"kind": "pin", "scope": "product", "value": pinned, "position": 3},
        {"kind": "pin", "scope": "product", "value": blocked_pin, "position": 1},
        {"kind": "pin", "scope": "product", "value": unavailable, "position": 1},
        {
            "kind": "pin", "scope": "product", "value": pinned_in_toys, "position": 3, "favourite_category": "Toys",
            "valid_from": today,
        },
        {
            "kind": "pin", "scope": "product", "value": blocked_later, "position": 2, "favourite_category": "books",
            "valid_until": today,
        },
        {"kind": "cap", "scope": "category", "max_products": 6},
        {"kind": "cap", "scope": "category", "value": "Shoes", "max_products": 1},
        {"kind": "cap", "scope": "category", "value": "audio"},
        {"kind": "cap", "scope": "brand", "max_products": 4},
        {"kind": "repurchase", "scope": "category", "value": "groceries", "after_days": 7},
        {"kind": "repurchase", "scope": "category", "value": "Toys", "after_days": 0},
        {"kind": "boost", "scope": "brand", "value": boosted_brand, "factor": 2.5},
        {"kind": "boost", "scope": "price", "max_price": 20, "factor": 1.2},
        {"kind": "bury", "scope": "category", "value": "books", "factor": 4},
        {"kind": "promote", "scope": "category", "value": "Kitchen", "every": 5},
        {"kind": "promote", "scope": "category", "value": "computing", "every": 3, "favourite_category": "audio"},
        {"kind": "fatigue", "scope": "category", "value": "Audio"},
    )  # fmt: skip
    texts = analyst.project / "seeds" / "reason_texts.csv"
    texts.write_text(texts.read_text(encoding="utf-8").replace("Chosen by the shop", PINNED_REASON), encoding="utf-8")
    result = analyst.build("source:merchandising+ reason_texts+")
    assert result.returncode == 0, result.stdout[-3000:]
    assert "WARN=0" in result.stdout
    return analyst


def test_lists_equal_python_simulation(analyst_project: AnalystProject) -> None:
    lists = analyst_project.read_lists()
    sources = Counter(source for rows in lists.values() for _, source in rows)
    assert {user: [product for product, _ in rows] for user, rows in lists.items()} == simulate_lists(analyst_project)
    assert min(sources[source] for source in ("model", "popularity", "pinned")) > len(lists) / 2


def test_fatigued_products_step_back(analyst_project: AnalystProject) -> None:
    """They are behind all products of the list that are not fatigued, and pins stay at their positions."""
    counts = analyst_project.query(
        "with lists as (select *, source = 'pinned' as is_pinned from intermediate.int_recommendations_ranked), "
        "fatigued as (select user_id, min(rank) as first_rank from lists where is_fatigued group by 1) "
        "select count(distinct user_id), count_if(is_fatigued), count_if(is_fatigued and is_pinned), "
        "count_if(not is_fatigued and not is_pinned and rank > first_rank), count_if(is_pinned) "
        "from lists inner join fatigued using (user_id)"
    )
    ((customers, fatigued, fatigued_pins, others_behind, pins),) = counts
    assert fatigued >= customers > 0
    assert pins > 0
    assert (fatigued_pins, others_behind) == (0, 0)


def test_blocked_products_are_never_listed(analyst_project: AnalystProject) -> None:
    """A pin does not override a block."""
    reasons = dict(
        analyst_project.query(
            "select product_id, exclusion_reason from marts.rec_product_rules where not is_recommendable"
        )
    )
    assert set(reasons.values()) == {
        "not available", "blocked product", "blocked product: recalled, again", "blocked brand: dispute",
        "blocked category: out of season",
    }  # fmt: skip
    recommended = analyst_project.query(
        "select product_id from marts.rec_top_n union select product_id from marts.rec_popular_products"
    )
    assert reasons.keys().isdisjoint(product for (product,) in recommended)
    ((pinned,),) = analyst_project.query("select product_id from marts.rec_product_rules where pinned_position = 3")
    rank_3_rows = analyst_project.query(
        "select product_id, source, reason from marts.rec_top_n where rank = 3 and source = 'pinned'"
    )
    assert (pinned, "pinned", PINNED_REASON) in rank_3_rows
    assert analyst_project.query("select product_id, reason from marts.rec_popular_products where rank = 3") == [
        (pinned, PINNED_REASON)
    ]


def test_repurchase_rules_allow_bought_products(analyst_project: AnalystProject) -> None:
    categories = analyst_project.query(
        "select distinct products.category from marts.rec_top_n as recommendations "
        "inner join marts.feat_user_product_interactions as pairs using (user_id, product_id) "
        "inner join marts.dim_products as products using (product_id) "
        "where pairs.cutoff = 'now' and pairs.purchased_quantity > 0 order by all"
    )
    assert categories == [("groceries",), ("toys",)]


def test_audit_candidates_gives_every_outcome(analyst_project: AnalystProject) -> None:
    counts = dict(analyst_project.query("select outcome, count(*) from marts.audit_candidates group by outcome"))
    assert counts.keys() >= {"recommended", "already bought", "category cap reached", "brand cap reached"}
    assert sum(counts.values()) == analyst_project.query("select count(*) from ml.candidates")[0][0]
    user, products = max(simulate_lists(analyst_project).items())
    outcomes = analyst_project.query(f"select product_id, outcome from marts.audit_candidates where user_id = '{user}'")
    assert {product for product, outcome in outcomes if outcome == "recommended"} <= set(products)
    assert {product for product, outcome in outcomes if outcome != "recommended"}.isdisjoint(products)


@pytest.fixture(scope="module")
def rules_queries(analyst_project: AnalystProject) -> Iterator[RecommendationQueries]:
    """Queries over the published copy of the analyst's shop."""
    publish_copy(analyst_project.settings)
    with RecommendationQueries(analyst_project.settings) as queries:
        yield queries


def test_basket_follows_rules(analyst_project: AnalystProject, rules_queries: RecommendationQueries) -> None:
    ((basket_product,),) = analyst_project.query("select min(product_id) from ml.candidates")
    products = rules_queries.recommend_for_basket([basket_product], TOP_N).recommendations
    recommendable = {
        product
        for (product,) in analyst_project.query("select product_id from marts.rec_product_rules where is_recommendable")
    }
    assert set(products["product_id"]) <= recommendable - {basket_product}
    assert products["rank"].tolist() == list(range(1, len(products) + 1))
    assert (products["category"] == "shoes").sum() == 1
    assert (products["category"] == "audio").sum() > 4
    assert products["brand"].value_counts().max() == 4
    assert products["reason"].tolist()[2] == PINNED_REASON


def test_unknown_customer_follows_rules(analyst_project: AnalystProject, rules_queries: RecommendationQueries) -> None:
    anonymous_list = analyst_project.read_lists()[ANONYMOUS_USER_ID]
    recommended = rules_queries.recommend_for_customer("unknown", 500).recommendations
    first_rows = list(zip(recommended["product_id"], recommended["source"], strict=True))[: len(anonymous_list)]
    assert first_rows == anonymous_list
    assert rules_queries.serving_copy.published.rows["rec_popular_products"] > len(recommended)
    without_first_ten = rules_queries.recommend_for_basket(
        ["no such"], 500, excluded_products=recommended["product_id"].head(10).tolist()
    ).recommendations
    for products in (recommended, without_first_ten):
        assert (products["category"] == "shoes").sum() == 1
        assert products["category"].value_counts().drop("audio").max() == 6
        assert products["brand"].value_counts().max() == 4


@pytest.mark.slow
@pytest.mark.parametrize(
    ("test", "change"),
    [
        (
            "assert_recommendations_follow_rules",
            "product_id = (select min(product_id) from marts.rec_product_rules where not is_recommendable) "
            "where user_id = '' and rank = 1",
        ),
        ("assert_recommendations_follow_boosts", "rank = 51 - rank where user_id = $customer"),
        ("assert_recommendations_follow_promotions", "rank = (rank + 25) % 50 + 1 where user_id = $customer"),
    ],
)
def test_list_tests_find_broken_rules(analyst_project: AnalystProject, test: str, change: str) -> None:
    table = "intermediate.int_recommendations_ranked"
    ((customer,),) = analyst_project.query(f"select max(user_id) from {table} where source = 'model' and rank = 50")
    with open_writer(analyst_project.settings) as connection:
        connection.execute(f"create table intermediate.kept_lists as from {table}")
        connection.execute(f"update {table} set {change.replace('$customer', repr(customer))}")
    broken = analyst_project.build(test)
    with open_writer(analyst_project.settings) as connection:
        connection.execute(f"delete from {table}")
        connection.execute(f"insert into {table} from intermediate.kept_lists")
        connection.execute("drop table intermediate.kept_lists")
    assert broken.returncode == 1
    assert f"{test}: " in broken.stdout
    assert analyst_project.build(test).returncode == 0


@pytest.mark.slow
def test_list_skips_bought_products(demo_warehouse: Settings, tmp_path: Path) -> None:
    """A customer who bought the 14 most popular books gets the next ones, unless a cap leaves only bought ones."""
    analyst = AnalystProject(demo_warehouse, tmp_path)
    books = [
        product
        for (product,) in analyst.query(
            "select product_id from marts.rec_popular_products where category = 'books' order by rank"
        )
    ]
    customer, bought = "u00054", books[:14]
    history = "intermediate.int_user_product_history"
    newest = f"from {history} order by valid_to desc limit 1"
    with open_writer(analyst.settings) as connection:
        connection.execute("delete from ml.candidates")
        connection.execute(f"delete from {history} where user_id = ?", [customer])
        connection.execute(
            f"insert into {history} select pair.* replace (? as user_id, book as product_id, 1 as purchased_quantity) "
            f"from ({newest}) as pair cross join unnest(?) as books(book)",
            [customer, bought],
        )
    blocks = [
        {"kind": "block", "scope": scope, "value": value}
        for scope, value in analyst.query(
            "select distinct 'category', category from marts.dim_products where category <> 'books' union "
            "select 'product', product_id from marts.dim_products where category is null"
        )
    ]
    analyst.write_rules(*blocks)
    result = analyst.build(top_n=5)
    assert result.returncode == 0, result.stdout[-3000:]
    lists = analyst.read_lists()
    assert lists[ANONYMOUS_USER_ID] == [(book, "popularity") for book in books[:5]]
    assert lists[customer] == [(book, "popularity") for book in books[14:19]]
    analyst.write_rules(*blocks, {"kind": "cap", "scope": "category", "value": "books", "max_products": 2})
    result = analyst.build(top_n=5)
    assert result.returncode == 0, result.stdout[-3000:]
    lists = analyst.read_lists()
    assert lists[ANONYMOUS_USER_ID] == [(book, "popularity") for book in books[:2]]
    assert customer not in lists
    users = analyst.query("select user_id from marts.dim_users")
    lengths = dict(analyst.query("select list_length, customer_count from marts.audit_list_lengths"))
    assert lengths == Counter(len(lists.get(user, [])) for (user,) in users)


def test_unknown_names_in_rules_give_warnings(analyst_project: AnalystProject) -> None:
    """A file of rules can name products that come later. A half line of a killed process does not count."""
    content = analyst_project.settings.rules_file.read_bytes()
    analyst_project.write_rules(
        {"kind": "block", "scope": "brand", "value": "Acmee"},
        {"kind": "pin", "scope": "product", "value": "p-2", "position": 1, "favourite_category": "Toyz"},
    )
    written = analyst_project.settings.rules_file.read_bytes()
    analyst_project.settings.rules_file.write_bytes(written + b'{"number":')
    result = analyst_project.build("source:merchandising+2")
    read = analyst_project.settings.rules_file.read_bytes()
    analyst_project.settings.rules_file.write_bytes(content)
    assert result.returncode == 0, result.stdout[-3000:]
    for warning in (
        "rule r1: the shop has no brand 'acmee'",
        "rule r2: the shop has no product 'p-2'",
        "rule r2: the shop has no category 'toyz'",
    ):
        assert warning in result.stdout
    assert read == written


def test_damaged_rules_stop_build(analyst_project: AnalystProject) -> None:
    """The message names the line, and the lists do not change."""
    file = analyst_project.settings.rules_file
    content = file.read_bytes()
    previous_lists = analyst_project.read_lists()
    file.write_bytes(content.replace(b'"kind":"cap"', b'"kind":"cup"', 1))
    result = analyst_project.build("stg_merchandising__rules")
    file.write_bytes(content)
    assert result.returncode != 0
    assert "merchandising_rules.jsonl: line 12 has no valid rule" in result.stdout
    assert analyst_project.read_lists() == previous_lists
