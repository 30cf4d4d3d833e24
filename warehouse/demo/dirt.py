"""Dirt: the kinds of invalid and unusual rows, their shares, and their insertion into rows."""

from enum import IntEnum

import numpy as np

from warehouse.demo.sessions import Rows
from warehouse.demo.world import Ints


class Dirt(IntEnum):
    """Kind of dirt of a row, at most one; the names of invalid kinds are the quarantine's reasons."""

    NONE = 0
    REPEATED = 1
    """Exact copy of a row of the same file."""
    REDELIVERED = 2
    """Exact copy of a row of the previous day's file."""
    LATE = 3
    """Row of an earlier day; clean."""
    RETURNED = 4
    """Purchase line that returns an earlier one; clean."""
    ODD_CASING = 5
    """Event type in another case or with spaces; clean."""
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
"""Shares of the kinds in the dirty rows of the clickstream."""

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
"""Shares of the kinds in the dirty rows of the purchases."""

LATE_SHARE = 0.10
"""Share of late sessions, which arrive on a later day with their purchases; the rest of the dirty share."""

MAX_LATE_DAYS = 3
"""Maximum delay of a late session."""

RETURNED_AFTER_DAYS = 5

FIRST_POSSIBLE_DAY = {Dirt.REDELIVERED: 1, Dirt.LATE: 1, Dirt.RETURNED: RETURNED_AFTER_DAYS}
"""First day of the kinds that copy rows of an earlier day."""

MIN_ROWS_PER_KIND = 5
"""Minimum rows of each kind in a feed, so that a small shop has every kind."""


def plan_dirt(
    shares: dict[Dirt, float], dirt_share: float, rows_per_day: Ints, rng: np.random.Generator
) -> dict[Dirt, Ints]:
    """Plan the number of rows of each kind on each day: kind -> (days,)."""
    planned: dict[Dirt, Ints] = {}
    for kind, share in shares.items():
        weights = rows_per_day.astype(float)
        weights[: FIRST_POSSIBLE_DAY.get(kind, 0)] = 0
        total = max(MIN_ROWS_PER_KIND, round(share * dirt_share * weights.sum())) if dirt_share and weights.any() else 0
        planned[kind] = rng.multinomial(total, weights / max(weights.sum(), 1.0))
    return planned


def plant_dirt(rows: Rows, eligible: Ints, counts: dict[Dirt, int], rng: np.random.Generator) -> Rows:
    """Mark `counts` of the `eligible` rows as dirty, each row at most once, and append copies of the repeated rows."""
    kinds = rng.permutation(np.repeat(list(counts), list(counts.values())))[: len(eligible)]
    rows["dirt"][rng.choice(eligible, len(kinds), replace=False)] = kinds
    is_repeated = rows["dirt"] == Dirt.REPEATED
    copies = rows[is_repeated]
    rows["dirt"][is_repeated] = Dirt.NONE
    return np.concatenate([rows, copies])


def sample_rows(rows: Rows, count: int, kind: Dirt, rng: np.random.Generator) -> Rows:
    """Copy up to `count` random rows and mark the copies as `kind`."""
    sample = rows[np.sort(rng.choice(len(rows), min(count, len(rows)), replace=False))]
    sample["dirt"] = kind
    return sample
