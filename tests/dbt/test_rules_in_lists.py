"""Merchandising rules in the recommendation lists: an analyst edits the seeds of a trained shop and builds."""

from collections import Counter
from collections.abc import Iterable, Iterator
from itertools import chain
from pathlib import Path

import pytest

from apps.recommendation_queries import RecommendationQueries
from orchestration.steps import publish_copy
from tests.analyst_project import DEFAULT_TOP_N, AnalystProject
from warehouse.database import open_writer
from warehouse.settings import Settings

TOP_N = DEFAULT_TOP_N
FILLER_PRODUCTS = 200
PINNED_REASON = "Picked by our team"
ANONYMOUS_USER_ID = ""
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

FATIGUED_PRODUCTS = """
select user_id, product_id from marts.feat_user_product_impressions
where cutoff = 'now' and unanswered_count >= 10
"""


@pytest.fixture(scope="module")
def analyst_project(demo_warehouse: Settings, tmp_path_factory: pytest.TempPathFactory) -> AnalystProject:
    """A shop with rules of every kind, its own text for pins, and too few candidates of the model to fill the lists.

    Customers with an id that ends with 7 saw their best candidates, a pin and a popular product ten times without
    an action.
    """
    analyst = AnalystProject(demo_warehouse, tmp_path_factory.mktemp("analyst"))
    with open_writer(analyst.settings) as connection:
        connection.execute("delete from ml.candidates where rank > 80")
    ((now,),) = analyst.query("select cast(as_of as date) from intermediate.int_feature_cutoffs where cutoff = 'now'")
    (recalled,), (blocked_later,), (pinned,), (pinned_in_toys,), (blocked_pin,), (popular,) = analyst.query(
        "select product_id from marts.rec_popular_products order by rank limit 6"
    )
    ((unavailable,),) = analyst.query("select min(product_id) from marts.dim_products where not is_available")
    brand, *_ = analyst.query("select brand from marts.dim_products group by brand order by count(*), brand")[0]
    with open_writer(analyst.settings) as connection:
        connection.execute(ADD_IMPRESSIONS, {"products": [pinned, popular]})
    analyst.write(
        "blocks",
        ("product", f" {recalled}", "recalled, again", "", ""),
        ("product", blocked_later, "not yet", f"{now:%Y}-12-31", ""),
        ("product", blocked_pin, "", now, ""),
        ("brand", str(brand).upper(), "dispute", "", ""),
        ("category", "Garden", "out of season", "2020-01-01", f"{now.year + 1}-01-01"),
    )
    analyst.write(
        "pins",
        (3, pinned, "", "", ""),
        (1, blocked_pin, "", "", ""),
        (1, unavailable, "", "", ""),
        (3, pinned_in_toys, "Toys", now, ""),
        (2, blocked_later, "books", "", now),
    )
    analyst.write("caps", ("category", "", 6), ("category", "Shoes", 1), ("category", "audio", ""), ("brand", "", 4))
    analyst.write("repurchases", ("groceries", 7), ("Toys", 0))
    texts = analyst.project / "seeds" / "reason_texts.csv"
    texts.write_text(texts.read_text(encoding="utf-8").replace("Chosen by the shop", PINNED_REASON), encoding="utf-8")
    result = analyst.build("merchandising_rules+ reason_texts+")
    assert result.returncode == 0, result.stdout[-3000:]
    assert "WARN=0" in result.stdout
    return analyst


def simulate_lists(analyst: AnalystProject) -> dict[str, list[str]]:
    """Return every list as a simple loop over its candidates gives it, product by product."""
    attributes = {
        product: (category, brand)
        for product, category, brand in analyst.query("select product_id, category, brand from marts.dim_products")
    }
    caps_query = "select product_id, category_cap, brand_cap from marts.rec_product_rules where is_recommendable"
    caps = {product: product_caps for product, *product_caps in analyst.query(caps_query)}
    excluded = set(analyst.query("select user_id, product_id from intermediate.int_user_product_exclusions"))
    pins = analyst.query("select product_id, favourite_category, position from intermediate.int_active_pins")
    popular = [
        product
        for (product,) in analyst.query(
            "select product_id from marts.feat_product_popularity where cutoff = 'now' and recent_popularity > 0 "
            "order by recent_popularity desc, product_id"
        )
    ]
    fatigued = set(analyst.query(FATIGUED_PRODUCTS))
    candidates: dict[str, list[str]] = {}
    for user, product in analyst.query("select user_id, product_id from ml.candidates order by user_id, rank"):
        candidates.setdefault(user, []).append(product)
    users = dict(analyst.query("select user_id, favourite_category from marts.dim_users"))

    def select_within_caps(user: str, products: Iterable[str], n: int) -> list[str]:
        counts: Counter[str] = Counter()
        selected: list[str] = []
        for product in dict.fromkeys(products):
            if product not in caps or (user, product) in excluded:
                continue
            # The category first; only a product within its cap counts for the brand.
            for name, cap in zip(attributes[product], caps[product], strict=True):
                if cap is not None:
                    counts[name] += 1
                    if counts[name] > cap:
                        break
            else:
                selected.append(product)
        return selected[:n]

    fillers = select_within_caps(ANONYMOUS_USER_ID, popular, FILLER_PRODUCTS)

    def simulate_list(user: str, favourite_category: str | None) -> list[str]:
        user_pins = sorted(
            (position, category is None, product)
            for product, category, position in pins
            if category is None or category == favourite_category
        )
        positions = {product: position for position, _, product in user_pins}
        selected = select_within_caps(user, chain(positions, candidates.get(user, [])), TOP_N)
        selected = select_within_caps(user, chain(selected, fillers), TOP_N)
        pinned = [product for product in selected if product in positions]
        unpinned = [product for product in selected if product not in positions]
        unpinned.sort(key=lambda product: (user, product) in fatigued)
        ranked: list[str] = []
        while pinned or unpinned:
            is_pin_next = pinned and (positions[pinned[0]] <= len(ranked) + 1 or not unpinned)
            ranked.append((pinned if is_pin_next else unpinned).pop(0))
        return ranked

    return {user: simulate_list(user, favourite) for user, favourite in {**users, ANONYMOUS_USER_ID: None}.items()}


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
def test_rules_test_checks_anonymous_list(analyst_project: AnalystProject) -> None:
    blocked = "(select min(product_id) from marts.rec_product_rules where not is_recommendable)"
    ((first_product,),) = analyst_project.query(
        "select product_id from intermediate.int_recommendations_ranked where user_id = '' and rank = 1"
    )
    statement = "update intermediate.int_recommendations_ranked set product_id = {} where user_id = '' and rank = 1"
    with open_writer(analyst_project.settings) as connection:
        connection.execute(statement.format(blocked))
    result = analyst_project.build("assert_recommendations_follow_rules")
    with open_writer(analyst_project.settings) as connection:
        connection.execute(statement.format(f"'{first_product}'"))
    assert result.returncode == 1
    assert "assert_recommendations_follow_rules" in result.stdout
    assert analyst_project.build("assert_recommendations_follow_rules").returncode == 0


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
    blocked_rows = analyst.query(
        "select distinct 'category', category, '', '', '' from marts.dim_products where category <> 'books' union "
        "select 'product', product_id, '', '', '' from marts.dim_products where category is null"
    )
    analyst.write("blocks", *blocked_rows)
    result = analyst.build(top_n=5)
    assert result.returncode == 0, result.stdout[-3000:]
    lists = analyst.read_lists()
    assert lists[ANONYMOUS_USER_ID] == [(book, "popularity") for book in books[:5]]
    assert lists[customer] == [(book, "popularity") for book in books[14:19]]
    analyst.write("caps", ("category", "books", 2))
    result = analyst.build("caps+", top_n=5)
    assert result.returncode == 0, result.stdout[-3000:]
    lists = analyst.read_lists()
    assert lists[ANONYMOUS_USER_ID] == [(book, "popularity") for book in books[:2]]
    assert customer not in lists
    users = analyst.query("select user_id from marts.dim_users")
    lengths = dict(analyst.query("select list_length, customer_count from marts.audit_list_lengths"))
    assert lengths == Counter(len(lists.get(user, [])) for (user,) in users)


@pytest.fixture
def restored_project(analyst_project: AnalystProject) -> Iterator[AnalystProject]:
    """The analyst's project; the seeds are restored after the test."""
    seeds = analyst_project.project / "seeds" / "merchandising_rules"
    contents = {path: path.read_bytes() for path in seeds.glob("*.csv")}
    yield analyst_project
    for path, content in contents.items():
        path.write_bytes(content)


def test_unknown_names_in_rules_give_warnings(restored_project: AnalystProject) -> None:
    restored_project.write("blocks", ("brand", "Acmee", "", "", ""), ("product", "p-1", "", "", ""))
    restored_project.write("pins", (1, "p-2", "Toyz", "", ""))
    result = restored_project.build("merchandising_rules+1")
    assert result.returncode == 0, result.stdout[-3000:]
    for warning in (
        "blocks.csv: the shop has no brand 'acmee'",
        "blocks.csv: the shop has no product 'p-1'",
        "pins.csv: the shop has no product 'p-2'",
        "pins.csv: the shop has no category 'toyz'",
    ):
        assert warning in result.stdout


@pytest.mark.slow
def test_unreadable_rules_stop_build(restored_project: AnalystProject) -> None:
    """The build succeeds when the files are corrected."""
    seeds = restored_project.project / "seeds" / "merchandising_rules"
    contents = {name: (seeds / f"{name}.csv").read_bytes() for name in ("caps", "repurchases")}
    previous_rows = restored_project.query("from seeds.repurchases")
    (seeds / "caps.csv").write_text("scope;value;max_products\ncategory;toys;3\n", encoding="utf-8")
    restored_project.write("repurchases", ("toys", "first"))
    result = restored_project.build("merchandising_rules")
    assert result.returncode == 1
    assert "caps.csv has no column scope, value, max_products, rule_set. " in result.stdout
    assert "Split at commas, it has the columns 'scope;" in result.stdout
    assert "Could not convert string 'first'" in result.stdout
    assert restored_project.query("from seeds.repurchases") == previous_rows
    for name, content in contents.items():
        (seeds / f"{name}.csv").write_bytes(content)
    assert restored_project.build("merchandising_rules").returncode == 0


def test_invalid_rules_stop_build(
    restored_project: AnalystProject,
) -> None:
    """The message names the line and the error of every invalid rule; the lists do not change."""
    previous_lists = restored_project.read_lists()
    restored_project.write("blocks", ("shop", "mine", "", "2026-02-01", "2026-02-01"))
    restored_project.write("pins", (0, "", "", "", ""), (1.5, "p", "", "", ""))
    restored_project.write(
        "caps", ("category", "Toys", -1), ("category", "toys ", 2.5), ("brand", "", ""), ("brand", "Acme", "inf")
    )
    restored_project.write("repurchases", ("toys", -7), ("books", ""), ("shoes", 0.4))
    result = restored_project.build()
    assert result.returncode == 1
    for error in (
        "blocks.csv, line 'shop,mine,,2026-02-01,2026-02-01,': scope must be product, category or brand; "
        "valid_until must be later than valid_from",
        "pins.csv, line '0,,,,,': position must be between 1 and the length of a list (variable top_n); "
        "product_id must name the product to pin",
        "line 'category,Toys,-1,': max_products must be at least 1 (to recommend none, add a block); "
        "there is more than one cap for this value",
        "caps.csv, line 'brand,,,': max_products is missing, and there is no cap for all others to lift",
        "line '1.5,p,,,,': position must be a whole number",
        "line 'category,toys ,2.5,': max_products must be a whole number, and 1000000 at most; "
        "there is more than one cap",
        "line 'brand,Acme,inf,': max_products must be a whole number, and 1000000 at most",
        "repurchases.csv, line 'books,,': after_days is missing, and there is no rule for all others",
        "line 'toys,-7,': after_days must be 0 or more",
        "line 'shoes,0.4,': after_days must be a whole number, and 1000000 at most",
    ):
        assert error in result.stdout
    assert restored_project.read_lists() == previous_lists
