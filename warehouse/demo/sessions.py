"""Visits to the shop: who comes when, what they look at, and how far down the funnel they go."""

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
"""A clickstream row: positions in the world's lists, and milliseconds since the first day began."""
PURCHASE_DTYPE = np.dtype([*_COMMON_FIELDS, ("quantity", "i4"), ("cents", "i4")])
"""A line of a transaction, which has the number of the session that bought."""

Rows = NDArray[Any]
"""Structured array of CLICK or PURCHASE."""

HOURLY_WEIGHTS = (3, 2, 1, 1, 1, 2, 4, 7, 9, 10, 11, 12, 13, 12, 11, 11, 12, 14, 18, 23, 26, 24, 16, 8)
"""Relative number of sessions that begin in each hour (UTC): an evening peak."""

# A session moves on to an unrelated taste with the remaining probability; what a customer sees overall is the same.
SESSION_TASTE_SHARE = 0.6
MAX_VISITS = 25
MAX_SESSIONS_A_DAY = 100_000_000


class SessionBlock(IntEnum):
    """Parts of a day that are drawn apart, so that a later day's file can repeat one without drawing the whole day."""

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
    """Draw `count` sessions that take place on `day` and are numbered by the day `told_on`.

    With several parts, each holds the sessions that begin in its own slice of the day.
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
    # Nobody looks at the same product twice in one session.
    kept = np.sort(np.unique(session * len(world.product_ids) + product, return_index=True)[1])
    session, product = session[kept], product[kept]
    clicked, carted, bought = _draw_funnel(config, world, day, user[session], product, rng)

    looked = np.minimum(rng.lognormal(10.0, 0.8, len(product)), 300_000).astype(np.int64) + 1_000
    to_click, to_cart = rng.integers(1_500, 20_000, (2, len(product)))
    spent = looked + to_click * clicked + to_cart * carted
    ends = np.cumsum(spent)
    first_visit = np.searchsorted(session, np.arange(count))
    last_visit = np.searchsorted(session, np.arange(count), side="right") - 1
    before = ends[first_visit] - spent[first_visit]
    length = ends[last_visit] - before
    to_pay = rng.integers(20_000, 240_000, count)
    starts = _compute_time_of_day((part + rng.random(count)) / parts)
    starts = day * DAY_MS + np.minimum(starts, DAY_MS - 1 - length - to_pay)
    viewed_at = starts[session] + ends - spent - before[session]

    event, visit = np.nonzero(np.stack([np.ones_like(clicked), clicked, carted]))
    clicks = np.zeros(len(event), CLICK_DTYPE)
    clicks["user"], clicks["product"], clicks["session"] = user[session[visit]], product[visit], number[session[visit]]
    clicks["event"], clicks["device"] = event, device[session[visit]]
    clicks["time"] = viewed_at[visit] + to_click[visit] * (event >= 1) + to_cart[visit] * (event == 2)

    purchases = np.zeros(int(bought.sum()), PURCHASE_DTYPE)
    buyer = session[bought]
    purchases["user"], purchases["product"], purchases["session"] = user[buyer], product[bought], number[buyer]
    purchases["time"] = (starts + length + to_pay)[buyer]
    purchases["quantity"] = 1 + rng.poisson(0.2, len(buyer))
    purchases["cents"] = world.price_cents[day // CATALOG_EVERY_DAYS, product[bought]]
    return Traffic(clicks, purchases)


def _draw_products(world: World, day: int, user: Ints, session: Ints, rng: np.random.Generator) -> Ints:
    """Product of each visit: a taste drawn from the customer's interest, then a product drawn from the taste."""
    running = np.cumsum(world.interest[user], axis=1)
    running /= running[:, -1:]
    of_session = (running < rng.random((len(user), 1))).sum(axis=1)
    of_visit = (running[session] < rng.random((len(session), 1))).sum(axis=1)
    taste = np.where(rng.random(len(session)) < SESSION_TASTE_SHARE, of_session[session], of_visit)
    products = world.count_products(day)
    position = np.searchsorted(world.get_cumulative_appeal(day), taste + rng.random(len(session)), side="right")
    return np.asarray(np.clip(position - taste * products, 0, products - 1), np.int32)


def _draw_funnel(
    config: DemoConfig, world: World, day: int, user: Ints, product: Ints, rng: np.random.Generator
) -> tuple[Bools, Bools, Bools]:
    """Whether each view led to a click, to the cart and to a purchase; the better the match, the likelier."""
    affinity = np.log(np.einsum("vk,vk->v", world.interest[user], world.lift[product]))

    def draw_step(ease: float, pull: float) -> Bools:
        return np.asarray(rng.random(len(product)) < 1 / (1 + np.exp(-ease - pull * affinity)))

    clicked = draw_step(-1.0, 0.5)
    carted = clicked & draw_step(config.eagerness - 1.5, 0.5) & world.is_in_stock[day // CATALOG_EVERY_DAYS, product]
    return clicked, carted, carted & draw_step(config.eagerness - 0.5, 0.4)


def _compute_time_of_day(share: Floats) -> Ints:
    """Milliseconds into the day by which `share` of its sessions have begun."""
    hours = np.concatenate([[0], np.cumsum(HOURLY_WEIGHTS)]) / sum(HOURLY_WEIGHTS)
    return (np.interp(share, hours, np.arange(25)) * 3_600_000).astype(np.int64)
