"""The hidden truth of the days after the configured ones: further customers, further products, prices and stock.

The world grows by catalog periods, and each period has its own random numbers. So the first periods do not depend on
the number of periods, and customers and products keep their places in the world's lists.
"""

from dataclasses import replace

import numpy as np

from warehouse.demo.config import DemoConfig, RandomStream
from warehouse.demo.vocabulary import ADJECTIVES, CATEGORIES
from warehouse.demo.world import (
    CATALOG_EVERY_DAYS,
    GROWTH_SHARE,
    LATER_LAUNCH_SHARE,
    LATER_SIGNUP_SHARE,
    OUT_OF_STOCK_SHARE,
    PRICE_CHANGE_SHARE,
    PRICE_FACTORS,
    World,
    compute_price_cents,
    draw_activity,
    draw_interest,
    draw_mobile_share,
    make_ids,
)

PRODUCT_NUMBER_GAP = 1_000
"""Numbers between the products of the configured days and the further ones; dirty rows have unknown ids with them."""


def extend_world(config: DemoConfig, world: World, periods: int) -> World:
    """Add catalog periods to the world of a configuration until it has this number."""
    for period in range(len(world.price_cents), periods):
        rng = config.make_rng(RandomStream.FURTHER_PERIOD, period)
        world = _add_products(config, _add_customers(config, world, period, rng), period, rng)
    return world


def _add_customers(config: DemoConfig, world: World, period: int, rng: np.random.Generator) -> World:
    """Add the customers who sign up in a period, as many a day as before."""
    signups_a_day = LATER_SIGNUP_SHARE * config.customers / (GROWTH_SHARE * config.days)
    count = int(rng.poisson(signups_a_day * CATALOG_EVERY_DAYS))
    first_day = period * CATALOG_EVERY_DAYS
    signup_day = np.sort(rng.integers(first_day, first_day + CATALOG_EVERY_DAYS, count, dtype=np.int32))
    activity = world.cumulative_activity[-1] + np.cumsum(draw_activity(count, rng))
    interest = draw_interest(world.taste_weight, count, rng).astype(np.float32)
    return replace(
        world,
        user_ids=world.user_ids + make_ids("u", count, len(world.user_ids) + 1),
        signup_day=np.concatenate([world.signup_day, signup_day]),
        cumulative_activity=np.concatenate([world.cumulative_activity, activity]),
        mobile_share=np.concatenate([world.mobile_share, draw_mobile_share(count, rng)]),
        interest=np.concatenate([world.interest, interest]),
    )


def _add_products(config: DemoConfig, world: World, period: int, rng: np.random.Generator) -> World:
    """Add a catalog period: new prices and stock, and as many new products as before, each similar to an older one."""
    launches_a_day = LATER_LAUNCH_SHARE * config.products / (GROWTH_SHARE * config.days)
    count = int(rng.poisson(launches_a_day * CATALOG_EVERY_DAYS))
    older = len(world.product_ids)
    model = rng.integers(0, older, count)
    factor = np.exp(rng.normal(0, 0.8, (count, world.appeal.shape[1])))
    base_price = np.concatenate([world.base_price, world.base_price[model] * np.exp(rng.normal(0, 0.1, count))])
    score = np.clip(world.popularity_score[model] + rng.normal(0, 0.1, count), 0, 1)
    products = older + count

    new_price = compute_price_cents(base_price, rng.choice(PRICE_FACTORS, products))
    is_changed = rng.random(products) < PRICE_CHANGE_SHARE
    is_changed[older:] = True
    # A product has no price before its launch; no row reads the value.
    earlier_price = np.concatenate(
        [world.price_cents, np.broadcast_to(new_price[older:], (len(world.price_cents), count))], axis=1
    )
    earlier_stock = np.concatenate([world.is_in_stock, np.ones((len(world.is_in_stock), count), np.bool_)], axis=1)
    return replace(
        world,
        product_ids=world.product_ids + make_ids("p", count, older + PRODUCT_NUMBER_GAP + 1),
        product_names=world.product_names + _make_names(world, model.tolist(), rng),
        categories=world.categories + [world.categories[product] for product in model],
        brands=world.brands + [world.brands[product] for product in model],
        launch_day=np.concatenate([world.launch_day, np.full(count, period * CATALOG_EVERY_DAYS, np.int32)]),
        popularity_score=np.concatenate([world.popularity_score, np.round(score, 3)]),
        appeal=np.concatenate([world.appeal, world.appeal[model] * factor]),
        lift=np.concatenate([world.lift, (world.lift[model] * factor).astype(np.float32)]),
        base_price=base_price,
        price_cents=np.vstack([earlier_price, np.where(is_changed, new_price, earlier_price[-1])]),
        is_in_stock=np.vstack([earlier_stock, rng.random(products) >= OUT_OF_STOCK_SHARE]),
    )


def _make_names(world: World, models: list[int], rng: np.random.Generator) -> list[str]:
    """Make a unique name for each new product, with the brand and the category of the product that it resembles."""
    names = set(world.product_names)
    new_names = []
    for product, adjective, noun_share in zip(
        models, rng.integers(0, len(ADJECTIVES), len(models)), rng.random(len(models)), strict=True
    ):
        nouns = CATEGORIES[world.categories[product]][1]
        stem = f"{world.brands[product]} {ADJECTIVES[adjective]} {nouns[int(noun_share * len(nouns))]}"
        name, number = stem, 1
        while name in names:
            number += 1
            name = f"{stem} {number}"
        names.add(name)
        new_names.append(name)
    return new_names
