"""The knobs of the demo shop."""

from datetime import date
from enum import IntEnum

import numpy as np
from pydantic import BaseModel, ConfigDict, Field


class RandomStream(IntEnum):
    """What random numbers are drawn for; each purpose, and each day of it, has a sequence of its own."""

    WORLD = 0
    PLAN = 1
    SESSIONS = 2
    DIRT = 3
    CATALOG = 4
    HEADER = 5


class DemoConfig(BaseModel):
    """Size, dirt and seed of a demo shop; equal configurations give equal files, byte for byte."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    customers: int = Field(default=3_000, ge=1, le=10_000_000)
    """Customers who sign up over the whole period; a little over half are there from the first day."""

    products: int = Field(default=1_200, ge=1, le=1_000_000)
    """Products of the catalog; 15 % of them are launched after the first day."""

    days: int = Field(default=90, ge=1, le=3_650)
    """Days that the landing files span, one clickstream and one purchase file each."""

    events: int = Field(default=250_000, ge=1, le=500_000_000)
    """Views, clicks and add-to-carts of the whole period, to within a few percent."""

    eagerness: float = Field(default=0.0, ge=-5.0, le=5.0)
    """How readily customers put in the cart and buy what they clicked, as log-odds above the usual: at 0 there are 3
    purchase lines to 100 events, at 1.45 there are 10."""

    dirt: float = Field(default=0.01, ge=0.0, le=0.2)
    """Share of rows with something wrong or unusual about them; 0 plants none."""

    seed: int = Field(default=7, ge=0)
    """Start of every random sequence."""

    start_date: date = date(2026, 1, 1)
    """First day (UTC)."""

    def make_rng(self, stream: RandomStream, *path: int) -> np.random.Generator:
        """Random numbers of one purpose and day, whoever asks for them and in whatever order."""
        return np.random.default_rng(np.random.SeedSequence(self.seed, spawn_key=(stream, *path)))
