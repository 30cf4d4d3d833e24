"""Catalog files of the demo shop: all products on the first day, then new and changed products every week."""

import json
from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import numpy as np

from warehouse.demo.config import DemoConfig, RandomStream
from warehouse.demo.dirt import Dirt, plan_dirt
from warehouse.demo.world import CATALOG_EVERY_DAYS, Bools, Ints, World

PAGE_SIZE = 300

DIRT_SHARES = {Dirt.REPEATED: 0.3, Dirt.MISSING_PRODUCT: 0.15, Dirt.BAD_PRICE: 0.15}
"""Planted records of each kind, as shares of the catalog; multiplied by the configured dirt share."""

MISSING_IDS = (None, "", " ")
BAD_PRICES = ("on request", "call us", -1)


def write_catalog(config: DemoConfig, world: World, landing: Path) -> dict[date, tuple[int, Ints]]:
    """Write every delivery of the catalog; return, by day, the number of files and the records by kind: (kinds,)."""
    deliveries: dict[date, tuple[int, Ints]] = {}
    for period, (products, dirt) in enumerate(_plan_deliveries(config, world)):
        records = [_make_record(world, period, int(p), Dirt(d)) for p, d in zip(products, dirt, strict=True)]
        day, page_count = _write_delivery(config, landing, period, records)
        deliveries[day] = page_count, np.bincount(dirt, minlength=len(Dirt))
    return deliveries


def write_further_delivery(config: DemoConfig, world: World, landing: Path, period: int) -> int:
    """Write the delivery of a catalog period after the configured days, without dirt; return the number of records."""
    products = np.flatnonzero(_find_delivered(world, period))
    _write_delivery(config, landing, period, [_make_record(world, period, int(p), Dirt.NONE) for p in products])
    return len(products)


def _write_delivery(config: DemoConfig, landing: Path, period: int, records: list[dict[str, Any]]) -> tuple[date, int]:
    """Write the pages of a delivery; return its day and the number of pages."""
    day = config.start_date + timedelta(days=period * CATALOG_EVERY_DAYS)
    folder = landing / "catalog" / day.isoformat()
    folder.mkdir(parents=True)
    page_count = -(-len(records) // PAGE_SIZE) or 1
    for page in range(page_count):
        page_records = records[page * PAGE_SIZE : (page + 1) * PAGE_SIZE]
        text = json.dumps({"page": page + 1, "pages": page_count, "products": page_records})
        (folder / f"page-{page + 1:03d}.json").write_text(text + "\n", encoding="utf-8")
    return day, page_count


def _find_delivered(world: World, period: int) -> Bools:
    """Return whether a delivery has each product, because it is new or changed: (products,)."""
    launch_period = world.launch_day // CATALOG_EVERY_DAYS
    previous = max(period - 1, 0)
    is_changed = (world.price_cents[period] != world.price_cents[previous]) | (
        world.is_in_stock[period] != world.is_in_stock[previous]
    )
    return np.asarray((launch_period == period) | (launch_period < period) & is_changed)


def _plan_deliveries(config: DemoConfig, world: World) -> Iterator[tuple[Ints, Ints]]:
    """Yield, for each delivery, the product and the kind of dirt of each record."""
    rng = config.make_rng(RandomStream.CATALOG)
    periods, products = world.price_cents.shape
    dirt_counts = plan_dirt(
        DIRT_SHARES, config.dirt, np.where(np.arange(periods) > 0, products / max(periods - 1, 1), 0), rng
    )
    # A product gets at most one bad record, and either a bad or a repeated one: so a repeat of the previous record is
    # also a repeat of the last valid record.
    can_be_bad = np.arange(products) % 2 == 1
    launch_period = world.launch_day // CATALOG_EVERY_DAYS
    for period in range(periods):
        is_delivered = _find_delivered(world, period)
        is_unchanged = (launch_period < period) & ~is_delivered
        repeated_products = _sample(
            np.flatnonzero(is_unchanged & (np.arange(products) % 2 == 0)), dirt_counts[Dirt.REPEATED][period], rng
        )
        bad_kinds = np.repeat(
            [Dirt.MISSING_PRODUCT, Dirt.BAD_PRICE],
            [dirt_counts[k][period] for k in (Dirt.MISSING_PRODUCT, Dirt.BAD_PRICE)],
        )
        bad_products = _sample(np.flatnonzero(is_unchanged & can_be_bad), len(bad_kinds), rng)
        can_be_bad[bad_products] = False
        delivered_products = np.flatnonzero(is_delivered)
        record_products = np.concatenate([delivered_products, repeated_products, bad_products])
        dirt = np.repeat([Dirt.NONE, Dirt.REPEATED], [len(delivered_products), len(repeated_products)])
        order = np.argsort(record_products, kind="stable")
        yield record_products[order], np.concatenate([dirt, bad_kinds[: len(bad_products)]])[order]


def _make_record(world: World, period: int, product: int, dirt: Dirt) -> dict[str, Any]:
    price_cents = int(world.price_cents[period, product])
    record: dict[str, Any] = {
        "product_id": world.product_ids[product],
        "name": world.product_names[product],
        "category": world.categories[product],
        "brand": world.brands[product],
        "price": price_cents / 100,
        "popularity_score": float(world.popularity_score[product]),
        "in_stock": bool(world.is_in_stock[period, product]),
        "currency": "EUR",
        "margin": round(1 - _compute_cost_cents(world, product) / price_cents, 3),
        "url": f"https://shop.example/products/{world.product_ids[product]}",
    }
    if dirt == Dirt.MISSING_PRODUCT:
        record["product_id"] = MISSING_IDS[product % len(MISSING_IDS)]
    elif dirt == Dirt.BAD_PRICE:
        record["price"] = BAD_PRICES[product % len(BAD_PRICES)]
    return record


def _compute_cost_cents(world: World, product: int) -> float:
    """Return what the shop pays for a product: 50 to 77 % of its price before discounts, without a random draw."""
    return 100 * float(world.base_price[product]) * (0.5 + 0.03 * (product * 7 % 10))


def _sample(candidates: Ints, count: int, rng: np.random.Generator) -> Ints:
    return np.asarray(rng.choice(candidates, min(count, len(candidates)), replace=False))
