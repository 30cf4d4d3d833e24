"""The hidden truth of the demo shop: its customers, its products, and the customers' tastes.

Customers' preferences are a mixture model: `interest` is each customer's distribution over a few latent tastes, and
`appeal` is each taste's distribution over the products. The probability that a customer views a product next is the dot
product of `interest` and `appeal`. So the best possible ranking is known exactly, and views are drawn fast.
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

LATER_SIGNUP_SHARE = 0.45
"""Share of the customers who sign up after the first day."""
LATER_LAUNCH_SHARE = 0.15
"""Share of the products that are launched after the first day."""
GROWTH_SHARE = 0.9
"""Share of the configured days in which customers sign up and products are launched."""
PRICE_CHANGE_SHARE = 0.04
"""Share of the products whose price changes in a catalog period."""
PRICE_FACTORS = (0.8, 0.9, 1.0, 1.05, 1.1)
"""Price after a change, relative to the price before discounts."""
OUT_OF_STOCK_SHARE = 0.03
"""Share of the products that cannot be bought in a catalog period."""

Floats = NDArray[np.floating[Any]]
Ints = NDArray[np.integer[Any]]
Bools = NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class World:
    """Customers in the order of their sign-up, and products in the order of their launch.

    The customers and products of a day are therefore the first ones of their lists.
    """

    user_ids: list[str]
    signup_day: Ints
    """Sign-up day of each customer: (customers,), ascending."""
    cumulative_activity: Floats
    """Cumulative sum of the customers' visit rates: (customers,)."""
    mobile_share: Floats
    """Probability that a customer's session is on mobile: (customers,)."""
    interest: Floats
    """Each customer's distribution over the tastes: (customers, TASTE_COUNT), rows sum to 1."""
    taste_weight: Floats
    """Parameters of the distribution from which `interest` is drawn: (TASTE_COUNT,)."""

    product_ids: list[str]
    product_names: list[str]
    categories: list[str]
    brands: list[str]
    launch_day: Ints
    """Launch day of each product: (products,), ascending."""
    popularity_score: Floats
    """The shop's own estimate of popularity, 0 to 1: (products,)."""
    appeal: Floats
    """Each taste's distribution over the products of the configured days: (products, TASTE_COUNT). Its columns sum to
    1, and to more with the products of further days."""
    lift: Floats
    """Appeal divided by the product's appeal to the average customer: (products, TASTE_COUNT)."""
    base_price: Floats
    """Price before discounts: (products,)."""
    price_cents: Ints
    """Price in cents in each catalog period: (periods, products)."""
    is_in_stock: Bools
    """Whether the product can be bought in each catalog period: (periods, products)."""

    def count_users(self, day: int) -> int:
        """Count the customers who have signed up by a day."""
        return int(np.searchsorted(self.signup_day, day, side="right"))

    def count_products(self, day: int) -> int:
        """Count the products launched by a day."""
        return int(np.searchsorted(self.launch_day, day, side="right"))

    def count_days(self) -> int:
        """Count the days that the catalog periods cover."""
        return len(self.price_cents) * CATALOG_EVERY_DAYS

    def get_cumulative_appeal(self, day: int) -> Floats:
        """Return the cumulative appeal of a day's products, with taste k from k to k + 1: (TASTE_COUNT * products,)."""
        return _compute_cumulative_appeal(self, self.count_products(day))


@lru_cache(maxsize=2)
def _compute_cumulative_appeal(world: World, products: int) -> Floats:
    cumulative = np.cumsum(world.appeal[:products].T, axis=1)
    cumulative /= cumulative[:, -1:]
    return np.asarray((cumulative + np.arange(TASTE_COUNT)[:, None]).ravel())


def build_world(config: DemoConfig) -> World:
    """Draw the customers, the catalog and the tastes of a configuration."""
    rng = config.make_rng(RandomStream.WORLD)
    customers, products = config.customers, config.products

    joins_later = rng.random(customers) < LATER_SIGNUP_SHARE
    signup_day = np.sort(np.where(joins_later, rng.random(customers) * GROWTH_SHARE * config.days, 0).astype(np.int32))
    signup_day[0] = 0
    launch_day = np.sort(_draw_launch_days(config.days, products, rng))

    category = rng.choice(len(CATEGORIES), products, p=_normalize(rng.uniform(0.5, 1.5, len(CATEGORIES))))
    has_brand = rng.random((len(CATEGORIES), len(BRANDS))) < 0.3
    has_brand[:, rng.permutation(len(BRANDS))[:3]] = True
    brand = np.array([rng.choice(np.flatnonzero(has_brand[row])) for row in category])
    price_level = rng.normal(0, 1, len(BRANDS))[brand] + rng.normal(0, 0.5, products)
    popularity_bias = -0.7 * np.log(rng.permutation(products) + 3.0)
    median_price = np.array([price for price, _ in CATEGORIES.values()])

    taste_weight = 0.12 * rng.uniform(0.4, 1.6, TASTE_COUNT)
    interest = draw_interest(taste_weight, customers, rng)
    log_appeal = (
        popularity_bias[:, None]
        + rng.normal(0, 2.2, (len(CATEGORIES), TASTE_COUNT))[category]
        + rng.normal(0, 1.2, (len(BRANDS), TASTE_COUNT))[brand]
        - 0.5 * (price_level[:, None] - rng.normal(0, 1, TASTE_COUNT)) ** 2
        + rng.normal(0, 0.8, (products, TASTE_COUNT))
    )
    appeal = np.exp(log_appeal)
    appeal /= appeal.sum(axis=0)
    average_appeal = appeal @ interest.mean(axis=0)
    base_price = median_price[category] * np.exp(0.5 * price_level)
    price_cents, is_in_stock = _draw_prices_and_stock(config.days, base_price, rng)
    return World(
        user_ids=make_ids("u", customers),
        signup_day=signup_day,
        cumulative_activity=np.cumsum(draw_activity(customers, rng)),
        mobile_share=draw_mobile_share(customers, rng),
        interest=interest.astype(np.float32),
        taste_weight=taste_weight,
        product_ids=make_ids("p", products),
        product_names=_make_product_names(category, brand, rng),
        categories=[list(CATEGORIES)[row] for row in category],
        brands=[BRANDS[row] for row in brand],
        launch_day=launch_day,
        popularity_score=np.round(_compute_rank_shares(popularity_bias + rng.normal(0, 0.5, products)), 3),
        appeal=appeal,
        lift=(appeal / average_appeal[:, None]).astype(np.float32),
        base_price=base_price,
        price_cents=price_cents,
        is_in_stock=is_in_stock,
    )


def draw_interest(taste_weight: Floats, customers: int, rng: np.random.Generator) -> Floats:
    """Draw the customers' distributions over the tastes: (customers, TASTE_COUNT)."""
    interest = rng.standard_gamma(taste_weight, (customers, TASTE_COUNT)) + 1e-9
    return np.asarray(0.92 * interest / interest.sum(axis=1, keepdims=True) + 0.08 / TASTE_COUNT)


def draw_activity(customers: int, rng: np.random.Generator) -> Floats:
    """Draw the customers' visit rates: (customers,)."""
    return rng.lognormal(0, 1.1, customers)


def draw_mobile_share(customers: int, rng: np.random.Generator) -> Floats:
    """Draw the probability of each customer that a session is on mobile: (customers,)."""
    return rng.beta(0.7, 0.5, customers)


def compute_price_cents(base_price: Floats, factor: Floats) -> Ints:
    """Compute the prices in cents, which end in .49 or .99: the shape of `factor`, whose last axis is the products."""
    return ((np.maximum(np.round(base_price * factor * 2), 2) * 50) - 1).astype(np.int32)


def _draw_launch_days(days: int, products: int, rng: np.random.Generator) -> Ints:
    """Draw the launch day of each product, a day of the catalog; 85 % are launched on the first day: (products,)."""
    later_days = np.arange(0, GROWTH_SHARE * days, CATALOG_EVERY_DAYS, dtype=np.int32)[1:]
    launch_days = np.zeros(products, dtype=np.int32)
    if len(later_days):
        later_count = round(LATER_LAUNCH_SHARE * products)
        launch_days[:later_count] = rng.choice(later_days, later_count)
    return launch_days


def _draw_prices_and_stock(days: int, base_price: Floats, rng: np.random.Generator) -> tuple[Ints, Bools]:
    """Draw the price in cents and the availability of each product in each catalog period: two (periods, products)."""
    shape = (-(-days // CATALOG_EVERY_DAYS), len(base_price))
    is_changed = rng.random(shape) < PRICE_CHANGE_SHARE
    is_changed[0] = True
    factor = np.where(is_changed, rng.choice(PRICE_FACTORS, shape), 0)
    changed_period = np.maximum.accumulate(np.where(is_changed, np.arange(shape[0])[:, None], 0), axis=0)
    factor = np.take_along_axis(factor, changed_period, axis=0)
    return compute_price_cents(base_price, factor), rng.random(shape) >= OUT_OF_STOCK_SHARE


def _make_product_names(category: Ints, brand: Ints, rng: np.random.Generator) -> list[str]:
    """Make a unique name for each product."""
    nouns = [nouns for _, nouns in CATEGORIES.values()]
    name_counts: dict[str, int] = {}
    names = []
    for c, b, a, n in zip(
        category, brand, rng.integers(0, len(ADJECTIVES), len(brand)), rng.random(len(brand)), strict=True
    ):
        name = f"{BRANDS[b]} {ADJECTIVES[a]} {nouns[c][int(n * len(nouns[c]))]}"
        name_counts[name] = name_counts.get(name, 0) + 1
        names.append(name if name_counts[name] == 1 else f"{name} {name_counts[name]}")
    return names


def make_ids(letter: str, number: int, first: int = 1) -> list[str]:
    """Make the ids of customers or products."""
    return [f"{letter}{i:05d}" for i in range(first, first + number)]


def _normalize(weights: Floats) -> Floats:
    return np.asarray(weights / weights.sum())


def _compute_rank_shares(values: Floats) -> Floats:
    """Compute, for each value, the share of values that are less or equal: (len(values),), 0 to 1."""
    return (np.argsort(np.argsort(values)) + 1) / len(values)
