"""Ground truth of the demo shop: the planted dirt of every feed and day, and the hidden tastes."""

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
from warehouse.demo.dirt import DUPLICATE_KINDS, Dirt
from warehouse.demo.feeds import DayTally, make_zero_counts
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


class RowAccounting(BaseModel):
    """Counts of rows by status: lines = loaded + rejected, and loaded = clean + duplicates + quarantined."""

    files: int
    lines: int
    """Lines without headers, or records of catalog pages."""
    rejected: int
    """Lines that cannot be parsed."""
    duplicates: int
    quarantined_by_reason: dict[str, int]
    """Invalid rows by reason; a row has one reason, and repeats of it are duplicates."""

    @computed_field  # type: ignore[prop-decorator]
    @property
    def loaded(self) -> int:
        """Lines that can be parsed."""
        return self.lines - self.rejected

    @computed_field  # type: ignore[prop-decorator]
    @property
    def quarantined(self) -> int:
        """Rows that violate a rule."""
        return sum(self.quarantined_by_reason.values())

    @computed_field  # type: ignore[prop-decorator]
    @property
    def clean(self) -> int:
        """Rows that are neither duplicates nor quarantined."""
        return self.loaded - self.duplicates - self.quarantined


class FeedTruth(RowAccounting):
    """Counts of all files of one feed."""

    repeated_files: int = 0
    reordered_headers: int = 0
    undeclared_columns: int = 0
    late: int = 0
    """Clean rows in a later day's file."""
    odd_casing: int = 0
    """Clean rows with an event type in another case or with spaces."""
    returns: int = 0
    """Clean purchase lines with a negative quantity."""
    missing_user_kept: int = 0
    """Clean purchase lines without a customer."""


class DemoTruth(BaseModel):
    """Content of `planted.json`."""

    config: DemoConfig
    feeds: dict[str, FeedTruth]
    """By kind of feed: events, purchases, products."""
    days: dict[str, dict[date, RowAccounting]]
    """By kind of feed and day of delivery; days without a file have no entry."""
    customers: int
    """Customers with at least one clean row."""
    products: int
    """Products in the catalog."""
    transactions: int
    """Transactions with at least one clean line, excluding returns."""


class TruthCounter:
    """Adds up the counts of the daily files and of the catalog."""

    def __init__(self, config: DemoConfig) -> None:
        self.config = config
        self.event_file_counts: dict[date, _FileCounts] = {}
        self.purchase_file_counts: dict[date, _FileCounts] = {}
        self.transaction_count = 0
        self.seen_customers: Bools = np.zeros(config.customers, np.bool_)
        self.reordered_header_count = 0
        self.has_new_column = False

    def add(self, tally: DayTally) -> None:
        """Add the counts of a day."""
        day = self.config.start_date + timedelta(days=tally.day)
        self.event_file_counts[day] = _FileCounts.count_file(tally.event_counts, is_repeated=tally.has_repeated_file)
        self.purchase_file_counts[day] = _FileCounts.count_file(tally.purchase_counts)
        self.transaction_count += tally.transaction_count
        self.seen_customers[tally.clean_users] = True
        self.reordered_header_count += tally.has_reordered_header
        self.has_new_column |= tally.has_new_column

    def build_truth(self, deliveries: dict[date, tuple[int, Ints]]) -> DemoTruth:
        """Build the truth of all days.

        Args:
            deliveries: The number of pages and of records by kind of dirt (kinds,) of each catalog delivery.
        """
        catalog_file_counts = {
            day: _FileCounts(row_counts=records, file_count=pages) for day, (pages, records) in deliveries.items()
        }
        events, purchases, catalog = (
            _FileCounts.sum_days(file_counts)
            for file_counts in (self.event_file_counts, self.purchase_file_counts, catalog_file_counts)
        )
        feed_days = (
            ("events", self.event_file_counts, EVENT_REASONS),
            ("purchases", self.purchase_file_counts, PURCHASE_REASONS),
            ("products", catalog_file_counts, PRODUCT_REASONS),
        )
        return DemoTruth(
            config=self.config,
            feeds={
                "events": FeedTruth(
                    **events.compute_accounting(EVENT_REASONS),
                    repeated_files=events.repeated_file_count,
                    undeclared_columns=int(self.has_new_column),
                    late=int(events.row_counts[Dirt.LATE]),
                    odd_casing=int(events.row_counts[Dirt.ODD_CASING]),
                ),
                "purchases": FeedTruth(
                    **purchases.compute_accounting(PURCHASE_REASONS),
                    reordered_headers=self.reordered_header_count,
                    late=int(purchases.row_counts[Dirt.LATE]),
                    returns=int(purchases.row_counts[Dirt.RETURNED]),
                    missing_user_kept=int(purchases.row_counts[Dirt.MISSING_USER]),
                ),
                "products": FeedTruth(**catalog.compute_accounting(PRODUCT_REASONS)),
            },
            days={
                feed: {day: RowAccounting(**counts.compute_accounting(reasons)) for day, counts in days.items()}
                for feed, days, reasons in feed_days
            },
            customers=int(self.seen_customers.sum()),
            products=self.config.products,
            transactions=self.transaction_count,
        )


@dataclass
class _FileCounts:
    """Files and lines of one feed on one day or on all days."""

    row_counts: Ints = field(default_factory=make_zero_counts)
    """Lines by kind of dirt, excluding repeated files: (kinds,)."""
    file_count: int = 0
    repeated_file_count: int = 0
    repeated_line_count: int = 0
    repeated_rejected_count: int = 0

    @classmethod
    def count_file(cls, rows: Ints, *, is_repeated: bool = False) -> Self:
        """Count a file with these lines, which may be delivered twice."""
        if not is_repeated:
            return cls(rows, file_count=1)
        return cls(
            rows,
            2,
            repeated_file_count=1,
            repeated_line_count=int(rows.sum()),
            repeated_rejected_count=int(rows[Dirt.BROKEN]),
        )

    @classmethod
    def sum_days(cls, days: Mapping[date, "_FileCounts"]) -> Self:
        """Add up the counts of all days."""
        total = cls()
        for counts in days.values():
            for name, value in vars(counts).items():
                setattr(total, name, getattr(total, name) + value)
        return total

    def compute_accounting(self, reasons: Sequence[Dirt]) -> dict[str, Any]:
        """Compute the fields of `RowAccounting`."""
        return {
            "files": self.file_count,
            "lines": int(self.row_counts.sum()) + self.repeated_line_count,
            "rejected": int(self.row_counts[Dirt.BROKEN]) + self.repeated_rejected_count,
            "duplicates": int(self.row_counts[list(DUPLICATE_KINDS)].sum())
            + self.repeated_line_count
            - self.repeated_rejected_count,
            "quarantined_by_reason": {reason.name.lower(): int(self.row_counts[reason]) for reason in reasons},
        }


def write_truth(folder: Path, truth: DemoTruth, world: World) -> None:
    """Write `planted.json` and both factor tables into a folder.

    The dot product of a customer's and a product's factors is the probability that the customer views the product next,
    after all products are launched. No model can rank better than by this probability.
    """
    start = np.datetime64(truth.config.start_date)
    _write_factors(folder / "user_factors.parquet", "user_id", world.user_ids, world.interest, start + world.signup_day)
    _write_factors(
        folder / "product_factors.parquet", "product_id", world.product_ids, world.appeal, start + world.launch_day
    )
    (folder / "planted.json").write_text(truth.model_dump_json(indent=2) + "\n", encoding="utf-8")


def make_factor_table(key: str, ids: list[str], factors: Floats, first_date: NDArray[np.datetime64]) -> pa.Table:
    """Make a table of factors and first dates by id."""
    width = factors.shape[1]
    offsets = np.arange(0, factors.size + 1, width, dtype=np.int32)
    values = pa.ListArray.from_arrays(offsets, factors.astype(np.float32).ravel())
    return pa.table({key: ids, "factors": values, "first_date": pa.array(first_date)})


def _write_factors(path: Path, key: str, ids: list[str], factors: Floats, first_date: NDArray[np.datetime64]) -> None:
    pq.write_table(make_factor_table(key, ids, factors, first_date), path)
