"""Writes the catalog as the shop's API hands it out: all on the first day, then weekly what is new or changed."""

import json
from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import numpy as np

from warehouse.demo.config import DemoConfig, RandomStream
from warehouse.demo.dirt import Dirt, plan_dirt
from warehouse.demo.world import CATALOG_EVERY_DAYS, Ints, World

PAGE_SIZE = 300

DIRT_SHARES = {Dirt.REPEATED: 0.3, Dirt.MISSING_PRODUCT: 0.15, Dirt.BAD_PRICE: 0.15}
"""Planted records of each kind, as shares of the catalog times the dirty share."""

MISSING_IDS = (None, "", " ")
BAD_PRICES = ("n/a", "call us", -1)


def write_catalog(config: DemoConfig, world: World, landing: Path) -> dict[date, tuple[int, Ints]]:
    """Write every delivery of the catalog; by day, the files written and the records by kind of dirt: (kinds,)."""
    written: dict[date, tuple[int, Ints]] = {}
    for period, (products, dirt) in enumerate(_plan_deliveries(config, world)):
        day = config.start_date + timedelta(days=period * CATALOG_EVERY_DAYS)
        folder = landing / "catalog" / day.isoformat()
        folder.mkdir(parents=True)
        records = [_make_record(world, period, int(p), Dirt(d)) for p, d in zip(products, dirt, strict=True)]
        number = -(-len(records) // PAGE_SIZE) or 1
        for page in range(number):
            shown = records[page * PAGE_SIZE : (page + 1) * PAGE_SIZE]
            text = json.dumps({"page": page + 1, "pages": number, "products": shown})
            (folder / f"page-{page + 1:03d}.json").write_text(text + "\n", encoding="utf-8")
        written[day] = number, np.bincount(dirt, minlength=len(Dirt))
    return written


def _plan_deliveries(config: DemoConfig, world: World) -> Iterator[tuple[Ints, Ints]]:
    """Product and kind of dirt of each record, delivery by delivery."""
    rng = config.make_rng(RandomStream.CATALOG)
    periods, products = world.price_cents.shape
    planned = plan_dirt(
        DIRT_SHARES, config.dirt, np.where(np.arange(periods) > 0, products / max(periods - 1, 1), 0), rng
    )
    # A product has one bad record at most, and none that is merely repeated: then a repeat of what came before and a
    # repeat of what was last valid are the same thing.
    may_be_bad = np.arange(products) % 2 == 1
    launched_in = world.launch_day // CATALOG_EVERY_DAYS
    for period in range(periods):
        before = max(period - 1, 0)
        differs = (world.price_cents[period] != world.price_cents[before]) | (
            world.is_in_stock[period] != world.is_in_stock[before]
        )
        delivered = (launched_in == period) | (launched_in < period) & differs
        quiet = (launched_in < period) & ~delivered
        repeated = _sample(np.flatnonzero(quiet & (np.arange(products) % 2 == 0)), planned[Dirt.REPEATED][period], rng)
        bad_kinds = np.repeat(
            [Dirt.MISSING_PRODUCT, Dirt.BAD_PRICE], [planned[k][period] for k in (Dirt.MISSING_PRODUCT, Dirt.BAD_PRICE)]
        )
        bad = _sample(np.flatnonzero(quiet & may_be_bad), len(bad_kinds), rng)
        may_be_bad[bad] = False
        good = np.flatnonzero(delivered)
        chosen = np.concatenate([good, repeated, bad])
        dirt = np.repeat([Dirt.NONE, Dirt.REPEATED], [len(good), len(repeated)])
        order = np.argsort(chosen, kind="stable")
        yield chosen[order], np.concatenate([dirt, bad_kinds[: len(bad)]])[order]


def _make_record(world: World, period: int, product: int, dirt: Dirt) -> dict[str, Any]:
    record: dict[str, Any] = {
        "product_id": world.product_ids[product],
        "name": world.product_names[product],
        "category": world.categories[product],
        "brand": world.brands[product],
        "price": int(world.price_cents[period, product]) / 100,
        "popularity_score": float(world.popularity_score[product]),
        "in_stock": bool(world.is_in_stock[period, product]),
    }
    if dirt == Dirt.MISSING_PRODUCT:
        record["product_id"] = MISSING_IDS[product % len(MISSING_IDS)]
    elif dirt == Dirt.BAD_PRICE:
        record["price"] = BAD_PRICES[product % len(BAD_PRICES)]
    return record


def _sample(candidates: Ints, count: int, rng: np.random.Generator) -> Ints:
    return np.asarray(rng.choice(candidates, min(count, len(candidates)), replace=False))
