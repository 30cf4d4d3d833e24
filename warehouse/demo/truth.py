"""Writes down what the generator planted: dirt to the row, and the tastes behind every event."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from pathlib import Path
from typing import Any, Self

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray
from pydantic import BaseModel, computed_field

from warehouse.demo.config import DemoConfig
from warehouse.demo.dirt import COPIES, Dirt
from warehouse.demo.feeds import DayTally, no_rows
from warehouse.demo.world import Bools, Floats, Ints, World

EVENT_REASONS = (
    Dirt.MISSING_USER,
    Dirt.MISSING_PRODUCT,
    Dirt.UNKNOWN_PRODUCT,
    Dirt.UNKNOWN_EVENT_TYPE,
    Dirt.BAD_TIMESTAMP,
)
PURCHASE_REASONS = (
    Dirt.MISSING_PRODUCT,
    Dirt.UNKNOWN_PRODUCT,
    Dirt.BAD_TIMESTAMP,
    Dirt.BAD_QUANTITY,
    Dirt.BAD_PRICE,
)
PRODUCT_REASONS = (Dirt.MISSING_PRODUCT, Dirt.BAD_PRICE)


class Accounts(BaseModel):
    """What files hold; lines = loaded + rejected, and loaded = clean + duplicates + quarantined."""

    files: int
    lines: int
    """Lines without headers; records of a catalog page."""
    rejected: int
    """Lines that cannot be parsed."""
    duplicates: int
    quarantined_by_reason: dict[str, int]
    """Rows that are bad for exactly this reason; their repeats are duplicates."""

    @computed_field  # type: ignore[prop-decorator]
    @property
    def loaded(self) -> int:
        """Lines that can be parsed."""
        return self.lines - self.rejected

    @computed_field  # type: ignore[prop-decorator]
    @property
    def quarantined(self) -> int:
        """Rows that break a rule."""
        return sum(self.quarantined_by_reason.values())

    @computed_field  # type: ignore[prop-decorator]
    @property
    def clean(self) -> int:
        """Rows that are neither duplicates nor quarantined."""
        return self.loaded - self.duplicates - self.quarantined


class FeedTruth(Accounts):
    """What all files of one feed hold."""

    repeated_files: int = 0
    reordered_headers: int = 0
    undeclared_columns: int = 0
    late: int = 0
    """Clean rows that arrived with a later day's file."""
    odd_casing: int = 0
    """Clean rows with an event type in another spelling."""
    returns: int = 0
    """Clean purchase lines with a negative quantity."""
    missing_user_kept: int = 0
    """Clean purchase lines without a customer."""


class Planted(BaseModel):
    """Contents of `planted.json`."""

    config: DemoConfig
    feeds: dict[str, FeedTruth]
    """By kind of feed: events, purchases, products."""
    days: dict[str, dict[date, Accounts]]
    """By kind of feed and day of delivery; days without a file are left out."""
    customers: int
    """Customers with at least one clean row."""
    products: int
    """Products in the catalog."""
    transactions: int
    """Transactions with at least one clean line, returns not counted."""


class Ledger:
    """Adds up what the daily files and the catalog hold."""

    def __init__(self, config: DemoConfig) -> None:
        self.config = config
        self.events: dict[date, _Sums] = {}
        self.purchases: dict[date, _Sums] = {}
        self.transactions = 0
        self.seen: Bools = np.zeros(config.customers, np.bool_)
        self.reordered_headers = 0
        self.has_new_column = False

    def add(self, tally: DayTally) -> None:
        """Count one more day."""
        day = self.config.start_date + timedelta(days=tally.day)
        self.events[day] = _Sums.of(tally.events, repeated=tally.has_repeated_file)
        self.purchases[day] = _Sums.of(tally.purchases)
        self.transactions += tally.transactions
        self.seen[tally.users] = True
        self.reordered_headers += tally.has_reordered_header
        self.has_new_column |= tally.has_new_column

    def planted(self, deliveries: dict[date, tuple[int, Ints]]) -> Planted:
        """The truth about all days, and about a catalog with so many pages and records by kind of dirt: (kinds,)."""
        catalog = {day: _Sums(rows=records, files=pages) for day, (pages, records) in deliveries.items()}
        events, purchases = _Sums.total(self.events), _Sums.total(self.purchases)
        by_feed = (
            ("events", self.events, EVENT_REASONS),
            ("purchases", self.purchases, PURCHASE_REASONS),
            ("products", catalog, PRODUCT_REASONS),
        )
        return Planted(
            config=self.config,
            feeds={
                "events": FeedTruth(
                    **events.accounts(EVENT_REASONS),
                    repeated_files=events.repeated_files,
                    undeclared_columns=int(self.has_new_column),
                    late=int(events.rows[Dirt.LATE]),
                    odd_casing=int(events.rows[Dirt.ODD_CASING]),
                ),
                "purchases": FeedTruth(
                    **purchases.accounts(PURCHASE_REASONS),
                    reordered_headers=self.reordered_headers,
                    late=int(purchases.rows[Dirt.LATE]),
                    returns=int(purchases.rows[Dirt.RETURNED]),
                    missing_user_kept=int(purchases.rows[Dirt.MISSING_USER]),
                ),
                "products": FeedTruth(**_Sums.total(catalog).accounts(PRODUCT_REASONS)),
            },
            days={
                feed: {day: Accounts(**sums.accounts(reasons)) for day, sums in days.items()}
                for feed, days, reasons in by_feed
            },
            customers=int(self.seen.sum()),
            products=self.config.products,
            transactions=self.transactions,
        )


@dataclass
class _Sums:
    """Files and lines of one feed, on one day or on all."""

    rows: Ints = field(default_factory=no_rows)
    """Lines by kind of dirt, repeated files not counted: (kinds,)."""
    files: int = 0
    repeated_files: int = 0
    repeated_lines: int = 0
    repeated_rejected: int = 0

    @classmethod
    def of(cls, rows: Ints, *, repeated: bool = False) -> Self:
        """A file with these lines, which may be there twice."""
        if not repeated:
            return cls(rows, files=1)
        return cls(rows, 2, repeated_files=1, repeated_lines=int(rows.sum()), repeated_rejected=int(rows[Dirt.BROKEN]))

    @classmethod
    def total(cls, days: Mapping[date, "_Sums"]) -> Self:
        """All days together."""
        total = cls()
        for sums in days.values():
            for name, value in vars(sums).items():
                setattr(total, name, getattr(total, name) + value)
        return total

    def accounts(self, reasons: Sequence[Dirt]) -> dict[str, Any]:
        """The fields of `Accounts`."""
        return {
            "files": self.files,
            "lines": int(self.rows.sum()) + self.repeated_lines,
            "rejected": int(self.rows[Dirt.BROKEN]) + self.repeated_rejected,
            "duplicates": int(self.rows[list(COPIES)].sum()) + self.repeated_lines - self.repeated_rejected,
            "quarantined_by_reason": {reason.name.lower(): int(self.rows[reason]) for reason in reasons},
        }


def write_truth(folder: Path, truth: Planted, world: World) -> None:
    """Write `planted.json` and both factor tables into `folder`.

    The dot product of a customer's and a product's factors is the probability that the customer's next look falls on
    the product once all products are launched, so it ranks as well as any model can.
    """
    start = np.datetime64(truth.config.start_date)
    _write_factors(folder / "user_factors.parquet", "user_id", world.user_ids, world.interest, start + world.signup_day)
    _write_factors(
        folder / "product_factors.parquet", "product_id", world.product_ids, world.appeal, start + world.launch_day
    )
    (folder / "planted.json").write_text(truth.model_dump_json(indent=2) + "\n", encoding="utf-8")


def _write_factors(path: Path, key: str, ids: list[str], factors: Floats, first_day: NDArray[np.datetime64]) -> None:
    width = factors.shape[1]
    offsets = np.arange(0, factors.size + 1, width, dtype=np.int32)
    values = pa.ListArray.from_arrays(offsets, factors.astype(np.float32).ravel())
    pq.write_table(pa.table({key: ids, "factors": values, "first_day": pa.array(first_day)}), path)
