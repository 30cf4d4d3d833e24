"""The hidden truth of the demo shop: who its customers are, what it sells, and who likes what.

Taste is a mixture: every customer divides their interest over a few latent tastes, and every taste has its own
probabilities over the catalog. The chance that a customer's next look falls on a product is therefore a dot product
of `interest` and `appeal`, which makes the best possible ranking known exactly and draws fast.
"""

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from warehouse.demo.config import DemoConfig, RandomStream
from warehouse.demo.vocabulary import ADJECTIVES, BRANDS, CATEGORIES

TASTE_COUNT = 24
CATALOG_EVERY_DAYS = 7

Floats = NDArray[np.floating[Any]]
Ints = NDArray[np.integer[Any]]
Bools = NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class World:
    """Customers in the order of their sign-up and products in the order of their launch.

    So who and what is there on a given day is always a prefix.
    """

    user_ids: list[str]
    signup_day: Ints
    """Day each customer signs up: (customers,), ascending."""
    cumulative_activity: Floats
    """Running total of the customers' visiting rates: (customers,)."""
    mobile_share: Floats
    """Chance that a customer's session is on mobile: (customers,)."""
    interest: Floats
    """Division of each customer's interest over the tastes: (customers, TASTES), rows sum to 1."""

    product_ids: list[str]
    product_names: list[str]
    categories: list[str]
    brands: list[str]
    launch_day: Ints
    """Day each product appears in the catalog: (products,), ascending."""
    popularity_score: Floats
    """What the shop itself believes about popularity, 0 to 1: (products,)."""
    appeal: Floats
    """Probability of each product within each taste, all products launched: (products, TASTES), columns sum to 1."""
    lift: Floats
    """Appeal over the product's appeal to the average customer: (products, TASTES)."""
    price_cents: Ints
    """Price in cents in each catalog period: (periods, products)."""
    is_in_stock: Bools
    """Whether the product can be bought in each catalog period: (periods, products)."""

    def count_users(self, day: int) -> int:
        """Customers who have signed up by `day`."""
        return int(np.searchsorted(self.signup_day, day, side="right"))

    def count_products(self, day: int) -> int:
        """Products launched by `day`."""
        return int(np.searchsorted(self.launch_day, day, side="right"))

    def get_cumulative_appeal(self, day: int) -> Floats:
        """Running appeal of the products of `day`, taste after taste, taste k from k to k + 1: (TASTES * shown,)."""
        return _compute_cumulative_appeal(self, self.count_products(day))


@lru_cache(maxsize=2)
def _compute_cumulative_appeal(world: World, products: int) -> Floats:
    running = np.cumsum(world.appeal[:products].T, axis=1)
    running /= running[:, -1:]
    return np.asarray((running + np.arange(TASTE_COUNT)[:, None]).ravel())


def build_world(config: DemoConfig) -> World:
    """Draw the customers, the catalog and the tastes that `config` describes."""
    rng = config.make_rng(RandomStream.WORLD)
    customers, products = config.customers, config.products

    joins_later = rng.random(customers) < 0.45
    signup_day = np.sort(np.where(joins_later, rng.random(customers) * 0.9 * config.days, 0).astype(np.int32))
    signup_day[0] = 0
    launch_day = np.sort(_draw_launch_days(config.days, products, rng))

    category = rng.choice(len(CATEGORIES), products, p=_normalize(rng.uniform(0.5, 1.5, len(CATEGORIES))))
    sells = rng.random((len(CATEGORIES), len(BRANDS))) < 0.3
    sells[:, rng.permutation(len(BRANDS))[:3]] = True
    brand = np.array([rng.choice(np.flatnonzero(sells[row])) for row in category])
    level = rng.normal(0, 1, len(BRANDS))[brand] + rng.normal(0, 0.5, products)
    bias = -0.7 * np.log(rng.permutation(products) + 3.0)
    median = np.array([price for price, _ in CATEGORIES.values()])

    interest_size = 0.12 * rng.uniform(0.4, 1.6, TASTE_COUNT)
    interest = rng.standard_gamma(interest_size, (customers, TASTE_COUNT)) + 1e-9
    interest = 0.92 * interest / interest.sum(axis=1, keepdims=True) + 0.08 / TASTE_COUNT
    log_appeal = (
        bias[:, None]
        + rng.normal(0, 2.2, (len(CATEGORIES), TASTE_COUNT))[category]
        + rng.normal(0, 1.2, (len(BRANDS), TASTE_COUNT))[brand]
        - 0.5 * (level[:, None] - rng.normal(0, 1, TASTE_COUNT)) ** 2
        + rng.normal(0, 0.8, (products, TASTE_COUNT))
    )
    appeal = np.exp(log_appeal)
    appeal /= appeal.sum(axis=0)
    average = appeal @ interest.mean(axis=0)
    cents, in_stock = _draw_prices_and_stock(config.days, median[category] * np.exp(0.5 * level), rng)
    return World(
        user_ids=_make_ids("u", customers),
        signup_day=signup_day,
        cumulative_activity=np.cumsum(rng.lognormal(0, 1.1, customers)),
        mobile_share=rng.beta(0.7, 0.5, customers),
        interest=interest.astype(np.float32),
        product_ids=_make_ids("p", products),
        product_names=_make_product_names(category, brand, rng),
        categories=[list(CATEGORIES)[row] for row in category],
        brands=[BRANDS[row] for row in brand],
        launch_day=launch_day,
        popularity_score=np.round(_compute_rank_shares(bias + rng.normal(0, 0.5, products)), 3),
        appeal=appeal,
        lift=(appeal / average[:, None]).astype(np.float32),
        price_cents=cents,
        is_in_stock=in_stock,
    )


def _draw_launch_days(days: int, products: int, rng: np.random.Generator) -> Ints:
    """Catalog days on which the products appear, 85 % of them on the first: (products,)."""
    later = np.arange(0, 0.9 * days, CATALOG_EVERY_DAYS, dtype=np.int32)[1:]
    launches = np.zeros(products, dtype=np.int32)
    if len(later):
        number = round(0.15 * products)
        launches[:number] = rng.choice(later, number)
    return launches


def _draw_prices_and_stock(days: int, base: Floats, rng: np.random.Generator) -> tuple[Ints, Bools]:
    """Price in cents and availability of every product in every catalog period: two (periods, products)."""
    shape = (-(-days // CATALOG_EVERY_DAYS), len(base))
    changes = rng.random(shape) < 0.04
    changes[0] = True
    factor = np.where(changes, rng.choice([0.8, 0.9, 1.0, 1.05, 1.1], shape), 0)
    since = np.maximum.accumulate(np.where(changes, np.arange(shape[0])[:, None], 0), axis=0)
    factor = np.take_along_axis(factor, since, axis=0)
    prices = np.maximum(np.round(base * factor * 2), 2) * 50 - 1  # ends in .49 or .99
    return prices.astype(np.int32), rng.random(shape) >= 0.03


def _make_product_names(category: Ints, brand: Ints, rng: np.random.Generator) -> list[str]:
    """A name for every product, no two alike."""
    nouns = [nouns for _, nouns in CATEGORIES.values()]
    taken: dict[str, int] = {}
    names = []
    for c, b, a, n in zip(
        category, brand, rng.integers(0, len(ADJECTIVES), len(brand)), rng.random(len(brand)), strict=True
    ):
        name = f"{BRANDS[b]} {ADJECTIVES[a]} {nouns[c][int(n * len(nouns[c]))]}"
        taken[name] = taken.get(name, 0) + 1
        names.append(name if taken[name] == 1 else f"{name} {taken[name]}")
    return names


def _make_ids(letter: str, number: int) -> list[str]:
    return [f"{letter}{i:05d}" for i in range(1, number + 1)]


def _normalize(weights: Floats) -> Floats:
    return np.asarray(weights / weights.sum())


def _compute_rank_shares(values: Floats) -> Floats:
    """Share of the values that are below or equal to each: (len(values),), 0 to 1."""
    return (np.argsort(np.argsort(values)) + 1) / len(values)
