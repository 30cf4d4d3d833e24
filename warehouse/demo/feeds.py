"""Clickstream and purchase files of one day, and the counts of their rows."""

import gzip
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

import numpy as np

from warehouse.demo.config import DemoConfig, RandomStream
from warehouse.demo.days import DayPart, DemoShop, open_shop
from warehouse.demo.dirt import Dirt
from warehouse.demo.line_format import (
    IMPRESSION_COLUMNS,
    PURCHASE_COLUMNS,
    format_csv_lines,
    format_day,
    format_impression_lines,
    format_json_lines,
    has_new_column,
)
from warehouse.demo.reactions import DayLists
from warehouse.demo.sessions import Rows
from warehouse.demo.world import Ints

COMPRESSED_EVERY_DAYS = 3
REORDERED_EVERY_DAYS = 5

CLEAN_EVENT_KINDS = (Dirt.NONE, Dirt.LATE, Dirt.ODD_CASING)
CLEAN_PURCHASE_KINDS = (Dirt.NONE, Dirt.LATE, Dirt.RETURNED, Dirt.MISSING_USER)


def make_zero_counts() -> Ints:
    """Make zero counts of every kind of dirt: (kinds,)."""
    return np.zeros(len(Dirt), np.int64)


@dataclass
class DayTally:
    """Counts of the files of one day."""

    day: int
    has_repeated_file: bool
    has_reordered_header: bool
    event_counts: Ints = field(default_factory=make_zero_counts)
    """Clickstream lines by kind of dirt, excluding the repeated file: (kinds,)."""
    purchase_counts: Ints = field(default_factory=make_zero_counts)
    """Purchase lines by kind of dirt: (kinds,)."""
    impression_count: int = 0
    transaction_count: int = 0
    """Transactions with a clean line, excluding returns."""
    clean_users: Ints = field(default_factory=lambda: np.zeros(0, np.int32))
    """Indexes of the customers with a clean row, in ascending order."""
    has_new_column: bool = False

    def add(self, config: DemoConfig, clicks: Rows, purchases: Rows) -> None:
        """Add the rows of a part of the day."""
        self.event_counts += np.bincount(clicks["dirt"], minlength=len(Dirt))
        self.purchase_counts += np.bincount(purchases["dirt"], minlength=len(Dirt))
        clicks, purchases = (
            clicks[np.isin(clicks["dirt"], CLEAN_EVENT_KINDS)],
            purchases[np.isin(purchases["dirt"], CLEAN_PURCHASE_KINDS)],
        )
        purchase_lines = purchases[purchases["dirt"] != Dirt.RETURNED]
        self.transaction_count += len(np.unique(purchase_lines["session"]))
        lines_with_user = purchases[purchases["dirt"] != Dirt.MISSING_USER]
        self.clean_users = np.unique(np.concatenate([self.clean_users, clicks["user"], lines_with_user["user"]]))
        self.has_new_column |= bool(has_new_column(config, clicks).any())


def write_day(config: DemoConfig, landing: Path, day: int) -> DayTally:
    """Write the clickstream and purchase files of a day, counted from 0, into existing folders."""
    return write_day_of_shop(open_shop(config), landing, day)


def write_day_of_shop(
    shop: DemoShop,
    landing: Path,
    day: int,
    lists: DayLists | None = None,
    on_part: Callable[[DayPart], None] | None = None,
) -> DayTally:
    """Write the files of a day, whose sessions show the lists, into existing folders.

    A day on which no session shows a list has no file of impressions.
    """
    config, name = shop.config, format_day(shop.config, day)
    suffix = ".jsonl.gz" if day % COMPRESSED_EVERY_DAYS == COMPRESSED_EVERY_DAYS - 1 else ".jsonl"
    tally = DayTally(
        day,
        has_repeated_file=day in shop.repeated_file_days,
        has_reordered_header=day % REORDERED_EVERY_DAYS == REORDERED_EVERY_DAYS - 1,
    )
    columns = PURCHASE_COLUMNS
    if tally.has_reordered_header:
        columns = tuple(config.make_rng(RandomStream.HEADER, day).permutation(PURCHASE_COLUMNS).tolist())
    clicks_path = landing / "clickstream" / f"{name}{suffix}"
    impressions: list[bytes] = []
    with (
        _open_for_writing(clicks_path) as clicks_file,
        _open_for_writing(landing / "purchases" / f"{name}.csv") as purchases_file,
    ):
        purchases_file.write(f"{','.join(columns)}\n".encode())
        for part in shop.draw_parts(day, lists):
            clicks_file.write(format_json_lines(config, shop.world, part.written.clicks))
            purchases_file.write(format_csv_lines(config, shop.world, part.written.purchases, columns))
            impressions.append(format_impression_lines(config, shop.world, part.impressions))
            tally.add(config, part.written.clicks, part.written.purchases)
            tally.impression_count += len(part.impressions)
            if on_part:
                on_part(part)
    if tally.impression_count:
        header = f"{','.join(IMPRESSION_COLUMNS)}\n".encode()
        (landing / "impressions" / f"{name}.csv").write_bytes(header + b"".join(impressions))
    if tally.has_repeated_file:
        shutil.copyfile(clicks_path, clicks_path.with_name(f"{name} (1){suffix}"))
    return tally


@contextmanager
def _open_for_writing(path: Path) -> Iterator[IO[bytes] | gzip.GzipFile]:
    with path.open("wb") as file:
        if path.suffix != ".gz":
            yield file
            return
        # The header has no file name and no time, so that equal content gives equal files.
        with gzip.GzipFile(filename="", mode="wb", fileobj=file, compresslevel=4, mtime=0) as compressed:
            yield compressed
