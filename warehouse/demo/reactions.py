"""Reactions to recommendations: what a day's sessions show, and the clicks, carts and purchases that this adds.

A session shows the customer's list with a known probability. Each shown product is clicked, put into the cart and
bought with probabilities that follow the customer's hidden affinity to the product, times the planted effect. The
random numbers belong to the session and the position, whatever the list is. So a reaction depends on the customer, the
day and the customer's list of that day, and not on earlier reactions: the outcomes of several lists are drawn from the
same numbers, and their difference is the true effect.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from warehouse.demo.config import DemoConfig, RandomStream
from warehouse.demo.sessions import (
    CLICK_DTYPE,
    DAY_MS,
    IMPRESSION_DTYPE,
    PURCHASE_DTYPE,
    Rows,
    SessionBlock,
    Traffic,
    compute_funnel,
)
from warehouse.demo.world import CATALOG_EVERY_DAYS, Ints, World
from warehouse.errors import RecomartError

LIST_LENGTH = 10
"""Number of products of a list that a session shows."""

NO_LIST = "none"
"""Name of the outcomes of customers who see no list."""

CLICK_SHARE = 0.08
"""Clicks on a product that is shown, per click on a product that the customer chose to view, at effect 1."""

_NO_PRODUCT = -1


@dataclass(frozen=True)
class LiveList:
    """Recommendations of a customer on a day."""

    product_ids: Sequence[str] = ()
    """The list that the customer sees, in order of rank; empty if the customer sees none."""
    experiment: str | None = None
    arm: str | None = None
    lists_by_arm: Mapping[str, Sequence[str]] = field(default_factory=dict)
    """For a customer of an experiment: the list that the customer would see in each other arm."""


@dataclass(frozen=True, eq=False)
class DayLists:
    """Lists of all customers on a day, as indexes of products: (customers, LIST_LENGTH) each, -1 for no product."""

    shown: Ints
    potential: dict[str, Ints]
    """By arm, and under `NO_LIST`: the lists that the customers of an experiment would see; others have none."""
    experiments: dict[int, tuple[str, str]]
    """Experiment and arm of each customer of an experiment."""

    @classmethod
    def index(cls, world: World, lists: Mapping[str, LiveList]) -> "DayLists":
        """Index the lists by customer id.

        Raises:
            RecomartError: A customer or product is not of the demo shop, or a list of an arm is missing.
        """
        user_index = {user: index for index, user in enumerate(world.user_ids)}
        product_index = {product: index for index, product in enumerate(world.product_ids)}

        def make_matrix(lists_by_user: Mapping[str, Sequence[str]]) -> Ints:
            matrix = np.full((len(world.user_ids), LIST_LENGTH), _NO_PRODUCT, np.int32)
            for user, products in lists_by_user.items():
                matrix[user_index[user], : len(products)] = [product_index[p] for p in products[:LIST_LENGTH]]
            return matrix

        participants = {user: live for user, live in lists.items() if live.experiment is not None}
        arm_lists = {
            user: {**live.lists_by_arm, live.arm or "": live.product_ids} for user, live in participants.items()
        }
        arms = sorted({arm for lists_by_arm in arm_lists.values() for arm in lists_by_arm})
        try:
            return cls(
                shown=make_matrix({user: live.product_ids for user, live in lists.items()}),
                potential={
                    NO_LIST: make_matrix({}),
                    **{arm: make_matrix({user: by_arm[arm] for user, by_arm in arm_lists.items()}) for arm in arms},
                },
                experiments={
                    user_index[user]: (live.experiment or "", live.arm or "") for user, live in participants.items()
                },
            )
        except KeyError as error:
            raise RecomartError(
                f"the lists of the demo shop's next day: {error} is not a customer, product or arm of all lists. "
                "Give the lists of the demo shop's customers, with a list for each arm of their experiment"
            ) from None


@dataclass(frozen=True, eq=False)
class Reaction:
    """Rows that lists add to a day."""

    impressions: Rows
    clicks: Rows
    purchases: Rows

    @classmethod
    def concatenate(cls, reactions: Sequence["Reaction"]) -> "Reaction":
        """Concatenate the rows of several groups of sessions."""
        return cls(
            np.concatenate([np.zeros(0, IMPRESSION_DTYPE), *(reaction.impressions for reaction in reactions)]),
            np.concatenate([np.zeros(0, CLICK_DTYPE), *(reaction.clicks for reaction in reactions)]),
            np.concatenate([np.zeros(0, PURCHASE_DTYPE), *(reaction.purchases for reaction in reactions)]),
        )


def draw_reactions(
    config: DemoConfig,
    world: World,
    day: int,
    block: SessionBlock,
    part: int,
    traffic: Traffic,
    lists: DayLists | None,
) -> tuple[Reaction, dict[str, Reaction]]:
    """Draw the reactions of sessions to the lists that they show, and to each of the potential lists."""
    if lists is None or not len(traffic.clicks):
        return Reaction.concatenate([]), {name: Reaction.concatenate([]) for name in (lists.potential if lists else ())}
    sessions = _ListSessions(config, world, day, traffic, config.make_rng(RandomStream.REACTION, day, block, part))
    return sessions.react(lists.shown), {name: sessions.react(matrix) for name, matrix in lists.potential.items()}


def merge_reactions(
    groups: Iterable[tuple[Reaction, dict[str, Reaction]]],
) -> tuple[Reaction, dict[str, Reaction]]:
    """Merge the reactions of several groups of sessions."""
    shown, potential = zip(*groups, strict=True)
    names = dict.fromkeys(name for reactions in potential for name in reactions)
    return Reaction.concatenate(shown), {
        name: Reaction.concatenate([reactions[name] for reactions in potential]) for name in names
    }


class _ListSessions:
    """Sessions and all random numbers of their reactions, drawn before any list is known."""

    def __init__(self, config: DemoConfig, world: World, day: int, traffic: Traffic, rng: np.random.Generator) -> None:
        self._config, self._world, self._day = config, world, day
        clicks = traffic.clicks
        self._numbers, first, session = np.unique(clicks["session"], return_index=True, return_inverse=True)
        self._user, self._device = clicks["user"][first], clicks["device"][first]
        start = np.full(len(first), (day + 1) * DAY_MS)
        np.minimum.at(start, session, clicks["time"])
        self._viewed = np.unique(session * len(world.product_ids) + clicks["product"])

        shape = (len(first), LIST_LENGTH)
        self._is_shown = rng.random(len(first)) < config.shown_share
        self._click_draw, self._cart_draw, self._purchase_draw = rng.random((3, *shape))
        self._quantity = 1 + rng.poisson(0.2, shape)
        seen_at = start + rng.integers(200, 900, len(first))
        # Clicks and carts lie between the list and the order, which is the order that the session has anyway, if any.
        ordered_at = np.minimum(seen_at + rng.integers(60_000, 300_000, len(first)), (day + 1) * DAY_MS - 1)
        order_numbers, line = np.unique(traffic.purchases["session"], return_index=True)
        ordered_at[np.searchsorted(self._numbers, order_numbers)] = traffic.purchases["time"][line]
        self._seen_at, self._ordered_at = seen_at, ordered_at
        click_share, cart_share = rng.random((2, *shape))
        self._click_share = 0.05 + 0.45 * click_share
        self._cart_share = self._click_share + 0.05 + 0.4 * cart_share

    def react(self, lists: Ints) -> Reaction:
        """Return the rows that are added when each customer's sessions show these lists."""
        config, world = self._config, self._world
        products = lists[self._user]
        session, position = np.nonzero((products != _NO_PRODUCT) & self._is_shown[:, None])
        product, user = products[session, position], self._user[session]
        seen_at = self._seen_at[session]
        impressions = np.zeros(len(session), IMPRESSION_DTYPE)
        impressions["position"] = position + 1
        self._fill(impressions, session, product, seen_at)

        # A product that the session views anyway gets no second reaction.
        is_viewed = np.isin(session * len(world.product_ids) + product, self._viewed)
        click, cart, purchase = compute_funnel(config, world, self._day, user, product)
        cell = session, position
        is_clicked = (self._click_draw[cell] < config.effect * CLICK_SHARE * click) & ~is_viewed
        is_carted = is_clicked & (self._cart_draw[cell] < cart)
        is_bought = is_carted & (self._purchase_draw[cell] < purchase)
        duration = self._ordered_at[session] - seen_at
        clicked_at = seen_at + (duration * self._click_share[cell]).astype(np.int64)
        carted_at = seen_at + (duration * self._cart_share[cell]).astype(np.int64)

        clicks = np.zeros(int(is_clicked.sum() + is_carted.sum()), CLICK_DTYPE)
        rows = np.concatenate([np.flatnonzero(is_clicked), np.flatnonzero(is_carted)])
        clicks["event"] = np.repeat([1, 2], [is_clicked.sum(), is_carted.sum()])
        clicks["device"] = self._device[session[rows]]
        self._fill(
            clicks, session[rows], product[rows], np.where(clicks["event"] == 1, clicked_at[rows], carted_at[rows])
        )

        purchases = np.zeros(int(is_bought.sum()), PURCHASE_DTYPE)
        bought = session[is_bought]
        self._fill(purchases, bought, product[is_bought], self._ordered_at[bought])
        purchases["quantity"] = self._quantity[cell][is_bought]
        purchases["cents"] = world.price_cents[self._day // CATALOG_EVERY_DAYS, product[is_bought]]
        return Reaction(impressions, clicks, purchases)

    def _fill(self, rows: Rows, session: Ints, product: Ints, time: Ints) -> None:
        """Fill the common fields of rows."""
        rows["user"], rows["session"] = self._user[session], self._numbers[session]
        rows["product"], rows["time"] = product, time
