"""What an analyst writes into the seeds of offer rules is what the lists obey, in a shop that was trained already."""

import csv
import os
import shutil
import subprocess
from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import chain
from pathlib import Path
from typing import Any, ClassVar

import pytest

from apps.recommendation_queries import RecommendationQueries
from orchestration.dbt_runner import PROJECT_DIR, build_dbt_environment, find_dbt_executable
from orchestration.pipeline import publish_copy
from warehouse.database import open_reader, open_writer
from warehouse.settings import Settings

TOP_N = 50
ANONYMOUS_USER_ID = ""


class AnalystProject:
    """Has a warehouse and a dbt project of their own, and edits the seeds."""

    seed_columns: ClassVar = {
        "blocks": ("scope", "value", "reason", "valid_from", "valid_until"),
        "pins": ("position", "product_id", "favourite_category", "valid_from", "valid_until"),
        "caps": ("scope", "value", "max_products"),
        "repurchases": ("category", "after_days"),
    }

    def __init__(self, source_settings: Settings, folder: Path) -> None:
        self.settings = Settings(warehouse=folder / "warehouse")
        leave = shutil.ignore_patterns("landing", "logs", "serving")
        shutil.copytree(source_settings.warehouse, self.settings.warehouse, ignore=leave)
        self.project = folder / "dbt_project"
        shutil.copytree(PROJECT_DIR, self.project, ignore=shutil.ignore_patterns("target", "logs"))

    def write(self, seed: str, *rows: Sequence[object]) -> None:
        """Write a seed as a spreadsheet may: a byte order mark, Windows' line ends, the columns in another order."""
        path = self.project / "seeds" / "merchandising_rules" / f"{seed}.csv"
        with path.open("w", encoding="utf-8-sig", newline="") as file:
            table = csv.DictWriter(file, sorted(self.seed_columns[seed]))
            table.writeheader()
            table.writerows(dict(zip(self.seed_columns[seed], row, strict=True)) for row in rows)

    def build(self, select: str = "merchandising_rules+", top_n: int = TOP_N) -> subprocess.CompletedProcess[str]:
        """Type what the page about rules says, or build less."""
        variables = ("--vars", f"top_n: {top_n}")
        return subprocess.run(
            [find_dbt_executable(), "build", "--select", select, "--exclude-resource-type", "unit_test", *variables],
            cwd=self.project,
            env=os.environ | self.settings.build_environment() | build_dbt_environment(self.settings),
            capture_output=True,
            text=True,
            check=False,
        )

    def query(self, sql: str) -> list[tuple[Any, ...]]:
        with open_reader(self.settings) as connection:
            return connection.execute(sql).fetchall()

    def read_lists(self) -> dict[str, list[tuple[str, str]]]:
        """Product and source of every customer's offers, best first; the stranger's too."""
        lists: dict[str, list[tuple[str, str]]] = {}
        offers = self.query(
            "select user_id, product_id, source from intermediate.int_recommendations_ranked order by user_id, rank"
        )
        for user, product, source in offers:
            lists.setdefault(user, []).append((product, source))
        return lists


@pytest.fixture(scope="module")
def analyst_project(demo_warehouse: Settings, tmp_path_factory: pytest.TempPathFactory) -> AnalystProject:
    """An analyst whose shop has rules of every kind, and a model too sparing to fill the lists under them."""
    analyst = AnalystProject(demo_warehouse, tmp_path_factory.mktemp("analyst"))
    with open_writer(analyst.settings) as connection:
        connection.execute("delete from ml.candidates where rank > 80")
    ((now,),) = analyst.query("select cast(as_of as date) from intermediate.int_feature_cutoffs where cutoff = 'now'")
    (recalled,), (late,), (pinned,), (other,), (blocked_pin,) = analyst.query(
        "select product_id from marts.rec_popular_products order by rank limit 5"
    )
    ((gone,),) = analyst.query("select min(product_id) from marts.dim_products where not is_available")
    brand, *_ = analyst.query("select brand from marts.dim_products group by brand order by count(*), brand")[0]
    analyst.write(
        "blocks",
        ("product", f" {recalled}", "recalled, again", "", ""),
        ("product", late, "not yet", f"{now:%Y}-12-31", ""),
        ("product", blocked_pin, "", now, ""),
        ("brand", str(brand).upper(), "dispute", "", ""),
        ("category", "Garden", "out of season", "2020-01-01", f"{now.year + 1}-01-01"),
    )
    analyst.write(
        "pins",
        (3, pinned, "", "", ""),
        (1, blocked_pin, "", "", ""),
        (1, gone, "", "", ""),
        (3, other, "Toys", now, ""),
        (2, late, "books", "", now),
    )
    analyst.write("caps", ("category", "", 6), ("category", "Shoes", 1), ("category", "audio", ""), ("brand", "", 4))
    analyst.write("repurchases", ("groceries", 7), ("Toys", 0))
    done = analyst.build()
    assert done.returncode == 0, done.stdout[-3000:]
    assert "WARN=0" in done.stdout
    return analyst


def simulate_lists(analyst: AnalystProject) -> dict[str, list[str]]:
    """The lists as somebody makes them who walks down each, product by product."""
    facts = {
        product: (category, brand)
        for product, category, brand in analyst.query("select product_id, category, brand from marts.dim_products")
    }
    read_rules = "select product_id, category_cap, brand_cap from marts.rec_product_rules where is_recommendable"
    caps = {product: caps for product, *caps in analyst.query(read_rules)}
    withheld = set(analyst.query("select user_id, product_id from intermediate.int_user_product_exclusions"))
    pins = analyst.query("select product_id, favourite_category, position from intermediate.int_active_pins")
    popular = [
        product
        for (product,) in analyst.query(
            "select product_id from marts.feat_product_popularity where cutoff = 'now' and recent_popularity > 0 "
            "order by recent_popularity desc, product_id"
        )
    ]
    candidates: dict[str, list[str]] = {}
    for user, product in analyst.query("select user_id, product_id from ml.candidates order by user_id, rank"):
        candidates.setdefault(user, []).append(product)
    users = dict(analyst.query("select user_id, favourite_category from marts.dim_users"))

    def walk(user: str, favourite: str | None) -> list[str]:
        mine = sorted(
            (position, audience is None, product)
            for product, audience, position in pins
            if audience is None or audience == favourite
        )
        positions = {product: position for position, _, product in mine}
        taken: Counter[object] = Counter()
        picked: list[str] = []
        for product in chain(positions, candidates.get(user, []), popular):
            names = [
                named for named in zip(facts[product], caps.get(product, ()), strict=False) if named[1] is not None
            ]
            full = any(taken[name] >= cap for name, cap in names)
            if product in picked or product not in caps or (user, product) in withheld or full:
                continue
            picked.append(product)
            taken.update(name for name, _ in names)
            if len(picked) == TOP_N:
                break
        waiting = [product for product in picked if product in positions]
        others = [product for product in picked if product not in positions]
        result: list[str] = []
        while waiting or others:
            due = waiting and (positions[waiting[0]] <= len(result) + 1 or not others)
            result.append((waiting if due else others).pop(0))
        return result

    return {user: walk(user, favourite) for user, favourite in {**users, ANONYMOUS_USER_ID: None}.items()}


def test_every_list_is_what_walking_down_it_product_by_product_gives(analyst_project: AnalystProject) -> None:
    lists = analyst_project.read_lists()
    sources = Counter(source for offers in lists.values() for _, source in offers)
    assert {user: [product for product, _ in offers] for user, offers in lists.items()} == simulate_lists(
        analyst_project
    )
    assert min(sources[source] for source in ("model", "popularity", "pinned")) > len(lists) / 2


def test_what_is_blocked_appears_nowhere_not_even_pinned(analyst_project: AnalystProject) -> None:
    reasons = dict(
        analyst_project.query(
            "select product_id, exclusion_reason from marts.rec_product_rules where not is_recommendable"
        )
    )
    assert set(reasons.values()) == {
        "not available", "blocked product", "blocked product: recalled, again", "blocked brand: dispute",
        "blocked category: out of season",
    }  # fmt: skip
    shown = analyst_project.query(
        "select product_id from marts.rec_top_n union select product_id from marts.rec_popular_products"
    )
    assert reasons.keys().isdisjoint(product for (product,) in shown)
    ((pinned,),) = analyst_project.query("select product_id from marts.rec_product_rules where pinned_position = 3")
    third = analyst_project.query(
        "select product_id, source, reason from marts.rec_top_n where rank = 3 and source = 'pinned'"
    )
    assert (pinned, "pinned", "Chosen by the shop") in third
    assert analyst_project.query("select product_id, reason from marts.rec_popular_products where rank = 3") == [
        (pinned, "Chosen by the shop")
    ]


def test_bought_products_are_offered_again_where_the_rules_say_so(analyst_project: AnalystProject) -> None:
    again = analyst_project.query(
        "select distinct products.category from marts.rec_top_n as offers "
        "inner join marts.feat_user_product_interactions as pairs using (user_id, product_id) "
        "inner join marts.dim_products as products using (product_id) "
        "where pairs.cutoff = 'now' and pairs.purchased_quantity > 0 order by all"
    )
    assert again == [("groceries",), ("toys",)]


def test_the_audit_says_of_every_candidate_what_became_of_it(analyst_project: AnalystProject) -> None:
    counted = dict(analyst_project.query("select outcome, count(*) from marts.audit_candidates group by outcome"))
    assert counted.keys() >= {"recommended", "already bought", "category cap reached", "brand cap reached"}
    assert sum(counted.values()) == analyst_project.query("select count(*) from ml.candidates")[0][0]
    user, products = max(simulate_lists(analyst_project).items())
    verdicts = analyst_project.query(f"select product_id, outcome from marts.audit_candidates where user_id = '{user}'")
    assert {product for product, outcome in verdicts if outcome == "recommended"} <= set(products)
    assert {product for product, outcome in verdicts if outcome != "recommended"}.isdisjoint(products)


@pytest.fixture(scope="module")
def rules_queries(analyst_project: AnalystProject) -> Iterator[RecommendationQueries]:
    """What is published of the shop."""
    publish_copy(analyst_project.settings)
    with RecommendationQueries(analyst_project.settings) as opened:
        yield opened


def test_a_basket_is_answered_under_the_same_rules(
    analyst_project: AnalystProject, rules_queries: RecommendationQueries
) -> None:
    ((held,),) = analyst_project.query("select min(product_id) from ml.candidates")
    offered = rules_queries.recommend_for_basket([held], TOP_N).recommendations
    rules = {
        product: rest
        for product, *rest in analyst_project.query("select * from marts.rec_product_rules where is_recommendable")
    }
    assert set(offered["product_id"]) <= rules.keys() - {held}
    assert offered["rank"].tolist() == list(range(1, len(offered) + 1))
    assert (offered["category"] == "shoes").sum() == 1
    assert (offered["category"] == "audio").sum() > 4
    assert offered["brand"].value_counts().max() == 4
    assert offered["reason"].tolist()[2] == "Chosen by the shop"


def test_whoever_is_unknown_is_answered_under_the_same_rules(
    analyst_project: AnalystProject, rules_queries: RecommendationQueries
) -> None:
    listed = analyst_project.read_lists()[ANONYMOUS_USER_ID]
    offered = rules_queries.recommend_for_customer("nobody", 500).recommendations
    assert list(zip(offered["product_id"], offered["source"], strict=True))[: len(listed)] == listed
    assert rules_queries.serving_copy.published.rows["rec_popular_products"] > len(offered)
    fewer = rules_queries.recommend_for_basket(
        ["no such"], 500, excluded_products=offered["product_id"].head(10).tolist()
    ).recommendations
    for products in (offered, fewer):
        assert (products["category"] == "shoes").sum() == 1
        assert products["category"].value_counts().drop("audio").max() == 6
        assert products["brand"].value_counts().max() == 4


def test_the_strangers_list_is_held_against_the_rules_as_well(analyst_project: AnalystProject) -> None:
    blocked = "(select min(product_id) from marts.rec_product_rules where not is_recommendable)"
    ((offered,),) = analyst_project.query(
        "select product_id from intermediate.int_recommendations_ranked where user_id = '' and rank = 1"
    )
    change = "update intermediate.int_recommendations_ranked set product_id = {} where user_id = '' and rank = 1"
    with open_writer(analyst_project.settings) as connection:
        connection.execute(change.format(blocked))
    done = analyst_project.build("assert_recommendations_follow_rules")
    with open_writer(analyst_project.settings) as connection:
        connection.execute(change.format(f"'{offered}'"))
    assert done.returncode == 1
    assert "assert_recommendations_follow_rules" in done.stdout
    assert analyst_project.build("assert_recommendations_follow_rules").returncode == 0


def test_a_list_looks_past_all_that_its_customer_may_not_have(demo_warehouse: Settings, tmp_path: Path) -> None:
    analyst = AnalystProject(demo_warehouse, tmp_path)
    books = [
        product
        for (product,) in analyst.query(
            "select product_id from marts.rec_popular_products where category = 'books' order by rank"
        )
    ]
    reader, bought = "u00054", books[:14]
    totals = "intermediate.int_user_product_totals"
    newest = f"from {totals} where until_cutoff_index = (select max(until_cutoff_index) from {totals}) limit 1"
    with open_writer(analyst.settings) as connection:
        connection.execute("delete from ml.candidates")
        connection.execute(f"delete from {totals} where user_id = ?", [reader])
        connection.execute(
            f"insert into {totals} select pair.* replace (? as user_id, book as product_id, 1 as purchased_quantity) "
            f"from ({newest}) as pair cross join unnest(?) as books(book)",
            [reader, bought],
        )
    others = analyst.query(
        "select distinct 'category', category, '', '', '' from marts.dim_products where category <> 'books' union "
        "select 'product', product_id, '', '', '' from marts.dim_products where category is null"
    )
    analyst.write("blocks", *others)
    analyst.write("caps", ("category", "books", 2))
    done = analyst.build(top_n=5)
    assert done.returncode == 0, done.stdout[-3000:]
    lists = analyst.read_lists()
    assert lists[ANONYMOUS_USER_ID] == [(book, "popularity") for book in books[:2]]
    assert lists[reader] == [(book, "popularity") for book in books[14:16]]


@pytest.fixture
def restored_project(analyst_project: AnalystProject) -> Iterator[AnalystProject]:
    """The analyst, who takes back whatever they write."""
    seeds = analyst_project.project / "seeds" / "merchandising_rules"
    kept = {path: path.read_bytes() for path in seeds.glob("*.csv")}
    yield analyst_project
    for path, text in kept.items():
        path.write_bytes(text)


def test_names_that_the_shop_does_not_have_are_warned_of_and_stop_nothing(restored_project: AnalystProject) -> None:
    restored_project.write("blocks", ("brand", "Acmee", "", "", ""), ("product", "p-1", "", "", ""))
    restored_project.write("pins", (1, "p-2", "Toyz", "", ""))
    done = restored_project.build("merchandising_rules+1")
    assert done.returncode == 0, done.stdout[-3000:]
    for words in (
        "blocks.csv: the shop has no brand 'acmee'",
        "blocks.csv: the shop has no product 'p-1'",
        "pins.csv: the shop has no product 'p-2'",
        "pins.csv: the shop has no category 'toyz'",
    ):
        assert words in done.stdout


def test_files_that_cannot_be_read_stop_the_build_and_once_put_right_are_read(restored_project: AnalystProject) -> None:
    seeds = restored_project.project / "seeds" / "merchandising_rules"
    kept = {name: (seeds / f"{name}.csv").read_bytes() for name in ("caps", "repurchases")}
    before = restored_project.query("from seeds.repurchases")
    (seeds / "caps.csv").write_text("scope;value;max_products\ncategory;toys;3\n", encoding="utf-8")
    restored_project.write("repurchases", ("toys", "first"))
    done = restored_project.build("merchandising_rules")
    assert done.returncode == 1
    assert "caps.csv has no column scope, value, max_products; parted by commas, its columns are 'scope;" in done.stdout
    assert "Could not convert string 'first'" in done.stdout
    assert restored_project.query("from seeds.repurchases") == before
    for name, text in kept.items():
        (seeds / f"{name}.csv").write_bytes(text)
    assert restored_project.build("merchandising_rules").returncode == 0


def test_rules_that_make_no_sense_stop_the_build_before_the_lists_with_the_line_and_what_is_wrong(
    restored_project: AnalystProject,
) -> None:
    before = restored_project.read_lists()
    restored_project.write("blocks", ("shop", "mine", "", "2026-02-01", "2026-02-01"))
    restored_project.write("pins", (0, "", "", "", ""), (1.5, "p", "", "", ""))
    restored_project.write(
        "caps", ("category", "Toys", -1), ("category", "toys ", 2.5), ("brand", "", ""), ("brand", "Acme", "inf")
    )
    restored_project.write("repurchases", ("toys", -7), ("books", ""), ("shoes", 0.4))
    done = restored_project.build()
    assert done.returncode == 1
    for words in (
        "blocks.csv, line 'shop,mine,,2026-02-01,2026-02-01': scope must be product, category or brand; "
        "valid_until must be later than valid_from",
        "pins.csv, line '0,,,,': position must be between 1 and the length of a list (variable top_n); "
        "product_id must name the product to pin",
        "line 'category,Toys,-1': max_products must be at least 1 (to recommend none, add a block); "
        "there is more than one cap for this value",
        "caps.csv, line 'brand,,': max_products is missing, and there is no cap for all others to lift",
        "line '1.5,p,,,': position must be a whole number",
        "line 'category,toys ,2.5': max_products must be a whole number, and 1000000 at most; "
        "there is more than one cap",
        "line 'brand,Acme,inf': max_products must be a whole number, and 1000000 at most",
        "repurchases.csv, line 'books,': after_days is missing, and there is no rule for all others",
        "line 'toys,-7': after_days must be 0 or more",
        "line 'shoes,0.4': after_days must be a whole number, and 1000000 at most",
    ):
        assert words in done.stdout
    assert restored_project.read_lists() == before
