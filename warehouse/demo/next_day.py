"""The demo shop after a publication: the landing files of the next day, whose customers see the live lists."""

import shutil
from collections.abc import Mapping
from datetime import date, timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from pydantic import BaseModel

from warehouse.demo.catalog import write_further_delivery
from warehouse.demo.config import DemoConfig
from warehouse.demo.days import DemoShop, open_extended_shop
from warehouse.demo.feeds import write_day_of_shop
from warehouse.demo.generator import IMPRESSION_FOLDER, SHOP_FOLDERS, read_marker
from warehouse.demo.line_format import format_day
from warehouse.demo.outcomes import FILE_PREFIX, OutcomeCounter
from warehouse.demo.reactions import DayLists, LiveList
from warehouse.demo.truth import make_factor_table
from warehouse.demo.world import CATALOG_EVERY_DAYS, Floats, Ints
from warehouse.errors import RecomartError


class NextDaySummary(BaseModel):
    """Counts of a further day's files."""

    date: date
    events: int
    """Lines of the clickstream, excluding a repeated file."""
    purchases: int
    impressions: int
    products: int
    """Records of the catalog delivery; 0 on most days."""


def find_next_day(config: DemoConfig, landing: Path) -> int:
    """Return the first day without purchase file, counted from 0; it is at least the number of configured days."""
    day = config.days
    while (landing / "purchases" / f"{format_day(config, day)}.csv").exists():
        day += 1
    return day


def generate_next_day(config: DemoConfig, landing: Path, truth: Path, lists: Mapping[str, LiveList]) -> NextDaySummary:
    """Write the landing files and the potential outcomes of the demo shop's next day, on which customers see lists.

    The same configuration, day and lists give the same bytes. What customers do depends on the customer, the day and
    the lists of that day alone, not on what they did or saw on earlier days. So the outcomes that the truth folder gets
    for each list are exact. Without lists, the files are those of a shop without recommendations.

    Args:
        config: The configuration of the demo shop in `landing`.
        landing: Folder of the landing files.
        truth: Folder of the ground truth.
        lists: The lists that are live on the day, by customer id. A customer without an entry sees no list.

    Raises:
        RecomartError: `landing` has no shop of this configuration, or the lists are not those of its customers.
    """
    landing, truth = landing.resolve(), truth.resolve()
    if not config.is_same_shop(read_marker(landing)):
        raise RecomartError(
            f"{landing}: the folder has no demo shop of this configuration. Generate it before its next day"
        )
    day = find_next_day(config, landing)
    shop = open_extended_shop(config, day)
    day_lists = DayLists.index(shop.world, lists)
    outcomes = OutcomeCounter(config, shop.world, day, day_lists)
    # The files appear one by one, and the purchases last: a killed call writes the whole day again.
    folder = landing.with_name(f".{landing.name}.writing")
    shutil.rmtree(folder, ignore_errors=True)
    try:
        for name in SHOP_FOLDERS:
            (folder / name).mkdir(parents=True)
        tally = write_day_of_shop(shop, folder, day, day_lists, outcomes.add)
        product_count = 0
        if day % CATALOG_EVERY_DAYS == 0:
            product_count = write_further_delivery(config, shop.world, folder, day // CATALOG_EVERY_DAYS)
        _add_factors(truth, shop, day)
        _write_outcomes(truth, shop, day, outcomes)
        _move_files(folder, landing)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    return NextDaySummary(
        date=config.start_date + timedelta(days=day),
        events=int(tally.event_counts.sum()),
        purchases=int(tally.purchase_counts.sum()),
        impressions=tally.impression_count,
        products=product_count,
    )


def _move_files(folder: Path, landing: Path) -> None:
    """Move the files of a folder into the landing folder: the products first, the purchases last."""
    for feed in ("catalog", IMPRESSION_FOLDER, "clickstream", "purchases"):
        for path in sorted((folder / feed).rglob("*")):
            target = landing / path.relative_to(folder)
            if path.is_dir():
                target.mkdir(parents=True, exist_ok=True)
            else:
                target.parent.mkdir(exist_ok=True)
                path.replace(target)


def _add_factors(truth: Path, shop: DemoShop, day: int) -> None:
    """Add the factors of the day's new customers and products to the truth, where they are not yet there.

    Rows that are there already stay as they are: a customer who was erased does not come back.
    """
    world, start = shop.world, np.datetime64(shop.config.start_date)

    def add(name: str, key: str, ids: list[str], factors: Floats, first_day: Ints) -> None:
        new = np.flatnonzero(first_day == day)
        path = truth / name
        table = pq.read_table(path)
        known = set(table[key].to_pylist())
        new = np.array([index for index in new if ids[index] not in known], dtype=np.int64)
        if len(new):
            new_ids = [ids[index] for index in new]
            further = make_factor_table(key, new_ids, factors[new], start + first_day[new]).cast(table.schema)
            _write_table(path, pa.concat_tables([table, further]))

    add("user_factors.parquet", "user_id", world.user_ids, world.interest, world.signup_day)
    add("product_factors.parquet", "product_id", world.product_ids, world.appeal, world.launch_day)


def _write_outcomes(truth: Path, shop: DemoShop, day: int, outcomes: OutcomeCounter) -> None:
    _write_table(truth / f"{FILE_PREFIX}{format_day(shop.config, day)}.parquet", outcomes.compute_outcomes())


def _write_table(path: Path, table: pa.Table) -> None:
    unfinished = path.with_name(f"{path.name}.tmp")
    pq.write_table(table, unfinished)
    unfinished.replace(path)
