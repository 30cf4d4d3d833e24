"""A shop could be like that, and its customers' tastes can be learned."""

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
    number = _count_by_type(shop)
    bought = len(shop.purchases[1])
    assert number["view"] > 2 * number["click"] > 4 * number["add-to-cart"] > 4 * bought > 0


def test_eager_customers_buy_more_of_what_they_look_at(shop: GeneratedShop, tmp_path: Path) -> None:
    eager = generate_shop(shop.config.model_copy(update={"eagerness": 1.45}), tmp_path / "landing", tmp_path / "truth")
    assert len(shop.purchases[1]) / len(shop.events[1]) < 0.04
    assert 0.08 < eager.purchases / eager.events < 0.12


def test_every_click_follows_a_view_and_every_purchase_a_cart(shop: GeneratedShop) -> None:
    steps: dict[tuple[str, str], dict[str, datetime]] = defaultdict(dict)
    for row in shop.events[1]:
        steps[row["session_id"][1:], row["product_id"]][row["event_type"]] = row["at"]
    orders = [[step[kind] for kind in ("view", "click", "add-to-cart") if kind in step] for step in steps.values()]
    assert all(order == sorted(order) for order in orders)
    carted = [
        "add-to-cart" in steps[row["transaction_id"][1:], row["product_id"]]
        for row in shop.purchases[1]
        if row["quantity"] > 0
    ]
    # The rest lost its event to the dirt.
    assert np.mean(carted) > 0.9


def test_sales_have_a_long_tail(shop: GeneratedShop) -> None:
    per_product = sorted(Counter(row["product_id"] for row in shop.events[1]).values(), reverse=True)
    assert 0.5 < sum(per_product[: shop.config.products // 5]) / sum(per_product) < 0.9
    assert len(per_product) > 0.9 * shop.config.products


def test_customers_look_mostly_at_new_products_and_sometimes_again(shop: GeneratedShop) -> None:
    views = [(row["user_id"], row["product_id"]) for row in shop.events[1] if row["event_type"] == "view"]
    assert 0.5 < len(set(views)) / len(views) < 0.9


def test_evenings_and_weekends_are_busiest(shop: GeneratedShop) -> None:
    moments = [row["at"] for row in shop.events[1] if row["event_type"] == "view"]
    hours = Counter(at.hour for at in moments)
    assert max(hours, key=hours.__getitem__) in (19, 20, 21)
    assert hours[20] > 5 * hours[3]
    days = Counter(at.date() for at in moments)
    weekend = np.mean([number for day, number in days.items() if day.weekday() >= 5])
    assert weekend > 1.15 * np.mean([number for day, number in days.items() if day.weekday() < 5])


def test_nothing_happens_before_its_customer_and_its_product_are_there(shop: GeneratedShop) -> None:
    signed_up, launched = (
        dict(zip(table[key].to_pylist(), table["first_date"].to_pylist(), strict=True))
        for key, table in (
            (key, pq.read_table(shop.truth / f"{key[:-3]}_factors.parquet")) for key in ("user_id", "product_id")
        )
    )
    assert 0.3 < np.mean([day > shop.config.start_date for day in signed_up.values()]) < 0.6
    assert 0.1 < np.mean([day > shop.config.start_date for day in launched.values()]) < 0.2
    for row in (*shop.events[1], *shop.purchases[1]):
        assert row["at"].date() >= launched[row["product_id"]]
        assert row["user_id"] is None or row["at"].date() >= signed_up[row["user_id"]]
    delivered: dict[str, date] = {}
    for day, record in read_catalog(shop.landing):
        delivered.setdefault(record["product_id"], day)
    assert all(delivered[product] == day for product, day in launched.items())


def test_returns_take_back_an_earlier_purchase(shop: GeneratedShop) -> None:
    lines = shop.purchases[1]
    bought = {(row["transaction_id"][1:], row["product_id"]): row for row in lines if row["quantity"] > 0}
    returns = [row for row in lines if row["quantity"] < 0]
    assert returns
    for back in returns:
        earlier = bought[back["transaction_id"][1:], back["product_id"]]
        assert back["at"] > earlier["at"]
        assert (back["user_id"], back["price"], -back["quantity"]) == (
            earlier["user_id"],
            earlier["price"],
            earlier["quantity"],
        )


def test_true_ranking_predicts_later_events_far_better_than_popularity(shop: GeneratedShop) -> None:
    users, products = (pq.read_table(shop.truth / f"{name}_factors.parquet") for name in ("user", "product"))
    row_of = {user: i for i, user in enumerate(users["user_id"].to_pylist())}
    column_of = {product: i for i, product in enumerate(products["product_id"].to_pylist())}
    score = np.array(users["factors"].to_pylist()) @ np.array(products["factors"].to_pylist()).T
    assert np.allclose(score.sum(axis=1), 1, atol=1e-4)

    moments = sorted(row["at"] for row in shop.events[1])
    cut = moments[int(0.8 * len(moments))]
    before, after = np.zeros(score.shape, bool), np.zeros(score.shape, bool)
    for row in shop.events[1]:
        seen = before if row["at"] < cut else after
        seen[row_of[row["user_id"]], column_of[row["product_id"]]] = True
    after &= ~before
    tested = after.any(axis=1)

    def precision(scores: np.ndarray) -> float:
        top = np.argsort(np.where(before, -np.inf, scores), axis=1)[:, -10:]
        return float(np.take_along_axis(after, top, axis=1)[tested].mean())

    assert precision(score) > 1.5 * precision(np.broadcast_to(before.sum(axis=0), score.shape))
