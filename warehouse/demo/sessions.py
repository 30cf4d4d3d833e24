"""Sessions of the demo shop: customers, times, viewed products, and the funnel from view to purchase."""

from dataclasses import dataclass
from enum import IntEnum
from typing import Any

import numpy as np
from numpy.typing import NDArray

from warehouse.demo.config import DemoConfig, RandomStream
from warehouse.demo.world import CATALOG_EVERY_DAYS, Bools, Floats, Ints, World

DAY_MS = 86_400_000
EVENT_TYPES = ("view", "click", "add-to-cart")
DEVICES = ("web", "mobile")

_COMMON_FIELDS = [("user", "i4"), ("product", "i4"), ("session", "i8"), ("time", "i8"), ("dirt", "i1")]
CLICK_DTYPE = np.dtype([*_COMMON_FIELDS, ("event", "i1"), ("device", "i1")])
"""A clickstream row: indexes into the world's lists, and milliseconds since the start of the first day."""
PURCHASE_DTYPE = np.dtype([*_COMMON_FIELDS, ("quantity", "i4"), ("cents", "i4")])
"""A line of a transaction; the transaction has the number of its session."""
IMPRESSION_DTYPE = np.dtype([*_COMMON_FIELDS, ("position", "i4")])
"""A product of a list that a session showed; the first position is 1."""

Rows = NDArray[Any]
"""Structured array of CLICK_DTYPE, PURCHASE_DTYPE or IMPRESSION_DTYPE."""

HOURLY_WEIGHTS = (3, 2, 1, 1, 1, 2, 4, 7, 9, 10, 11, 12, 13, 12, 11, 11, 12, 14, 18, 23, 26, 24, 16, 8)
"""Relative number of sessions that begin in each hour (UTC), with a peak in the evening."""

# With the remaining probability, a view has a separate taste; a customer's overall distribution of tastes stays equal.
SESSION_TASTE_SHARE = 0.6
MAX_VISITS = 25
MAX_SESSIONS_A_DAY = 100_000_000


class SessionBlock(IntEnum):
    """Separately drawn parts of a day; a later day's file can repeat one part without drawing the whole day."""

    MAIN = 0
    REPLAYED = 1
    LATE = 2
    PILOT = 3


@dataclass(frozen=True)
class Traffic:
    """Clickstream rows and purchase lines of the same sessions."""

    clicks: Rows
    purchases: Rows


def draw_sessions(
    config: DemoConfig,
    world: World,
    day: int,
    count: int,
    block: SessionBlock,
    *,
    delivery_day: int,
    part: int = 0,
    parts: int = 1,
    first_number: int = 0,
) -> Traffic:
    """Draw `count` sessions of a day; their numbers begin with `delivery_day`.

    With several parts, each part has the sessions of one slice of the day.
    """
    rng = config.make_rng(RandomStream.SESSIONS, delivery_day, block, part)
    active = world.count_users(day)
    user = np.searchsorted(
        world.cumulative_activity[:active], rng.random(count) * world.cumulative_activity[active - 1], side="right"
    )
    user = np.minimum(user, active - 1).astype(np.int32)
    device = rng.random(count) < world.mobile_share[user]
    number = (delivery_day * 10 + block) * MAX_SESSIONS_A_DAY + first_number + np.arange(count)

    session = np.repeat(np.arange(count), np.minimum(rng.geometric(0.28, count), MAX_VISITS))
    product = _draw_products(world, day, user, session, rng)
    # A session has at most one view of each product.
    first_indexes = np.sort(np.unique(session * len(world.product_ids) + product, return_index=True)[1])
    session, product = session[first_indexes], product[first_indexes]
    is_clicked, is_carted, is_bought = _draw_funnel(config, world, day, user[session], product, rng)

    # All durations are in milliseconds. `ends` counts them from the start of the first session.
    view_ms = np.minimum(rng.lognormal(10.0, 0.8, len(product)), 300_000).astype(np.int64) + 1_000
    click_delay_ms, cart_delay_ms = rng.integers(1_500, 20_000, (2, len(product)))
    visit_ms = view_ms + click_delay_ms * is_clicked + cart_delay_ms * is_carted
    ends = np.cumsum(visit_ms)
    first_visit = np.searchsorted(session, np.arange(count))
    last_visit = np.searchsorted(session, np.arange(count), side="right") - 1
    offset = ends[first_visit] - visit_ms[first_visit]
    session_ms = ends[last_visit] - offset
    payment_delay_ms = rng.integers(20_000, 240_000, count)
    starts = _compute_time_of_day((part + rng.random(count)) / parts)
    starts = day * DAY_MS + np.minimum(starts, DAY_MS - 1 - session_ms - payment_delay_ms)
    viewed_at = starts[session] + ends - visit_ms - offset[session]

    event, visit = np.nonzero(np.stack([np.ones_like(is_clicked), is_clicked, is_carted]))
    clicks = np.zeros(len(event), CLICK_DTYPE)
    clicks["user"], clicks["product"], clicks["session"] = user[session[visit]], product[visit], number[session[visit]]
    clicks["event"], clicks["device"] = event, device[session[visit]]
    clicks["time"] = viewed_at[visit] + click_delay_ms[visit] * (event >= 1) + cart_delay_ms[visit] * (event == 2)

    purchases = np.zeros(int(is_bought.sum()), PURCHASE_DTYPE)
    line_session = session[is_bought]
    purchases["user"], purchases["session"] = user[line_session], number[line_session]
    purchases["product"] = product[is_bought]
    purchases["time"] = (starts + session_ms + payment_delay_ms)[line_session]
    purchases["quantity"] = 1 + rng.poisson(0.2, len(line_session))
    purchases["cents"] = world.price_cents[day // CATALOG_EVERY_DAYS, product[is_bought]]
    return Traffic(clicks, purchases)


def _draw_products(world: World, day: int, user: Ints, session: Ints, rng: np.random.Generator) -> Ints:
    """Draw the product of each view: first a taste from the customer's interest, then a product of the taste."""
    cumulative_interest = np.cumsum(world.interest[user], axis=1)
    cumulative_interest /= cumulative_interest[:, -1:]
    session_taste = (cumulative_interest < rng.random((len(user), 1))).sum(axis=1)
    view_taste = (cumulative_interest[session] < rng.random((len(session), 1))).sum(axis=1)
    taste = np.where(rng.random(len(session)) < SESSION_TASTE_SHARE, session_taste[session], view_taste)
    product_count = world.count_products(day)
    position = np.searchsorted(world.get_cumulative_appeal(day), taste + rng.random(len(session)), side="right")
    return np.asarray(np.clip(position - taste * product_count, 0, product_count - 1), np.int32)


def _draw_funnel(
    config: DemoConfig, world: World, day: int, user: Ints, product: Ints, rng: np.random.Generator
) -> tuple[Bools, Bools, Bools]:
    """Draw whether each view leads to a click, an add-to-cart and a purchase; affinity raises the probabilities."""
    click, cart, purchase = compute_funnel(config, world, day, user, product)
    is_clicked = rng.random(len(product)) < click
    is_carted = is_clicked & (rng.random(len(product)) < cart)
    return is_clicked, is_carted, is_carted & (rng.random(len(product)) < purchase)


def compute_funnel(
    config: DemoConfig, world: World, day: int, user: Ints, product: Ints
) -> tuple[Floats, Floats, Floats]:
    """Compute the probabilities of a click, of an add-to-cart after it, and of a purchase after that.

    `user` and `product` have the same shape, as have the probabilities.
    """
    affinity = np.log(np.einsum("...k,...k->...", world.interest[user], world.lift[product]))

    def compute_step(intercept: float, slope: float) -> Floats:
        return np.asarray(1 / (1 + np.exp(-intercept - slope * affinity)))

    is_in_stock = world.is_in_stock[day // CATALOG_EVERY_DAYS, product]
    return (
        compute_step(-1.0, 0.5),
        compute_step(config.eagerness - 1.5, 0.5) * is_in_stock,
        compute_step(config.eagerness - 0.5, 0.4),
    )


def _compute_time_of_day(share: Floats) -> Ints:
    """Compute the milliseconds of the day by which a share of the day's sessions has begun."""
    hours = np.concatenate([[0], np.cumsum(HOURLY_WEIGHTS)]) / sum(HOURLY_WEIGHTS)
    return (np.interp(share, hours, np.arange(25)) * 3_600_000).astype(np.int64)
