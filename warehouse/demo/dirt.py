"""What goes wrong with a row, how much of it is planted where, and the planting."""

from enum import IntEnum

import numpy as np

from warehouse.demo.sessions import Rows
from warehouse.demo.world import Ints


class Dirt(IntEnum):
    """The one thing that is wrong or unusual about a row; the names of bad ones are the quarantine's reasons."""

    NONE = 0
    REPEATED = 1
    """Exact copy of a row of the same file."""
    REDELIVERED = 2
    """Exact copy of a row of the day before's file."""
    LATE = 3
    """Row of an earlier day; clean."""
    RETURNED = 4
    """Purchase line that takes an earlier one back; clean."""
    ODD_CASING = 5
    """Event type in another spelling; clean."""
    BROKEN = 6
    """Line that cannot be parsed."""
    MISSING_USER = 7
    """Row without a customer: quarantined as an event, clean as a purchase."""
    MISSING_PRODUCT = 8
    UNKNOWN_PRODUCT = 9
    UNKNOWN_EVENT_TYPE = 10
    BAD_TIMESTAMP = 11
    BAD_QUANTITY = 12
    BAD_PRICE = 13


DUPLICATE_KINDS = (Dirt.REPEATED, Dirt.REDELIVERED)

EVENT_SHARES = {
    Dirt.REPEATED: 0.15,
    Dirt.REDELIVERED: 0.10,
    Dirt.ODD_CASING: 0.15,
    Dirt.BROKEN: 0.10,
    Dirt.MISSING_USER: 0.15,
    Dirt.MISSING_PRODUCT: 0.05,
    Dirt.UNKNOWN_PRODUCT: 0.10,
    Dirt.UNKNOWN_EVENT_TYPE: 0.05,
    Dirt.BAD_TIMESTAMP: 0.05,
}
"""How the dirty share of the clickstream divides over the kinds."""

PURCHASE_SHARES = {
    Dirt.REPEATED: 0.10,
    Dirt.REDELIVERED: 0.10,
    Dirt.RETURNED: 0.30,
    Dirt.BROKEN: 0.10,
    Dirt.MISSING_USER: 0.15,
    Dirt.MISSING_PRODUCT: 0.05,
    Dirt.UNKNOWN_PRODUCT: 0.05,
    Dirt.BAD_TIMESTAMP: 0.05,
    Dirt.BAD_QUANTITY: 0.05,
    Dirt.BAD_PRICE: 0.05,
}
"""How the dirty share of the purchases divides over the kinds."""

LATE_SHARE = 0.10
"""The rest of the dirty share: whole sessions that arrive on a later day, with their purchases."""

MAX_LATE_DAYS = 3
"""The latest that an event arrives."""

RETURNED_AFTER_DAYS = 5

FIRST_POSSIBLE_DAY = {Dirt.REDELIVERED: 1, Dirt.LATE: 1, Dirt.RETURNED: RETURNED_AFTER_DAYS}
"""Kinds that need an earlier day to draw on."""

MIN_ROWS_PER_KIND = 5
"""Rows of each kind in a feed of any size, so that no kind is missing from a small shop."""


def plan_dirt(
    shares: dict[Dirt, float], dirt_share: float, rows_per_day: Ints, rng: np.random.Generator
) -> dict[Dirt, Ints]:
    """Number of rows of each kind to plant on each day: kind -> (days,)."""
    planned: dict[Dirt, Ints] = {}
    for kind, share in shares.items():
        weights = rows_per_day.astype(float)
        weights[: FIRST_POSSIBLE_DAY.get(kind, 0)] = 0
        total = max(MIN_ROWS_PER_KIND, round(share * dirt_share * weights.sum())) if dirt_share and weights.any() else 0
        planned[kind] = rng.multinomial(total, weights / max(weights.sum(), 1.0))
    return planned


def plant_dirt(rows: Rows, eligible: Ints, counts: dict[Dirt, int], rng: np.random.Generator) -> Rows:
    """Mark `counts` of the `eligible` rows as dirty, no row twice, and add the copies of those to be repeated."""
    kinds = rng.permutation(np.repeat(list(counts), list(counts.values())))[: len(eligible)]
    rows["dirt"][rng.choice(eligible, len(kinds), replace=False)] = kinds
    repeated = rows["dirt"] == Dirt.REPEATED
    copies = rows[repeated]
    rows["dirt"][repeated] = Dirt.NONE
    return np.concatenate([rows, copies])


def sample_rows(rows: Rows, count: int, kind: Dirt, rng: np.random.Generator) -> Rows:
    """Copies of up to `number` of the rows, marked as `kind`."""
    chosen = rows[np.sort(rng.choice(len(rows), min(count, len(rows)), replace=False))]
    chosen["dirt"] = kind
    return chosen
