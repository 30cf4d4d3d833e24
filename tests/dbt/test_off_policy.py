"""The analysis off_policy on small and on simulated logs."""

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from typing import Any

import duckdb
import numpy as np
import numpy.typing as npt
import pandas as pd
import pytest

from orchestration.dbt_manifest import compile_analyses
from warehouse.settings import Settings

SEEN_FROM = datetime(2026, 2, 1)
PUBLISHED_AT = datetime(2026, 1, 31)
SEEN_AT = datetime(2026, 2, 2, 10)

SCHEMA = """
    create schema marts;
    create schema intermediate;
    create table marts.fct_recommendation_lists (
        user_id text, placement text, published_at timestamp, live_until timestamp, product_ids text[], sources text[],
        propensities double[]
    );
    create table marts.fct_impressions (
        user_id text, product_id text, placement text, rank integer, seen_at timestamp, basis text,
        recommendation_id text
    );
    create table marts.fct_recommended_actions (
        user_id text, product_id text, placement text, rank integer, seen_at timestamp, recommendation_id text,
        action_type text
    );
    create table marts.fct_served_lists (recommendation_id text, placement text, product_ids text[]);
    create table intermediate.int_user_lists (user_id text, rule_profile text);
    create table intermediate.int_product_rules (
        product_id text, rule_profile text, is_recommendable boolean, pinned_position integer, category text,
        brand text, category_cap integer, brand_cap integer, boost_factor double default 1, promoted_every integer
    );
    create temp table off_policy_candidates (user_id text, product_id text, rank integer);
    create temp table off_policy_window (seen_from timestamp);
"""


@pytest.fixture(scope="module")
def query(demo_warehouse: Settings) -> str:
    return compile_analyses(demo_warehouse, "effect")["off_policy"]


@pytest.fixture
def warehouse() -> Iterator[duckdb.DuckDBPyConnection]:
    """A warehouse with the tables that the analysis reads, without rows."""
    with duckdb.connect() as connection:
        connection.execute("attach ':memory:' as recomart")
        connection.execute("use recomart")
        connection.execute(SCHEMA)
        connection.execute("insert into off_policy_window values (?)", [SEEN_FROM])
        yield connection


def insert(connection: duckdb.DuckDBPyConnection, table: str, rows: Sequence[Sequence[Any]], columns: str = "") -> None:
    marks = ", ".join("?" * len(rows[0]))
    connection.executemany(f"insert into {table} {f'({columns})' if columns else ''} values ({marks})", rows)


def insert_products(connection: duckdb.DuckDBPyConnection, *products: str, is_recommendable: bool = True) -> None:
    rows = [(product, "", is_recommendable) for product in products]
    insert(connection, "intermediate.int_product_rules", rows, "product_id, rule_profile, is_recommendable")


def insert_list(
    connection: duckdb.DuckDBPyConnection,
    user: str,
    products: Sequence[str],
    propensities: Sequence[float] | None,
    pinned: str | None = None,
    days: int | None = None,
) -> None:
    """Insert a list that went live, for some days or until now."""
    sources = ["pinned" if product == pinned else "model" for product in products]
    live_until = None if days is None else PUBLISHED_AT + timedelta(days=days)
    row = (user, "customer", PUBLISHED_AT, live_until, list(products), sources, propensities)
    insert(connection, "marts.fct_recommendation_lists", [row])


def run(connection: duckdb.DuckDBPyConnection, query: str) -> dict[str, dict[str, Any]]:
    """Return the rows of the analysis by metric."""
    return {row["metric"]: row for row in connection.sql(query).df().to_dict("records")}


def test_estimates_by_hand(warehouse: duckdb.DuckDBPyConnection, query: str) -> None:
    """Three customers see a, b of a list; the model has c, b for u1 and u2, and nothing for u3.

    u1 sees the exchanged c at place 1 (weight 10), u2 sees a there. Both see b (weight 1 / 0.8 = 1.25).
    """
    insert(warehouse, "intermediate.int_user_lists", [(user, "") for user in ("u1", "u2", "u3", "old")])
    insert_products(warehouse, "a", "b", "c", "pin", "favourite")
    warehouse.execute(
        "update intermediate.int_product_rules set pinned_position = 1 where product_id in ('pin', 'favourite')"
    )
    insert_products(warehouse, "gone", is_recommendable=False)
    ranking = enumerate(("gone", "favourite", "c", "b"))
    candidates = [(user, product, rank) for rank, product in ranking for user in ("u1", "u2")]
    insert(warehouse, "off_policy_candidates", candidates)
    # The pin at rank 2 is no place of the model.
    insert_list(warehouse, "u1", ["c", "pin", "b"], [0.1, 1, 0.8], "pin")
    insert_list(warehouse, "u2", ["a", "b"], [0.8, 0.8])
    insert_list(warehouse, "u3", ["a", "b"], [0.8, 0.8])
    # A list of the time before the exploration, and one that had ended, do not count.
    insert_list(warehouse, "old", ["a", "b"], None)
    insert_list(warehouse, "u3", ["c"], [0.1], days=1)
    shown = [("u1", "c", 1), ("u1", "pin", 2), ("u1", "b", 3), ("u1", "b", 3), ("u2", "a", 1), ("u2", "b", 2)]
    shown += [("u3", "a", 1), ("u3", "b", 2), ("u3", "c", 1), ("old", "a", 1)]
    impressions: list[tuple[Any, ...]] = [(*row[:2], "home", row[2], SEEN_AT, "measured", None) for row in shown]
    impressions[3] = ("u1", "b", "home", 3, SEEN_AT + timedelta(hours=1), "measured", "r1")
    # A second time in the same second, before the window, and in answers with the product at another rank or after
    # other products.
    impressions.append(impressions[0])
    impressions.append(("u1", "c", "home", 1, SEEN_FROM - timedelta(seconds=1), "measured", None))
    impressions.append(("u1", "c", "home", 1, SEEN_AT, "measured", "r2"))
    impressions.append(("u1", "b", "home", 3, SEEN_AT, "measured", "r3"))
    insert(warehouse, "marts.fct_impressions", impressions)
    insert(
        warehouse,
        "marts.fct_served_lists",
        [("r1", "customer", ["c", "pin", "b"]), ("r2", "customer", ["b", "c"]), ("r3", "basket", ["a", "d", "b"])],
    )
    clicks: list[tuple[Any, ...]] = [("u1", "c", "home", 1, SEEN_AT, None, "click")] * 10
    clicks += [("u1", "b", "home", 3, SEEN_AT + timedelta(hours=1), "r1", "click")]
    clicks += [("u2", "a", "home", 1, SEEN_AT, None, "click"), ("u2", "b", "home", 2, SEEN_AT, None, "purchase")]
    insert(warehouse, "marts.fct_recommended_actions", clicks)

    clicks_row = run(warehouse, query)["clicks"]
    # Ten explored clicks, but of one customer.
    assert (clicks_row["explored_customers"], bool(clicks_row["has_estimate"])) == (1, False)
    assert "totals.explored_customers >= 10" in query
    rows = run(warehouse, query.replace("totals.explored_customers >= 10", "totals.explored_customers >= 1"))
    clicks_row = rows["clicks"]
    # Seven places: u1 c, b, b; u2 a, b; u3 a, b. Weights: 10, 1.25, 1.25; 0, 1.25; 0, 0.
    assert (clicks_row["customers"], clicks_row["places"], clicks_row["matched_places"]) == (3, 7, 4)
    assert clicks_row["coverage"] == pytest.approx(13.75 / 7)
    assert clicks_row["effective_places"] == pytest.approx(13.75**2 / (100 + 3 * 1.25**2), abs=5e-4)
    assert clicks_row["logged_rate"] == pytest.approx(12 / 7)
    assert clicks_row["ips_rate"] == pytest.approx(101.25 / 7)
    assert clicks_row["snips_rate"] == pytest.approx(101.25 / 13.75)
    # Deviations of u1, u2 and u3 from the ratio of clicks and places.
    deviations = np.array([11 - 3 * 12 / 7, 1 - 2 * 12 / 7, -2 * 12 / 7]) / 7
    assert clicks_row["max_logged_rate"] == pytest.approx(12 / 7 + 1.96 * np.sqrt(1.5 * (deviations**2).sum()))
    snips = 101.25 / 13.75
    snips_deviations = np.array([101.25 - 12.5 * snips, -1.25 * snips, 0]) / 13.75
    error = np.sqrt(1.5 * (snips_deviations**2).sum())
    assert clicks_row["min_snips_rate"] == pytest.approx(snips - 1.96 * error)
    assert clicks_row["difference"] == pytest.approx(snips - 12 / 7)
    error = np.sqrt(1.5 * ((snips_deviations - deviations) ** 2).sum())
    assert clicks_row["max_difference"] == pytest.approx(snips - 12 / 7 + 1.96 * error)

    # A purchase in a place that was not explored says nothing about the explored ones.
    purchases = rows["purchases"]
    assert (purchases["explored_customers"], bool(purchases["has_estimate"])) == (0, False)
    assert purchases["logged_rate"] == pytest.approx(1 / 7)
    assert pd.isna([purchases[name] for name in ("ips_rate", "snips_rate", "min_difference")]).all()


def test_caps_apply_to_model(warehouse: duckdb.DuckDBPyConnection, query: str) -> None:
    insert(warehouse, "intermediate.int_user_lists", [("u", "")])
    rules = [(product, "", True, category, 1) for product, category in (("a", "x"), ("b", "x"), ("c", "y"))]
    insert(
        warehouse,
        "intermediate.int_product_rules",
        rules,
        "product_id, rule_profile, is_recommendable, category, category_cap",
    )
    insert(warehouse, "off_policy_candidates", [("u", "a", 1), ("u", "b", 2), ("u", "c", 3)])
    insert_list(warehouse, "u", ["a", "c"], [0.9, 0.9])
    shown = [("u", product, "home", rank, SEEN_AT, "measured", None) for rank, product in ((1, "a"), (2, "c"))]
    insert(warehouse, "marts.fct_impressions", shown)
    row = run(warehouse, query)["clicks"]
    assert (row["places"], row["matched_places"]) == (2, 2)


def test_empty_log_has_no_rows(warehouse: duckdb.DuckDBPyConnection, query: str) -> None:
    assert run(warehouse, query) == {}


LIST_LENGTH = 10
EXPLORE_SHARE = 0.2
PROPOSAL = EXPLORE_SHARE / 2
EXCHANGE = (
    2 * PROPOSAL * (1 - PROPOSAL) / (LIST_LENGTH - 1) * (1 - 2 * PROPOSAL / (LIST_LENGTH - 1)) ** (LIST_LENGTH - 2)
)

Ints = npt.NDArray[np.int64]


def draw_exchanges(rng: np.random.Generator, user_count: int) -> Ints:
    """Return the product of each place, by its place before the exchanges: (users, LIST_LENGTH)."""
    lists = np.tile(np.arange(LIST_LENGTH), (user_count, 1))
    is_proposed = rng.random(lists.shape) < PROPOSAL
    others = (lists + rng.integers(1, LIST_LENGTH, lists.shape)) % LIST_LENGTH
    for products, proposed, other in zip(lists, is_proposed, others, strict=True):
        places = np.flatnonzero(proposed)
        proposal_counts = np.bincount(np.concatenate([places, other[places]]), minlength=LIST_LENGTH)
        for place in places:
            if proposal_counts[place] == proposal_counts[other[place]] == 1:
                products[[place, other[place]]] = products[[other[place], place]]
    return lists


def simulate_log(
    connection: duckdb.DuckDBPyConnection, rng: np.random.Generator, user_count: int, view_count: int = 1
) -> tuple[float, float]:
    """Replace the log by a simulated one; return the click rates that the model and the logged lists truly have.

    Each customer sees the list `view_count` times, and clicks a product with a probability of the customer, the product
    and the place.
    """
    shape = (user_count, LIST_LENGTH)
    users = np.array([f"u{number}" for number in range(user_count)])
    liking = rng.beta(1, 6, shape)
    attention = np.linspace(1, 0.4, LIST_LENGTH)
    # The model orders half of the lists as the logged one, the others by the customer's liking with noise.
    model_lists = np.argsort(-liking * rng.uniform(0.2, 1, shape), axis=1)
    model_lists[rng.random(user_count) < 0.5] = np.arange(LIST_LENGTH)
    shown = draw_exchanges(rng, user_count)
    propensities = np.where(shown == np.arange(LIST_LENGTH), 1 - (LIST_LENGTH - 1) * EXCHANGE, EXCHANGE)
    is_clicked = rng.random((view_count, *shape)) < np.take_along_axis(liking, shown, 1) * attention
    truth = float((np.take_along_axis(liking, model_lists, 1) * attention).mean())
    is_kept = 1 - (LIST_LENGTH - 1) * EXCHANGE
    logged_liking = is_kept * liking + EXCHANGE * (liking.sum(axis=1, keepdims=True) - liking)
    logged_truth = float((logged_liking * attention).mean())

    products = np.array([f"p{number}" for number in range(LIST_LENGTH)])
    places = pd.DataFrame(
        {
            "user_id": np.repeat(users, LIST_LENGTH),
            "product_id": products[shown].ravel(),
            "rank": np.tile(np.arange(1, LIST_LENGTH + 1), user_count),
            "propensity": propensities.ravel(),
            "model_product_id": products[model_lists].ravel(),
        }
    )
    connection.register("places", places)
    views = [places.assign(seen_at=SEEN_AT + timedelta(hours=view)) for view in range(view_count)]
    connection.register("views", pd.concat(views).assign(is_clicked=is_clicked.ravel()))
    for table in ("fct_recommendation_lists", "fct_impressions", "fct_recommended_actions"):
        connection.execute(f"delete from marts.{table}")
    connection.execute("delete from intermediate.int_user_lists; delete from intermediate.int_product_rules")
    connection.execute("delete from off_policy_candidates")
    insert_products(connection, *products)
    connection.execute("insert into intermediate.int_user_lists select distinct user_id, '' from places")
    connection.execute("insert into off_policy_candidates select user_id, model_product_id, rank from places")
    connection.execute(
        "insert into marts.fct_recommendation_lists select user_id, 'customer', ?, null, "
        "list(product_id order by rank), list('model'), list(propensity order by rank) from places group by user_id",
        [PUBLISHED_AT],
    )
    connection.execute(
        "insert into marts.fct_impressions "
        "select user_id, product_id, 'home', rank, seen_at, 'measured', null from views"
    )
    connection.execute(
        "insert into marts.fct_recommended_actions "
        "select user_id, product_id, 'home', rank, seen_at, null, 'click' from views where is_clicked"
    )
    return truth, logged_truth


def count_covered(
    connection: duckdb.DuckDBPyConnection, query: str, log_count: int, user_count: int, view_count: int = 1
) -> dict[str, int]:
    """Return how many intervals of simulated logs cover the truth, and how many logs have estimates."""
    rng = np.random.default_rng(21)
    counts = {"has_estimate": 0, "logged_rate": 0, "ips_rate": 0, "snips_rate": 0, "difference": 0}
    for _ in range(log_count):
        truth, logged_truth = simulate_log(connection, rng, user_count, view_count)
        row = run(connection, query)["clicks"]
        if row["has_estimate"]:
            truths = {"logged_rate": logged_truth, "ips_rate": truth, "snips_rate": truth}
            truths["difference"] = truth - logged_truth
            counts["has_estimate"] += 1
            for name, value in truths.items():
                counts[name] += row[f"min_{name}"] <= value <= row[f"max_{name}"]
    return counts


def test_intervals_cover_truth(warehouse: duckdb.DuckDBPyConnection, query: str) -> None:
    counts = count_covered(warehouse, query, 12, 2_000)
    assert min(counts.values()) >= 10


@pytest.mark.slow
def test_intervals_cover_truth_as_stated(warehouse: duckdb.DuckDBPyConnection, query: str) -> None:
    """The shares of docs/off_policy.md."""
    counts = count_covered(warehouse, query, 400, 2_000)
    print(counts)
    estimate_count = counts.pop("has_estimate")
    assert estimate_count > 390
    assert all(0.92 <= count / estimate_count <= 0.98 for count in counts.values())
    # Customers who see a list more than once.
    counts = count_covered(warehouse, query, 60, 400, view_count=8)
    print(counts)
    assert min(counts.values()) >= 0.88 * counts["has_estimate"] > 40
