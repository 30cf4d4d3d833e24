"""Configuration of the demo shop."""

from datetime import date
from enum import IntEnum

import numpy as np
from pydantic import BaseModel, ConfigDict, Field


class RandomStream(IntEnum):
    """Purposes of random numbers; each purpose, and each of its days, has a separate sequence."""

    WORLD = 0
    PLAN = 1
    SESSIONS = 2
    DIRT = 3
    CATALOG = 4
    HEADER = 5
    FURTHER_PERIOD = 6
    FURTHER_DAY = 7
    FURTHER_CATALOG = 8
    REACTION = 9


class DemoConfig(BaseModel):
    """Size, dirt and seed of a demo shop; equal configurations give files that are equal byte for byte."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    customers: int = Field(default=3_000, ge=1, le=10_000_000)
    """Customers who sign up during the whole period; slightly more than half sign up on the first day."""

    products: int = Field(default=1_200, ge=1, le=1_000_000)
    """Products of the catalog; 15 % of them are launched after the first day."""

    days: int = Field(default=90, ge=1, le=3_650)
    """Days of landing files, with one clickstream file and one purchase file each. Further days can follow, whose
    customers see recommendations (`warehouse.demo.next_day`); the first days do not depend on them."""

    events: int = Field(default=250_000, ge=1, le=500_000_000)
    """Views, clicks and add-to-carts of the whole period, accurate to a few percent."""

    eagerness: float = Field(default=0.0, ge=-5.0, le=5.0)
    """Log-odds that are added to the probabilities of add-to-cart and purchase after a click: at 0 there are 3 purchase
    lines per 100 events, at 1.45 there are 10."""

    effect: float = Field(default=1.0, ge=0.0, le=10.0)
    """Effect of the recommendations on further days: factor of the probability that a shown product is clicked. At 0
    the lists are shown and change nothing."""

    shown_share: float = Field(default=0.6, ge=0.0, le=1.0)
    """Share of the sessions of further days that show the customer's recommendations."""

    dirt: float = Field(default=0.01, ge=0.0, le=0.2)
    """Share of invalid or unusual rows; 0 for none."""

    seed: int = Field(default=7, ge=0)
    """Seed of all random sequences."""

    start_date: date = date(2026, 1, 1)
    """First day (UTC)."""

    def is_same_shop(self, other: "DemoConfig | None") -> bool:
        """Return whether another configuration gives the same first days."""
        # Only further days depend on them.
        further_fields = {"effect", "shown_share"}
        return other is not None and self.model_dump(exclude=further_fields) == other.model_dump(exclude=further_fields)

    def make_rng(self, stream: RandomStream, *path: int) -> np.random.Generator:
        """Make the generator of one purpose and day; its numbers do not depend on the order of calls."""
        return np.random.default_rng(np.random.SeedSequence(self.seed, spawn_key=(stream, *path)))
