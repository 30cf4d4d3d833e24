"""The demo shop has the statistics of a real shop, and its customers' tastes are predictable."""

from collections import Counter, defaultdict
from datetime import date, datetime
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq

from tests.warehouse.demo.conftest import GeneratedShop
from tests.warehouse.demo.file_audit import read_catalog
from warehouse.demo import generate_shop


def _count_by_type(shop: GeneratedShop) -> Counter[str]:
    return Counter(row["event_type"] for row in shop.events[1])


def test_funnel_narrows_from_view_to_purchase(shop: GeneratedShop) -> None:
    counts = _count_by_type(shop)
    purchase_count = len(shop.purchases[1])
    assert counts["view"] > 2 * counts["click"] > 4 * counts["add-to-cart"] > 4 * purchase_count > 0


def test_eagerness_raises_purchase_share(shop: GeneratedShop, tmp_path: Path) -> None:
    eager = generate_shop(shop.config.model_copy(update={"eagerness": 1.45}), tmp_path / "landing", tmp_path / "truth")
    assert len(shop.purchases[1]) / len(shop.events[1]) < 0.04
    assert 0.08 < eager.purchases / eager.events < 0.12


def test_funnel_steps_follow_in_order(shop: GeneratedShop) -> None:
    steps: dict[tuple[str, str], dict[str, datetime]] = defaultdict(dict)
    for row in shop.events[1]:
        steps[row["session_id"][1:], row["product_id"]][row["event_type"]] = row["timestamp"]
    orders = [[step[kind] for kind in ("view", "click", "add-to-cart") if kind in step] for step in steps.values()]
    assert all(order == sorted(order) for order in orders)
    is_carted = [
        "add-to-cart" in steps[row["transaction_id"][1:], row["product_id"]]
        for row in shop.purchases[1]
        if row["quantity"] > 0
    ]
    # The add-to-cart events of the other purchases are dirty rows.
    assert np.mean(is_carted) > 0.9


def test_sales_have_a_long_tail(shop: GeneratedShop) -> None:
    product_counts = sorted(Counter(row["product_id"] for row in shop.events[1]).values(), reverse=True)
    assert 0.5 < sum(product_counts[: shop.config.products // 5]) / sum(product_counts) < 0.9
    assert len(product_counts) > 0.9 * shop.config.products


def test_some_views_are_repeated(shop: GeneratedShop) -> None:
    views = [(row["user_id"], row["product_id"]) for row in shop.events[1] if row["event_type"] == "view"]
    assert 0.5 < len(set(views)) / len(views) < 0.9


def test_evenings_and_weekends_peak(shop: GeneratedShop) -> None:
    viewed_at = [row["timestamp"] for row in shop.events[1] if row["event_type"] == "view"]
    hours = Counter(at.hour for at in viewed_at)
    assert max(hours, key=hours.__getitem__) in (19, 20, 21)
    assert hours[20] > 5 * hours[3]
    days = Counter(at.date() for at in viewed_at)
    weekend_mean = np.mean([count for day, count in days.items() if day.weekday() >= 5])
    assert weekend_mean > 1.15 * np.mean([count for day, count in days.items() if day.weekday() < 5])


def test_rows_follow_signup_and_launch(shop: GeneratedShop) -> None:
    signup_dates, launch_dates = (
        dict(zip(table[key].to_pylist(), table["first_date"].to_pylist(), strict=True))
        for key, table in (
            (key, pq.read_table(shop.truth / f"{key[:-3]}_factors.parquet")) for key in ("user_id", "product_id")
        )
    )
    assert 0.3 < np.mean([day > shop.config.start_date for day in signup_dates.values()]) < 0.6
    assert 0.1 < np.mean([day > shop.config.start_date for day in launch_dates.values()]) < 0.2
    for row in (*shop.events[1], *shop.purchases[1]):
        assert row["timestamp"].date() >= launch_dates[row["product_id"]]
        assert row["user_id"] is None or row["timestamp"].date() >= signup_dates[row["user_id"]]
    delivery_dates: dict[str, date] = {}
    for day, record in read_catalog(shop.landing):
        delivery_dates.setdefault(record["product_id"], day)
    assert all(delivery_dates[product] == day for product, day in launch_dates.items())


def test_returns_match_earlier_purchases(shop: GeneratedShop) -> None:
    lines = shop.purchases[1]
    purchase_by_key = {(row["transaction_id"][1:], row["product_id"]): row for row in lines if row["quantity"] > 0}
    returns = [row for row in lines if row["quantity"] < 0]
    assert returns
    for return_line in returns:
        purchase = purchase_by_key[return_line["transaction_id"][1:], return_line["product_id"]]
        assert return_line["timestamp"] > purchase["timestamp"]
        assert (return_line["user_id"], return_line["price"], -return_line["quantity"]) == (
            purchase["user_id"],
            purchase["price"],
            purchase["quantity"],
        )


def test_true_ranking_beats_popularity(shop: GeneratedShop) -> None:
    users, products = (pq.read_table(shop.truth / f"{name}_factors.parquet") for name in ("user", "product"))
    row_index = {user: i for i, user in enumerate(users["user_id"].to_pylist())}
    column_index = {product: i for i, product in enumerate(products["product_id"].to_pylist())}
    score = np.array(users["factors"].to_pylist()) @ np.array(products["factors"].to_pylist()).T
    assert np.allclose(score.sum(axis=1), 1, atol=1e-4)

    event_times = sorted(row["timestamp"] for row in shop.events[1])
    cutoff = event_times[int(0.8 * len(event_times))]
    has_earlier_event, has_later_event = np.zeros(score.shape, bool), np.zeros(score.shape, bool)
    for row in shop.events[1]:
        has_event = has_earlier_event if row["timestamp"] < cutoff else has_later_event
        has_event[row_index[row["user_id"]], column_index[row["product_id"]]] = True
    has_later_event &= ~has_earlier_event
    is_evaluated = has_later_event.any(axis=1)

    def compute_precision(scores: np.ndarray) -> float:
        top = np.argsort(np.where(has_earlier_event, -np.inf, scores), axis=1)[:, -10:]
        return float(np.take_along_axis(has_later_event, top, axis=1)[is_evaluated].mean())

    assert compute_precision(score) > 1.5 * compute_precision(
        np.broadcast_to(has_earlier_event.sum(axis=0), score.shape)
    )
