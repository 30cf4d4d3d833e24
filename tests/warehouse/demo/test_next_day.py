"""Further days of the demo shop: what lists add to the files, and the potential outcomes of an experiment."""

import csv
import gzip
import hashlib
import json
import shutil
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from tests.warehouse.demo.file_audit import audit_events, audit_purchases, read_catalog
from warehouse.demo import (
    DemoConfig,
    LiveList,
    compute_true_metrics,
    find_next_day,
    generate_next_day,
    generate_shop,
)
from warehouse.demo.days import open_extended_shop, open_shop
from warehouse.errors import RecomartError

CONFIG = DemoConfig(customers=300, products=150, days=26, events=20_000, dirt=0.1, seed=5, effect=4.0)
FIRST_DATE = CONFIG.start_date + timedelta(days=CONFIG.days)

Lists = dict[str, LiveList]


def compute_digests(folder: Path) -> dict[str, str]:
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def rank_products(count: int, *, is_best: bool = True) -> dict[str, list[str]]:
    """Return the products of each customer with the highest, or the lowest, probability of a view."""
    world = open_shop(CONFIG).world
    scores = world.interest @ world.appeal.T * (1 if is_best else -1)
    order = np.argsort(-scores, axis=1)[:, :count]
    return {user: [world.product_ids[p] for p in row] for user, row in zip(world.user_ids, order, strict=True)}


def make_experiment(arms: Mapping[str, Mapping[str, Sequence[str]]], choose: Callable[[int], str]) -> Lists:
    """Make an experiment whose customers, by number, see the lists of the chosen arm."""
    users = open_shop(CONFIG).world.user_ids
    return {
        user: LiveList(
            arms[choose(n)].get(user, ()), "e", choose(n), {arm: by.get(user, ()) for arm, by in arms.items()}
        )
        for n, user in enumerate(users)
    }


@pytest.fixture(scope="module")
def first_days(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("first_days")
    generate_shop(CONFIG, folder / "landing", folder / "truth")
    return folder


@pytest.fixture
def add_days(first_days: Path, tmp_path: Path) -> Callable[..., Path]:
    """A function that copies the shop and adds a day for each of the given lists."""

    def add(name: str, *days: Lists, config: DemoConfig = CONFIG) -> Path:
        folder = tmp_path / name
        shutil.copytree(first_days, folder)
        (folder / "landing" / ".demo.json").write_text(config.model_dump_json(indent=2) + "\n")
        for lists in days:
            generate_next_day(config, folder / "landing", folder / "truth", lists)
        return folder

    return add


AddDays = Callable[..., Path]


@pytest.fixture(scope="module")
def good_lists() -> Lists:
    return {user: LiveList(products) for user, products in rank_products(10).items()}


def read_lines(folder: Path, feed: str, day: int = CONFIG.days) -> list[str]:
    """Return the lines of a further day's file."""
    (path,) = (folder / "landing" / feed).glob(f"{CONFIG.start_date + timedelta(days=day)}.*")
    content = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    return content.decode().splitlines()


def test_first_days_stay_equal(add_days: AddDays, first_days: Path, good_lists: Lists) -> None:
    folder = add_days("shop", good_lists, good_lists, good_lists)
    before, after = (compute_digests(path / "landing") for path in (first_days, folder))
    assert {name: digest for name, digest in after.items() if name in before} == before
    new_names = {f"catalog/{FIRST_DATE + timedelta(days=2)}/page-001.json"}
    for day in range(3):
        name = f"{FIRST_DATE + timedelta(days=day)}"
        suffix = "jsonl.gz" if day == 0 else "jsonl"
        new_names |= {f"clickstream/{name}.{suffix}", f"impressions/{name}.csv", f"purchases/{name}.csv"}
    assert {name for name in set(after) - set(before) if " (1)" not in name} == new_names
    shop, extended = open_shop(CONFIG), open_extended_shop(CONFIG, CONFIG.days + 20)
    assert extended.session_counts[: CONFIG.days].tolist() == shop.session_counts.tolist()
    assert len(extended.session_counts) == len(extended.world.price_cents) * 7 > CONFIG.days + 20


def test_day_is_independent_of_earlier_lists(add_days: AddDays, good_lists: Lists) -> None:
    first, second, third = add_days("a", {}, good_lists), add_days("b", good_lists, good_lists), add_days("c", {}, {})
    name = f"{FIRST_DATE + timedelta(days=1)}"
    digests = [
        {file: digest for file, digest in compute_digests(folder).items() if name in file}
        for folder in (first, second, third)
    ]
    assert digests[0] == digests[1] != digests[2]
    assert len(digests[0]) == 4


def test_lists_only_add_rows(add_days: AddDays, good_lists: Lists) -> None:
    without, shown = add_days("without", {}), add_days("with", good_lists)
    for feed in ("clickstream", "purchases"):
        lines, more_lines = read_lines(without, feed), read_lines(shown, feed)
        remaining = iter(more_lines)
        assert all(line in remaining for line in lines), "the lines of the shop without lists, in their order"
        assert len(more_lines) > len(lines)
    assert not (without / "landing" / "impressions").exists()


def test_effect_zero_changes_nothing(add_days: AddDays, good_lists: Lists) -> None:
    config = CONFIG.model_copy(update={"effect": 0.0})
    shown, without = add_days("with", good_lists, config=config), add_days("without", {}, config=config)
    for feed in ("clickstream", "purchases"):
        assert read_lines(shown, feed) == read_lines(without, feed)
    assert len(read_lines(shown, "impressions")) > 1


def test_effect_zero_has_no_lift(add_days: AddDays) -> None:
    lists = make_experiment({"control": {}, "treatment": rank_products(10)}, lambda n: ("control", "treatment")[n % 2])
    lifts = []
    for effect in (0.0, 4.0):
        config = CONFIG.model_copy(update={"effect": effect})
        folder = add_days(f"shop_{effect}", lists, lists, config=config)
        metrics = compute_true_metrics(folder / "truth", "e", FIRST_DATE, FIRST_DATE + timedelta(days=2))
        lifts.append({name: value - metrics["control"][name] for name, value in metrics["treatment"].items()})
    assert set(lifts[0].values()) == {0}
    assert lifts[1]["orders_per_customer"] > 0


def test_impressions_are_lists(add_days: AddDays, good_lists: Lists) -> None:
    lists = {user: live for number, (user, live) in enumerate(good_lists.items()) if number % 2}
    folder = add_days("shop", *[lists] * 5)
    rows = [row for day in range(5) for row in csv.DictReader(read_lines(folder, "impressions", CONFIG.days + day))]
    assert list(rows[0]) == [
        *("user_id", "session_id", "product_id", "placement", "position", "seen_at", "recommendation_id")
    ]
    products_by_session = defaultdict(list)
    for row in rows:
        assert (row["placement"], row["recommendation_id"]) == ("home", "")
        assert row["product_id"] == lists[row["user_id"]].product_ids[int(row["position"]) - 1]
        products_by_session[row["user_id"], row["session_id"], row["seen_at"]].append(row["product_id"])
    assert all(len(products) == 10 for products in products_by_session.values())
    sessions = {
        (row["user_id"], row["session_id"])
        for row in audit_events(folder / "landing")[1]
        if row["timestamp"].date() >= FIRST_DATE and row["user_id"] in lists
    }
    assert abs(len(products_by_session) / len(sessions) - CONFIG.shown_share) < 0.08


def test_reactions_follow_impressions(add_days: AddDays, good_lists: Lists) -> None:
    without, shown = add_days("without", {}), add_days("with", good_lists)
    impressions = {
        (row["session_id"], row["product_id"]): row["seen_at"]
        for row in csv.DictReader(read_lines(shown, "impressions"))
    }
    lines = set(read_lines(shown, "clickstream")) - set(read_lines(without, "clickstream"))
    events: dict[tuple[str, str], dict[str, str]] = defaultdict(dict)
    for event in map(json.loads, lines):
        events[event["session_id"], event["product_id"]][event["event_type"]] = event["timestamp"]
    header, *purchase_lines = read_lines(shown, "purchases")
    added = [line for line in purchase_lines if line not in read_lines(without, "purchases")]
    purchases = {
        (f"s{row['transaction_id'][1:]}", row["product_id"]): row["timestamp"]
        for row in csv.DictReader([header, *added])
    }
    assert len(events) > len(purchases) > 0
    for key, times in events.items():
        steps = [impressions[key], times["click"], *([times["add-to-cart"]] if "add-to-cart" in times else [])]
        assert steps == sorted(steps)
        assert all(step[:10] == str(FIRST_DATE) for step in steps)
    for key, time in purchases.items():
        assert events[key]["add-to-cart"] <= time
        assert time[:10] == str(FIRST_DATE)


def test_lists_join_order_of_session(add_days: AddDays, good_lists: Lists) -> None:
    """What a list adds to a session with an order belongs to that order, and has its time."""
    folder = add_days("shop", *[good_lists] * 8)
    orders = defaultdict(set)
    for row in audit_purchases(folder / "landing")[1]:
        if row["quantity"] > 0 and row["timestamp"].date() >= FIRST_DATE:
            orders[row["transaction_id"]].add(row["timestamp"])
    assert all(len(times) == 1 for times in orders.values())


def test_better_lists_sell_more(add_days: AddDays, good_lists: Lists) -> None:
    bad_lists = {user: LiveList(products) for user, products in rank_products(10, is_best=False).items()}
    good, bad = add_days("good", *[good_lists] * 4), add_days("bad", *[bad_lists] * 4)
    counts = [
        sum(len(read_lines(folder, "clickstream", CONFIG.days + day)) for day in range(4)) for folder in (good, bad)
    ]
    organic = add_days("organic", *[{}] * 4)
    organic_count = sum(len(read_lines(organic, "clickstream", CONFIG.days + day)) for day in range(4))
    assert counts[0] - organic_count > 1.5 * (counts[1] - organic_count) > 0


def read_outcomes(folder: Path) -> pa.Table:
    return pa.concat_tables(map(pq.read_table, sorted((folder / "truth").glob("user_outcomes_*.parquet"))))


def test_outcomes_equal_files(add_days: AddDays) -> None:
    """The outcomes of each customer's own arm are what an independent audit finds in the files, dirt and all."""
    lists = make_experiment({"control": {}, "treatment": rank_products(10)}, lambda n: ("control", "treatment")[n % 2])
    folder = add_days("shop", *[lists] * 6)
    categories = {record["product_id"]: record["category"] for _, record in read_catalog(folder / "landing")}
    expected: dict[tuple[str, date], dict[str, int]] = defaultdict(lambda: defaultdict(int))
    orders: dict[tuple[str, str, date], set[str]] = defaultdict(set)
    for row in audit_events(folder / "landing")[1]:
        expected[row["user_id"], row["timestamp"].date()]["actions"] += 1
    for row in audit_purchases(folder / "landing")[1]:
        totals = expected[row["user_id"], row["timestamp"].date()]
        totals["actions"] += 1
        if row["quantity"] < 0:
            totals["return_lines"] += 1
            continue
        totals["pieces"] += int(row["quantity"])
        totals["cents"] += round(100 * row["quantity"] * row["price"])
        totals["purchase_lines"] += 1
        orders[row["user_id"], row["transaction_id"], row["timestamp"].date()].add(categories[row["product_id"]])
    for (user, _, day), order_categories in orders.items():
        expected[user, day]["orders"] += 1
        expected[user, day]["order_categories"] += len(order_categories)
    measures = ("actions", "orders", "order_categories", "pieces", "cents", "purchase_lines", "return_lines")
    outcomes: dict[tuple[str, date], dict[str, int]] = defaultdict(lambda: defaultdict(int))
    for row in read_outcomes(folder).to_pylist():
        if row["arm"] == row["potential_list"] and row["date"] >= FIRST_DATE:
            for measure in measures:
                outcomes[row["user_id"], row["date"]][measure] += row[measure]
    assert len(outcomes) == CONFIG.customers * 6
    assert sum(totals["orders"] for totals in outcomes.values()) > 50
    for (user, day), totals in outcomes.items():
        assert dict(totals) == {measure: expected[user, day][measure] for measure in measures}, (user, day)


def test_outcomes_depend_on_list_only(add_days: AddDays) -> None:
    """The outcomes under a list are those of a day on which every customer sees that list."""
    best = rank_products(10)
    arms = {"control": {}, "popular": dict.fromkeys(best, best["u00001"]), "treatment": best}
    mixed = read_outcomes(add_days("mixed", make_experiment(arms, lambda n: sorted(arms)[n % 3])))
    for arm in arms:
        outcomes = read_outcomes(add_days(arm, make_experiment(arms, lambda _, arm=arm: arm)))
        is_arm = pc.field("potential_list") == arm
        assert outcomes.filter(is_arm).drop(["arm"]).equals(mixed.filter(is_arm).drop(["arm"]))
    without, control = (
        mixed.filter(pc.field("potential_list") == name).drop(["potential_list"]) for name in ("none", "control")
    )
    assert without.equals(control)
    assert pc.sum(without["impressions"]).as_py() == 0


def write_outcomes(folder: Path, name: str, rows: list[dict[str, Any]]) -> None:
    measures = ("actions", "orders", "order_categories", "pieces", "cents", "purchase_lines", "return_lines")
    zeros = dict.fromkeys(measures, 0)
    delivery_date = date.fromisoformat(name)
    complete = [{"experiment": "e", "arm": "a", **zeros, "delivery_date": delivery_date, **row} for row in rows]
    pq.write_table(pa.Table.from_pylist(complete), folder / f"user_outcomes_{name}.parquet")


def test_true_metrics_by_hand(tmp_path: Path) -> None:
    first, second = date(2026, 1, 2), date(2026, 1, 3)
    order = {"actions": 3, "orders": 1, "order_categories": 2, "pieces": 3, "cents": 1_000, "purchase_lines": 2}
    write_outcomes(tmp_path, "2026-01-02", [
        {"user_id": "u1", "potential_list": "a", "date": first, **order},
        {"user_id": "u1", "potential_list": "none", "date": first, "actions": 1},
        {"user_id": "u2", "potential_list": "a", "date": first},
        {"user_id": "u2", "potential_list": "none", "date": first},
    ])  # fmt: skip
    write_outcomes(tmp_path, "2026-01-03", [
        {"user_id": "u1", "potential_list": "a", "date": second, **order, "cents": 500, "return_lines": 1},
        {"user_id": "u1", "potential_list": "none", "date": second, **order},
        # The customer takes part from this day on, so the late row of the day before does not count.
        {"user_id": "u3", "potential_list": "a", "date": first, **order},
        {"user_id": "u3", "potential_list": "a", "date": second},
        {"user_id": "u3", "potential_list": "none", "date": second},
        {"user_id": "u4", "potential_list": "a", "date": second, "experiment": "other", **order},
    ])  # fmt: skip
    write_outcomes(
        tmp_path, "2026-01-04", [{"user_id": "u1", "potential_list": "a", "date": date(2026, 1, 4), **order}]
    )
    metrics = compute_true_metrics(tmp_path, "e", first, date(2026, 1, 4))
    assert metrics["a"] == pytest.approx(
        {
            "conversion": 1 / 3, "orders_per_customer": 2 / 3, "revenue_per_customer": 5, "average_order_value": 7.5,
            "pieces_per_order": 3, "categories_per_order": 2, "returning_customers": 1 / 3,
            "return_share": 1 / 4,
        }
    )  # fmt: skip
    assert metrics["none"]["average_order_value"] == 10
    assert compute_true_metrics(tmp_path, "e", date(2026, 2, 1), date(2026, 3, 1)) == {}


def test_shop_grows_on_further_days(add_days: AddDays) -> None:
    folder = add_days("shop", *[{}] * 10)
    users, products = (pq.read_table(folder / "truth" / f"{name}_factors.parquet") for name in ("user", "product"))
    further_users, further_products = (
        {row[key]: row["first_date"] for row in table.to_pylist() if row["first_date"] >= FIRST_DATE}
        for key, table in (("user_id", users), ("product_id", products))
    )
    assert further_users
    assert further_products
    launch_dates = {record["product_id"]: day for day, record in reversed([*read_catalog(folder / "landing")])}
    for row in (*audit_events(folder / "landing")[1], *audit_purchases(folder / "landing")[1]):
        assert row["user_id"] in (None, *users["user_id"].to_pylist())
        assert row["timestamp"].date() >= launch_dates[row["product_id"]]
    assert {product: launch_dates[product] for product in further_products} == further_products
    # Repeated, broken and unknown rows go on.
    counts = audit_events(folder / "landing")[0]
    assert counts["lines"] == counts["loaded"] + counts["rejected"]
    delivered_dates = [day for day, _ in read_catalog(folder / "landing")]
    assert max(delivered_dates) >= FIRST_DATE


def test_erased_customer_stays_erased(add_days: AddDays) -> None:
    folder = add_days("shop")
    path = folder / "truth" / "user_factors.parquet"
    table = pq.read_table(path)
    pq.write_table(table.filter(pc.field("user_id") != "u00003"), path)
    for _ in range(3):
        generate_next_day(CONFIG, folder / "landing", folder / "truth", {})
    assert "u00003" not in pq.read_table(path)["user_id"].to_pylist()


def test_killed_day_is_written_again(add_days: AddDays, good_lists: Lists) -> None:
    complete, killed = add_days("complete", good_lists), add_days("killed", good_lists)
    (killed / "landing" / "purchases" / f"{FIRST_DATE}.csv").unlink()
    assert find_next_day(CONFIG, killed / "landing") == CONFIG.days
    generate_next_day(CONFIG, killed / "landing", killed / "truth", good_lists)
    assert compute_digests(killed) == compute_digests(complete)


def test_shop_with_further_days_is_present(add_days: AddDays, good_lists: Lists) -> None:
    folder = add_days("shop", good_lists)
    digests = compute_digests(folder)
    (folder / "landing" / "recommendation_log").mkdir()
    assert not generate_shop(CONFIG, folder / "landing", folder / "truth").is_new
    assert compute_digests(folder) == digests
    other = CONFIG.model_copy(update={"seed": 6})
    assert generate_shop(other, folder / "landing", folder / "truth", overwrite=True).is_new
    assert find_next_day(other, folder / "landing") == CONFIG.days


def test_effect_can_change(add_days: AddDays, good_lists: Lists) -> None:
    """The first days do not depend on the effect, so the shop goes on with another one."""
    folder = add_days("shop", good_lists)
    other = CONFIG.model_copy(update={"effect": 0.0})
    assert other != CONFIG
    assert not generate_shop(other, folder / "landing", folder / "truth").is_new
    generate_next_day(other, folder / "landing", folder / "truth", good_lists)
    assert find_next_day(CONFIG, folder / "landing") == CONFIG.days + 2


@pytest.mark.parametrize(
    "lists",
    [
        {"u99999": LiveList()},
        {"u00001": LiveList(["p99999"])},
        {"u00001": LiveList(["p00001"], "e", "a"), "u00002": LiveList(["p00001"], "e", "b")},
    ],
    ids=["customer", "product", "arm"],
)
def test_wrong_lists_fail(add_days: AddDays, lists: Lists) -> None:
    folder = add_days("shop")
    digests = compute_digests(folder)
    with pytest.raises(RecomartError, match="is not a customer, product or arm of all lists"):
        generate_next_day(CONFIG, folder / "landing", folder / "truth", lists)
    assert compute_digests(folder) == digests


def test_day_of_other_shop_fails(add_days: AddDays) -> None:
    folder = add_days("shop")
    with pytest.raises(RecomartError, match="no demo shop of this configuration"):
        generate_next_day(CONFIG.model_copy(update={"seed": 6}), folder / "landing", folder / "truth", {})
